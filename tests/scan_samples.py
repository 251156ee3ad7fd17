"""Scans, segments and how a journal line is made: light enough for the small programs that tests start."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from redirector.journal import segment_name
from redirector.records import Scan, scan_line

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
START = datetime(2026, 11, 21, 18, 40, tzinfo=UTC)
_SAMPLE = Scan(
    id="",
    at_us=0,
    code_id=1,
    version=1,
    rule=None,
    variant=None,
    uncounted=None,
    address="203.0.113.0/24",
    user_agent=IPHONE,
    referrer="",
    language="de",
    visitor="00000000000000aa",
    host="w.example",
)


def micros(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def scan(number: int, at: datetime = START, **changes: object) -> Scan:
    """The scan with this number; its id is made of it."""
    fields = {"id": f"{number:024x}", "at_us": micros(at) + number, **changes}
    return replace(_SAMPLE, **fields)  # type: ignore[arg-type]


def write_segment(
    folder: Path, lines: Sequence[bytes], *, series: str = "public-0", started_ms: int = 1, number: int = 1
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / segment_name(series, started_ms, number)
    path.write_bytes(b"".join(lines))
    return path


def scan_lines(numbers: Sequence[int]) -> list[bytes]:
    return [scan_line(scan(number)) for number in numbers]
