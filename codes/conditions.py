"""What a rule asks of a scan: the conditions, read from JSON, written back, and told in words. Evaluates nothing."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from codes.alphabet import CodeError
from codes.names import is_plain

MAX_VALUES: Final = 200
MAX_VALUE: Final = 120
MAX_DEPTH: Final = 3
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DEVICES: Final = ("mobile", "tablet", "desktop", "tv", "other")
JOB_STATES: Final = ("in-progress", "ready", "done", "late")

Fact = Literal["country", "region", "city", "asn", "device", "os", "app", "language", "referrer", "job"]
FACTS: Final[tuple[Fact, ...]] = get_args(Fact)


SKIPPED: Final = "the clocks are set forward over it. Choose another time."


class RuleError(CodeError):
    """Rules that cannot be used; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """Wall-clock minutes of a day, ``until`` excluded; past midnight when ``until`` is not after ``start``.

    ``days`` are those on which the span begins (0 = Monday). A wall-clock time that a change of clocks skips does not
    come; one that it repeats holds twice.
    """

    zone: str
    start: int
    until: int
    days: frozenset[int]


@dataclass(frozen=True, slots=True)
class Dates:
    """From one instant to another, ``until`` excluded; None is open. Written as local dates or times of ``zone``."""

    zone: str
    start: datetime | None
    until: datetime | None
    written: tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class OneOf:
    """A fact of the scan is one of these; all values are lower case. For ``app``, "any" is any in-app browser."""

    fact: Fact
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VisitorIs:
    returning: bool


@dataclass(frozen=True, slots=True)
class ScanCount:
    """Scans of this code before this one: at least ``least``, fewer than ``below``."""

    least: int
    below: int | None


@dataclass(frozen=True, slots=True)
class Query:
    """A parameter of the short link; without values it only has to be there."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    condition: "Condition"


Condition = TimeOfDay | Dates | OneOf | VisitorIs | ScanCount | Query | AnyOf | Not


def read_condition(given: Any, where: str, depth: int = 0) -> Condition:
    """One JSON object with exactly one key, the condition's name. Raises RuleError, which names ``where``."""
    if not isinstance(given, Mapping) or len(given) != 1:
        raise RuleError(f'{where}: a condition is an object with one key, such as {{"country": ["AE"]}}.')
    [(name, value)] = given.items()
    if name in ("any", "not") and depth >= MAX_DEPTH:
        raise RuleError(f"{where}: groups lie more than {MAX_DEPTH} deep; split the rule into several.")
    if name == "any":
        members = _sequence(value, f"{where}, any")
        return AnyOf(tuple(read_condition(member, f"{where}, any", depth + 1) for member in members))
    if name == "not":
        return Not(read_condition(value, f"{where}, not", depth + 1))
    reader = _READERS.get(str(name))
    if reader is None:
        raise RuleError(f"{where}: there is no condition {str(name)[:40]!r}. There are {', '.join(sorted(NAMES))}.")
    return reader(str(name), value, where)


def written_condition(condition: Condition) -> dict[str, Any]:
    """The JSON that ``read_condition`` makes the same condition of."""
    match condition:
        case TimeOfDay(zone, start, until, days):
            chosen = {} if len(days) == len(DAYS) else {"days": [DAYS[day] for day in sorted(days)]}
            return {"time": {"from": _clock(start), "until": _clock(until), **chosen, "zone": zone}}
        case Dates(zone, _, _, (start_text, until_text)):
            spans = {name: text for name, text in (("from", start_text), ("until", until_text)) if text}
            return {"dates": {**spans, "zone": zone}}
        case OneOf(fact, values):
            return {fact: [value.upper() if fact == "country" else value for value in values]}
        case VisitorIs(returning):
            return {"visitor": "returning" if returning else "first"}
        case ScanCount(least, below):
            return {"scans": {**({"from": least} if least else {}), **({"below": below} if below is not None else {})}}
        case Query(key, values):
            return {"query": {"key": key, **({"values": list(values)} if values else {})}}
        case AnyOf(conditions):
            return {"any": [written_condition(member) for member in conditions]}
        case Not(inner):
            return {"not": written_condition(inner)}


