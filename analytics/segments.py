"""Reading the journal's segments: which there are, what of them is unread, whole lines only."""

import gzip
import logging
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redirector.records import Erased, Scan, Stats, View, parse_line

log = logging.getLogger(__name__)

MAX_READ_BYTES: Final = 8 * 1024 * 1024
_NAME = re.compile(
    r"(?P<name>(?P<run>(?P<series>[a-z0-9-]+)\.(?P<started>\d{13}))\.(?P<number>\d{6})\.jsonl)(?P<packed>\.gz)?"
)


@dataclass(frozen=True, slots=True)
class Segment:
    name: str
    run: str  # one run of one writer: series and start
    series: str
    started_ms: int
    number: int
    size: int
    closed: bool  # a later one of the same series exists: nobody will write here again
    packed: bool = False  # compressed since; offsets count uncompressed bytes all the same


@dataclass(slots=True)
class Chunk:
    """Whole lines read from one segment, in order."""

    segment: Segment
    offset: int  # where reading goes on
    scans: list[Scan] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    erased_scans: int = 0  # recorded once, and gone with their job
    corrupt: list[tuple[int, bytes]] = field(default_factory=list)  # (offset, line)
    torn_bytes: int = 0  # a last line without its end, in a segment that nobody will finish
    done: bool = False
    stats: Stats | None = None  # the last one in this chunk
    scans_before_stats: int = 0
    corrupt_before_stats: int = 0


def list_segments(folder: Path) -> list[Segment]:
    """In the order of writing; a compressed segment keeps its name and place."""
    found: dict[str, tuple[tuple[int, int], re.Match[str], Path]] = {}
    newest: dict[str, tuple[int, int]] = {}
    for path in sorted(folder.glob("*.jsonl*")):  # a segment just being compressed is there twice: .gz comes last
        match = _NAME.fullmatch(path.name)
        if match:
            key = (int(match["started"]), int(match["number"]))
            found[match["name"]] = (key, match, path)
            newest[match["series"]] = max(newest.get(match["series"], key), key)
    return [
        _segment(key, match, path, newest[match["series"]]) for key, match, path in sorted(found.values(), key=_order)
    ]


def _order(entry: tuple[tuple[int, int], re.Match[str], Path]) -> tuple[tuple[int, int], str]:
    return entry[0], entry[2].name


def _segment(key: tuple[int, int], match: re.Match[str], path: Path, newest: tuple[int, int]) -> Segment:
    packed = match["packed"] is not None
    try:
        size = 0 if packed else path.stat().st_size
    except FileNotFoundError:  # compressed since the folder was listed
        size, packed = 0, True
    return Segment(
        match["name"], match["run"], match["series"], *key, size, closed=packed or key < newest, packed=packed
    )


def next_chunk(
    folder: Path, marks: Mapping[str, int], finished: set[str], max_lines: int, after: str = ""
) -> Chunk | None:
    """The first unread whole lines in the journal, or a segment that has become complete; None when all is read.

    Series take turns, beginning behind the one named ``after``: a busy worker must not keep the others unread.
    """
    for segment in sorted(list_segments(folder), key=lambda segment: (segment.series <= after, segment.series)):
        if segment.name in finished:
            continue
        offset = marks.get(segment.name, 0)
        if segment.size <= offset and not segment.closed:
            continue
        chunk = read_chunk(folder, segment, offset, max_lines)
        if chunk.offset > offset or chunk.done:
            return chunk
    return None


def read_chunk(folder: Path, segment: Segment, offset: int, max_lines: int) -> Chunk:
    path = folder / segment.name
    data, at_end = _read_packed(Path(f"{path}.gz"), offset) if segment.packed else _read(path, offset)
    chunk = Chunk(segment, offset)
    whole = data.rfind(b"\n") + 1
    lines = data[:whole].split(b"\n", max_lines)
    lines.pop()  # what comes behind the last line end, or behind max_lines
    if not whole and not at_end:  # no line is as long: damage, set aside piece by piece
        whole = len(data)
        chunk.corrupt.append((offset, data))
        chunk.offset += whole
    for line in lines:
        _add_line(chunk, line)
        chunk.offset += len(line) + 1
    if segment.closed and at_end and offset + whole == chunk.offset:
        chunk.torn_bytes = len(data) - whole
        chunk.done = True
    return chunk


def _read(path: Path, offset: int) -> tuple[bytes, bool]:
    """Up to MAX_READ_BYTES, and whether the file ends there."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(MAX_READ_BYTES), not file.read(1)


def _read_packed(path: Path, offset: int) -> tuple[bytes, bool]:
    """Of a damaged file, what can still be unpacked: the segments behind it must not wait for ever."""
    data = bytearray()
    try:
        with gzip.open(path) as file:
            file.seek(offset)
            while len(data) <= MAX_READ_BYTES and (part := file.read1(MAX_READ_BYTES)):
                data += part
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        log.error("journal segment %s is damaged, its rest is lost: %s", path, error)
    return bytes(data[:MAX_READ_BYTES]), len(data) <= MAX_READ_BYTES


def _add_line(chunk: Chunk, line: bytes) -> None:
    try:
        record: Any = parse_line(line)
    except ValueError:
        chunk.corrupt.append((chunk.offset, line))
        return
    if isinstance(record, Scan):
        chunk.scans.append(record)
    elif isinstance(record, View):
        chunk.views.append(record)
    elif isinstance(record, Erased):
        chunk.erased_scans += record.was_scan
    else:
        chunk.stats = record
        chunk.scans_before_stats = len(chunk.scans) + chunk.erased_scans
        chunk.corrupt_before_stats = len(chunk.corrupt)
