"""Scans and looks of deleted jobs: gone from the store at once, from closed segments without moving a byte of the rest."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from analytics.erasing import LINGER, Erasure, clear_segments
from analytics.segments import list_segments, read_chunk
from analytics.store import ScanStore
from database.engine import Database
from database.schema import erasures
from redirector.journal import segment_name
from redirector.records import Erased, Scan, Stats, View, erased_line, parse_line, scan_line, stats_line, view_line
from tests.conftest import both_databases

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
NOW_US = int(NOW.timestamp() * 1e6)
GONE = (frozenset([b"7"]), frozenset([b"3"]))


def scan(code_id: int, number: int = 1, agent: str = "Phone") -> bytes:
    return scan_line(
        Scan(
            f"{number:024x}",
            NOW_US,
            code_id,
            1,
            None,
            None,
            None,
            "192.0.2.0",
            agent,
            "",
            "en",
            {},
            False,
            "",
            "w",
            False,
        )
    )


def view(job_id: int) -> bytes:
    return view_line(View(NOW_US, job_id, None, ""))


def segment(folder: Path, number: int, *lines: bytes, packed: bool = False) -> Path:
    path = folder / segment_name("public-0", 1_700_000_000_000, number)
    if packed:
        path = path.with_name(path.name + ".gz")
        path.write_bytes(gzip.compress(b"".join(lines)))
    else:
        path.write_bytes(b"".join(lines))
    return path


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.mark.parametrize("line", [scan(7), scan(7, agent="é,[\"'\\" * 50), view(3)], ids=["scan", "long", "look"])
def test_a_filler_is_as_long_as_the_line_and_says_nothing_of_it(line: bytes) -> None:
    filler = erased_line(line)
    assert (len(filler), filler[-1:], filler.count(b"\n")) == (len(line), b"\n", 1)
    assert parse_line(filler) == Erased(line.startswith(b'["scan"'))
    assert filler.strip() in (b'["erased",1,1,0]', b'["erased",1,0,0]')


@pytest.mark.parametrize("packed", [False, True])
def test_lines_of_these_jobs_alone_go_and_all_others_stay_where_they_were(tmp_path: Path, packed: bool) -> None:
    kept = [
        scan(70),
        scan(1, 7),
        view(7),
        view(33),
        stats_line(NOW_US, {"answered": 7}),
        b"corrupt,7,7,7,7,7\n",
        b"torn",
    ]
    lines = [scan(7), kept[0], view(3), *kept[1:3], scan(7, 2, agent=",7,"), *kept[3:]]
    path = segment(tmp_path, 1, *lines, packed=packed)
    segment(tmp_path, 2, scan(7))  # still written
    modified = path.stat().st_mtime_ns
    assert clear_segments(tmp_path, GONE) == 3
    after = content(path).splitlines(keepends=True)
    assert [len(line) for line in after] == [len(line) for line in lines]
    assert [line for line in after if not line.startswith(b'["erased"')] == kept
    assert path.stat().st_mtime_ns == modified  # its age decides when it may be pruned
    assert path.stat().st_mode & 0o777 == 0o600
    assert clear_segments(tmp_path, GONE) == 0
    assert {file.name for file in tmp_path.iterdir()} == {path.name, segment_name("public-0", 1_700_000_000_000, 2)}


def test_what_is_erased_still_counts_as_recorded(tmp_path: Path) -> None:
    lines = [scan(7), scan(8), view(3), stats_line(NOW_US, {"answered": 2, "recorded": 2}), scan(7)]
    segment(tmp_path, 1, *lines)
    segment(tmp_path, 2)
    clear_segments(tmp_path, GONE)
    chunk = read_chunk(tmp_path, list_segments(tmp_path)[0], 0, 100)
    assert ([found.code_id for found in chunk.scans], chunk.views, chunk.corrupt) == ([8], [], [])
    assert (chunk.erased_scans, chunk.scans_before_stats, chunk.done) == (2, 2, True)
    assert isinstance(chunk.stats, Stats)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ScanStore]:
    opened = ScanStore.open(tmp_path / "scans.duckdb", memory_mb=256, threads=1)
    await opened.write(
        [
            ("INSERT INTO scans (id, scanned_at, code_id, counted) SELECT range::VARCHAR, now()::TIMESTAMP - "
             "INTERVAL (range % 40) DAY, 7 + range % 2, true FROM range(200)", ()),
            ("INSERT INTO job_views (job_id, viewed_at) SELECT 3 + range % 2, now()::TIMESTAMP FROM range(10)", ()),
        ]
    )  # fmt: skip
    yield opened
    opened.close()


async def rows(store: ScanStore) -> dict[str, list[Any]]:
    scans = await store.query("SELECT DISTINCT code_id FROM scans ORDER BY 1")
    views = await store.query("SELECT DISTINCT job_id FROM job_views ORDER BY 1")
    return {"codes": [row[0] for row in scans], "jobs": [row[0] for row in views]}


async def ask(db: Database, asked_at: datetime) -> None:
    async with db.transaction() as connection:
        await connection.execute(insert(erasures).values(job_id=3, code_id=7, asked_at=asked_at))


async def done_at(db: Database) -> datetime | None:
    async with db.reading() as connection:
        found: datetime | None = (await connection.execute(select(erasures.c.done_at))).scalar_one()
        return found


@both_databases
async def test_rows_go_at_once_and_lines_when_their_segment_is_closed(
    db: Database, store: ScanStore, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    journal.mkdir()
    written = segment(journal, 1, scan(7), scan(8))
    erasure = Erasure(store, db, journal, asyncio.Lock())
    await ask(db, NOW)
    await erasure.step(NOW)
    assert await rows(store) == {"codes": [8], "jobs": [4]}
    later = NOW + LINGER
    await erasure.step(later)
    assert (await done_at(db), b'"scan",1' in content(written)) == (None, True)
    segment(journal, 2)
    await store.write([("INSERT INTO scans (id, scanned_at, code_id) VALUES ('late', now()::TIMESTAMP, 7)", ())])
    await erasure.step(later)
    assert await done_at(db) == later
    assert content(written).count(b'["erased",') == 1
    assert await rows(store) == {"codes": [8], "jobs": [4]}


@both_databases
async def test_rows_that_a_backup_brings_back_go_again(db: Database, store: ScanStore, tmp_path: Path) -> None:
    await ask(db, NOW - timedelta(days=9))
    async with db.transaction() as connection:
        await connection.execute(update(erasures).values(done_at=NOW - timedelta(days=8)))
    erasure = Erasure(store, db, tmp_path, asyncio.Lock())
    running = asyncio.create_task(erasure.run())
    try:
        async with asyncio.timeout(30):
            while (await rows(store))["codes"] != [8]:
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
    assert (await rows(store))["jobs"] == [4]
