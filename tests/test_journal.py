"""The journal: on file before the answer, nothing lost or doubled under kills and full disks, and exact counting."""

import asyncio
import errno
import os
import resource
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import wait as wait_for_all
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.segments import list_segments, next_chunk
from redirector.disk import sync_folder
from redirector.journal import ROTATE_EVERY_S, Journal, JournalError, segment_name
from redirector.records import Stats, View, parse_line, scan_line, view_line
from tests.children import child
from tests.scan_samples import scan, write_segment

pytestmark = pytest.mark.anyio


def opened(folder: Path, **options: Any) -> Journal:
    journal = Journal(folder, "public-0", **options)
    journal.open()
    return journal


def append(journal: Journal, *numbers: int) -> None:
    for number in numbers:
        journal.append_scan(scan_line(scan(number)))
        assert_identity(journal)


def assert_identity(journal: Journal) -> None:
    counters = journal.counters
    assert counters.answered == counters.recorded + journal.pending + sum(counters.lost.values())


def lines_in(folder: Path) -> list[bytes]:
    return [line for segment in list_segments(folder) for line in (folder / segment.name).read_bytes().splitlines(True)]


def recorded_ids(folder: Path) -> list[int]:
    """As a reader finds them, in the order of writing."""
    found: list[int] = []
    marks: dict[str, int] = {}
    finished: set[str] = set()
    while chunk := next_chunk(folder, marks, finished, 1_000_000):
        assert not chunk.corrupt
        found += [int(record.id, 16) for record in chunk.scans]
        marks[chunk.segment.name] = chunk.offset
        finished |= {chunk.segment.name} if chunk.done else set()
    return found


def stats_in(folder: Path) -> list[dict[str, Any]]:
    records = [parse_line(line) for line in lines_in(folder)]
    return [record.counters for record in records if isinstance(record, Stats)]


@asynccontextmanager
async def running(journal: Journal) -> AsyncIterator[None]:
    task = asyncio.create_task(journal.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


@contextmanager
def disk_full_at(size: int) -> Iterator[None]:
    """No file of this process can grow beyond ``size``: the write that crosses it is cut short, the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def one_more_file() -> Iterator[None]:
    """This process may open one more file, not two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/dev/null", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def fill_disk_under(journal: Journal) -> None:
    """Every write to the open segment fails with ENOSPC from now on, and it cannot be truncated either."""
    if journal._fd is not None:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, journal._fd)
        os.close(full)


def test_a_line_is_in_the_file_before_the_call_returns(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for number in range(3):
        append(journal, number)
        assert lines_in(tmp_path)[-1] == scan_line(scan(number))
    assert journal.healthy
    assert journal.counters.recorded == 3
    [segment] = list_segments(tmp_path)
    assert (tmp_path / segment.name).stat().st_mode & 0o777 == 0o600
    journal.close()


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=[pytest.mark.slow, pytest.mark.ci, pytest.mark.together])])
def test_every_acknowledged_scan_survives_kill_9(tmp_path: Path, kills: int) -> None:
    """A real process is killed while it writes; what it acknowledged is there, each once and in order."""
    acknowledged: list[int] = []
    for kill in range(kills):
        with child("write_journal", tmp_path, kill * 1_000_000) as process:
            assert process.stdout is not None
            acknowledged += [int(process.stdout.readline()) for _ in range(300 + 211 * (kill % 7))]
            process.kill()
            acknowledged += [int(line) for line in process.stdout.read().split(b"\n")[:-1]]
    found = recorded_ids(tmp_path)
    assert found == sorted(set(found))
    assert set(acknowledged) <= set(found)
    assert len(found) <= len(acknowledged) + kills  # at most the one scan each kill kept from being acknowledged
    assert len({segment.started_ms for segment in list_segments(tmp_path)}) == kills


async def test_a_full_disk_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    room = 20 * len(scan_line(scan(0))) + 100  # the 21st line fits in part
    with disk_full_at(room):
        append(journal, *range(50))
        assert not journal.healthy
        assert (journal.counters.recorded, journal.pending) == (20, 30)
        assert recorded_ids(tmp_path) == list(range(20))
        assert lines_in(tmp_path)[-1].endswith(b"\n")  # the part of the 21st is cut off again
        async with running(journal):
            await until(lambda: journal.counters.write_errors > 1)  # it tries, in vain
            append(journal, 50)
            assert journal.pending == 31
    async with running(journal):
        await until(lambda: journal.healthy)
        append(journal, 51)
    assert journal.counters.recorded == 52
    journal.close()
    assert recorded_ids(tmp_path) == list(range(52))


