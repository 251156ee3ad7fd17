"""The journal: append-only segment files, one series per worker. A scan is written here before its answer leaves.

It never raises into a request: when the disk refuses, lines wait in bounded memory, and what does not fit is counted.
"""

import asyncio
import fcntl
import logging
import os
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_all
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from redirector.disk import free_bytes, is_deleted, no_sync, sync_and_close, sync_folder
from redirector.records import is_view_line, stats_line

log = logging.getLogger(__name__)

Durability = Literal["process", "power"]
STATS_EVERY_S: Final = 1.0
RETRY_EVERY_S: Final = 0.25
ROOM_EVERY_S: Final = 1.0
ROTATE_EVERY_S: Final = 1.0  # at most, after faults: a disk that refuses every sync must not be filled with segments
SEGMENT_AGE_S: Final = 3600.0
WHOLE_ADDRESS_AGE_S: Final = 300.0  # whole addresses leave the disk soon after their segment is closed


class JournalError(Exception):
    """The journal cannot be used at all; the message says why and what to do."""


@dataclass(slots=True)
class Counters:
    """answered = recorded + pending + sum(lost), at every moment between two event-loop turns."""

    answered: int = 0
    recorded: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    not_found: int = 0
    limited: int = 0
    unavailable: int = 0
    wrong_passwords: int = 0
    views: int = 0  # of jobs' pages: counted apart, so that answered = recorded + ... stays a matter of scans
    views_lost: int = 0
    write_errors: int = 0
    sync_errors: int = 0