def condition_in_words(condition: Condition) -> str:
    match condition:
        case TimeOfDay(zone, start, until, days):
            on = "every day" if len(days) == len(DAYS) else " ".join(DAYS[day].capitalize() for day in sorted(days))
            return f"time {_clock(start)}-{_clock(until or 24 * 60)}, {on}, in {zone}"
        case Dates(zone, _, _, (start_text, until_text)):
            span = " ".join(f"{word} {text}" for word, text in (("from", start_text), ("until", until_text)) if text)
            return f"date {span}, in {zone}"
        case OneOf(fact, values):
            shown = [value.upper() if fact == "country" else value for value in values]
            return f"{fact} is {' or '.join(shown)}"
        case VisitorIs(returning):
            return "the visitor was here within 48 hours" if returning else "the visitor is here for the first time"
        case ScanCount(least, None):
            return f"the code has {least:,} scans or more"
        case ScanCount(0, below):
            return f"one of the code's first {below:,} scans"
        case ScanCount(least, below):
            return f"the code has {least:,} to {(below or 1) - 1:,} scans"
        case Query(key, values):
            return f"the link has ?{key}=" + " or ".join(values) if values else f"the link has ?{key}"
        case AnyOf(conditions):
            return f"any of ({'; '.join(condition_in_words(member) for member in conditions)})"
        case Not(inner):
            return f"not ({condition_in_words(inner)})"


def read_instant(value: Any, zone: str, where: str, *, last: bool = False) -> datetime:
    """A date stands for its first moment, or with ``last`` for the end of that day. Raises RuleError."""
    try:
        if len(value) == len("2026-12-01"):
            day = date.fromisoformat(value) + timedelta(days=1 if last else 0)
            local = datetime.combine(day, datetime.min.time())
        else:
            local = datetime.fromisoformat(value)
        aware = local if local.tzinfo else local.replace(tzinfo=ZoneInfo(zone))
        return aware.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise RuleError(f"{where}: give a date such as 2026-12-01, or a time such as 2026-12-01T18:30.") from error


def typed_instant(text: str, zone: str, where: str) -> datetime:
    """As somebody types it now; a time that the change of clocks skips is refused, too. Raises RuleError."""
    found = read_instant(text, _zone(zone, where), where)
    if len(text) > len("2026-12-01") and is_skipped(datetime.fromisoformat(text), ZoneInfo(zone)):
        raise RuleError(f"{where}: {text} does not exist in {zone}: {SKIPPED}")
    return found


def is_skipped(local: datetime, zone: tzinfo | None) -> bool:
    """Whether the clocks of ``zone`` (None: this machine's) are set forward over it."""
    if local.tzinfo is not None:
        return False
    there = local.replace(tzinfo=zone) if zone else local
    return there.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local


def _read_time(name: str, value: Any, where: str) -> Condition:
    given = _object(value, {"from", "until", "days", "zone"}, f"{where}, {name}")
    days = given.get("days", DAYS)
    if not isinstance(days, Sequence) or isinstance(days, str) or not days or any(day not in DAYS for day in days):
        raise RuleError(f"{where}, {name}: days are a list of {', '.join(DAYS)}.")
    start, until = (_minute(given.get(key, "00:00"), f"{where}, {name}, {key}") for key in ("from", "until"))
    return TimeOfDay(_zone(given.get("zone"), f"{where}, {name}"), start, until, frozenset(map(DAYS.index, days)))


def _read_dates(name: str, value: Any, where: str) -> Condition:
    given = _object(value, {"from", "until", "zone"}, f"{where}, {name}")
    zone = _zone(given.get("zone"), f"{where}, {name}")
    start = _instant(given.get("from"), zone, f"{where}, {name}, from", last=False)
    until = _instant(given.get("until"), zone, f"{where}, {name}, until", last=True)
    if start is None and until is None:
        raise RuleError(f"{where}, {name}: give from, until, or both.")
    if start is not None and until is not None and until <= start:
        raise RuleError(f"{where}, {name}: until must come after from.")
    return Dates(zone, start, until, (given.get("from"), given.get("until")))