def test_what_does_not_fit_into_the_spill_is_counted_as_lost(tmp_path: Path) -> None:
    journal = opened(tmp_path, spill_lines=10)
    append(journal, 0)
    with disk_full_at(len(lines_in(tmp_path)[0])):
        append(journal, *range(1, 31))
        assert (journal.counters.recorded, journal.pending) == (1, 10)
        assert journal.counters.lost == {"spill_full": 20}
    journal.close()
    assert recorded_ids(tmp_path) == list(range(11))
    assert stats_in(tmp_path)[-1] == {
        "answered": 31,
        "recorded": 11,
        "pending": 0,
        "lost": {"spill_full": 20},
        "not_found": 0,
        "limited": 0,
        "wrong_passwords": 0,
        "views": 0,
        "views_lost": 0,
        "unavailable": 0,
        "write_errors": 1,
        "sync_errors": 0,
    }


def test_looks_at_pages_are_accounted_for_apart(tmp_path: Path) -> None:
    journal = opened(tmp_path, spill_lines=3)
    line = view_line(View(17, 4, None, ""))
    journal.append_view(line)
    with disk_full_at(len(line)):
        for _ in range(5):
            journal.append_view(line)
        assert (journal.counters.views, journal.counters.views_lost) == (6, 2)
    journal.close()
    found = [parse_line(written) for written in lines_in(tmp_path)]
    assert found.count(View(17, 4, None, "")) == 4
    assert (journal.counters.answered, journal.counters.recorded, journal.counters.lost) == (0, 0, {})


def test_no_spill_at_all(tmp_path: Path) -> None:
    journal = opened(tmp_path, spill_lines=0)
    fill_disk_under(journal)
    append(journal, 1, 2)
    assert journal.counters.lost == {"spill_full": 2}
    journal.close()


@pytest.mark.parametrize("fault", ["no space, no truncation", "closed behind its back"])
async def test_a_segment_that_cannot_be_repaired_is_left_for_a_fresh_one(tmp_path: Path, fault: str) -> None:
    journal = opened(tmp_path)
    append(journal, 1)
    if fault == "closed behind its back":
        assert journal._fd is not None
        os.close(journal._fd)
    else:
        fill_disk_under(journal)
    append(journal, 2, 3)
    assert journal.pending == 2
    async with running(journal):
        await until(lambda: journal.healthy)
        append(journal, 4)
    journal.close()
    assert recorded_ids(tmp_path) == [1, 2, 3, 4]
    assert len(list_segments(tmp_path)) >= 2


async def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    """Starting is possible while the disk refuses; what was answered meanwhile is written once it does not."""
    folder = tmp_path / "mount" / "journal"
    folder.parent.write_text("a file where the disk should be")
    journal = opened(folder)
    append(journal, 1, 2)
    assert not journal.healthy
    assert journal.pending == 2
    folder.parent.unlink()
    async with running(journal):
        await until(lambda: journal.healthy)
    append(journal, 3)
    journal.close()
    assert recorded_ids(folder) == [1, 2, 3]


async def test_a_removed_folder_is_made_anew(tmp_path: Path) -> None:
    """What is written to a deleted file is gone; that must not go on until the next rotation."""
    folder = tmp_path / "journal"
    journal = opened(folder)
    append(journal, 1)
    shutil.rmtree(folder)
    async with running(journal):
        await until(lambda: list_segments(folder))
        append(journal, 2)
    journal.close()
    assert recorded_ids(folder) == [2]


