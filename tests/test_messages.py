"""Messages to customers: templates and their variables, what is filled in, links that open them ready to be sent."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import pytest

from codes.errors import Conflict, NotFound
from database.engine import Database
from jobs.languages import LANGUAGES
from jobs.message_texts import CHANNELS, EVENTS, WORDINGS, Channel, Event
from jobs.messages import Message, event_for, language_of, link, message_for, sample_values, values_for
from jobs.register import Details, Job
from jobs.shops import Shop, ensure_default_shop
from jobs.sms import sms_size
from jobs.templates import (
    VARIABLES,
    Template,
    TemplateError,
    built_in,
    check_variables,
    checked_template,
    filled,
    get_template,
    list_templates,
    put_template,
    reset_template,
)
from jobs.workflows import BUILT_IN
from tests.conftest import both_databases

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday
REPAIR = BUILT_IN["repair"]
SHOP = Shop(
    id=1,
    name="Fix It",
    is_default=True,
    country="DE",
    phone="",
    whatsapp="",
    email="",
    address="",
    zone="Europe/Berlin",
    opening_hours=None,
    holidays=(),
    languages=("fr", "en"),
    has_logo=False,
    tracking="on",
    tracking_at=NOW,
    show_note=False,
    show_photo=False,
    created_at=NOW,
    updated_at=NOW,
)
TOKEN = "0123456789ABCDEF"
JOB = Job(
    id=1,
    shop_id=1,
    shop="Fix It",
    reference="R-1042",
    kind="repair",
    code_id=1,
    token=TOKEN,
    short_url=f"https://w.example/{TOKEN}",
    stage="repair",
    stage_at=NOW - timedelta(hours=1),
    item="Bicycle",
    public_note="",
    has_photo=False,
    language="",
    due_at=None,
    eta_at=NOW + timedelta(days=1),
    promised_at=None,
    revision=2,
    created_at=NOW,
    created_by="Ops",
    updated_at=NOW,
    completed_at=None,
)
DETAILS = Details(customer_name="A. N. Other", customer_phone="0151 1234567", customer_email="other+1@example.com")


def message(event: Event = "moved", channel: Channel = "sms", language: str = "en", **more: Any) -> Message:
    details, template = more.pop("details", DETAILS), more.pop("template", built_in(event, channel, language))
    shop, job = more.pop("shop", SHOP), replace(JOB, **more)
    return message_for(job, shop, details, REPAIR, template, NOW)


def test_a_message_says_where_the_job_stands() -> None:
    told = message()
    expected = (
        f"Fix It: News about Bicycle: In repair. Expected: Tuesday, 24 November, 10:00. https://w.example/{TOKEN}"
    )
    assert told.text == expected
    assert (told.size, told.to, told.problem) == (sms_size(expected), "+491511234567", None)
    assert told.size is not None
    assert told.size.segments == 1


def test_in_the_customer_s_language() -> None:
    told = message("ready", "email", "fr", stage="ready")
    assert told.subject == "Fix It : R-1042, Prêt à être retiré"
    assert told.text.splitlines()[0] == "Bonjour A. N. Other,"
    assert "Bonne nouvelle pour Bicycle : Prêt à être retiré." in told.text
    assert (language_of(JOB, SHOP), language_of(replace(JOB, language="ar"), SHOP)) == ("fr", "ar")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("event", EVENTS)
def test_every_message_that_comes_with_waymark_can_be_sent(event: Event, channel: Channel, language: str) -> None:
    template = built_in(event, channel, language)
    assert checked_template(template) == template
    assert "{tracking}" in template.text
    assert "{shop}" in template.text
    told = message(event, channel, language)
    assert not re.search(r"[{}]|  ", told.subject + told.text)
    if event in ("created", "moved", "estimated", "late"):
        assert "{eta}" in template.text
    if channel == "sms":
        size = sms_size(filled(template.text, sample_values(SHOP, language, "https://w.example", NOW)))
        assert size.segments <= (1 if language == "en" else 3)


def test_an_arabic_message_begins_in_arabic() -> None:
    """Else a phone takes the whole line for a Latin one."""
    for event in EVENTS:
        for channel in CHANNELS:
            template = built_in(event, channel, "ar")
            for text in filter(None, (template.subject, template.text)):
                assert "\u0600" <= text[0] <= "\u06ff", text


def test_what_is_not_known_leaves_no_hole() -> None:
    told = message(channel="whatsapp", item="", eta_at=None, details=Details())
    assert told.text.startswith("Hello,\n\nNews about R-1042: In repair. Expected: to be confirmed.\n")


def test_a_late_job_gets_its_new_date_not_the_old_one() -> None:
    told = message("late", stage_at=NOW - timedelta(hours=7), eta_at=NOW - timedelta(days=1))
    assert "Sunday" not in told.text
    assert "New date: Monday, 23 November, 13:00." in told.text  # an hour of the repair and two of the final check


@pytest.mark.parametrize(
    ("changed", "event"),
    [
        ({"stage": "intake"}, "created"),
        ({"stage": "repair"}, "moved"),
        ({"stage": "repair", "eta_at": NOW - timedelta(hours=1)}, "late"),
        ({"stage": "ready", "eta_at": NOW - timedelta(hours=1)}, "ready"),
        ({"stage": "picked-up"}, "delivered"),
    ],
)
def test_what_there_is_to_tell_follows_from_the_stage(changed: dict[str, Any], event: str) -> None:
    assert event_for(replace(JOB, **changed), REPAIR, NOW) == event


def test_a_job_without_a_page_has_no_message() -> None:
    with pytest.raises(Conflict, match="tracking"):
        message(short_url=None, token=None)
    with pytest.raises(Conflict, match="withdrawn"):
        message(shop=replace(SHOP, tracking="withdrawn"))


TRICKY = "50 % off & more? #1 + café\n= «جاهز» 😀"


def test_an_sms_link_opens_with_number_and_text() -> None:
    href = link("sms", "+491511234567", TRICKY)
    number, _, query = href.removeprefix("sms:").partition("?")
    assert (number, query.startswith("&body=")) == ("+491511234567", True)
    assert dict(parse_qsl(query)) == {"body": TRICKY}
    assert re.fullmatch(r"[!-~]+", href)
    assert "+" not in query  # it would be read as a space here and as a plus there


def test_a_whatsapp_link_has_digits_only() -> None:
    parts = urlsplit(link("whatsapp", "+491511234567", TRICKY))
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "wa.me", "/491511234567")
    assert parse_qs(parts.query) == {"text": [TRICKY]}


def test_a_mail_link_has_subject_and_lines() -> None:
    href = link("email", "other+1@example.com", TRICKY, "R & D: 100 %")
    assert href.startswith("mailto:other%2B1@example.com?subject=R%20%26%20D%3A%20100%20%25&body=")
    assert unquote(href.partition("&body=")[2]) == TRICKY.replace("\n", "\r\n")


def test_a_recipient_who_cannot_be_reached_is_said() -> None:
    unknown = message(details=Details())
    assert (unknown.to, unknown.problem) == ("", "the job has no customer_phone: choose the recipient yourself.")
    assert unknown.href is not None
    assert unknown.href.startswith("sms:?&body=")
    here = message(shop=replace(SHOP, country=""))
    assert here.href is None
    assert "write it with one, as +49 30 1234567" in str(here.problem)
    assert message(channel="email", details=Details(customer_email="no address")).href is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("See {traking}", r"text: there is no variable {traking}: did you mean {tracking}?"),
        ("See {Stage}", r"did you mean {stage}?"),
        ("{price} please", r"there are {tracking}, {stage}"),
        ("{} please", r"no variable {}"),
        ("{ stage }", r"did you mean {stage}?"),
        ("{stage", "has no }"),
        ("stage}", "has no {"),
        ("{{stage}}", "has no }"),
        ("{sta{ge}}", "has no }"),
    ],
)
def test_a_template_that_could_not_be_filled_is_refused(text: str, says: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(says)):
        check_variables(text, "text")


@pytest.mark.parametrize(
    ("channel", "subject", "text", "says"),
    [
        ("email", "", "Hello", "an e-mail needs one"),
        ("email", "x" * 201, "Hello", "1 to 200"),
        ("email", "{shp}", "Hello", "subject: there is no variable"),
        ("sms", "News", "Hello", "sms messages have none"),
        ("sms", "", " \n ", "1 to 2000"),
        ("sms", "", "x" * 2001, "this one has 2001"),
        ("fax", "", "Hello", "by sms, whatsapp, email"),
    ],
)
def test_what_cannot_be_kept_is_said(channel: Any, subject: str, text: str, says: str) -> None:
    with pytest.raises(TemplateError, match=says):
        checked_template(Template("ready", channel, "en", subject, text))


def test_every_variable_has_a_value_for_jobs_and_samples() -> None:
    assert set(values_for(JOB, SHOP, DETAILS, REPAIR, "en", NOW)) == set(VARIABLES)
    for language in WORDINGS:
        assert set(sample_values(SHOP, language, "https://w.example/", NOW)) == set(VARIABLES)
    assert set(WORDINGS) == set(LANGUAGES)


@pytest.mark.anyio
@both_databases
async def test_a_shop_s_own_template_takes_the_place_until_it_is_reset(db: Database) -> None:
    async with db.transaction() as connection:
        shop = await ensure_default_shop(connection)
    own = Template("ready", "sms", "en", "", "{item}:\x00 come\r\nand get it {tracking} ")
    for text in ("Come", own.text):
        await put_template(db, shop.id, replace(own, text=text), who="Ops")
    async with db.reading() as connection:
        kept = await get_template(connection, shop.id, "ready", "sms", "en")
        found = await list_templates(connection, shop.id)
    assert (kept.text, kept.is_own, kept.updated_by) == ("{item}:  come\nand get it {tracking}", True, "Ops")
    assert len(found) == len(EVENTS) * len(CHANNELS) * len(LANGUAGES)
    assert [one for one in found if one.is_own] == [kept]
    assert await reset_template(db, shop.id, "ready", "sms", "en", who="Ops") == built_in("ready", "sms", "en")
    async with db.reading() as connection:
        assert await get_template(connection, shop.id, "ready", "sms", "en") == built_in("ready", "sms", "en")
    with pytest.raises(NotFound, match="no template of its own"):
        await reset_template(db, shop.id, "ready", "sms", "en", who="Ops")
    with pytest.raises(NotFound):
        await put_template(db, 999, own, who="Ops")
