"""Ingestion: every journal line is in the store exactly once, whoever is killed, and the store can be rebuilt."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from analytics.ingest import Ingest
from analytics.store import ScanStore
from redirector.journal import Journal
from redirector.records import scan_line
from tests.children import child
from tests.scan_samples import scan, scan_lines, write_segment
from waymark.upkeep import compress_segments

pytestmark = pytest.mark.anyio


class Reading:
    """A store in a folder of its own, with ingestion running."""

    def __init__(self, folder: Path) -> None:
        self.store = ScanStore.open(folder / "scans.duckdb")
        self.rows: list[dict[str, Any]] = []
        self.ingest = Ingest(
            self.store, folder / "journal", folder / "geo", keep_prefix=False, on_rows=self.rows.extend
        )

    async def wait_for(self, scans: int) -> None:
        await until_async(lambda: self.count(), scans)

    async def count(self) -> int:
        [(number,)] = await self.store.query("SELECT count(*) FROM scans")
        return int(number)

    async def counted(self) -> int:
        return self.ingest.state.scans

    async def ids(self) -> list[int]:
        return [int(row[0], 16) for row in await self.store.query("SELECT id FROM scans ORDER BY id")]


async def until_async(ask: Callable[[], Any], wanted: object) -> None:
    async with asyncio.timeout(60):
        while await ask() != wanted:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def reading(folder: Path) -> AsyncIterator[Reading]:
    running = Reading(folder)
    task = asyncio.create_task(running.ingest.run())
    try:
        yield running
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        running.store.close()


def write_journal(folder: Path, segments: int, scans_each: int) -> int:
    """Scans 0, 1, 2 ... in this many segments; how many there are."""
    for number in range(segments):
        lines = scan_lines(range(number * scans_each, (number + 1) * scans_each))
        write_segment(folder / "journal", lines, number=number + 1)
    return segments * scans_each


async def test_what_is_there_and_what_comes(tmp_path: Path) -> None:
    total = write_journal(tmp_path, 3, 100)
    async with reading(tmp_path) as running:
        await running.wait_for(total)
        path = write_segment(tmp_path / "journal", scan_lines([1_000, 1_001]), number=9)
        await running.wait_for(total + 2)
        with path.open("ab") as file:
            file.write(scan_lines([1_002])[0])
        await running.wait_for(total + 3)
        await until_async(running.counted, total + 3)  # state and rows are told just after the commit
        assert await running.ids() == [*range(total), 1_000, 1_001, 1_002]
        assert [int(row["id"], 16) for row in running.rows[-3:]] == [1_000, 1_001, 1_002]
        assert running.rows[-1]["device"] == "mobile"
        assert running.ingest.state.scans == total + 3
        assert running.ingest.state.problem is None
        process = running.ingest._process
    assert process is not None
    assert process.returncode is not None  # the child ended with it


async def test_a_second_start_reads_nothing_twice(tmp_path: Path) -> None:
    total = write_journal(tmp_path, 2, 50)
    async with reading(tmp_path) as running:
        await running.wait_for(total)
    write_segment(tmp_path / "journal", scan_lines([1_000]), number=3)
    async with reading(tmp_path) as running:
        await running.wait_for(total + 1)
        await until_async(running.counted, 1)  # the state is told just after the commit
        assert await running.ids() == [*range(total), 1_000]


async def test_a_damaged_line_is_set_aside_once_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = scan_lines([1, 2, 3])
    path = write_segment(tmp_path / "journal", [first, second.replace(b'"scan"', b'"scam"'), third, b'["scan",1,"to'])
    write_segment(tmp_path / "journal", scan_lines([4]), number=2)
    for _ in range(2):
        async with reading(tmp_path) as running:
            await running.wait_for(3)
            assert await running.ids() == [1, 3, 4]
            found = await running.store.query("SELECT segment, at_offset FROM quarantine")
            assert found == [(path.name, len(first))]
            marks = "SELECT scans, corrupt, torn_bytes, done FROM journal_marks WHERE segment = ?"
            assert await running.store.query(marks, [path.name]) == [(2, 1, 13, True)]
    assert "1 corrupt lines set aside" in caplog.text


async def test_the_writers_count_and_the_readers_agree(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "public-0", segment_bytes=5_000)
    journal.open()
    writing = asyncio.create_task(journal.run())
    async with reading(tmp_path) as running:
        for number in range(300):
            journal.append_scan(scan_line(scan(number)))
            await asyncio.sleep(0.001)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        journal.close()
        await running.wait_for(300)
        counted = "SELECT answered, recorded, pending, lost, seen_scans, seen_corrupt FROM accounting"
        await until_async(lambda: running.store.query(counted), [(300, 300, 0, 0, 300, 0)])
        assert await running.ids() == list(range(300))


async def test_a_killed_enrichment_process_is_replaced(tmp_path: Path) -> None:
    total = write_journal(tmp_path, 2, 50)
    async with reading(tmp_path) as running:
        await running.wait_for(total)
        assert running.ingest._process is not None
        os.kill(running.ingest._process.pid, signal.SIGKILL)
        write_segment(tmp_path / "journal", scan_lines([1_000]), number=10)
        await running.wait_for(total + 1)
        assert running.ingest.state.restarts == 1
        assert await running.ids() == [*range(100), 1_000]


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.ci, pytest.mark.together])])
async def test_kill_9_of_the_owner_doubles_and_loses_nothing(tmp_path: Path, kills: int) -> None:
    """A real process that ingests is killed between and amid commits; the recount equals the journal."""
    total = write_journal(tmp_path, 30 * kills, 40)
    for kill in range(kills):
        with child("ingest", tmp_path) as process:
            assert process.stdout is not None
            for _ in range(3 + 5 * (kill % 3)):
                process.stdout.readline()
    async with reading(tmp_path) as running:
        await running.wait_for(total)
        assert await running.ids() == list(range(total))
        [(marked,)] = await running.store.query("SELECT sum(scans) FROM journal_marks")
        assert marked == total
        assert running.ingest.state.scans < total  # the killed ones had done a part


async def test_a_lost_store_is_rebuilt_from_the_journal(tmp_path: Path) -> None:
    """Compressed segments, corrupt lines and torn ends included: the same rows, marks and counts."""
    journal = tmp_path / "journal"
    total = write_journal(tmp_path, 4, 100)
    write_segment(journal, [*scan_lines(range(1_000, 1_010)), b"damage\n", b"torn"], number=5)
    write_segment(journal, scan_lines([2_000]), number=6)
    total += 11
    compared = (
        "SELECT segment, scans, corrupt, torn_bytes, done FROM journal_marks ORDER BY segment",
        "SELECT * FROM quarantine",
        "SELECT * FROM scans ORDER BY id",
    )
    async with reading(tmp_path) as running:
        await running.wait_for(total)
        before = [await running.store.query(question) for question in compared]
        _marks, finished = await running.store.marks()
    assert compress_segments(journal, finished) == 5
    for file in list(tmp_path.glob("scans.duckdb*")):  # noqa: ASYNC240
        file.unlink()
    async with reading(tmp_path) as running:
        await running.wait_for(total)
        assert [await running.store.query(question) for question in compared] == before


async def test_pausing_holds_batches_back(tmp_path: Path) -> None:
    write_journal(tmp_path, 1, 10)
    async with reading(tmp_path) as running:
        await running.wait_for(10)
        async with running.ingest.paused:
            write_segment(tmp_path / "journal", scan_lines([1_000]), number=2)
            for _ in range(20):
                await asyncio.sleep(0.01)
                assert await running.count() == 10
        await running.wait_for(11)