class Faults:
    """What may happen to a journal, by name. After each step the count must be exact."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "journal"
        self.away = folder / "away"
        self.journal = opened(self.folder, spill_lines=4)
        self.number = 0

    def append(self) -> None:
        self.number += 1
        append(self.journal, self.number)

    def fill_disk(self) -> None:
        fill_disk_under(self.journal)

    def take_folder_away(self) -> None:
        if not self.away.exists():
            self.folder.rename(self.away)
            self.folder.write_text("no folder")

    def bring_folder_back(self) -> None:
        if self.away.exists():
            self.folder.unlink()
            self.away.rename(self.folder)

    def retry(self) -> None:
        self.journal._write_spill()

    def rotate(self) -> None:
        self.journal._must_rotate = True
        self.journal._rotate_if_due()

    def state(self) -> None:
        self.journal._write_stats(force=True)


STEPS = ["append"] * 4 + ["fill_disk", "take_folder_away", "bring_folder_back", "retry", "rotate", "state"]


@given(st.lists(st.sampled_from(STEPS), max_size=40))
@settings(max_examples=80, deadline=None)
def test_answered_is_recorded_and_pending_and_lost_at_every_step(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    faults = Faults(tmp_path_factory.mktemp("faults"))
    for step in steps:
        getattr(faults, step)()
        assert_identity(faults.journal)
    faults.bring_folder_back()
    faults.journal.close()
    assert_identity(faults.journal)
    counters = faults.journal.counters
    found = recorded_ids(faults.folder)
    assert found == sorted(set(found))
    assert (len(found), counters.answered) == (counters.recorded, faults.number)
    said = stats_in(faults.folder)
    assert all(
        entry["answered"] == entry["recorded"] + entry["pending"] + sum(entry["lost"].values()) for entry in said
    )
    if faults.number:
        assert said[-1]["recorded"] == len(found)


async def test_rotation_by_size(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=1_000)
    async with running(journal):
        for number in range(20):
            append(journal, number)
            await until(lambda: journal._size < 1_000)
    journal.close()
    assert recorded_ids(tmp_path) == list(range(20))
    segments = list_segments(tmp_path)
    assert [segment.number for segment in segments] == list(range(1, len(segments) + 1))
    assert len(segments) > 3


async def test_rotation_by_age_only_when_something_was_written(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_age_s=0.0)
    journal._rotate_if_due()
    assert len(list_segments(tmp_path)) == 1
    append(journal, 1)
    journal._rotate_if_due()
    assert len(list_segments(tmp_path)) == 2
    journal.close()
    assert recorded_ids(tmp_path) == [1]


def test_a_second_writer_of_the_same_series_is_refused(tmp_path: Path) -> None:
    first = opened(tmp_path)
    second = Journal(tmp_path, "public-0")
    with pytest.raises(JournalError, match=r"already writes.*'public-0'.*Stop the other") as refused:
        second.open()
    assert str(tmp_path) in str(refused.value)
    second.close()
    append(first, 1)
    first.close()
    third = opened(tmp_path)
    append(third, 2)
    third.close()
    assert recorded_ids(tmp_path) == [1, 2]


def test_other_series_may_share_the_folder(tmp_path: Path) -> None:
    first, second = opened(tmp_path), Journal(tmp_path, "public-1")
    second.open()
    append(first, 1)
    append(second, 2)
    first.close()
    second.close()
    assert sorted(recorded_ids(tmp_path)) == [1, 2]


def test_a_clock_set_back_does_not_close_the_new_segment(tmp_path: Path) -> None:
    """Readers take the latest name for the open segment: a new run must sort behind the old one."""
    old = write_segment(tmp_path, [scan_line(scan(1))], started_ms=9_999_999_999_999 - 1, number=3)
    journal = opened(tmp_path)
    append(journal, 2)
    before, current = list_segments(tmp_path)
    assert (before.name, before.closed, current.closed) == (old.name, True, False)
    journal.close()
    assert recorded_ids(tmp_path) == [1, 2]


async def test_stats_are_written_each_second_when_something_changed(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    async with running(journal):
        append(journal, 1)
        journal.counters.not_found += 2
        await until(lambda: any(entry["not_found"] == 2 for entry in stats_in(tmp_path)))
    written = len(stats_in(tmp_path))
    journal._write_stats(force=True)
    assert len(stats_in(tmp_path)) == written
    append(journal, 2)
    journal.close()
    assert stats_in(tmp_path)[-1] == {
        "answered": 2,
        "recorded": 2,
        "pending": 0,
        "lost": {},
        "not_found": 2,
        "limited": 0,
        "wrong_passwords": 0,
        "views": 0,
        "views_lost": 0,
        "unavailable": 0,
        "write_errors": 0,
        "sync_errors": 0,
    }


async def test_stats_stand_behind_exactly_the_scans_they_count(tmp_path: Path) -> None:
    """Also when they were written while lines were waiting."""
    journal = opened(tmp_path)
    for number in range(30):
        append(journal, number)
        if number % 7 == 0:
            journal._write_stats(force=True)
        if number == 10:
            fill_disk_under(journal)
        if number == 20:
            journal._write_spill()
    journal.close()
    seen = 0
    for line in lines_in(tmp_path):
        record = parse_line(line)
        if isinstance(record, Stats):
            assert record.counters["recorded"] == seen
        else:
            seen += 1
    assert seen == 30


def test_closing_writes_what_waits(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill_disk_under(journal)
    append(journal, 1, 2, 3)
    assert journal.pending == 3
    journal.close()
    assert_identity(journal)
    assert recorded_ids(tmp_path) == [1, 2, 3]


def test_closing_counts_what_cannot_be_written(tmp_path: Path) -> None:
    faults = Faults(tmp_path)
    faults.append()
    faults.take_folder_away()
    faults.fill_disk()
    faults.append()
    faults.append()
    faults.journal.close()
    assert faults.journal.counters.lost == {"shutdown": 2}
    assert_identity(faults.journal)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The kernel's fdatasync, held back until the gate is set."""
    event, really = threading.Event(), os.fdatasync

    def held_back(fd: int) -> None:
        event.wait(20)
        really(fd)

    monkeypatch.setattr(os, "fdatasync", held_back)
    yield event
    event.set()


