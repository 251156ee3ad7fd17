"""A disk whose power can be cut: knows what of each file, and which folder entries, had reached it by a completed sync.

It stands in for the operating system's calls alone: what was written but not synced is dropped, torn or kept at random.
"""

import os
import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass(slots=True)
class Cut:
    """How things stood the moment the power went."""

    at: float
    last_sync_took: float
    running_sync_for: float  # 0.0: none was under way


@dataclass(slots=True)
class PowerCutDisk:
    folder: Path
    generator: random.Random
    slowest_s: float = 0.02  # each sync takes up to this much longer than the real one
    syncs: int = 0
    _durable: dict[int, int] = field(default_factory=dict)  # inode -> bytes
    _entries: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last_took: float = 0.0
    _began: float | None = None

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Takes the place of os.fdatasync and os.fsync."""
        fdatasync, fsync = os.fdatasync, os.fsync

        def synced_file(fd: int) -> None:
            began = self._begin()
            state = os.fstat(fd)  # what is written from now on, this sync may miss
            fdatasync(fd)
            time.sleep(self.generator.uniform(0, self.slowest_s))
            with self._lock:
                self._durable[state.st_ino] = max(state.st_size, self._durable.get(state.st_ino, 0))
                self._last_took, self._began = time.monotonic() - began, None
                self.syncs += 1

        def synced_folder(fd: int) -> None:
            entries = set(os.listdir(fd))
            fsync(fd)
            with self._lock:
                self._entries |= entries

        monkeypatch.setattr(os, "fdatasync", synced_file)
        monkeypatch.setattr(os, "fsync", synced_folder)

    def cut(self, into: Path) -> Cut:
        """Writes what the disk would hold after a power cut right now into an empty folder."""
        with self._lock:
            now = time.monotonic()
            into.mkdir()
            for path in sorted(self.folder.glob("*.jsonl")):
                if path.name in self._entries or self.generator.random() < 0.5:
                    kept = self._after_cut(path.read_bytes(), self._durable.get(path.stat().st_ino, 0))
                    (into / path.name).write_bytes(kept)
            return Cut(now, self._last_took, now - self._began if self._began is not None else 0.0)

    def _begin(self) -> float:
        with self._lock:
            self._began = time.monotonic()
            return self._began

    def _after_cut(self, data: bytes, durable: int) -> bytes:
        """The synced bytes are whole; behind them anything may be: nothing, a torn piece, or blocks of zeros."""
        tail = data[durable:]
        fate = self.generator.choice(("gone", "torn", "zeros"))
        if fate == "gone":
            return data[:durable]
        tail = tail[: self.generator.randint(0, len(tail))]
        if fate == "zeros":
            start = self.generator.randint(0, len(tail))
            tail = tail[:start] + b"\0" * (len(tail) - start)
        return data[:durable] + tail
