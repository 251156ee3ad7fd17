"""When a job will be ready, and whether it is on track, may be late or is late: by example and for whatever comes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codes.opening_hours import read_typed_hours
from jobs.estimates import Standing, estimate, eta_in_force, job_state, standing, told, work_left
from jobs.workflows import BUILT_IN, Workflow, read_workflow
from jobs.working_time import Calendar, read_holidays

BERLIN = ZoneInfo("Europe/Berlin")
WEEK = read_typed_hours("mon-fri 09:00-12:00 13:00-18:00")
SHOP = Calendar("Europe/Berlin", WEEK, read_holidays([{"from": "2026-12-24", "until": "2026-12-26"}]))
CALENDARS = [
    SHOP,
    Calendar("UTC"),
    Calendar("America/Santiago", read_typed_hours("mon-sun 00:00-24:00")),
    Calendar("Africa/Cairo", read_typed_hours("sun-sun 20:00-24:00; thu 00:00-03:00; fri 00:00-02:00")),
]
REPAIR = BUILT_IN["repair"]  # 4 h intake, 8 diagnosis, 8 repair, 2 check; parts (24) are optional
WORDS = {"on-track": 0, "may-be-late": 1, "late": 2}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def shown(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(BERLIN).strftime("%a %d %H:%M")


def workflow(*stages: tuple[str, str, float | None]) -> Workflow:
    written = [
        {"key": key, "name": key, "public": {"en": key}, "phase": phase, "hours": hours} for key, phase, hours in stages
    ]
    return read_workflow("own", "Own", written)


@pytest.mark.parametrize(
    ("stage", "since", "now", "expected"),
    [
        ("intake", "2026-11-23T09:00", "2026-11-23T09:00", "Wed 25 16:00"),
        ("intake", "2026-11-23T09:00", "2026-11-23T11:00", "Wed 25 16:00"),  # within its hours time costs nothing
        ("intake", "2026-11-23T09:00", "2026-11-23T15:00", "Wed 25 17:00"),  # an hour over
        ("diagnosis", "2026-11-23T09:00", "2026-11-23T09:00", "Wed 25 11:00"),  # the first was skipped
        ("parts", "2026-11-23T09:00", "2026-11-23T09:00", "Fri 27 11:00"),
        ("quality", "2026-11-27T17:00", "2026-11-27T17:00", "Mon 30 10:00"),
        ("quality", "2026-11-27T09:00", "2026-11-27T17:00", "Fri 27 17:00"),  # any moment now
        ("quality", "2026-11-27T09:00", "2026-11-28T12:00", "Mon 30 09:00"),  # any moment once they are back
        ("repair", "2026-12-23T09:00", "2026-12-23T09:00", "Mon 28 11:00"),  # Christmas
        ("ready", "2026-11-23T09:00", "2026-11-23T09:00", None),
        ("picked-up", "2026-11-23T09:00", "2026-11-23T09:00", None),
        ("no-such-stage", "2026-11-23T09:00", "2026-11-23T09:00", None),
    ],
)
def test_a_repair_is_estimated_from_the_hours_of_its_stages(
    stage: str, since: str, now: str, expected: str | None
) -> None:
    assert shown(estimate(REPAIR, stage, at(since), SHOP, at(now))) == expected


@pytest.mark.parametrize(("month", "day", "night"), [(3, 28, 23), (10, 24, 25), (11, 24, 24)])
def test_a_shop_that_never_sleeps_works_through_a_change_of_clocks(month: int, day: int, night: int) -> None:
    start = datetime(2026, month, day, 12, tzinfo=BERLIN)
    never_closed = Calendar("Europe/Berlin", read_typed_hours("mon-sun 00:00-24:00"))
    steps = workflow(("work", "working", night), ("end", "done", None))
    end = estimate(steps, "work", start, never_closed, start)
    assert end is not None
    assert end.astimezone(BERLIN).replace(tzinfo=None) == datetime(2026, month, day + 1, 12)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("estimated", "expected"),
    [
        ("2026-11-23T17:00", "Mon 23 17:00"),
        ("2026-11-23T19:44", "Mon 23 19:45"),
        ("2026-11-23T19:46", "Mon 23 20:00"),
        ("2026-11-23T20:00", "Tue 24 08:00"),
        ("2026-11-24T03:12", "Tue 24 08:00"),
        ("2026-11-24T08:01", "Tue 24 08:15"),
        ("2026-12-23T22:00", "Sun 27 08:00"),  # Christmas
        ("2026-03-29T03:00", "Sun 29 08:00"),  # the night that is an hour shorter
        ("2026-10-25T02:30", "Sun 25 08:00"),
    ],
)
def test_without_opening_hours_nothing_is_told_for_the_night(estimated: str, expected: str) -> None:
    assert shown(eta_in_force(None, at(estimated), Calendar("Europe/Berlin", None, SHOP.holidays))) == expected


def test_a_shop_open_around_the_clock_is_taken_at_its_word() -> None:
    never_closed = Calendar("Europe/Berlin", read_typed_hours("mon-sun 00:00-24:00"))
    assert shown(eta_in_force(None, at("2026-11-24T03:12"), never_closed)) == "Tue 24 03:15"
    assert shown(eta_in_force(None, at("2026-11-23T23:59"), never_closed)) == "Tue 24 00:00"


@pytest.mark.parametrize(
    ("estimated", "expected"),
    [("17:20", "Mon 23 17:25"), ("17:25", "Mon 23 17:25"), ("12:01", "Mon 23 12:10"), ("13:00", "Mon 23 13:00")],
)
def test_nothing_is_told_for_after_the_closing(estimated: str, expected: str) -> None:
    shop = Calendar("Europe/Berlin", read_typed_hours("mon-fri 09:00-12:10 13:00-17:25"))
    assert shown(eta_in_force(None, at(f"2026-11-23T{estimated}"), shop)) == expected
    assert shown(told(at("2026-11-23T16:30"), shop, timedelta(hours=1))) == "Mon 23 17:00"
    assert shown(told(at("2026-11-23T17:01"), shop, timedelta(hours=1))) == "Mon 23 17:25"


def test_nobody_can_say_when_a_stage_has_no_hours_or_the_shop_never_opens() -> None:
    steps = workflow(("a", "working", 1), ("b", "waiting", None), ("c", "ready", None), ("d", "done", None))
    now = at("2026-11-23T09:00")
    assert estimate(steps, "a", now, SHOP, now) is None
    assert estimate(steps, "b", now, SHOP, now) is None
    assert estimate(REPAIR, "intake", now, Calendar("UTC", {}), now) is None


def test_work_after_the_first_ready_stage_does_not_count() -> None:
    steps = workflow(("a", "working", 1), ("b", "ready", 50), ("c", "working", 50), ("d", "done", None))
    now = at("2026-11-23T09:00")
    assert work_left(steps, "a", now, SHOP, now) == timedelta(hours=1)
    assert work_left(steps, "c", now, SHOP, now) == timedelta(hours=50)


def test_what_the_shop_promised_comes_before_the_estimate() -> None:
    due, estimated = at("2026-11-25T12:00"), at("2026-11-26T12:00")
    assert eta_in_force(due, estimated, SHOP) == due
    assert eta_in_force(None, estimated, SHOP) == estimated
    assert eta_in_force(None, None, SHOP) is None


def test_an_estimate_is_told_to_the_quarter_of_an_hour_and_a_promise_to_the_minute() -> None:
    for estimated in ("2026-11-26T14:00:00.000001", "2026-11-26T14:07:30", "2026-11-26T14:15"):
        assert eta_in_force(None, at(estimated), SHOP) == at("2026-11-26T14:15")
    assert eta_in_force(at("2026-11-25T12:01"), at("2026-11-26T14:07"), SHOP) == at("2026-11-25T12:01")


# A job of Monday 9:00 that is due on Wednesday 17:00: 23 working hours, of which a tenth is 2 h 18 min.
@pytest.mark.parametrize(
    ("now", "estimated", "word"),
    [
        ("2026-11-23T10:00", "2026-11-25T16:00", "on-track"),
        ("2026-11-23T10:00", "2026-11-25T17:00", "on-track"),
        ("2026-11-23T10:00", "2026-11-25T17:01", "may-be-late"),
        ("2026-11-25T14:42", None, "on-track"),
        ("2026-11-25T14:43", None, "may-be-late"),
        ("2026-11-25T16:30", "2026-11-25T17:00", "on-track"),  # near its end, and on schedule
        ("2026-11-25T14:42", "2026-11-25T14:42", "on-track"),
        ("2026-11-25T14:43", "2026-11-25T14:43", "may-be-late"),  # its hours are used up
        ("2026-11-25T17:00", None, "may-be-late"),
        ("2026-11-25T17:01", "2026-11-25T17:01", "late"),
        ("2026-11-26T09:00", None, "late"),
    ],
)
def test_how_a_job_stands(now: str, estimated: str | None, word: str) -> None:
    due, began = at("2026-11-25T17:00"), at("2026-11-23T09:00")
    found = standing("working", due, at(now), at(estimated) if estimated else None, calendar=SHOP, since=began)
    assert found == Standing(word)  # type: ignore[arg-type]
    assert job_state("working", due, at(now)) == ("late" if word == "late" else "in-progress")


def test_a_long_job_is_in_doubt_during_its_last_four_working_hours_only() -> None:
    began, due = at("2026-10-05T09:00"), at("2026-11-25T17:00")
    before, within = at("2026-11-25T12:00"), at("2026-11-25T13:01")
    assert standing("working", due, before, None, calendar=SHOP, since=began) == Standing("on-track")
    assert standing("working", due, within, None, calendar=SHOP, since=began) == Standing("may-be-late")


def test_nothing_is_said_of_a_job_without_a_date() -> None:
    now = at("2026-11-23T10:00")
    assert standing("working", None, now, None) is None
    assert standing("working", None, now, now + timedelta(days=1)) is None


def test_a_finished_job_is_on_track_and_tells_whether_the_promise_was_kept() -> None:
    due = at("2026-11-25T17:00")
    later = due + timedelta(days=9)
    for phase in ("ready", "done"):
        assert standing(phase, due, later, None, finished_at=due) == Standing("on-track", kept=True)
        assert standing(phase, due, later, None, finished_at=later) == Standing("on-track", kept=False)
        assert standing(phase, due, later, None) == Standing("on-track")
        assert standing(phase, None, later, None, finished_at=later) == Standing("on-track")
        assert job_state(phase, due, later) == phase


def test_moving_the_date_or_the_stage_back_moves_the_standing() -> None:
    began, now, due = at("2026-11-23T09:00"), at("2026-11-25T10:00"), at("2026-11-25T16:00")

    def word(stage: str, since: datetime, due_at: datetime) -> str:
        estimated = estimate(REPAIR, stage, since, SHOP, now)
        found = standing(REPAIR.stage(stage).phase, due_at, now, estimated, calendar=SHOP, since=began)
        assert found is not None
        return found.word

    assert word("quality", at("2026-11-25T09:30"), due) == "on-track"
    assert word("diagnosis", now, due) == "may-be-late"  # taken back
    assert word("diagnosis", now, at("2026-11-27T12:00")) == "on-track"  # and a new date given
    assert word("diagnosis", now, at("2026-11-25T09:00")) == "late"


def moments() -> st.SearchStrategy[datetime]:
    start = datetime(2026, 2, 1, tzinfo=UTC)
    return st.integers(0, 300 * 24 * 60).map(lambda minutes: start + timedelta(minutes=minutes))


def stages() -> st.SearchStrategy[Workflow]:
    entry = st.tuples(st.sampled_from(["waiting", "working"]), st.none() | st.integers(0, 60) | st.floats(0, 60))
    return st.lists(entry, min_size=1, max_size=5).map(
        lambda entries: workflow(
            *((f"s{number}", phase, hours) for number, (phase, hours) in enumerate(entries)), ("end", "done", None)
        )
    )


@settings(max_examples=50, deadline=None)
@given(stages(), st.sampled_from(CALENDARS), moments(), st.lists(st.integers(0, 40 * 24 * 60), min_size=2, max_size=2))
def test_time_that_passes_never_brings_a_job_nearer(
    steps: Workflow, calendar: Calendar, since: datetime, minutes: list[int]
) -> None:
    early, late = (since + timedelta(minutes=each) for each in sorted(minutes))
    before, after = (estimate(steps, "s0", since, calendar, now) for now in (early, late))
    assert (before is None) == (after is None)
    if before is not None and after is not None:
        assert early <= before <= after
        assert after >= late


@settings(max_examples=50, deadline=None)
@given(stages(), st.sampled_from(CALENDARS), moments())
def test_a_stage_further_on_is_finished_no_later(steps: Workflow, calendar: Calendar, now: datetime) -> None:
    ends = [estimate(steps, stage.key, now, calendar, now) for stage in steps.stages if stage.is_open]
    known = [end for end in ends if end is not None]
    assert known == sorted(known, reverse=True)


@settings(max_examples=60, deadline=None)
@given(
    stages(),
    st.sampled_from(CALENDARS),
    moments(),
    st.lists(st.integers(0, 40 * 24 * 60), min_size=2, max_size=2),
    st.integers(0, 30 * 24 * 60),
)
def test_a_standing_only_gets_worse_while_nothing_moves_and_is_never_late_before_its_date(
    steps: Workflow, calendar: Calendar, since: datetime, minutes: list[int], due_in: int
) -> None:
    eta = since + timedelta(minutes=due_in)
    words = []
    for now in (since + timedelta(minutes=each) for each in sorted(minutes)):
        given_now: dict[str, Any] = {"calendar": calendar, "since": since}
        found = standing("working", eta, now, estimate(steps, "s0", since, calendar, now), **given_now)
        assert found is not None
        assert (found.word == "late") == (now > eta)
        assert (job_state("working", eta, now) == "late") == (found.word == "late")
        words.append(WORDS[found.word])
    assert words == sorted(words)


@settings(max_examples=50, deadline=None)
@given(stages(), st.sampled_from(CALENDARS), moments())
def test_a_job_that_was_told_its_estimate_begins_on_track(steps: Workflow, calendar: Calendar, now: datetime) -> None:
    estimated = estimate(steps, "s0", now, calendar, now)
    eta = eta_in_force(None, estimated, calendar)
    found = standing("working", eta, now, estimated, calendar=calendar, since=now)
    assert found == (None if estimated is None else Standing("on-track"))
