"""Options as the fields of a form and back. Pure; what they mean and whether they are allowed is said in codes.options."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from codes.conditions import RuleError, read_condition, typed_instant
from codes.options import UTM_FIELDS

_TEXTS: Final = ("fallback", "scan_id")
_NUMBERS: Final = ("max_scans", "remember_days")


def option_fields(shown: Mapping[str, Any], zone: str) -> dict[str, str]:
    """What codes.options shows, as fields; times on the clocks of ``zone``."""
    fields = {name: str(shown[name]) for name in (*_TEXTS, *_NUMBERS) if name in shown}
    for name in ("starts_at", "ends_at"):
        if name in shown:
            local = datetime.fromisoformat(shown[name]).astimezone(ZoneInfo(zone))
            fields[name] = local.replace(tzinfo=None).isoformat(timespec="minutes")
    if "paused" in shown:
        fields |= {"paused": "1", "message": str(shown["paused"])}
    kept = {"pass_query": "pass_query", "password": "keep_password"}
    fields |= {box: "1" for option, box in kept.items() if shown.get(option)}
    return fields | {f"utm_{name}": text for name, text in shown.get("utm", {}).items()}


def options_of(fields: Mapping[str, str]) -> dict[str, Any]:
    """JSON for codes.options. Raises RuleError for a number or zone that is none."""
    given = {name: text.strip() for name, text in fields.items() if text.strip()}
    options: dict[str, Any] = {name: given[name] for name in _TEXTS if name in given}
    options |= {name: _number(given[name], name) for name in _NUMBERS if name in given}
    zone = given.get("zone", "UTC")
    read_condition({"time": {"zone": zone}}, "zone")
    for name in ("starts_at", "ends_at"):
        if name in given:
            options[name] = typed_instant(given[name], zone, name).isoformat()
    if "paused" in given:
        options["paused"] = given.get("message") or True
    if "pass_query" in given:
        options |= {"pass_query": True}
    if "password" in given or "keep_password" in given:
        options["password"] = fields["password"] if "password" in given else True
    utm = {name: given[f"utm_{name}"] for name in UTM_FIELDS if f"utm_{name}" in given}
    return {**options, "utm": utm} if utm else options


def _number(text: str, name: str) -> int:
    if not text.isdecimal() or len(text) > 13:
        raise RuleError(f"{name} is a whole number.")
    return int(text)
