"""What the journal holds behind the marks that the private side has published: scans it has not told of yet."""

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from redirector.bots import bot_reason_for
from redirector.decision import LET_THROUGH_UNCOUNTED, is_own_rule
from redirector.records import Scan, parse_line

log = logging.getLogger(__name__)

MAX_BYTES: Final = 64_000_000  # what a worker reads at its start, at most: a backlog of hours is not worth its time


class Told(NamedTuple):
    """A counted scan, in front of ``offset`` of ``segment``."""

    segment: str
    offset: int
    code_id: int


def run_of(segment: str) -> str:
    """ "public-0.1767225600000.000001.jsonl" -> "public-0.1767225600000"."""
    return segment.rsplit(".", 2)[0]


def is_consumed(scan: Scan) -> bool:
    """Whether it counts for rules and ``max_scans``: a person's, who was let through to where the code leads."""
    return (
        (scan.uncounted is None or scan.uncounted == LET_THROUGH_UNCOUNTED)
        and not is_own_rule(scan.rule)
        and bot_reason_for(scan.user_agent) is None
    )


def untold_scans(folder: Path, marks: Mapping[str, int], end: tuple[str, int], code_ids: frozenset[int]) -> list[Told]:
    """Of these codes, behind the marks, and in the segment of ``end`` only up to there. Blocking."""
    wanted = {str(code_id).encode() for code_id in code_ids}
    found: list[Told] = []
    left = MAX_BYTES
    for path in sorted(folder.glob("*.jsonl")):
        start = marks.get(path.name, 0)
        until = end[1] if path.name == end[0] else None
        data = _read(path, start, until, left)
        left -= len(data)
        found += _told(path.name, start, data, wanted)
    if left <= 0:
        log.warning("too much of the journal is unread to count it all: counts of scans are too low until it is read")
    return found


def counts_by_code(found: list[Told]) -> Counter[int]:
    return Counter(told.code_id for told in found)


def _read(path: Path, start: int, until: int | None, most: int) -> bytes:
    if most <= 0:
        return b""
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(most if until is None else max(0, min(most, until - start)))
    except OSError:  # compressed since the folder was listed: the store has all of it
        return b""


def _told(segment: str, start: int, data: bytes, wanted: set[bytes]) -> list[Told]:
    found, offset = [], start
    for line in data.splitlines(keepends=True):
        offset += len(line)
        fields = line.split(b",", 5)
        if len(fields) < 6 or fields[4] not in wanted or not line.endswith(b"\n"):
            continue
        try:
            record = parse_line(line)
        except ValueError:
            continue
        if isinstance(record, Scan) and is_consumed(record):
            found.append(Told(segment, offset, record.code_id))
    return found
