"""Time ranges as people ask for them: a zone, a start, an end, and interval starts that survive daylight saving."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

Interval = Literal["15min", "hour", "day", "week", "month"]
INTERVALS: Final[tuple[Interval, ...]] = ("15min", "hour", "day", "week", "month")
MAX_POINTS: Final = 2_000
# In the zone folder of many systems, but unknown to the scan store (or, "right", with leap seconds).
_NOT_IANA: Final = ("localtime", "posix", "right/")
_YEARS: Final = range(1970, 2200)


class PeriodError(ValueError):
    """A range or zone that cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` (included) to ``end`` (excluded), both aware; ``tz`` is the asker's zone."""

    start: datetime
    end: datetime
    tz: ZoneInfo

    def local(self, at: datetime) -> str:
        return at.astimezone(self.tz).isoformat()


def zone_for(name: str) -> ZoneInfo:
    refusal = PeriodError(f"{name[:60]!r} is no time zone we know; use an IANA name such as Europe/Berlin or UTC.")
    if name.startswith(_NOT_IANA):
        raise refusal
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise refusal from error


def period_for(
    start: str | None, end: str | None, tz: str = "UTC", *, now: datetime | None = None, days: int = 30
) -> Period:
    """Dates or times in ISO form; a date as the end includes that whole day. Without a start: the last ``days`` days."""
    zone = zone_for(tz)
    now = (now or datetime.now(UTC)).astimezone(zone)
    until = (
        _moment(end, zone, end_of_day=True) if end else midnight(now.date() + timedelta(days=1), zone).astimezone(UTC)
    )
    since = (
        _moment(start, zone)
        if start
        else midnight(until.astimezone(zone).date() - timedelta(days=days), zone).astimezone(UTC)
    )
    if since >= until:
        raise PeriodError(
            f"the range starts at {since.isoformat()}, not before its end {until.isoformat()}; swap them."
        )
    if until - since > timedelta(days=366 * 20):
        raise PeriodError("the range is longer than twenty years; choose a shorter one.")
    return Period(since, until, zone)


def interval_for(period: Period) -> Interval:
    """What gives a readable number of points."""
    length = period.end - period.start
    if length <= timedelta(hours=6):
        return "15min"
    if length <= timedelta(days=4):
        return "hour"
    if length <= timedelta(days=120):
        return "day"
    return "week" if length <= timedelta(days=800) else "month"


def interval_starts(period: Period, interval: Interval) -> list[datetime]:
    """Aware UTC starts covering the period, in order. Raises PeriodError when there would be too many."""
    local = period.start.astimezone(period.tz)
    starts: list[datetime] = []
    current = _floor(local, interval, period.tz)
    while current < period.end:
        starts.append(current)
        if len(starts) > MAX_POINTS:
            raise PeriodError(
                f"{interval} points over this range are more than {MAX_POINTS}; choose a longer interval."
            )
        current = _next(current, interval, period.tz)
    return starts


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When the day begins there, in that zone; the first time, should its clock go back at midnight."""
    return datetime.combine(day, time(0), zone)


def _moment(text: str, zone: ZoneInfo, *, end_of_day: bool = False) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError as error:
        raise PeriodError(f"{text!r} is no date or time; write 2026-11-21 or 2026-11-21T14:30:00+01:00.") from error
    if at.year not in _YEARS:
        raise PeriodError(f"{text!r} is in the year {at.year}; write one between {_YEARS[0]} and {_YEARS[-1]}.")
    if len(text.strip()) <= 10 and end_of_day:
        at += timedelta(days=1)
    return (at.replace(tzinfo=zone) if at.tzinfo is None else at).astimezone(UTC)


def _floor(local: datetime, interval: Interval, zone: ZoneInfo) -> datetime:
    if interval in ("15min", "hour"):
        minute = local.minute // 15 * 15 if interval == "15min" else 0
        # fold is kept by replace: the second 01:30 of an autumn night floors to the second 01:00.
        return local.replace(minute=minute, second=0, microsecond=0).astimezone(UTC)
    day = local.date()
    if interval == "week":
        day -= timedelta(days=day.weekday())
    elif interval == "month":
        day = day.replace(day=1)
    return midnight(day, zone).astimezone(UTC)


def _next(current: datetime, interval: Interval, zone: ZoneInfo) -> datetime:
    if interval == "15min":
        return current + timedelta(minutes=15)
    if interval == "hour":
        following = _floor((current + timedelta(hours=1)).astimezone(zone), "hour", zone)
        # Where the clock goes back by half an hour, that hour lasts ninety minutes.
        return (
            following if following > current else _floor((current + timedelta(hours=2)).astimezone(zone), "hour", zone)
        )
    day = current.astimezone(zone).date()
    if interval == "day":
        day += timedelta(days=1)
    elif interval == "week":
        day += timedelta(days=7)
    else:
        day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return midnight(day, zone).astimezone(UTC)
