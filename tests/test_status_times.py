"""What customers read as time goes by: a job as it is kept, moved at chosen moments, and its page as it is then.

Changes of clocks, closed days, dates that move, jobs that are undone, skipped and reopened, shops that move to another zone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codes.opening_hours import read_typed_hours
from jobs.calendars import calendar_of
from jobs.estimates import estimate, eta_in_force
from jobs.languages import LANGUAGES
from jobs.shops import Shop
from jobs.status import state_for_rules, status_page
from jobs.status_html import status_html
from jobs.status_sources import PublicMove, arrivals
from jobs.texts import texts_for
from jobs.workflows import BUILT_IN
from jobs.working_time import read_holidays
from tests.test_status import SHOP, job

REPAIR = BUILT_IN["repair"]  # 4 h intake, 8 diagnosis, 8 repair, 2 check
KEYS = [stage.key for stage in REPAIR.stages]
BERLIN = replace(
    SHOP,
    zone="Europe/Berlin",
    opening_hours=read_typed_hours("mon-fri 09:00-18:00"),
    holidays=tuple(read_holidays([{"from": "2026-12-24", "until": "2026-12-27"}])),
)
NEW_YORK = replace(BERLIN, zone="America/New_York", opening_hours=read_typed_hours("mon-sat 08:30-17:30"))
ALWAYS = read_typed_hours("mon-sun 00:00-24:00")
STANDINGS = {"s": "on-track", "s w": "may-be-late", "s l": "late"}


def at(shop: Shop, local: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(shop.zone), fold=fold).astimezone(UTC)


@dataclass
class Tracked:
    """A job as it is kept: it is told a date at each move, as ``jobs.jobs`` tells it."""

    shop: Shop
    due_at: datetime | None = None
    moves: list[PublicMove] = field(default_factory=list)

    def move(self, stage: str, now: datetime) -> None:
        came_at = self.source.stage_at if self.moves and self.moves[-1].to_stage == stage else now
        estimated = estimate(REPAIR, stage, came_at, self.shop.calendar, now)
        eta_at = eta_in_force(self.due_at, estimated, self.shop.calendar)
        if eta_at is None and not REPAIR.stage(stage).is_open and self.moves:
            eta_at = self.moves[-1].eta_at
        self.moves.append(PublicMove(now, now, stage, eta_at))

    def promise(self, due_at: datetime | None, now: datetime) -> None:
        self.due_at = due_at
        self.move(self.moves[-1].to_stage, now)

    def page(self, now: datetime, language: str = "en") -> str:
        return status_html(self.source, status_page(self.source, now), texts_for(language), now)[0]

    def entry(self, now: datetime) -> dict[str, str]:
        written = calendar_of(self.source, status_page(self.source, now), texts_for("en"))
        return dict(line.split(":", 1) for line in written.replace("\r\n ", "").splitlines())

    @property
    def source(self) -> Any:
        arrived = arrivals(self.moves)[-1]
        return replace(
            job([arrived.to_stage], shop=self.shop),
            stage_at=arrived.at,
            eta_at=self.moves[-1].eta_at,
            is_promised=self.due_at is not None,
            revision=len(self.moves),
            created_at=self.moves[0].at,
            updated_at=self.moves[-1].recorded_at,
            moves=tuple(self.moves),
        )


def tracked(shop: Shop, *moves: tuple[str, str], due: str | None = None) -> Tracked:
    found = Tracked(shop, None if due is None else at(shop, due))
    for stage, local in moves:
        found.move(stage, at(shop, local))
    return found


def words(html: str) -> str:
    """As they are read; the style is none."""
    body = html.partition("</style>")[2].replace("</p>", ". ").replace("</li>", ". ")
    return " ".join(unescape(re.sub(r"<[^>]*>", "", body)).split())


def standing_in(html: str) -> str | None:
    """By the box it is in: colour and icon; the word must agree."""
    found = re.search(r'<div class="(s|s w|s l)">.*?<b>(.*?)</b>', html)
    if found is None:
        return None
    if found[2] in ("Ready", "Done"):
        return found[2].lower()
    assert found[2] == {"on-track": "On track", "may-be-late": "May be late", "late": "Late"}[STANDINGS[found[1]]]
    return STANDINGS[found[1]]


def trail_in(html: str) -> list[tuple[str, str]]:
    """Stages that it came to, with when."""
    return re.findall(r"<li[^>]*><bdi>([^<]*)</bdi><span[^>]*>[^<]*</span><time[^>]*>([^<]*)</time>", html)


# Where clocks change: the night's length, and what is read of it.
NIGHTS = [
    (BERLIN, "2026-03-28T22:00", "Sunday, 29 March, 09:00"),  # 02:00 to 03:00 is not
    (BERLIN, "2026-10-24T22:00", "Sunday, 25 October, 07:00"),  # 02:00 to 03:00 is twice
    (NEW_YORK, "2026-03-07T22:00", "Sunday, 8 March, 09:00"),
    (NEW_YORK, "2026-10-31T22:00", "Sunday, 1 November, 07:00"),
    (BERLIN, "2026-06-13T22:00", "Sunday, 14 June, 08:00"),
]


@pytest.mark.parametrize(("shop", "began", "read"), NIGHTS)
def test_work_through_a_night_of_changing_clocks_is_as_long_as_the_night(shop: Shop, began: str, read: str) -> None:
    found = tracked(replace(shop, opening_hours=ALWAYS), ("repair", began))
    assert f"Estimated: {read}." in words(found.page(at(shop, began)))
    assert found.moves[0].eta_at == at(shop, began) + timedelta(hours=10)


@pytest.mark.parametrize(("shop", "began", "read"), NIGHTS)
def test_a_shop_that_sleeps_finds_its_hours_where_the_clock_has_them(shop: Shop, began: str, read: str) -> None:
    """Ten working hours from a Saturday evening: Monday's nine and one more, whatever the night did to the clock."""
    found = tracked(replace(shop, opening_hours=BERLIN.opening_hours), ("repair", began))
    assert re.search(r"Estimated: Tuesday, \d+ \w+, 10:00\.", words(found.page(at(shop, began))))


