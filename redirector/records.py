"""What the journal holds: one versioned JSON array per line. Fields are only ever added at the end."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

FORMAT: Final = 1
SCAN: Final = "scan"
STATS: Final = "stats"
VIEW: Final = "view"
ERASED: Final = "erased"
MAX_AT_US: Final = 253_402_300_799_999_999  # the end of the year 9999
MAX_CODE_ID: Final = 2**63 - 1
MAX_VERSION: Final = 2**31 - 1
_SCAN_START: Final = f'["{SCAN}",'.encode()
_VIEW_START: Final = f'["{VIEW}",'.encode()
_VISITOR = re.compile(r"(?:[0-9a-f]{16})?")


@dataclass(frozen=True, slots=True)
class Scan:
    """The fact of one request to a known code, before anybody interprets it."""

    id: str  # 24 hex digits, rising with time
    at_us: int  # UTC microseconds since 1970
    code_id: int
    version: int
    rule: str | None
    variant: str | None
    uncounted: str | None  # None = counted; else head | prefetch | password (the page that asked for it was the scan)
    address: str  # cut to /24 or /48; whole only with [privacy] address = "full", and then only until enriched
    user_agent: str  # at most 512 characters; with Sec-GPC only its platform
    referrer: str  # origin + path
    language: str  # first tag of Accept-Language
    query: dict[str, str] = field(default_factory=dict)  # utm_* and configured keys
    gpc: bool = False
    visitor: str = ""  # 16 hex digits, good for one UTC day; empty with Sec-GPC
    host: str = ""
    demo: bool = False


def scan_line(scan: Scan) -> bytes:
    return orjson.dumps(
        (
            SCAN,
            FORMAT,
            scan.id,
            scan.at_us,
            scan.code_id,
            scan.version,
            scan.rule,
            scan.variant,
            scan.uncounted,
            scan.address,
            scan.user_agent,
            scan.referrer,
            scan.language,
            scan.query,
            scan.gpc,
            scan.visitor,
            scan.host,
            scan.demo,
        ),
        option=orjson.OPT_APPEND_NEWLINE,
    )


def line_of(
    scan_id: str,
    at_us: int,
    decided: str,
    uncounted: str,
    address: str,
    headers: str,
    query: str,
    gpc: str,
    visitor: str,
    host: str,
) -> bytes:
    """The bytes of ``scan_line`` from parts that are JSON already; id, address and visitor are plain ASCII, unquoted.

    Most parts are the same for many scans: joining them costs a quarter of making a Scan and encoding it.
    """
    return (
        f'["{SCAN}",{FORMAT},"{scan_id}",{at_us},{decided},{uncounted},"{address}",{headers},{query},{gpc},"{visitor}",'
        f"{host},false]\n"
    ).encode()


def json_text(value: Any) -> str:
    return orjson.dumps(value).decode()


def json_items(*values: Any) -> str:
    """Several fields in a row, without the brackets around them."""
    return orjson.dumps(values).decode()[1:-1]


def stats_line(at_us: int, counters: dict[str, Any]) -> bytes:
    return orjson.dumps((STATS, FORMAT, at_us, counters), option=orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True, slots=True)
class Stats:
    """A public worker's own counters since its start, as of one moment."""

    at_us: int
    counters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class View:
    """One look at a job's page. Apart from scans: no address, nothing that the browser said of itself, and no token."""

    at_us: int
    job_id: int
    uncounted: str | None  # None = counted; else head | prefetch, or why it was taken for a program
    visitor: str  # as of a scan


@dataclass(frozen=True, slots=True)
class Erased:
    """Where a scan of a deleted job was. It keeps the line's length, so that marks into the journal stay right."""

    was_scan: bool


def erased_line(line: bytes) -> bytes:
    """In place of a whole line, which is as long."""
    said = orjson.dumps((ERASED, FORMAT, int(line.startswith(_SCAN_START)), 0))
    return said + b" " * (len(line) - len(said) - 1) + b"\n"


def view_line(view: View) -> bytes:
    fields = (VIEW, FORMAT, view.at_us, view.job_id, view.uncounted, view.visitor)
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def is_view_line(line: bytes) -> bool:
    return line.startswith(_VIEW_START)


def parse_line(line: bytes) -> Scan | Stats | View | Erased:
    """Raises ValueError (orjson's included) for anything that is not a whole, known record.

    A flipped byte may still be valid JSON: what passes here can be enriched and stored, or ingestion would stand still.
    """
    fields = orjson.loads(line)
    if not isinstance(fields, list) or len(fields) < 4 or fields[1] != FORMAT:
        raise ValueError("not a journal record of a known format")
    if fields[0] == STATS and _is_sound_stats(fields[2], fields[3]):
        return Stats(fields[2], fields[3])
    if fields[0] == SCAN and len(fields) >= 18 and _is_sound_scan(fields):
        return Scan(*fields[2:18])
    if fields[0] == VIEW and len(fields) >= 6 and _is_sound_view(*fields[2:6]):
        return View(*fields[2:6])
    if fields[0] == ERASED:
        return Erased(fields[2] == 1)
    raise ValueError(f"unknown journal record {fields[0]!r}")


def _is_sound_stats(at_us: Any, counters: Any) -> bool:
    if not (_is_number(at_us, MAX_AT_US) and isinstance(counters, dict)):
        return False
    lost = counters.get("lost", {})
    numbers = [counters.get(name, 0) for name in ("answered", "recorded", "pending")]
    return isinstance(lost, dict) and all(_is_number(number, MAX_CODE_ID) for number in (*numbers, *lost.values()))


def _is_sound_scan(fields: list[Any]) -> bool:
    texts = (fields[2], *fields[9:13], fields[15], fields[16])
    at_us, code_id, version = fields[3:6]
    return (
        all(isinstance(text, str) for text in texts)
        and _VISITOR.fullmatch(fields[15]) is not None
        and _is_number(at_us, MAX_AT_US)
        and _is_number(code_id, MAX_CODE_ID)
        and _is_number(version, MAX_VERSION)
        and all(text is None or isinstance(text, str) for text in fields[6:9])
        and isinstance(fields[13], dict)
        and all(isinstance(value, str) for value in fields[13].values())
        and isinstance(fields[14], bool)
        and isinstance(fields[17], bool)
    )


def _is_sound_view(at_us: Any, job_id: Any, uncounted: Any, visitor: Any) -> bool:
    return (
        _is_number(at_us, MAX_AT_US)
        and _is_number(job_id, MAX_CODE_ID)
        and (uncounted is None or isinstance(uncounted, str))
        and isinstance(visitor, str)
        and _VISITOR.fullmatch(visitor) is not None
    )


def _is_number(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most  # True is an int, too
