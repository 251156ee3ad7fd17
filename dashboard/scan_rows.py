"""A scan as a line of the live list. web/live.js builds the same line from the same JSON: change both together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from babel import Locale

from dashboard.formats import Moment, moment

LIVE_ROWS = 20
OF_JOB = "job:"  # instead of a job's code, which its customer alone knows, before its reference


@dataclass(frozen=True, slots=True)
class Badge:
    """A mark on a scan; `kind` colours it, `why` explains it."""

    kind: str
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class ScanRow:
    id: str
    at: Moment
    code: str
    code_name: str
    code_path: str
    country: str
    place: str
    device: str
    badges: tuple[Badge, ...]


def scan_rows(scans: Sequence[Mapping[str, Any]], zone: ZoneInfo, now: datetime) -> tuple[ScanRow, ...]:
    """Newest first, as many as the live list holds."""
    return tuple(scan_row(scan, zone, now) for scan in scans[:LIVE_ROWS])


def scan_row(scan: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> ScanRow:
    return ScanRow(
        id=scan["id"],
        at=moment(scan["at"], zone, now),
        code=scan["code"],
        code_name=scan.get("code_name") or "",
        code_path=_code_path(scan),
        country=scan.get("country") or "",
        place=_place(scan),
        device=_device(scan),
        badges=tuple(_badges(scan)),
    )


def _code_path(scan: Mapping[str, Any]) -> str:
    """With its domain, which the same code on another one may share. A job has its own page, by its reference."""
    if scan["code"] and scan["code"].startswith(OF_JOB):
        return f"/jobs/{quote(scan['code'].removeprefix(OF_JOB), safe='')}"
    host = (scan.get("short_url") or "").partition("://")[2].partition("/")[0]
    return f"/codes/{quote(scan['code'], safe='')}" + (f"?domain={quote(host, safe='')}" if host else "")


def country_name(code: str) -> str:
    """In English; the code itself when it is no country's."""
    return str(Locale("en").territories.get(code, code))


def _place(scan: Mapping[str, Any]) -> str:
    country = scan.get("country")
    return scan.get("city") or scan.get("region") or (country and country_name(country)) or "Unknown place"


def _device(scan: Mapping[str, Any]) -> str:
    known = [scan.get("os"), scan.get("app") or scan.get("browser")]
    return " · ".join(word for word in known if word) or scan.get("device") or "Unknown device"


def _badges(scan: Mapping[str, Any]) -> list[Badge]:
    found = []
    if scan.get("bot"):
        found.append(Badge("bot", "bot", f"Taken for a bot: {scan.get('bot_reason') or 'no reason given'}"))
    elif not scan.get("counted", True):
        found.append(Badge("aside", "not counted", f"Not counted: {scan.get('uncounted_reason') or 'no reason given'}"))
    if scan.get("datacenter"):
        found.append(Badge("aside", "data centre", "From a network of data centres; a mark, not a verdict"))
    if scan.get("relay"):
        found.append(Badge("aside", "relay", "Through a privacy relay, so the place is the relay's"))
    if scan.get("demo"):
        found.append(Badge("demo", "demo", "Written by the demo data"))
    return found