@pytest.mark.parametrize(
    ("shop", "due", "fold"),
    [
        (BERLIN, "2026-03-29T01:59", 0),
        (BERLIN, "2026-03-29T03:00", 0),
        (BERLIN, "2026-10-25T02:30", 0),
        (BERLIN, "2026-10-25T02:30", 1),
        (NEW_YORK, "2026-03-08T03:00", 0),
        (NEW_YORK, "2026-11-01T01:30", 0),
        (NEW_YORK, "2026-11-01T01:30", 1),
    ],
)
def test_a_promise_is_late_the_moment_it_is_broken_also_within_the_hour_that_comes_twice(
    shop: Shop, due: str, fold: int
) -> None:
    due_at = at(shop, due, fold)
    found = Tracked(shop, due_at)
    found.move("quality", due_at - timedelta(hours=30))
    said = datetime.fromisoformat(due).strftime("%A, %-d %B, %H:%M")
    before, then, after = (found.page(due_at + timedelta(minutes=minutes)) for minutes in (-1, 0, 1))
    assert f"Expected: {said}." in words(before)
    assert "late" not in (standing_in(before), standing_in(then))
    assert standing_in(after) == "late"
    assert f"It was expected: {said}" in words(after)
    assert found.entry(due_at)["DTSTART"] == f"{due_at:%Y%m%dT%H%M%SZ}"


def test_a_trail_over_a_change_of_clocks_reads_as_the_clock_on_the_wall_did() -> None:
    found = tracked(BERLIN, ("intake", "2026-10-24T17:00"))
    first = at(BERLIN, "2026-10-25T02:10")
    found.move("diagnosis", first)
    found.move("repair", first + timedelta(hours=1))  # 02:10 again
    html = found.page(at(BERLIN, "2026-10-26T09:00"))
    assert [time for _, time in trail_in(html)] == ["Sat 17:00", "Sun 02:10", "Sun 02:10"]
    assert re.findall("<time datetime=([^>]*)>", html)[1:] == ["2026-10-25T00:10Z", "2026-10-25T01:10Z"]


