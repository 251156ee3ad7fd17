"""What a customer sees, as a pure function of what is kept of a job and of the time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.languages import LANGUAGES
from jobs.shops import Shop
from jobs.status import Opening, StatusPage, state_for_rules, status_page
from jobs.status_html import status_html
from jobs.status_sources import JobSource, PublicMove
from jobs.texts import PSEUDO, texts_for
from jobs.workflows import BUILT_IN
from jobs.working_time import Calendar

REPAIR = BUILT_IN["repair"]
KEYS = [stage.key for stage in REPAIR.stages]
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SHOP = Shop(
    id=1,
    name="Corner Repairs",
    is_default=True,
    country="DE",
    phone="+49 30 1",
    whatsapp="",
    email="",
    address="",
    zone="UTC",
    opening_hours=None,
    holidays=(),
    languages=("en", "es", "fr", "ar"),
    has_logo=False,
    tracking="on",
    tracking_at=MONDAY,
    show_note=False,
    show_photo=False,
    created_at=MONDAY,
    updated_at=MONDAY,
)


def job(stages: Sequence[str], *, eta_h: float | None = None, shop: Shop = SHOP, **changes: Any) -> JobSource:
    """One that came to these stages an hour after the other, expected so many hours after it began."""
    eta_at = None if eta_h is None else MONDAY + timedelta(hours=eta_h)
    moves = tuple(
        PublicMove(MONDAY + timedelta(hours=hour), MONDAY + timedelta(hours=hour), stage, eta_at)
        for hour, stage in enumerate(stages)
    )
    made = JobSource(
        job_id=7,
        token="0123456789abcdef",
        origin="https://w.example",
        reference="R-1",
        stage=stages[-1],
        stage_at=moves[-1].at,
        item="Clock",
        public_note="A note",
        has_photo=True,
        eta_at=eta_at,
        is_promised=True,
        revision=len(moves),
        created_at=MONDAY,
        updated_at=moves[-1].recorded_at,
        moves=moves,
        workflow=REPAIR,
        shop=shop,
    )
    return replace(made, **changes)


def seen(source: JobSource, after_h: float) -> StatusPage:
    return status_page(source, MONDAY + timedelta(hours=after_h))


def way(page: StatusPage) -> list[str]:
    return [step.public.key for step in page.trail if step.when != "coming"]


def test_the_trail_is_what_it_passed_and_what_is_coming() -> None:
    page = seen(job(["intake", "diagnosis", "repair"]), 3)
    assert [(step.public.key, step.when) for step in page.trail] == [
        ("intake", "passed"),
        ("diagnosis", "passed"),
        ("repair", "now"),
        ("quality", "coming"),
        ("ready", "coming"),
        ("picked-up", "coming"),
    ]
    assert [step.at for step in page.trail][:3] == [MONDAY + timedelta(hours=hour) for hour in range(3)]


TRAILS = [
    ("a stage skipped", ["intake", "repair"], ["intake", "repair"]),
    ("an optional stage chosen", ["intake", "parts", "repair"], ["intake", "parts", "repair"]),
    ("a move undone", ["intake", "repair", "diagnosis"], ["intake", "diagnosis"]),
    ("back to the beginning", ["intake", "diagnosis", "intake"], ["intake"]),
    ("reopened", ["intake", "repair", "ready", "picked-up", "repair"], ["intake", "repair"]),
    ("only the estimate changed", ["intake", "diagnosis", "diagnosis"], ["intake", "diagnosis"]),
    ("a stage that the workflow no longer has", ["gone", "repair"], ["repair"]),
]


@pytest.mark.parametrize(("stages", "expected"), [case[1:] for case in TRAILS], ids=[case[0] for case in TRAILS])
def test_what_was_undone_is_no_part_of_the_trail(stages: list[str], expected: list[str]) -> None:
    assert way(seen(job(stages), 9)) == expected


@given(st.lists(st.sampled_from(KEYS), min_size=1, max_size=12))
def test_a_trail_never_goes_backwards_and_ends_where_the_job_is(stages: list[str]) -> None:
    trail = seen(job(stages), 20).trail
    places = [KEYS.index(step.public.key) for step in trail]
    assert places == sorted(set(places))
    assert [step.public.key for step in trail if step.when == "now"] == [stages[-1]]
    assert all((step.at is None) == (step.when == "coming") for step in trail)


WORDS = [
    ("in time", ["repair"], 40, 1, "on-track"),
    ("past its date", ["repair"], 4, 5, "late"),
    ("more to do than time left", ["diagnosis"], 6, 1, "may-be-late"),
    ("nothing promised", ["repair"], None, 5, None),
    ("ready, though after its date", ["repair", "ready"], 0.5, 9, "ready"),
    ("done", ["picked-up"], 1, 9, "done"),
]


@pytest.mark.parametrize(
    ("stages", "eta_h", "after_h", "word"), [case[1:] for case in WORDS], ids=[case[0] for case in WORDS]
)
def test_how_it_stands(stages: list[str], eta_h: float | None, after_h: float, word: str | None) -> None:
    page = seen(job(stages, eta_h=eta_h), after_h)
    assert page.word == word
    assert (page.new_at is not None) == (word == "late")


@given(st.sampled_from(KEYS), st.floats(0, 100), st.floats(0, 200))
def test_only_open_jobs_are_late_and_all_of_them_are_after_their_date(stage: str, eta_h: float, after_h: float) -> None:
    source = job([stage], eta_h=eta_h)
    page = seen(source, after_h)
    now = MONDAY + timedelta(hours=after_h)
    assert source.eta_at is not None
    assert (page.word == "late") == (page.stage.is_open and now > source.eta_at)
    assert (state_for_rules(source, now) == "late") == (page.word == "late")
    if page.new_at is not None:
        assert page.new_at > now  # what is past is no new date
        assert (page.new_at.minute, page.new_at.second) == (0, 0)


def test_the_new_date_of_a_late_job_stays_until_it_has_passed() -> None:
    source = job(["repair"], eta_h=1)
    tags = {status_html(source, seen(source, hour), texts_for("en"), MONDAY)[1] for hour in (8.1, 8.3, 8.8, 9.9)}
    assert len(tags) == 1
    assert seen(source, 8.1).new_at == MONDAY + timedelta(hours=10)
    assert seen(source, 10.1).new_at == MONDAY + timedelta(hours=23)  # not at night: 08:00


def test_note_and_photo_are_the_shops_choice() -> None:
    hidden, shown = (
        seen(job(["intake"]), 1),
        seen(job(["intake"], shop=replace(SHOP, show_note=True, show_photo=True)), 1),
    )
    assert (hidden.note, hidden.has_photo) == ("", False)
    assert (shown.note, shown.has_photo) == ("A note", True)


def test_a_frozen_page_stands_still() -> None:
    """By the clock and the opening hours of then; whether the shop is open is of now."""
    frozen_at = MONDAY + timedelta(hours=1.5)
    shop = replace(SHOP, tracking="frozen", tracking_at=frozen_at, opening_hours=WORKDAYS)
    source = job(["intake", "diagnosis"], eta_h=3, shop=shop, frozen_at=frozen_at, frozen_calendar=SHOP.calendar)
    page = seen(source, 99)
    assert (page.stage.key, page.word, page.since) == ("diagnosis", "may-be-late", MONDAY + timedelta(hours=1))
    assert page.frozen_at == frozen_at
    assert page.updated_at == MONDAY + timedelta(hours=1)
    assert (replace(page, opening=None), page.opening) == (replace(seen(source, 2), opening=None), Opening(True, None))
    assert state_for_rules(source, MONDAY + timedelta(hours=99)) == "in-progress"


def test_a_shop_that_never_opens_gives_no_new_date() -> None:
    closed = replace(SHOP, opening_hours={})
    assert Calendar("UTC", {}).next_opening(MONDAY) is None
    page = seen(job(["repair"], eta_h=1, shop=closed), 3)
    assert (page.word, page.new_at) == ("late", None)


WORKDAYS = {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
CHRISTMAS = ({"from": "2026-03-05", "until": "2026-03-06", "name": "not for customers"},)


@pytest.mark.parametrize(
    ("after_h", "said"),
    [
        (1, "<b>Open now</b>"),
        (9, "<b>Closed now</b> \u00b7 Opens: <bdi>Tuesday, 3 March, 09:00</bdi>"),  # 18:00 sharp
        (3 * 24, "<b>Closed now</b> \u00b7 Opens: <bdi>Monday, 9 March, 09:00</bdi>"),  # behind closed days, a weekend
    ],
)
@pytest.mark.parametrize(
    ("stages", "eta_h", "is_first"), [(["repair"], None, False), (["repair"], 0.5, True), (["ready"], 9, True)]
)
def test_whether_the_shop_is_open_is_said_once_and_first_to_who_will_call_or_come(
    stages: list[str], eta_h: float | None, is_first: bool, after_h: float, said: str
) -> None:
    source = job(stages, eta_h=eta_h, shop=replace(SHOP, opening_hours=WORKDAYS, holidays=CHRISTMAS))
    html, _ = status_html(source, seen(source, after_h), texts_for("en"), MONDAY + timedelta(hours=after_h))
    assert html.count(said) == 1
    assert (html.index(said) < html.index("<ol>")) == is_first
    assert "Closed: Thursday, 5 March to Friday, 6 March" in html
    assert "not for customers" not in html


def test_a_page_is_another_one_once_the_shop_closes() -> None:
    source = job(["repair"], shop=replace(SHOP, opening_hours=WORKDAYS))
    assert seen(source, 1) == seen(source, 8.9) != seen(source, 9)


def test_a_shop_without_hours_says_nothing_of_being_open() -> None:
    source = job(["ready"])
    html, _ = status_html(source, seen(source, 1), texts_for("en"), MONDAY)
    assert "Open now" not in html
    never = job(["ready"], shop=replace(SHOP, opening_hours={"mon": []}))
    html, _ = status_html(never, seen(never, 1), texts_for("en"), MONDAY)
    assert "<b>Closed now</b></p>" in html


@pytest.mark.parametrize("language", [*LANGUAGES, PSEUDO])
@pytest.mark.parametrize("stages", [["intake"], ["repair"], ["ready"], ["picked-up"]], ids=lambda stages: stages[0])
def test_every_text_of_the_page_is_in_the_catalogues(language: str, stages: list[str]) -> None:
    source = job(stages, eta_h=2)
    for after_h in (0.5, 1.9, 5):
        html, tag = status_html(source, seen(source, after_h), texts_for(language, "DE"), MONDAY)
        assert "\0" not in html
        assert html.count(tag) == 1
        if language == PSEUDO:
            words = [text for text in html_texts(html) if text.isascii() and any(c.isalpha() for c in text)]
            foreign = {"Corner Repairs", "Clock", "R-1", "+49 30 1", "English"}
            foreign |= {stage.public["en"] for stage in REPAIR.stages}
            assert [text for text in words if text not in foreign and not any(c.isdigit() for c in text)] == []


def html_texts(html: str) -> list[str]:
    found: list[str] = []

    class Texts(HTMLParser):
        skipped = False

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.skipped = tag in ("style", "script")

        def handle_data(self, data: str) -> None:
            if not self.skipped and data.strip():
                found.append(data.strip())

    Texts().feed(html)
    return found


@pytest.mark.parametrize(
    ("country", "phone", "dialled"),
    [
        ("DE", "+49 (0)30 1234", "+49301234"),
        ("DE", "030 123456", "+4930123456"),
        ("", "030 123456", "030123456"),
    ],
)
def test_numbers_are_dialled_from_wherever_the_customer_is(country: str, phone: str, dialled: str) -> None:
    source = job(["intake"], shop=replace(SHOP, country=country, phone=phone))
    html, _ = status_html(source, seen(source, 1), texts_for("en"), MONDAY)
    assert f'href="tel:{dialled}"' in html
    assert f"<bdi dir=ltr>{phone}</bdi>" in html


HOSTILE = "<script>alert(1)</script>\"'&amp;\u202e"


def test_nothing_that_somebody_wrote_is_markup() -> None:
    shop = replace(SHOP, name=HOSTILE, address=HOSTILE, show_note=True, phone="+49 30 1", email='a"b@x.example')
    source = job(["repair"], eta_h=1, shop=shop, item=HOSTILE, reference=HOSTILE, public_note=HOSTILE)
    for language in LANGUAGES:
        html, _ = status_html(source, seen(source, 3), texts_for(language), MONDAY)
        assert "<script>" not in html
        assert html.count("&lt;script&gt;") >= 6
        assert 'a"b@' not in html
