"""Ranges as people ask for them, and interval starts in zones whose clocks jump."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.periods import (
    INTERVALS,
    MAX_POINTS,
    Interval,
    Period,
    PeriodError,
    interval_for,
    interval_starts,
    period_for,
    zone_for,
)
from tests.conftest import Clock

# Zones with ordinary, missing, half-hour and midnight changes of the clock.
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Havana",
    "Africa/Cairo",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Pacific/Chatham",
]


def test_a_date_as_the_end_includes_that_day() -> None:
    period = period_for("2026-11-20", "2026-11-21", "Europe/Berlin")
    assert period.local(period.start) == "2026-11-20T00:00:00+01:00"
    assert period.local(period.end) == "2026-11-22T00:00:00+01:00"


def test_a_day_of_25_hours_is_whole() -> None:
    period = period_for("2026-10-25", "2026-10-25", "Europe/Berlin")
    assert period.end - period.start == timedelta(hours=25)
    period = period_for("2026-03-29", "2026-03-29", "Europe/Berlin")
    assert period.end - period.start == timedelta(hours=23)


def test_times_are_taken_exactly() -> None:
    period = period_for("2026-11-20T10:30", "2026-11-20T11:00:00+01:00", "Europe/Berlin")
    assert (period.start, period.end) == (
        datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
        datetime(2026, 11, 20, 10, 0, tzinfo=UTC),
    )


def test_a_plus_that_became_a_space_in_the_address_still_counts() -> None:
    assert period_for("2026-11-20T10:00:00 01:00", "2026-11-21").start == datetime(2026, 11, 20, 9, tzinfo=UTC)


def test_without_dates_it_is_the_last_30_days_up_to_midnight(clock: Clock) -> None:
    period = period_for(None, None, "Asia/Kolkata", now=clock())
    assert period.local(period.end) == "2026-11-23T00:00:00+05:30"  # 18:40 UTC is already the next day there
    assert period.local(period.start) == "2026-10-24T00:00:00+05:30"
    week = period_for(None, None, "America/New_York", now=clock(), days=7)
    assert week.local(week.start) == "2026-11-15T00:00:00-05:00"


def test_a_start_alone_reaches_to_tonight(clock: Clock) -> None:
    period = period_for("2026-11-01", None, now=clock())
    assert period.end == datetime(2026, 11, 22, tzinfo=UTC)


REFUSED = [
    ("no date", ("yesterday", None, "UTC"), "'yesterday' is no date"),
    ("no such day", ("2026-02-30", None, "UTC"), "'2026-02-30' is no date"),
    ("no end date", ("2026-11-01", "soon", "UTC"), "'soon' is no date"),
    ("empty range", ("2026-11-01T10:00", "2026-11-01T10:00", "UTC"), "not before its end"),
    ("backwards", ("2026-11-02", "2026-10-01", "UTC"), "swap them"),
    ("too long", ("1990-01-01", "2026-01-01", "UTC"), "twenty years"),
    ("before all time", ("0001-01-01", "0001-02-01", "Asia/Tokyo"), "year 1"),
    ("the last day of all", ("2026-01-01", "9999-12-31", "UTC"), "year 9999"),
    ("an unknown zone", ("2026-01-01", None, "Mars/Olympus"), "'Mars/Olympus' is no time zone"),
    ("an empty zone", ("2026-01-01", None, ""), "'' is no time zone"),
    ("a folder of zones", ("2026-01-01", None, "Europe"), "'Europe' is no time zone"),
    ("a path", ("2026-01-01", None, "../../etc/passwd"), "is no time zone"),
    ("an absolute path", ("2026-01-01", None, "/etc/localtime"), "is no time zone"),
    ("a NUL", ("2026-01-01", None, "UTC\0"), "is no time zone"),
    ("an overlong name", ("2026-01-01", None, "x" * 5000), "is no time zone"),
    ("the machine's own", ("2026-01-01", None, "localtime"), "is no time zone"),
    ("with leap seconds", ("2026-01-01", None, "right/Europe/Berlin"), "is no time zone"),
]


@pytest.mark.parametrize(("asked", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_cannot_be_used_is_refused_with_a_reason(asked: tuple[str, str | None, str], message: str) -> None:
    with pytest.raises(PeriodError, match=message):
        period_for(asked[0], asked[1], asked[2])


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(ZONES))
def test_any_text_is_a_period_or_refused(start: str, end: str, tz: str) -> None:
    for since, until in ((start, None), (None, end), (start, end)):
        try:
            period = period_for(since, until, tz)
        except PeriodError:
            continue
        assert period.start < period.end


@pytest.mark.parametrize(
    ("length", "interval"),
    [
        (timedelta(hours=6), "15min"),
        (timedelta(hours=7), "hour"),
        (timedelta(days=4), "hour"),
        (timedelta(days=5), "day"),
        (timedelta(days=120), "day"),
        (timedelta(days=121), "week"),
        (timedelta(days=801), "month"),
    ],
)
def test_interval_for(length: timedelta, interval: Interval) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert interval_for(Period(start, start + length, ZoneInfo("UTC"))) == interval


# (plain words, zone, day, how many hours it has, hour starts around the change as local times)
CHANGES = [
    ("Berlin, spring", "Europe/Berlin", "2026-03-29", 23, ["01:00:00+01:00", "03:00:00+02:00"]),
    ("Berlin, autumn", "Europe/Berlin", "2026-10-25", 25, ["02:00:00+02:00", "02:00:00+01:00", "03:00:00+01:00"]),
    ("New York, autumn", "America/New_York", "2026-11-01", 25, ["01:00:00-04:00", "01:00:00-05:00", "02:00:00-05:00"]),
    ("Kolkata", "Asia/Kolkata", "2026-03-29", 24, ["01:00:00+05:30", "02:00:00+05:30"]),
    # Half an hour forth and back: one short hour in spring, one of ninety minutes in autumn.
    (
        "Lord Howe, spring",
        "Australia/Lord_Howe",
        "2026-10-04",
        24,
        ["01:00:00+10:30", "02:30:00+11:00", "03:00:00+11:00"],
    ),
    (
        "Lord Howe, autumn",
        "Australia/Lord_Howe",
        "2026-04-05",
        24,
        ["01:00:00+11:00", "02:00:00+10:30", "03:00:00+10:30"],
    ),
    (
        "Havana, midnight twice",
        "America/Havana",
        "2026-11-01",
        25,
        ["00:00:00-04:00", "00:00:00-05:00", "01:00:00-05:00"],
    ),
    ("Cairo, no midnight", "Africa/Cairo", "2026-04-24", 23, ["01:00:00+03:00", "02:00:00+03:00"]),
]


@pytest.mark.parametrize(("tz", "day", "hours", "around"), [case[1:] for case in CHANGES], ids=[c[0] for c in CHANGES])
def test_hours_of_a_day_when_the_clock_changes(tz: str, day: str, hours: int, around: list[str]) -> None:
    period = period_for(day, day, tz)
    starts = interval_starts(period, "hour")
    assert len(starts) == hours
    local = [period.local(start).partition("T")[2] for start in starts]
    at = local.index(around[0])
    assert local[at : at + len(around)] == around


@given(
    st.sampled_from(ZONES),
    st.sampled_from(INTERVALS),
    st.datetimes(datetime(2008, 1, 1), datetime(2026, 12, 1)),  # noqa: DTZ001
    st.integers(1, 60 * 24 * 60),
)
@settings(max_examples=300, deadline=None)
def test_starts_cover_the_period_in_order(tz: str, interval: Interval, begin: datetime, minutes: int) -> None:
    zone = zone_for(tz)
    start = begin.replace(tzinfo=UTC)
    period = Period(start, start + timedelta(minutes=minutes), zone)
    try:
        starts = interval_starts(period, interval)
    except PeriodError:
        assert minutes / 15 > MAX_POINTS
        return
    assert starts[0] <= period.start
    assert starts[-1] < period.end
    assert starts == sorted(set(starts))
    assert all(at.timestamp() % 900 == 0 for at in starts)  # reports group by quarter hours of UTC
    for at, following in zip(starts, [*starts[1:], period.end], strict=True):
        assert following - at <= LONGEST[interval]
    for at in starts:
        assert begins(at.astimezone(zone), interval, at)


LONGEST: dict[Interval, timedelta] = {
    "15min": timedelta(minutes=15),
    "hour": timedelta(minutes=90),
    "day": timedelta(hours=48),  # Samoa left out a day in 2011
    "week": timedelta(days=8),
    "month": timedelta(days=32),
}


def begins(local: datetime, interval: Interval, at: datetime) -> bool:
    """Whether an interval of the local calendar begins here: just before, the clock showed an earlier one."""
    before = (at - timedelta(microseconds=1)).astimezone(local.tzinfo)
    if interval == "15min":
        return local.minute % 15 == 0
    if interval == "hour":
        return local.minute == 0 or (before.hour, before.utcoffset()) != (local.hour, local.utcoffset())
    if interval == "day":
        return before.date() != local.date() or (local.hour, local.minute) == (0, 0)
    if interval == "week":
        return before.isocalendar()[:2] != local.isocalendar()[:2]
    return (before.year, before.month) != (local.year, local.month)


def test_too_many_points_are_refused() -> None:
    period = period_for("2025-01-01", "2026-11-21")
    with pytest.raises(PeriodError, match="choose a longer interval"):
        interval_starts(period, "15min")
    assert len(interval_starts(period, "day")) == 690
