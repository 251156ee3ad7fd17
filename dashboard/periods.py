"""The stretch of time a page is about: named ranges and custom ones, in the reader's zone. Pure; knows no reports."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from analytics.periods import midnight
from dashboard.formats import clock, day, long_day

RANGES = {
    "today": "Today",
    "yesterday": "Yesterday",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "month": "This month",
    "custom": "Custom dates",
}
DEFAULT_RANGE = "30d"
_DAYS_BACK = {"7d": 7, "30d": 30, "90d": 90}
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_DATE_LENGTH = len("2026-11-21")


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to, not including, `end`; both aware, in the reader's zone."""

    name: str
    start: datetime
    end: datetime
    problem: str | None = None

    @property
    def whole_days(self) -> bool:
        return self.start.time() == self.end.time() == time(0)

    @property
    def label(self) -> str:
        return self.dates if self.name == "custom" else RANGES[self.name]

    @property
    def dates(self) -> str:
        """The same in dates, the last day included: "1 Nov to 21 Nov 2026"."""
        if not self.whole_days:
            return f"{day(self.start)}, {clock(self.start)} to {long_day(self.end)}, {clock(self.end)}"
        last = self.end - timedelta(days=1)
        if last.date() == self.start.date():
            return long_day(self.start)
        first = day(self.start) if last.year == self.start.year else f"{day(self.start)} {self.start.year}"
        return f"{first} to {day(last)} {last.year}"

    @property
    def first_value(self) -> str:
        """For the form's `from` field: a date, or a local date and time when the period does not fall on midnights."""
        return self.start.strftime("%Y-%m-%d" if self.whole_days else "%Y-%m-%dT%H:%M")

    @property
    def last_value(self) -> str:
        """For the form's `to` field: the last day included, or the local time at which the period ends."""
        return (self.end - timedelta(days=1)).strftime("%Y-%m-%d") if self.whole_days else f"{self.end:%Y-%m-%dT%H:%M}"

    def before(self, now: datetime) -> tuple[datetime, datetime]:
        """The period just before, as long as what has passed of this one, so that a half day meets a half day."""
        length = self.end.replace(tzinfo=None) - self.start.replace(tzinfo=None)
        passed = min(self.end, max(now, self.start)) - self.start
        start = self.start - length
        return start, min(start + passed, self.start)


def zone_for(name: str | None) -> ZoneInfo:
    """The zone of that name; UTC for an unknown one, since the name may come from a stale cookie."""
    return ZoneInfo(name) if name in zone_names() else ZoneInfo("UTC")


def zone_names() -> tuple[str, ...]:
    return _ZONES


def period_for(name: str | None, first: str | None, last: str | None, zone: ZoneInfo, now: datetime) -> Period:
    """The period a query asks for. What cannot be read becomes the default range, with `problem` saying why.

    `last` as a date is included in the period; as a date and time it is where the period ends.
    """
    chosen = name or ("custom" if first or last else DEFAULT_RANGE)
    if chosen == "custom":
        return _custom(first or "", last or "", zone, now)
    if chosen not in RANGES:
        return _named(DEFAULT_RANGE, zone, now, f"There is no range called “{chosen}”; showing the last 30 days.")
    return _named(chosen, zone, now)


def _named(name: str, zone: ZoneInfo, now: datetime, problem: str | None = None) -> Period:
    today = now.astimezone(zone).date()
    tomorrow = today + timedelta(days=1)
    first, end = tomorrow - timedelta(days=_DAYS_BACK.get(name, 1)), tomorrow
    if name == "yesterday":
        first, end = today - timedelta(days=1), today
    elif name == "month":
        first = today.replace(day=1)
    return Period(name, midnight(first, zone), midnight(end, zone), problem)


def _custom(first: str, last: str, zone: ZoneInfo, now: datetime) -> Period:
    latest = midnight(now.astimezone(zone).date() + timedelta(days=1), zone)
    try:
        start = max(_local(first, zone), _EARLIEST.astimezone(zone))
        end = min(_local(last, zone) + timedelta(days=len(last) <= _DATE_LENGTH), latest)
    except (ValueError, OverflowError):
        return _named(
            DEFAULT_RANGE, zone, now, "Both dates are needed, written like 2026-11-21; showing the last 30 days."
        )
    if end <= start:
        return _named(
            DEFAULT_RANGE,
            zone,
            now,
            "A range must start before it ends, and not in the future; showing the last 30 days.",
        )
    return Period("custom", start, end)


def _local(text: str, zone: ZoneInfo) -> datetime:
    stamp = datetime.fromisoformat(text)
    return stamp.replace(tzinfo=zone) if stamp.tzinfo is None else stamp.astimezone(zone)


# Plain place names only: no POSIX fragments, no legacy aliases such as "GB" or "Etc/GMT+5".
_ZONES = tuple(
    sorted(
        {"UTC"}
        | {
            name
            for name in available_timezones()
            if "/" in name and not name.startswith(("Etc/", "SystemV/", "posix/", "right/", "US/"))
        }
    )
)
