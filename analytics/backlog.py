"""What of the journal is not in the scan store yet: how much, since when, how much disk it takes. Looks, changes nothing."""

import gzip
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from analytics.segments import Segment, list_segments
from redirector.records import Scan, parse_line

SAMPLE_BYTES: Final = 256 * 1024
_SCAN: Final = b'["scan"'


@dataclass(frozen=True, slots=True)
class Backlog:
    """``scans`` is counted when little waits; of more, each segment's beginning is counted and the rest reckoned from it."""

    scans: int
    counted: bool
    waiting_bytes: int  # of journal lines
    segments: int
    oldest_at: datetime | None  # when the first of them was scanned
    journal_bytes: int  # on disk, with what is kept of segments that are read
    free_bytes: int  # left on the journal's disk

    def as_dict(self) -> dict[str, Any]:
        return {
            "scans": self.scans,
            "counted": self.counted,
            "bytes": self.waiting_bytes,
            "segments": self.segments,
            "oldest_at": self.oldest_at.isoformat().replace("+00:00", "Z") if self.oldest_at else None,
            "journal_bytes": self.journal_bytes,
            "free_bytes": self.free_bytes,
        }


def backlog(folder: Path, marks: Mapping[str, int], finished: set[str]) -> Backlog:
    """``marks`` and ``finished`` as the scan store has them: where reading goes on, and what is read to its end."""
    scans, counted, waiting, segments, oldest_us = 0, True, 0, 0, None
    for segment in list_segments(folder):
        if segment.name in finished:
            continue
        unread, sample = _unread(folder, segment, marks.get(segment.name, 0))
        if not unread:
            continue
        found = sample.count(b"\n" + _SCAN) + sample.startswith(_SCAN)
        segments += 1
        waiting += unread
        if unread > len(sample):
            counted = False
            found = round(found * unread / len(sample)) if sample else 0
        scans += found
        begun_us = _first_scan_us(sample)
        if begun_us is not None:
            oldest_us = min(begun_us, oldest_us or begun_us)
    oldest_at = datetime.fromtimestamp(oldest_us / 1e6, UTC) if oldest_us is not None else None
    return Backlog(scans, counted, waiting, segments, oldest_at, _size_of(folder), _free(folder))


def _unread(folder: Path, segment: Segment, offset: int) -> tuple[int, bytes]:
    """Bytes behind the mark, and the first whole lines of them."""
    path = folder / segment.name
    try:
        if segment.packed:
            packed = Path(f"{path}.gz")
            with gzip.open(packed) as file:
                file.seek(offset)
                return _whole_lines(max(0, _unpacked_size(packed) - offset), file.read(SAMPLE_BYTES))
        with path.open("rb") as file:
            file.seek(offset)
            return _whole_lines(max(0, segment.size - offset), file.read(SAMPLE_BYTES))
    except (OSError, EOFError, zlib.error):  # compressed or removed since, or damaged: the reader says so
        return 0, b""


def _whole_lines(unread: int, data: bytes) -> tuple[int, bytes]:
    data = data[:unread]  # a writer may have gone on since the size was asked
    whole = data[: data.rfind(b"\n") + 1]
    return (len(whole) if len(data) == unread else unread), whole


def _unpacked_size(path: Path) -> int:
    """A gzip file ends with it."""
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(4), "little")


def _first_scan_us(sample: bytes) -> int | None:
    for line in sample.splitlines():
        if line.startswith(_SCAN):
            try:
                record = parse_line(line)
            except ValueError:
                continue
            return record.at_us if isinstance(record, Scan) else None
    return None


def _size_of(folder: Path) -> int:
    total = 0
    for path in folder.glob("*.jsonl*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # compressed since the folder was listed
            continue
    return total


def _free(folder: Path) -> int:
    there = os.statvfs(next(path for path in (folder, *folder.parents) if path.exists()))
    return there.f_bavail * there.f_frsize
