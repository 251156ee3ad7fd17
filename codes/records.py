"""The exchange format: one record for each domain, campaign, placement, print batch and code, as JSON lines or as CSV.

Names stand for numbers, so that the records of one database fit into another. In the CSV the columns people look at and
edit are columns; everything else of a record is JSON in the last one, and the columns win.
"""

import csv
import io
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

import orjson

FORMAT: Final = 1
KINDS: Final = ("waymark", "domain", "campaign", "placement", "batch", "code")
TEXTS: Final = ("domain", "code", "destination", "name", "campaign", "placement")
COLUMNS: Final = ("record", *TEXTS, "tags", "printed", "archived_at", "created_at", "details")
_SHOWN: Final = {
    "code": (*TEXTS, "tags", "printed", "archived_at", "created_at"),
    "domain": ("domain", "archived_at", "created_at"),
    "campaign": ("name", "archived_at", "created_at"),
    "placement": ("placement", "archived_at", "created_at"),
    "batch": ("name", "archived_at", "created_at"),
    "waymark": (),
}


class RecordError(ValueError):
    """A record that cannot be read; the message says why."""


def to_line(record: Mapping[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def from_line(line: str) -> dict[str, Any]:
    """Raises RecordError."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RecordError(f"it is no JSON: {error}") from None
    if not isinstance(record, dict) or record.get("record") not in KINDS:
        raise RecordError(f"it is no object with a record of {', '.join(KINDS)}")
    return record


def csv_head() -> bytes:
    return _csv_line(COLUMNS)


def to_csv(record: Mapping[str, Any]) -> bytes:
    kind = record["record"]
    shown = _SHOWN[kind]
    details = {name: value for name, value in record.items() if name != "record" and name not in shown}
    cells = [kind, *(_cell(record.get(name)) if name in shown else "" for name in COLUMNS[1:-1])]
    return _csv_line([*cells, orjson.dumps(details).decode() if details else ""])


def from_csv(row: Mapping[str, str]) -> dict[str, Any]:
    """Raises RecordError."""
    kind = row.get("record", "")
    if kind not in KINDS:
        raise RecordError(f"its first column is {kind[:40]!r}, not one of {', '.join(KINDS)}")
    try:
        details = orjson.loads(row.get("details") or "{}")
    except orjson.JSONDecodeError as error:
        raise RecordError(f"its details are no JSON: {error}") from None
    if not isinstance(details, dict):
        raise RecordError("its details are no JSON object")
    record: dict[str, Any] = {**details, "record": kind}
    for name in _SHOWN[kind]:
        text = row.get(name, "")
        if name == "tags":
            record[name] = [tag for tag in text.split("|") if tag]
        elif name == "printed":
            record[name] = text.lower() in ("yes", "true", "1")
        elif name in ("archived_at", "created_at", "campaign", "placement"):
            record[name] = text or None
        else:
            record[name] = text
    return record


def written_at(value: datetime | date | None) -> str | None:
    return None if value is None else value.isoformat()


def read_at(value: Any, name: str) -> datetime | None:
    """Raises RecordError."""
    if value is None or value == "":
        return None
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise RecordError(f"{name} {str(value)[:40]!r} is no time like 2026-05-31T12:00:00+00:00") from None
    if at.tzinfo is None:
        raise RecordError(f"{name} {value!r} lacks its offset from UTC, such as +00:00")
    return at


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    return "|".join(value) if isinstance(value, list) else str(value)


def _csv_line(cells: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()