async def answer(journal: Journal, number: int) -> None:
    """As a request does it: recorded, and answered when this returns."""
    append(journal, number)
    await journal.durable()


async def turns(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0.001)


async def test_power_mode_answers_only_after_fdatasync(tmp_path: Path, gate: threading.Event) -> None:
    journal = opened(tmp_path, durability="power")
    async with running(journal):
        answers = [asyncio.create_task(answer(journal, number)) for number in (1, 2)]
        await turns()
        assert recorded_ids(tmp_path) == [1, 2]
        assert not any(task.done() for task in answers)
        gate.set()
        await asyncio.wait_for(asyncio.gather(*answers), 20)
        await asyncio.wait_for(journal.durable(), 20)  # nothing new: nothing to wait for
    journal.close()


async def test_an_answer_waits_for_a_sync_that_began_after_its_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was under way already does not count: the scan may have missed it."""
    safe: set[int] = set()
    really = os.fdatasync

    def watched(fd: int) -> None:
        there = recorded_ids(tmp_path)
        really(fd)
        safe.update(there)

    monkeypatch.setattr(os, "fdatasync", watched)
    journal = opened(tmp_path, durability="power")

    async def check(number: int) -> None:
        await asyncio.sleep(0.0007 * number)
        await answer(journal, number)
        assert number in safe

    async with running(journal):
        await asyncio.wait_for(asyncio.gather(*map(check, range(100))), 20)
    journal.close()


async def test_many_answers_share_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, really = [], os.fdatasync

    def counted(fd: int) -> None:
        calls.append(fd)
        really(fd)

    monkeypatch.setattr(os, "fdatasync", counted)
    journal = opened(tmp_path, durability="power")
    async with running(journal):
        await asyncio.wait_for(asyncio.gather(*(answer(journal, number) for number in range(200))), 20)
        assert len(calls) < 10
    journal.close()
    assert len(recorded_ids(tmp_path)) == 200


async def test_stopping_right_behind_an_answer_does_not_hang(tmp_path: Path) -> None:
    journal = opened(tmp_path, durability="power")
    async with asyncio.timeout(20):
        for number in range(200):
            async with running(journal):
                await answer(journal, number)
    journal.close()
    assert recorded_ids(tmp_path) == list(range(200))


async def test_process_mode_does_not_wait_for_the_disk(tmp_path: Path, gate: threading.Event) -> None:
    journal = opened(tmp_path, durability="process")
    async with running(journal):
        append(journal, 1)
        await turns()
        await asyncio.wait_for(journal.durable(), 5)
        assert recorded_ids(tmp_path) == [1]
        gate.set()
    journal.close()


async def test_a_failed_sync_is_counted_and_the_segment_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel dropped cannot be synced again. The answers go out all the same."""
    really, failures = os.fdatasync, [OSError(errno.EIO, "Input/output error")]

    def failing(fd: int) -> None:
        if failures:
            raise failures.pop()
        really(fd)

    monkeypatch.setattr(os, "fdatasync", failing)
    journal = opened(tmp_path, durability="power")
    async with running(journal):
        append(journal, 1)
        await asyncio.wait_for(journal.durable(), 20)
        await until(lambda: len(list_segments(tmp_path)) == 2)
        append(journal, 2)
        await asyncio.wait_for(journal.durable(), 20)
    assert journal.counters.sync_errors == 1
    journal.close()
    assert recorded_ids(tmp_path) == [1, 2]
    assert stats_in(tmp_path)[-1]["sync_errors"] == 1


