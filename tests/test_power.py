"""Power cuts: what the journal promised to have on disk is read back whole, whatever became of the rest.

``os.fdatasync`` and ``os.fsync`` of the operating system are watched; the journal and its reader are the real ones.
"""

import asyncio
import errno
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from analytics.segments import next_chunk
from redirector.journal import Journal
from redirector.records import scan_line
from tests.power import PowerCutDisk
from tests.scan_samples import scan

pytestmark = pytest.mark.anyio

FLUSH_S = 0.05
SCHEDULING_S = 0.05  # a thread or the event loop comes to its turn late on a busy machine
CUTS_EACH = 20  # of one run of a journal
numbers_of_cuts = pytest.mark.parametrize("cuts", [40, pytest.param(1000, marks=pytest.mark.slow)])


@dataclass(slots=True)
class Writer:
    """Scans without end, and when each was acknowledged."""

    journal: Journal
    acknowledged: dict[int, float] = field(default_factory=dict)
    longest_pause_s: float = 0.0  # between two turns of the event loop

    async def run(self) -> None:
        number, before = 0, time.monotonic()
        async with asyncio.TaskGroup() as answers:
            while True:
                for _ in range(3):
                    number += 1
                    answers.create_task(self._answer(number))
                await asyncio.sleep(0.001)
                now = time.monotonic()
                self.longest_pause_s, before = max(self.longest_pause_s, now - before), now

    async def _answer(self, number: int) -> None:
        self.journal.append_scan(scan_line(scan(number)))
        await self.journal.durable()
        self.acknowledged[number] = time.monotonic()


@asynccontextmanager
async def writing(folder: Path, durability: Literal["process", "power"]) -> AsyncIterator[Writer]:
    """Small segments, so that some cuts fall on a rotation."""
    journal = Journal(folder, "public-0", durability=durability, flush_ms=int(FLUSH_S * 1000), segment_bytes=20_000)
    journal.open()
    writer = Writer(journal)
    tasks = [asyncio.create_task(journal.run()), asyncio.create_task(writer.run())]
    try:
        yield writer
        assert not any(task.done() for task in tasks)
    finally:
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        journal.close()


def ids_after_restart(folder: Path) -> list[int]:
    """As the reader finds them once a new run of the writer has begun behind the cut."""
    journal = Journal(folder, "public-0")
    journal.open()
    journal.close()
    found: list[int] = []
    marks: dict[str, int] = {}
    finished: set[str] = set()
    while chunk := next_chunk(folder, marks, finished, 1_000_000):
        found += [int(record.id, 16) for record in chunk.scans]
        marks[chunk.segment.name] = chunk.offset
        finished |= {chunk.segment.name} if chunk.done else set()
    return found


@numbers_of_cuts
async def test_in_power_mode_what_was_acknowledged_survives_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuts: int
) -> None:
    generator = random.Random(cuts)
    acknowledged = surviving = 0
    for life in range(cuts // CUTS_EACH):
        folder = tmp_path / f"life-{life}"
        with monkeypatch.context() as patch:
            disk = PowerCutDisk(folder, generator)
            disk.install(patch)
            async with writing(folder, "power") as writer:
                for cut in range(CUTS_EACH):
                    await asyncio.sleep(generator.uniform(0, 0.06))
                    before = set(writer.acknowledged)
                    disk.cut(tmp_path / f"cut-{life}-{cut}")
                    found = ids_after_restart(tmp_path / f"cut-{life}-{cut}")
                    assert len(found) == len(set(found))
                    assert before - set(found) == set()
                    acknowledged, surviving = acknowledged + len(before), surviving + len(found)
            assert disk.syncs > CUTS_EACH // 4
    print(f"\npower mode, {cuts} cuts: acknowledged before them {acknowledged}, read back {surviving}, lost 0")
    assert acknowledged > cuts


@numbers_of_cuts
async def test_in_process_mode_a_power_cut_takes_the_last_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuts: int
) -> None:
    """Nothing older than the flush interval and the flushes around it.

    A scan written just after a sync began waits for its end, for the interval, and for the sync after: so the margin is
    50 ms, both syncs as they were measured, and how late this program's own event loop was.
    """
    generator = random.Random(cuts)
    acknowledged = lost = 0
    oldest_s = 0.0
    for life in range(cuts // CUTS_EACH):
        folder = tmp_path / f"life-{life}"
        with monkeypatch.context() as patch:
            disk = PowerCutDisk(folder, generator)
            disk.install(patch)
            async with writing(folder, "process") as writer:
                for number in range(CUTS_EACH):
                    await asyncio.sleep(generator.uniform(0, 0.06))
                    before = dict(writer.acknowledged)
                    cut = disk.cut(tmp_path / f"cut-{life}-{number}")
                    late_s = writer.longest_pause_s
                    found = ids_after_restart(tmp_path / f"cut-{life}-{number}")
                    assert len(found) == len(set(found))
                    missing = before.keys() - set(found)
                    oldest = max((cut.at - before[scan_id] for scan_id in missing), default=0.0)
                    assert oldest <= FLUSH_S + cut.last_sync_took + cut.running_sync_for + late_s + SCHEDULING_S
                    acknowledged, lost, oldest_s = (
                        acknowledged + len(before),
                        lost + len(missing),
                        max(oldest_s, oldest),
                    )
    print(
        f"\nprocess mode, {cuts} cuts: acknowledged before them {acknowledged}, lost {lost}, "
        f"the oldest of them {oldest_s * 1000:.0f} ms old"
    )
    assert lost > 0  # else the cuts cut nothing


async def test_while_every_sync_fails_answers_go_on_and_the_count_stays_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that reports errors for a while: each failed sync is counted, and none of the scans is doubled or gone."""
    really, fails = os.fdatasync, True

    def failing(fd: int) -> None:
        if fails:
            raise OSError(errno.EIO, "Input/output error")
        really(fd)

    monkeypatch.setattr(os, "fdatasync", failing)
    async with writing(tmp_path / "journal", "power") as writer:
        counters = writer.journal.counters
        async with asyncio.timeout(30):
            while counters.sync_errors < 10:
                await asyncio.sleep(0.005)
            fails, failed = False, counters.sync_errors
            acknowledged = len(writer.acknowledged)
            assert acknowledged > 0
            while len(writer.acknowledged) < acknowledged + 100:
                await asyncio.sleep(0.005)
        assert counters.sync_errors <= failed + 1  # one may have been under way
    assert counters.answered == counters.recorded
    assert counters.lost == {}
    assert sorted(ids_after_restart(tmp_path / "journal")) == list(range(1, counters.answered + 1))