def test_closed_days_are_not_worked_and_the_new_date_lies_behind_them() -> None:
    found = tracked(BERLIN, ("repair", "2026-12-23T15:00"))  # three hours until Christmas, seven behind it
    began = at(BERLIN, "2026-12-23T15:00")
    assert "Estimated: Monday, 28 December, 16:00." in words(found.page(began))
    promised = tracked(BERLIN, ("repair", "2026-12-23T09:00"), due="2026-12-23T18:00")
    christmas = words(promised.page(at(BERLIN, "2026-12-25T12:00")))
    assert standing_in(promised.page(at(BERLIN, "2026-12-25T12:00"))) == "late"
    assert "New date: Monday, 28 December, 11:00." in christmas
    assert "Closed now \u00b7 Opens: Monday, 28 December, 09:00" in christmas
    assert "Closed: Thursday, 24 December to Sunday, 27 December" in christmas


def test_a_new_date_is_never_behind_the_closing() -> None:
    found = tracked(NEW_YORK, ("repair", "2026-11-23T09:00"), due="2026-11-23T12:00")
    late = at(NEW_YORK, "2026-11-23T16:40")
    assert "New date: Tuesday, 24 November, 10:00." in words(found.page(late))
    found.move("quality", at(NEW_YORK, "2026-11-23T15:10"))
    assert "New date: Monday, 23 November, 17:30." in words(found.page(late))  # it closes then; 18:00 to the hour


def test_a_date_that_moves_moves_everything_that_says_it() -> None:
    found = tracked(BERLIN, ("repair", "2026-11-23T09:00"), due="2026-11-24T17:00")
    now = at(BERLIN, "2026-11-24T17:30")
    late = found.page(now)
    assert standing_in(late) == "late"
    found.promise(at(BERLIN, "2026-11-26T12:00"), now)
    moved = found.page(now)
    assert standing_in(moved) == "on-track"
    assert "Expected: Thursday, 26 November, 12:00." in words(moved)
    assert "24 November, 17:00" not in words(moved)
    assert trail_in(moved) == trail_in(late)
    assert found.entry(now)["DTSTART"] == "20261126T110000Z"
    found.promise(at(BERLIN, "2026-11-24T12:00"), now)  # back, into the past
    assert standing_in(found.page(now)) == "late"
    found.promise(None, now)  # the shop takes its word back: the estimate is what is left
    assert "Estimated: " in words(found.page(now))
    assert standing_in(found.page(now)) == "on-track"


def test_a_reopened_job_is_told_a_new_estimate_and_an_old_promise_stays_broken() -> None:
    moves = (("repair", "2026-11-23T09:00"), ("ready", "2026-11-24T10:00"), ("picked-up", "2026-11-24T17:00"))
    found, promised = tracked(BERLIN, *moves), tracked(BERLIN, *moves, due="2026-11-24T12:00")
    done = found.page(at(BERLIN, "2026-11-25T09:00"))
    assert (standing_in(done), "calendar.ics" in done) == ("done", False)
    assert "Completed: Tuesday, 24 November, 17:00" in words(done)
    now = at(BERLIN, "2026-11-25T10:00")
    for each in (found, promised):
        each.move("repair", now)
    html = found.page(now)
    assert standing_in(html) == "on-track"
    assert "Estimated: Thursday, 26 November, 11:00." in words(html)
    assert trail_in(html) == [("In repair", "Wed 10:00")]
    assert "class=c><bdi>Ready for pick-up" in html
    assert "Completed" not in html
    assert found.entry(now)["STATUS"] == "CONFIRMED"
    assert standing_in(promised.page(now)) == "late"
    assert "New date: Thursday, 26 November, 11:00." in words(promised.page(now))


