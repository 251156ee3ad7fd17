"""How numbers and times read on a page. English, pure, no clock of its own: `now` is always handed in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LONG_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

MANY_TIMES = 10  # from here on a percentage is hard to read
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


@dataclass(frozen=True, slots=True)
class Number:
    """A count as shown (`12.3k`) and as it is (`12,345`)."""

    value: int
    short: str
    exact: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as shown in the reader's zone: machine-readable, short, in full, and as a distance from now."""

    iso: str
    short: str
    full: str
    ago: str


@dataclass(frozen=True, slots=True)
class Change:
    """A count against the period before: the words to show and where it points (up, down, same)."""

    text: str
    direction: str


def number(value: int) -> Number:
    return Number(value, compact(value), f"{value:,}")


def compact(value: int) -> str:
    """Three significant digits at most: 999, 1.2k, 12.3k, 123k, 1.2M. Cut, never rounded up."""
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= size:
            tenths = value * 10 // size
            return f"{tenths // 10}{unit}" if tenths >= 1000 or tenths % 10 == 0 else f"{tenths / 10:.1f}{unit}"
    return str(value)


def share(part: int, whole: int) -> str:
    if whole <= 0 or part == 0:
        return "0 %"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "< 0.1 %"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %"


def change(value: int, before: int | None) -> Change | None:
    """Against the period before; None when that had nothing to compare with."""
    if not before:
        return None
    percent = round(100 * (value - before) / before)
    if percent == 0:
        return Change("no change", "same")
    if value >= MANY_TIMES * before:
        return Change(f"{round(value / before):,} times as many", "up")
    return Change(f"{abs(percent):,} % {'more' if percent > 0 else 'fewer'}", "up" if percent > 0 else "down")


def counted(count: int, singular: str, plural: str | None = None) -> str:
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def moment(at: str | datetime, zone: ZoneInfo, now: datetime) -> Moment:
    """`at` is ISO text or a datetime; without an offset it is UTC."""
    stamp = datetime.fromisoformat(at) if isinstance(at, str) else at
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=ZoneInfo("UTC"))
    local = stamp.astimezone(zone)
    return Moment(
        iso=stamp.astimezone(ZoneInfo("UTC")).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        short=f"{day(local)}, {clock(local)}"
        if local.year == now.astimezone(zone).year
        else f"{day(local)} {local.year}",
        full=f"{long_day(local)}, {local:%H:%M:%S} ({zone.key})",
        ago=ago(now - stamp),
    )


def ago(distance: timedelta) -> str:
    seconds = int(distance.total_seconds())
    if seconds < 10:
        return "just now"
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def day(at: datetime) -> str:
    return f"{at.day} {MONTHS[at.month - 1]}"


def long_day(at: datetime) -> str:
    return f"{WEEKDAYS[at.weekday()]} {day(at)} {at.year}"


def clock(at: datetime) -> str:
    return f"{at:%H:%M}"