def unsyncable(journal: Journal) -> int:
    """From now on lines go into a pipe, which takes them and which the kernel cannot sync; its reading end."""
    assert journal._fd is not None
    reading, writing = os.pipe()
    os.dup2(writing, journal._fd)
    os.close(writing)
    return reading


async def test_a_failed_last_sync_of_a_closed_segment_is_counted_and_shows(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=1)
    reading = unsyncable(journal)
    append(journal, 1)
    journal._rotate_if_due()
    wait_for_all(journal._closing)
    assert journal.healthy
    journal._look_after_closed()
    assert (journal.counters.sync_errors, journal.healthy) == (1, False)
    await journal._sync()
    assert journal.healthy  # the next segment is on the disk
    journal.close()
    os.close(reading)
    assert stats_in(tmp_path)[-1]["sync_errors"] == 1


async def test_a_failed_last_sync_while_closing_is_counted(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=1)
    reading = unsyncable(journal)
    append(journal, 1)
    journal._rotate_if_due()
    journal.close()
    os.close(reading)
    assert stats_in(tmp_path)[-1]["sync_errors"] == 1


async def test_a_folder_that_cannot_be_synced_is_a_fault_until_the_next_segment(tmp_path: Path) -> None:
    """No file is left to open the folder with: the segment is there, its name may not survive a power cut."""
    journal = opened(tmp_path)
    journal._close_segment()
    wait_for_all(journal._closing)
    with one_more_file():
        journal._open_segment()
    assert (journal.counters.sync_errors, journal.healthy, journal._must_rotate) == (1, False, True)
    await journal._sync()
    assert not journal.healthy
    async with running(journal):
        await until(lambda: journal.healthy)
        append(journal, 1)
    journal.close()
    assert len(list_segments(tmp_path)) == 3
    assert recorded_ids(tmp_path) == [1]


def test_a_file_system_that_cannot_sync_folders_is_no_fault() -> None:
    proc = os.open("/proc", os.O_RDONLY)
    with pytest.raises(OSError, match="Invalid argument"):
        os.fsync(proc)
    os.close(proc)
    sync_folder(Path("/proc"))
    with pytest.raises(FileNotFoundError):
        sync_folder(Path("/proc/nothing"))


async def test_while_no_sync_succeeds_segments_are_not_made_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    journal = opened(tmp_path, flush_ms=1)
    opened_at = {journal._opened_at}
    async with running(journal):
        append(journal, 1)
        while journal.counters.sync_errors <= 200 or len(opened_at) < 2:
            opened_at.add(journal._opened_at)
            await asyncio.sleep(0.001)
        assert not journal.healthy
    journal.close()
    times = sorted(opened_at)
    assert all(later - earlier >= ROTATE_EVERY_S for earlier, later in pairwise(times))


async def test_power_mode_waits_also_for_a_segment_that_was_given_up(tmp_path: Path, gate: threading.Event) -> None:
    """The scan is in the old segment, the disk refuses a new one: its answer waits for the old one's last sync."""
    faults = Faults(tmp_path)
    journal = faults.journal
    journal.durability = "power"
    first = asyncio.create_task(answer(journal, 1))
    await asyncio.sleep(0)
    faults.take_folder_away()
    fill_disk_under(journal)
    append(journal, 2)
    assert journal._fd is None
    async with running(journal):
        await turns()
        assert not first.done()
        gate.set()
        await asyncio.wait_for(first, 20)
    faults.bring_folder_back()
    journal.close()
    assert recorded_ids(faults.folder) == [1, 2]


def test_segment_names_sort_in_the_order_of_writing() -> None:
    names = [
        segment_name("public-0", started, number) for started in (5, 999, 1_795_286_401_000) for number in (1, 9, 10)
    ]
    assert names == sorted(names)