def _read_one_of(name: str, value: Any, where: str) -> Condition:
    values = tuple(
        dict.fromkeys(_text(item, f"{where}, {name}").lower() for item in _sequence(value, f"{where}, {name}"))
    )
    allowed, hint = _ALLOWED.get(name, (None, ""))
    for item in values:
        if allowed is not None and not allowed(item):
            raise RuleError(f"{where}, {name}: {item!r} is not one of {hint}.")
    fact = next(fact for fact in FACTS if fact == name)
    return OneOf(fact, values)


def _read_visitor(name: str, value: Any, where: str) -> Condition:
    if value not in ("first", "returning"):
        raise RuleError(f'{where}, {name}: say "first" or "returning".')
    return VisitorIs(value == "returning")


def _read_scans(name: str, value: Any, where: str) -> Condition:
    given = _object(value, {"from", "below"}, f"{where}, {name}")
    least, below = given.get("from", 0), given.get("below")
    if not _is_count(least) or not (below is None or _is_count(below)) or (below is None and not least):
        raise RuleError(f'{where}, {name}: give whole numbers, such as {{"below": 100}} for the first hundred scans.')
    if below is not None and below <= least:
        raise RuleError(f"{where}, {name}: below must be more than from.")
    return ScanCount(least, below)


def _read_query(name: str, value: Any, where: str) -> Condition:
    given = _object(value, {"key", "values"}, f"{where}, {name}")
    values = _sequence(given["values"], f"{where}, {name}, values") if "values" in given else ()
    texts = tuple(_text(item, f"{where}, {name}, values") for item in values)
    return Query(_text(given.get("key"), f"{where}, {name}, key"), texts)


_READERS: Final[dict[str, Callable[[str, Any, str], Condition]]] = {
    "time": _read_time,
    "dates": _read_dates,
    "visitor": _read_visitor,
    "scans": _read_scans,
    "query": _read_query,
} | dict.fromkeys(FACTS, _read_one_of)
NAMES: Final = frozenset({*_READERS, "any", "not"})

_ALLOWED: Final[dict[str, tuple[Callable[[str], bool], str]]] = {
    "country": (lambda text: re.fullmatch("[a-z]{2}", text) is not None, "the two-letter country codes, such as AE"),
    "asn": (lambda text: re.fullmatch("[0-9]{1,10}", text) is not None, "the network numbers, such as 5384"),
    "device": (DEVICES.__contains__, ", ".join(DEVICES)),
    "job": (JOB_STATES.__contains__, ", ".join(JOB_STATES)),
    "language": (
        lambda text: re.fullmatch("[a-z]{2,3}(-[a-z0-9]{1,8})*", text) is not None,
        "the language tags, such as ar or pt-br",
    ),
}


def _object(value: Any, keys: set[str], where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise RuleError(f"{where}: this is an object with {', '.join(sorted(keys))}.")
    unknown = sorted(str(key) for key in value if key not in keys)
    if unknown:
        raise RuleError(f"{where}: unknown {', '.join(unknown)}. It takes {', '.join(sorted(keys))}.")
    return value


def _sequence(value: Any, where: str) -> Sequence[Any]:
    items = value if isinstance(value, list | tuple) else [value]
    if not items or len(items) > MAX_VALUES:
        raise RuleError(f"{where}: give 1 to {MAX_VALUES} values.")
    return items


def _text(value: Any, where: str) -> str:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text or len(text) > MAX_VALUE or not is_plain(text):
        raise RuleError(f"{where}: give a text of 1 to {MAX_VALUE} characters.")
    return text


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 10**12


def _zone(value: Any, where: str) -> str:
    name = "UTC" if value is None else value
    if not isinstance(name, str) or (name != "UTC" and name not in available_timezones()):
        raise RuleError(
            f"{where}: there is no time zone {str(value)[:60]!r}; give one like Europe/Berlin or Asia/Kolkata."
        )
    return name


def _minute(value: Any, where: str) -> int:
    match = re.fullmatch(r"([01]?\d|2[0-4]):([0-5]\d)", value) if isinstance(value, str) else None
    minute = int(match[1]) * 60 + int(match[2]) if match else -1
    if not 0 <= minute <= 1440:
        raise RuleError(f"{where}: give a time of day such as 18:30.")
    return minute % 1440


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _instant(value: Any, zone: str, where: str, *, last: bool) -> datetime | None:
    return None if value is None else read_instant(value, zone, where, last=last)
