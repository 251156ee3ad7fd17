"""Working time: opening hours, holidays and changes of clocks, against a wall clock read minute by minute."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codes.conditions import DAYS
from codes.opening_hours import Hours, read_hours, read_typed_hours
from jobs.working_time import Calendar, HolidayError, read_holidays, read_typed_holidays, typed_holidays

WEEK = read_typed_hours("mon-fri 09:00-12:00 13:00-18:00; sat 10:00-14:00")
NIGHTS = read_typed_hours("mon-sun 00:00-06:00 22:00-24:00")
# Gaps and repeats at night, at midnight, of half an hour; odd offsets; both ends of the day.
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
]
CHANGES = [  # a moment within two days of a change of clocks somewhere
    datetime(2026, 3, 28, tzinfo=UTC),
    datetime(2026, 10, 24, tzinfo=UTC),
    datetime(2026, 3, 7, tzinfo=UTC),
    datetime(2026, 4, 4, tzinfo=UTC),
    datetime(2026, 4, 23, tzinfo=UTC),
    datetime(2026, 9, 5, tzinfo=UTC),
    datetime(2026, 10, 29, tzinfo=UTC),
]
MINUTE = timedelta(minutes=1)


def local(zone: str, text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def clock_says_open(calendar: Calendar, at: datetime) -> bool:
    shown = at.astimezone(ZoneInfo(calendar.zone))
    if any(holiday["from"] <= shown.date().isoformat() <= holiday["until"] for holiday in calendar.holidays):
        return False
    if calendar.hours is None:
        return True
    spans = calendar.hours.get(DAYS[shown.weekday()], [])
    return any(start <= shown.strftime("%H:%M") < end for start, end in spans)


def hours() -> st.SearchStrategy[Hours | None]:
    times = [f"{half // 2:02}:{half % 2 * 30:02}" for half in range(49)]
    spans = st.lists(st.sampled_from(times), unique=True, max_size=6).map(
        lambda chosen: [list(pair) for pair in zip(sorted(chosen)[::2], sorted(chosen)[1::2], strict=False)]
    )
    return st.none() | st.dictionaries(st.sampled_from(DAYS), spans).map(read_hours)


def moments() -> st.SearchStrategy[datetime]:
    return st.builds(
        lambda day, minutes: day + timedelta(minutes=minutes), st.sampled_from(CHANGES), st.integers(0, 5 * 1440)
    )


def calendars() -> st.SearchStrategy[Calendar]:
    holidays = st.lists(
        st.builds(
            lambda day, start, length: {
                "from": str(day.date() + timedelta(days=start)),
                "until": str(day.date() + timedelta(days=start + length)),
            },
            st.sampled_from(CHANGES),
            st.integers(-2, 8),
            st.integers(0, 3),
        ),
        max_size=3,
    ).map(read_holidays)
    return st.builds(Calendar, st.sampled_from(ZONES), hours(), holidays)


@pytest.mark.parametrize(
    ("start", "hours", "expected"),
    [
        ("2026-11-23T10:00", 1, "2026-11-23T11:00"),
        ("2026-11-23T11:30", 1, "2026-11-23T13:30"),
        ("2026-11-23T11:30", 0.5, "2026-11-23T12:00"),
        ("2026-11-23T20:00", 1, "2026-11-24T10:00"),
        ("2026-11-27T17:00", 2, "2026-11-28T11:00"),
        ("2026-11-28T13:30", 1, "2026-11-30T09:30"),
        ("2026-11-23T09:00", 44, "2026-11-28T14:00"),
        ("2026-12-23T17:00", 2, "2026-12-28T10:00"),  # over Christmas and a Sunday
        ("2026-12-25T10:00", 0, "2026-12-25T10:00"),
    ],
)
def test_work_is_done_in_opening_hours_only(start: str, hours: float, expected: str) -> None:
    calendar = Calendar("Europe/Berlin", WEEK, read_holidays([{"from": "2026-12-24", "until": "2026-12-26"}]))
    end = calendar.after(local("Europe/Berlin", start), timedelta(hours=hours))
    assert end == local("Europe/Berlin", expected)


def test_what_a_spring_night_skips_is_not_worked_and_what_autumn_repeats_is_worked_twice() -> None:
    calendar = Calendar("Europe/Berlin", NIGHTS)
    for day, night in (("2026-03-28", 7), ("2026-10-24", 9), ("2026-11-24", 8)):
        evening = local("Europe/Berlin", f"{day}T20:00")
        noon = local("Europe/Berlin", f"{date.fromisoformat(day) + timedelta(days=1)}T12:00")
        assert calendar.between(evening, noon) == timedelta(hours=night)
        assert calendar.after(evening, timedelta(hours=night)) == noon.replace(hour=6)


def test_a_change_of_clocks_at_midnight_belongs_to_the_day_whose_date_is_shown() -> None:
    calendar = Calendar("America/Santiago", NIGHTS)
    for day, night in (("2026-04-04", 9), ("2026-09-05", 7)):  # 24:00 is 23:00 again, and 0:00 is 1:00
        evening = local("America/Santiago", f"{day}T20:00")
        noon = local("America/Santiago", f"{date.fromisoformat(day) + timedelta(days=1)}T12:00")
        assert calendar.between(evening, noon) == timedelta(hours=night)


def test_holidays_may_lie_within_one_another() -> None:
    given = [{"from": "2026-12-20", "until": "2027-01-03"}, {"from": "2026-12-24"}, {"from": "2027-01-04"}]
    calendar = Calendar("UTC", WEEK, read_holidays(given))
    assert calendar.next_opening(datetime(2026, 12, 21, tzinfo=UTC)) == datetime(2027, 1, 5, 9, tzinfo=UTC)


def test_an_opening_within_the_skipped_hour_begins_when_the_clock_has_jumped() -> None:
    calendar = Calendar("Europe/Berlin", read_typed_hours("sun 02:30-04:00"))
    assert calendar.next_opening(local("Europe/Berlin", "2026-03-28T12:00")) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert calendar.between(datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)) == timedelta(hours=1)


def test_half_hour_zones_open_by_their_own_clock() -> None:
    calendar = Calendar("Asia/Kolkata", WEEK)
    assert calendar.is_open(datetime(2026, 11, 23, 3, 30, tzinfo=UTC))
    assert not calendar.is_open(datetime(2026, 11, 23, 3, 29, tzinfo=UTC))


def test_without_hours_it_is_always_open_but_on_holidays() -> None:
    start = datetime(2026, 12, 23, 12, tzinfo=UTC)
    assert Calendar("UTC").after(start, timedelta(hours=100)) == start + timedelta(hours=100)
    closed = Calendar("UTC", None, read_holidays([{"from": "2026-12-24"}]))
    assert closed.after(start, timedelta(hours=13)) == datetime(2026, 12, 25, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "calendar",
    [
        Calendar("Europe/Berlin", {}),
        Calendar("Europe/Berlin", {"mon": []}),
        Calendar(
            "Europe/Berlin",
            WEEK,
            read_holidays([{"from": f"{year}-01-01", "until": f"{year}-12-31"} for year in range(2026, 2040)]),
        ),
        Calendar("Europe/Berlin", read_typed_hours("mon 09:00-09:01")),
    ],
    ids=["closed", "no spans", "closed for years", "a minute a week"],
)
def test_a_shop_that_does_not_work_never_finishes(calendar: Calendar) -> None:
    assert calendar.after(datetime(2026, 11, 23, tzinfo=UTC), timedelta(hours=10_000)) is None


def test_a_closed_shop_has_no_next_opening() -> None:
    assert Calendar("UTC", {}).next_opening(datetime(2026, 11, 23, tzinfo=UTC)) is None
    assert Calendar("UTC", WEEK).next_opening(datetime(2026, 11, 29, tzinfo=UTC)) == datetime(
        2026, 11, 30, 9, tzinfo=UTC
    )


@settings(max_examples=40, deadline=None)
@given(calendars(), moments(), st.integers(0, 3 * 1440))
@example(Calendar("Australia/Lord_Howe", NIGHTS), datetime(2026, 4, 4, 12, tzinfo=UTC), 1440)
@example(Calendar("Africa/Cairo", None), datetime(2026, 4, 23, 12, tzinfo=UTC), 1440)
@example(Calendar("America/Santiago", NIGHTS), datetime(2026, 9, 5, 12, tzinfo=UTC), 1440)
def test_the_time_worked_is_what_a_wall_clock_shows(calendar: Calendar, start: datetime, minutes: int) -> None:
    # All spans, offsets and changes of clocks lie on quarters of an hour, so one look in each 15 minutes is exact.
    start = start.replace(minute=start.minute // 15 * 15)
    looks = [start + 15 * number * MINUTE for number in range(minutes // 15)]
    opened = [look for look in looks if clock_says_open(calendar, look)]
    assert calendar.between(start, start + len(looks) * 15 * MINUTE) == len(opened) * 15 * MINUTE
    for look in looks[:40]:
        assert calendar.is_open(look) == clock_says_open(calendar, look)


@settings(max_examples=40, deadline=None)
@given(calendars(), moments(), st.integers(1, 60 * 60 * 60))
def test_after_is_the_first_moment_by_which_so_much_was_worked(
    calendar: Calendar, start: datetime, seconds: int
) -> None:
    working = timedelta(seconds=seconds)
    end = calendar.after(start, working)
    if end is None:
        assert not any((calendar.hours or {}).values())
        return
    assert calendar.between(start, end) == working
    assert calendar.between(start, end - timedelta(microseconds=1)) < working


@settings(max_examples=40, deadline=None)
@given(calendars(), moments())
def test_it_opens_next_at_the_first_open_moment(calendar: Calendar, at: datetime) -> None:
    opening = calendar.next_opening(at)
    if opening is None:
        assert not any((calendar.hours or {}).values())
        return
    assert opening >= at
    assert calendar.is_open(opening)
    assert not calendar.between(at, opening)


@settings(max_examples=60, deadline=None)
@given(calendars(), moments())
def test_it_closes_at_the_end_of_the_opening_that_a_moment_is_in(calendar: Calendar, at: datetime) -> None:
    closing = calendar.closing(at)
    if closing is None:
        assert calendar.next_opening(at) is None
        return
    assert closing >= at
    assert calendar.closing(closing) == closing
    assert calendar.is_open(closing - timedelta(microseconds=1))
    if calendar.is_open(at):
        assert calendar.between(at, closing) == closing - at


@settings(max_examples=40, deadline=None)
@given(calendars(), st.lists(moments(), min_size=3, max_size=3).map(sorted))
def test_working_time_adds_up(calendar: Calendar, three: list[datetime]) -> None:
    first, second, third = three
    assert calendar.between(first, second) + calendar.between(second, third) == calendar.between(first, third)
    assert calendar.between(third, first) == timedelta(0)


def test_holidays_are_kept_in_order_and_in_one_form() -> None:
    given = [{"from": "2026-12-24", "until": "2026-12-26", "name": " Christmas\n"}, {"from": "2026-05-01"}]
    assert read_holidays(given) == [
        {"from": "2026-05-01", "until": "2026-05-01", "name": ""},
        {"from": "2026-12-24", "until": "2026-12-26", "name": "Christmas"},
    ]
    assert read_holidays(read_holidays(given)) == read_holidays(given)
    assert read_holidays(None) == []


def test_typed_holidays_are_read_back_as_they_are_shown() -> None:
    typed = "2026-12-24 to 2026-12-26 Christmas; 2027-01-01\n2027-05-01 Labour Day"
    holidays = read_holidays(read_typed_holidays(typed))
    assert holidays == [
        {"from": "2026-12-24", "until": "2026-12-26", "name": "Christmas"},
        {"from": "2027-01-01", "until": "2027-01-01", "name": ""},
        {"from": "2027-05-01", "until": "2027-05-01", "name": "Labour Day"},
    ]
    assert read_holidays(read_typed_holidays("; ".join(typed_holidays(holidays)))) == holidays
    assert read_typed_holidays(" ;\n") == []


@pytest.mark.parametrize(
    ("day", "closing"),
    [
        (date(2026, 12, 23), "2026-12-23T17:00:00+00:00"),
        (date(2026, 12, 24), "2026-12-24T22:59:00+00:00"),  # a holiday
        (date(2026, 12, 27), "2026-12-27T22:59:00+00:00"),  # a Sunday
        (date(2026, 7, 1), "2026-07-01T16:00:00+00:00"),  # summer time
    ],
)
def test_a_day_ends_with_its_last_closing(day: date, closing: str) -> None:
    hours = {name: [["09:00", "12:00"], ["13:00", "18:00"]] for name in ("mon", "tue", "wed", "thu", "fri")}
    calendar = Calendar("Europe/Berlin", hours, read_holidays([{"from": "2026-12-24"}]))
    assert calendar.end_of(day).isoformat() == closing


@pytest.mark.parametrize(
    ("holidays", "message"),
    [
        ("2026-12-24", "are a list"),
        ([{"from": "2026-12-24"}] * 201, "up to 200"),
        (["2026-12-24"], "holiday 1: give an object"),
        ([{"until": "2026-12-24"}], "give an object"),
        ([{"from": "2026-12-24", "to": "2026-12-26"}], "give an object"),
        ([{"from": "2026-01-01"}, {"from": "24.12.2026"}], "holiday 2, from: '24.12.2026' is not a date"),
        ([{"from": "2026-02-30"}], "is not a date"),
        ([{"from": "2026-W53-4"}], "is not a date"),
        ([{"from": 20261224}], "is not a date"),
        ([{"from": "0001-01-01"}], "is not a date"),
        ([{"from": "2026-12-26", "until": "2026-12-24"}], "ends on 2026-12-24, before it begins"),
        ([{"from": "2026-01-01", "until": "2027-01-02"}], "longer than 366 days"),
        ([{"from": "2026-01-01", "name": "x" * 81}], "up to 80 characters"),
        ([{"from": "2026-01-01", "name": 5}], "up to 80 characters"),
    ],
)
def test_holidays_that_cannot_be_used(holidays: object, message: str) -> None:
    with pytest.raises(HolidayError, match=message):
        read_holidays(holidays)


@given(st.integers(0, 60 * 24 * 14), st.integers(0, 60 * 24 * 14), st.integers(0, 60 * 120))
def test_a_count_that_may_end_early_is_the_whole_one_up_to_there(start: int, lasts: int, most: int) -> None:
    calendar = Calendar("Europe/Berlin", WEEK)
    since = CHANGES[0] + timedelta(minutes=start)
    until, enough = since + timedelta(minutes=lasts), timedelta(minutes=most)
    assert calendar.between(since, until, enough) == min(calendar.between(since, until), enough)