class Journal:
    """Writer of one series. ``run()`` does the timed work; ``append()`` is called from the same event loop."""

    def __init__(
        self,
        folder: Path,
        series: str,
        *,
        durability: Durability = "process",
        flush_ms: int = 50,
        segment_bytes: int = 64 * 1024 * 1024,
        spill_lines: int = 100_000,
        segment_age_s: float = SEGMENT_AGE_S,
        reserve_bytes: int = 0,
    ) -> None:
        self.folder = folder
        self.series = series
        self.durability = durability
        self.flush_s = flush_ms / 1000
        self.segment_bytes = segment_bytes
        self.spill_lines = spill_lines
        self.segment_age_s = segment_age_s
        self.reserve_bytes = reserve_bytes  # of disk, for others: with less than this left it counts as full
        self.counters = Counters()
        self.started_ms = int(time.time() * 1000)
        self._number = 0
        self._fd: int | None = None
        self._size = 0
        self._opened_at = 0.0
        self._dirty = False
        self._must_rotate = False
        self._sync_failed = False  # until the next one succeeds
        self._closing: list[Future[None]] = []  # last syncs of segments that were left
        self._syncing = False
        self._spill: deque[tuple[bytes, bool]] = deque()
        self.pending = 0  # scans among the spilled lines
        self._retry_at = 0.0
        self._stats_at = 0.0
        self._stats_seen: dict[str, Any] = {}
        self._short_of_room = False
        self._room_at = 0.0  # when it was looked at last
        self._lock_fd: int | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._syncer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fdatasync")

    @property
    def position(self) -> tuple[str, int]:
        """The segment that is written, and up to where."""
        return segment_name(self.series, self.started_ms, self._number), self._size

    @property
    def healthy(self) -> bool:
        return self._fd is not None and not self._spill and not self._sync_failed

    def open(self) -> None:
        """Takes the series for this process. A disk that cannot be written is no error here: lines will wait."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock_fd = os.open(self.folder / f"{self.series}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            log.error("journal folder %s cannot be written: %s; scans wait in memory", self.folder, error.strerror)
        else:
            try:
                fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._lock_fd)
                self._lock_fd = None
                raise JournalError(
                    f"another process already writes the journal series {self.series!r} in {self.folder}. "
                    "Stop the other `waymark serve`, or give this one its own data folder."
                ) from None
            # After a clock set back a new run must still sort behind the old ones: readers go by the name.
            self.started_ms = max(self.started_ms, 1 + newest_start(self.folder, self.series))
            self._sync_names(self.folder.parent)  # else a power cut soon after could take the new folder with all in it
        self._open_segment()

    def append_scan(self, line: bytes) -> None:
        """Call once for each answer to a known code, before the answer leaves."""
        self.counters.answered += 1
        self._append(line, is_scan=True)

    def append_scans(self, lines: list[bytes]) -> None:
        """Several answers' scans with one write; as good as appending each by itself."""
        self.counters.answered += len(lines)
        if not self._spill and self._write(b"".join(lines)):
            self.counters.recorded += len(lines)
            return
        for line in lines:
            self._append(line, is_scan=True)

    def append_view(self, line: bytes) -> None:
        """A look at a job's page."""
        self.counters.views += 1
        self._append(line, is_scan=False)

    async def durable(self) -> None:
        """In power mode: returns when everything appended so far has survived an fdatasync. Else at once."""
        if self.durability == "power" and (self._dirty or self._syncing):
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            self._wake.set()
            await waiter

    async def run(self) -> None:
        """The timed work, until cancelled: fdatasync when dirty, stats each second, retry, rotation."""
        while True:
            self._look_for_room()
            if self._spill and time.monotonic() >= self._retry_at:
                self._write_spill()
            self._write_stats()
            self._rotate_if_due()
            self._look_after_closed()
            await self._sync()
            if not self._waiters:
                with suppress(TimeoutError):  # not wait_for: up to Python 3.11 it can swallow a cancellation
                    async with asyncio.timeout(self.flush_s):
                        await self._wake.wait()
                self._wake.clear()

    def close(self) -> None:
        """Drains: waiting lines are tried once more, the rest is counted as lost in the last stats line."""
        self._short_of_room = False  # they are few, and memory ends now
        self._write_spill()
        wait_for_all(self._closing)
        self._look_after_closed()
        self._sync_last()
        if self.pending:
            self.counters.lost["shutdown"] = self.counters.lost.get("shutdown", 0) + self.pending
        self.counters.views_lost += sum(is_view_line(line) for line, _is_scan in self._spill)
        self._spill.clear()
        self.pending = 0
        self._write_stats(force=True)
        self._write_spill()  # had the segment to be given up just now, the last stats go into a fresh one
        self._syncer.shutdown(wait=True)
        self._sync_last()  # the stats; a fault now is only logged
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self._release(self._waiters)
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def _append(self, line: bytes, *, is_scan: bool) -> None:
        if self._spill or not self._write(line):
            self._spill_line(line, is_scan=is_scan)
        elif is_scan:
            self.counters.recorded += 1

    def _write(self, line: bytes) -> bool:
        fd = self._fd
        if fd is None or self._short_of_room:
            return False
        try:
            written = os.write(fd, line)
            while written < len(line):
                written += os.write(fd, line[written:])
        except OSError as error:
            self._on_write_error(error)
            return False
        self._size += len(line)
        self._dirty = True
        return True

    def _on_write_error(self, error: OSError) -> None:
        """A line may be half written: cut it off, or leave the segment for a fresh one, never append after it."""
        self.counters.write_errors += 1
        if self.counters.write_errors == 1 or self.counters.write_errors % 1000 == 0:
            log.error("journal: write failed (%s); scans wait in memory", error.strerror)
        self._retry_at = time.monotonic() + RETRY_EVERY_S
        assert self._fd is not None
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            self._close_segment()

    def _spill_line(self, line: bytes, *, is_scan: bool) -> None:
        if len(self._spill) < self.spill_lines:
            self._spill.append((line, is_scan))
            self.pending += is_scan
        elif is_scan:
            self._lose("disk_reserve" if self._short_of_room else "spill_full")
        else:
            self.counters.views_lost += is_view_line(line)

    def _lose(self, reason: str) -> None:
        self.counters.lost[reason] = self.counters.lost.get(reason, 0) + 1

    def _write_spill(self) -> None:
        self._retry_at = time.monotonic() + RETRY_EVERY_S
        if self._fd is None:
            self._open_segment()
        while self._spill and self._write(self._spill[0][0]):
            _line, is_scan = self._spill.popleft()
            self.pending -= is_scan
            self.counters.recorded += is_scan

    def _look_for_room(self) -> None:
        now = time.monotonic()
        if not self.reserve_bytes or now < self._room_at + ROOM_EVERY_S:
            return
        self._room_at = now
        free = free_bytes(self.folder)
        short = free is not None and free < self.reserve_bytes
        if short and not self._short_of_room:
            log.error("journal: less than %d MB of disk left; scans wait in memory", self.reserve_bytes // 1_000_000)
        elif self._short_of_room and not short:
            self._retry_at = 0.0
        self._short_of_room = short

    def _write_stats(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now < self._stats_at + STATS_EVERY_S:
            return
        self._stats_at = now
        current = self.stats()
        if current != self._stats_seen and not self._spill:
            self._stats_seen = current
            self._append(stats_line(time.time_ns() // 1000, current), is_scan=False)

    def stats(self) -> dict[str, Any]:
        counters = self.counters
        return {
            "answered": counters.answered,
            "recorded": counters.recorded,
            "pending": self.pending,
            "lost": dict(counters.lost),
            "not_found": counters.not_found,
            "limited": counters.limited,
            "unavailable": counters.unavailable,
            "wrong_passwords": counters.wrong_passwords,
            "views": counters.views,
            "views_lost": counters.views_lost,
            "write_errors": counters.write_errors,
            "sync_errors": counters.sync_errors,
        }

    def _rotate_if_due(self) -> None:
        if self._fd is None:
            return
        aged = self._size and time.monotonic() - self._opened_at > self.segment_age_s
        refused = self._must_rotate and time.monotonic() - self._opened_at > ROTATE_EVERY_S
        if refused or self._size >= self.segment_bytes or aged or is_deleted(self._fd):
            self._close_segment()
            self._open_segment()

    def _open_segment(self) -> None:
        self._number += 1
        path = self.folder / segment_name(self.series, self.started_ms, self._number)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            log.error("journal: no new segment in %s: %s", self.folder, error.strerror)
            self._number -= 1
            self._retry_at = time.monotonic() + RETRY_EVERY_S
        self._size = 0
        self._opened_at = time.monotonic()
        self._must_rotate = False
        if self._fd is not None:
            self._sync_names(self.folder)

    def _close_segment(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            # The syncer may be using the descriptor: it closes it, after its own turn.
            self._closing.append(self._syncer.submit(sync_and_close, fd))

    def _look_after_closed(self) -> None:
        for future in [future for future in self._closing if future.done()]:
            self._closing.remove(future)
            error = future.exception()
            if error is not None:
                self._on_sync_error("the last fdatasync of a segment", error)

    def _sync_names(self, folder: Path) -> None:
        try:
            sync_folder(folder)
        except OSError as error:
            self._on_sync_error(f"fsync of {folder}", error)
            self._must_rotate = True  # the next segment's name makes the folder be written once more

    def _on_sync_error(self, what: str, error: BaseException) -> None:
        """What the kernel dropped cannot be synced again: it is counted, and the next segment shows whether it is over."""
        self.counters.sync_errors += 1
        if not self._sync_failed:
            log.error("journal: %s failed: %s", what, getattr(error, "strerror", None) or error)
        self._sync_failed = True

    async def _sync(self) -> None:
        waiters, self._waiters = self._waiters, []
        if self._dirty or self._sync_failed:  # after a fault also without anything new: else it would seem to last
            self._dirty, self._syncing = False, True
            work = (os.fdatasync, self._fd) if self._fd is not None else (no_sync,)  # behind a closed one's last sync
            try:
                await asyncio.get_running_loop().run_in_executor(self._syncer, *work)
            except OSError as error:
                self._on_sync_error("fdatasync", error)
                self._must_rotate = True
            else:
                self._sync_failed &= self._must_rotate or self._fd is None
            finally:
                self._syncing = False
        self._release(waiters)

    def _sync_last(self) -> None:
        if self._fd is not None:
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                self._on_sync_error("the last fdatasync", error)

    def _release(self, waiters: list[asyncio.Future[None]]) -> None:
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def segment_name(series: str, started_ms: int, number: int) -> str:
    """Names sort in the order of writing within a series."""
    return f"{series}.{started_ms:013d}.{number:06d}.jsonl"


def newest_start(folder: Path, series: str) -> int:
    """When the latest run of this series began, by the names of its segments; -1 when there is none."""
    starts = (path.name.split(".")[1] for path in folder.glob(f"{series}.*.jsonl*"))
    return max((int(start) for start in starts if start.isdecimal()), default=-1)
