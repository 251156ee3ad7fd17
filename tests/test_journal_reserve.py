"""The disk that the journal leaves to others: below it scans wait in bounded memory, as on a full disk."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from redirector.journal import Journal
from redirector.records import Scan, parse_line, scan_line
from tests.scan_samples import scan

pytestmark = pytest.mark.anyio

MORE_THAN_ANY_DISK = 2**62


@asynccontextmanager
async def short_of_room(folder: Path) -> AsyncIterator[Journal]:
    journal = Journal(
        folder, "public-0", reserve_bytes=MORE_THAN_ANY_DISK, spill_lines=3
    )  # the first stats take a place
    journal.open()
    timed = asyncio.create_task(journal.run())
    try:
        await until(lambda: journal._short_of_room)
        for number in range(3):
            journal.append_scan(scan_line(scan(number)))
        yield journal
    finally:
        timed.cancel()
        await asyncio.gather(timed, return_exceptions=True)
        journal.close()


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not happened():
            await asyncio.sleep(0.01)


def recorded_ids(folder: Path) -> list[int]:
    lines = b"".join(path.read_bytes() for path in sorted(folder.glob("*.jsonl"))).splitlines()
    return [int(record.id, 16) for record in map(parse_line, lines) if isinstance(record, Scan)]


async def test_scans_wait_until_there_is_room_and_the_rest_is_counted_by_its_own_reason(tmp_path: Path) -> None:
    async with short_of_room(tmp_path) as journal:
        assert not journal.healthy
        assert (recorded_ids(tmp_path), journal.pending, journal.counters.lost) == ([], 2, {"disk_reserve": 1})
        journal.reserve_bytes = 1
        await until(lambda: journal.healthy)
        journal.append_scan(scan_line(scan(3)))
        assert recorded_ids(tmp_path) == [0, 1, 3]
        counters = journal.counters
        assert counters.answered == counters.recorded + sum(counters.lost.values()) == 4


async def test_what_still_waits_at_the_end_may_use_the_reserve(tmp_path: Path) -> None:
    async with short_of_room(tmp_path) as journal:
        assert recorded_ids(tmp_path) == []
    assert recorded_ids(tmp_path) == [0, 1]
    assert journal.counters.lost == {"disk_reserve": 1}


async def test_no_reserve_is_never_looked_for(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "public-0")
    journal.open()
    journal._look_for_room()
    journal.append_scan(scan_line(scan(1)))
    journal.close()
    assert recorded_ids(tmp_path) == [1]