def test_a_skipped_stage_is_never_shown_and_one_taken_back_is_still_to_come() -> None:
    found = tracked(BERLIN, ("intake", "2026-11-23T09:00"), ("repair", "2026-11-23T11:00"))
    now = at(BERLIN, "2026-11-23T11:00")
    skipped = found.page(now)
    assert trail_in(skipped) == [("Received", "Mon 09:00"), ("In repair", "Mon 11:00")]
    assert "Being examined" not in skipped
    assert "Estimated: Tuesday, 24 November, 12:00." in words(skipped)
    found.move("intake", at(BERLIN, "2026-11-23T11:05"))  # a wrong tap
    undone = found.page(at(BERLIN, "2026-11-23T11:05"))
    assert trail_in(undone) == [("Received", "Mon 11:05")]
    assert "<li class=c><bdi>Being examined" in undone
    assert "<li class=c><bdi>In repair" in undone


def test_a_promise_of_a_day_alone_is_kept_until_the_shop_closes() -> None:
    day = date(2026, 11, 24)
    found = tracked(BERLIN, ("quality", "2026-11-23T09:00"))
    found.promise(BERLIN.calendar.end_of(day), at(BERLIN, "2026-11-23T09:00"))
    assert "Expected: Tuesday, 24 November, 18:00." in words(found.page(at(BERLIN, "2026-11-24T09:00")))
    assert standing_in(found.page(at(BERLIN, "2026-11-24T18:00"))) != "late"
    assert standing_in(found.page(at(BERLIN, "2026-11-24T18:01"))) == "late"


@pytest.mark.parametrize(
    ("hours", "day"),
    [(None, "2026-11-24"), (BERLIN.opening_hours, "2026-11-28"), (BERLIN.opening_hours, "2026-12-25"), (ALWAYS, "2026-03-29")],
    ids=["no hours", "a Saturday", "Christmas", "always open, when clocks change"],
)  # fmt: skip
def test_where_no_closing_ends_the_day_a_promise_of_it_has_no_time(hours: Any, day: str) -> None:
    shop, on = replace(BERLIN, opening_hours=hours), date.fromisoformat(day)
    found = tracked(shop, ("quality", f"{day}T09:00"))
    found.promise(shop.calendar.end_of(on), at(shop, f"{day}T09:00"))
    said = f"{on:%A, %-d %B}"
    assert f"Expected: {said}." in words(found.page(at(shop, f"{day}T10:00")))
    assert standing_in(found.page(at(shop, f"{day}T23:59"))) != "late"
    late = found.page(at(shop, f"{day}T23:59") + timedelta(minutes=1))
    assert standing_in(late) == "late"
    assert re.search(rf"It was expected: {said}(, 2026)?\.? ", words(late))
    entry = found.entry(at(shop, f"{day}T10:00"))
    assert (entry["DTSTART;VALUE=DATE"], entry["DURATION"]) == (on.strftime("%Y%m%d"), "P1D")
    for language in LANGUAGES:
        assert "59" not in words(found.page(at(shop, f"{day}T10:00"), language))


def test_a_shop_that_moves_to_another_zone_keeps_its_promises_and_reads_its_own_clock() -> None:
    promised = tracked(BERLIN, ("repair", "2026-11-23T09:00"), due="2026-11-25T15:00")
    estimated = tracked(BERLIN, ("repair", "2026-11-23T09:00"))
    now = at(BERLIN, "2026-11-24T09:00")
    promised.shop = estimated.shop = NEW_YORK
    html = promised.page(now)
    assert "Expected: Wednesday, 25 November, 09:00." in words(html)
    assert [time for _, time in trail_in(html)] == ["Mon 03:00"]
    assert "Last updated: Monday, 23 November, 03:00" in words(html)
    assert promised.entry(now)["DTSTART"] == "20261125T140000Z"
    # By the new hours the repair's eight were worked on Monday in New York; two are left to check it.
    estimated.move("repair", now)
    assert "Estimated: Tuesday, 24 November, 10:30." in words(estimated.page(now))


def test_without_hours_no_page_names_a_time_at_night() -> None:
    shop = replace(BERLIN, opening_hours=None, holidays=())
    found = tracked(shop, ("intake", "2026-11-23T09:12"))  # 22 hours: 07:12
    assert "Estimated: Tuesday, 24 November, 08:00." in words(found.page(at(shop, "2026-11-23T09:12")))
    late = found.page(at(shop, "2026-11-25T01:00"))
    assert standing_in(late) == "late"
    assert "New date: Wednesday, 25 November, 08:00." in words(late)
    assert "New date: Thursday, 26 November, 08:00." in words(found.page(at(shop, "2026-11-25T09:00")))


def shops() -> st.SearchStrategy[Shop]:
    hours = [
        BERLIN.opening_hours,
        NEW_YORK.opening_hours,
        ALWAYS,
        None,
        read_typed_hours("mon-sun 08:10-12:20 13:40-19:50"),
        read_typed_hours("sat-sun 20:00-24:00; mon 00:00-03:00"),
    ]
    zones = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago", "UTC"]
    closed = st.lists(st.integers(0, 300), max_size=4).map(
        lambda days: tuple(read_holidays([{"from": f"{date(2026, 2, 1) + timedelta(days=day)}"} for day in days]))
    )
    return st.builds(
        lambda zone, week, days: replace(SHOP, zone=zone, opening_hours=week, holidays=days),
        st.sampled_from(zones),
        st.sampled_from(hours),
        closed,
    )


def ways() -> st.SearchStrategy[Sequence[tuple[str, int, int | None]]]:
    """Stages to come to, after how many minutes, and now and then a promise for so many minutes later."""
    due = st.none() | st.integers(-5_000, 50_000)
    return st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 8_000), due), min_size=1, max_size=6)


@settings(max_examples=120, deadline=None)
@given(shops(), st.integers(0, 280 * 24 * 60), ways(), st.lists(st.integers(0, 30_000), min_size=2, max_size=2))
def test_whatever_happened_the_page_says_how_it_stands(
    shop: Shop, start: int, way: Sequence[tuple[str, int, int | None]], looks: list[int]
) -> None:
    found, now = Tracked(shop), datetime(2026, 2, 1, tzinfo=UTC) + timedelta(minutes=start)
    for stage, after, due in way:
        now += timedelta(minutes=after)
        if due is not None:
            found.due_at = now + timedelta(minutes=due)
        is_new = not found.moves or found.moves[-1].to_stage != stage
        found.move(stage, now)
        told = found.moves[-1].eta_at
        if found.due_at is None and told is not None and REPAIR.stage(stage).is_open:
            assert standing_in(found.page(now)) == "on-track" or not is_new
            _is_by_day(shop, told, now)
    order = ["on-track", "may-be-late", "late"]
    seen: list[int] = []
    for look in sorted(looks):
        then, stage_now, eta_at = now + timedelta(minutes=look), REPAIR.stage(way[-1][0]), found.moves[-1].eta_at
        html, page = found.page(then), status_page(found.source, then)
        word = standing_in(html)
        assert word == page.word
        assert html.count("<li aria-current=step>") == 1
        if not stage_now.is_open:
            assert word == stage_now.phase
            continue
        assert (word is None) == (eta_at is None)
        assert (word == "late") == (eta_at is not None and then > eta_at)
        assert (state_for_rules(found.source, then) == "late") == (word == "late")
        if word is None:
            assert "We will give you a date as soon as we can." in html
            continue
        seen.append(order.index(word))
        if page.new_at is not None:
            assert page.new_at > then
            _is_by_day(shop, page.new_at, then)
        assert ("New date: " in html or "We will give you a new date" in html) == (word == "late")
        assert ("It may take longer than we said." in html) == (word == "may-be-late")
    assert seen == sorted(seen)  # while nothing moves it only gets worse


def _is_by_day(shop: Shop, told: datetime, now: datetime) -> None:
    """What is estimated is told for a time at which the shop is open, or closes."""
    assert told >= now
    local = told.astimezone(ZoneInfo(shop.zone))
    if shop.opening_hours is None:
        assert 8 <= local.hour < 20 or (local.hour, local.minute) == (20, 0)
    else:
        assert shop.calendar.is_open(told) or shop.calendar.is_open(told - timedelta(minutes=1))
