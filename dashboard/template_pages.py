"""The pages of a shop's message templates: which are its own, and one being written, with what a customer would read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from codes.errors import NotFound
from dashboard.access import Identity, TheParts
from dashboard.api.messages import template_out
from dashboard.ask_page import AskPage
from dashboard.formats import Moment, moment
from dashboard.forms import read_form
from dashboard.job_messages import BUTTONS, length_words
from dashboard.parts import Parts
from dashboard.shop_pages import shop_id_in
from dashboard.show import show
from dashboard.signed_in import Reader, Writer
from dashboard.views import Form
from jobs.expected import Expected, Stale
from jobs.languages import LANGUAGES, direction_of
from jobs.message_texts import CHANNELS, EVENTS, Channel, Event
from jobs.messages import sample_values
from jobs.shops import Shop, get_shop
from jobs.sms import JOINED, SINGLE, sms_size
from jobs.templates import (
    MAX_SUBJECT,
    MAX_TEXT,
    Template,
    TemplateError,
    built_in,
    checked_template,
    get_template,
    list_templates,
    put_template,
    reset_template,
)

router = APIRouter(include_in_schema=False)
TEMPLATE: Final = "/shops/{shop_id}/templates/{event}/{channel}/{language}"
# What is told, and when a job's page offers it.
TOLD: Final[dict[Event, tuple[str, str]]] = {
    "created": ("Received", "Offered while a job is at its first stage."),
    "moved": ("Moved on", "Offered at every stage after the first, until the job is ready."),
    "estimated": (
        "New date",
        "For a date that has changed. Other programs ask for it; a job's page does not offer it.",
    ),
    "ready": ("Ready", "Offered at a stage that is ready for the customer."),
    "late": ("Late", "Offered once the expected date has passed."),
    "delivered": ("Finished", "Offered at the last stage."),
}
CHANGED_MEANWHILE: Final = (
    "Somebody else has changed this text meanwhile; yours was not saved. Saving again puts yours in the place of "
    "theirs."
)
MEANINGS: Final[dict[str, str]] = {
    "tracking": "the link to the job's page",
    "stage": "the stage, as customers read it",
    "eta": "when it is expected",
    "shop": "your shop's name",
    "item": "what the job is about",
    "customer": "the customer's name",
    "reference": "your own number of the job",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One template among others; ``text`` is what it is called there."""

    text: str
    path: str
    own: bool
    current: bool = False


@dataclass(frozen=True, slots=True)
class EventView:
    """``rows``: the shop's own language first, each with one template for each channel."""

    title: str
    when: str
    sample: str
    rows: tuple[tuple[str, tuple[Choice, ...]], ...]


@dataclass(frozen=True, slots=True)
class TemplatesPage:
    template: ClassVar[str] = "templates.html"
    active: ClassVar[str] = "jobs"
    shop: Shop
    events: tuple[EventView, ...]
    channels: tuple[str, ...]
    own: int
    direction: str


@dataclass(frozen=True, slots=True)
class PreviewView:
    """With made-up values. ``problem``: why there is nothing to show; ``length`` and ``forcing`` are of text messages."""

    subject: str = ""
    text: str = ""
    length: str = ""
    left: str = ""
    forcing: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TemplatePage:
    """``version`` is the one that the text being written began with; ``now`` the one that somebody else saved meanwhile."""

    template: ClassVar[str] = "template.html"
    active: ClassVar[str] = "jobs"
    most_subject: ClassVar[int] = MAX_SUBJECT
    most_text: ClassVar[int] = MAX_TEXT
    shop: Shop
    path: str
    event: str
    when: str
    channel: str
    language: str
    language_key: str
    has_subject: bool
    form: Form
    version: str
    now: Template | None
    preview: PreviewView
    unsaved: bool
    saved: bool
    changed_at: Moment | None
    changed_by: str
    variables: tuple[tuple[str, str, str], ...]
    channels: tuple[Choice, ...]
    languages: tuple[Choice, ...]
    events: tuple[Choice, ...]

    @property
    def direction(self) -> str:
        return direction_of(self.language_key)


@router.get("/shops/{shop_id}/templates")
async def templates(shop_id: str, request: Request, who: Reader, parts: TheParts) -> Response:
    async with parts.database.reading() as connection:
        shop = await get_shop(connection, shop_id_in(shop_id))
        found = {(one.event, one.channel, one.language): one for one in await list_templates(connection, shop.id)}
    events = tuple(_event_view(parts, shop, event, found) for event in EVENTS)
    own = sum(template.is_own for template in found.values())
    channels = tuple(BUTTONS[channel] for channel in CHANNELS)
    return show(request, TemplatesPage(shop, events, channels, own, direction_of(shop.language)), who)


@router.get(TEMPLATE)
async def template(
    shop_id: str, event: str, channel: str, language: str, request: Request, who: Reader, parts: TheParts
) -> Response:
    return await _page(shop_id, _asked(event, channel, language), request, who, parts)


@router.post(TEMPLATE)
async def change_template(
    shop_id: str, event: str, channel: str, language: str, request: Request, who: Writer, parts: TheParts
) -> Response:
    """ "look" only shows what would become of it."""
    fields, asked = await read_form(request, who), _asked(event, channel, language)
    if fields.get("do") == "look":
        return await _page(shop_id, asked, request, who, parts, typed=fields)
    given = Template(asked.event, asked.channel, asked.language, fields.get("subject", ""), fields.get("text", ""))
    try:
        began = Expected(frozenset({fields.get("version", "")}))
        await put_template(parts.database, shop_id_in(shop_id), given, who=who.name, expected=began)
    except TemplateError:
        return await _page(shop_id, asked, request, who, parts, typed=fields, status=422)
    except Stale:
        return await _page(shop_id, asked, request, who, parts, typed=fields, meanwhile=True, status=409)
    return RedirectResponse(f"{_path(shop_id_in(shop_id), asked)}?saved=1", 303)


@router.get(f"{TEMPLATE}/reset")
async def ask_reset(
    shop_id: str, event: str, channel: str, language: str, request: Request, who: Writer, parts: TheParts
) -> Response:
    asked = _asked(event, channel, language)
    async with parts.database.reading() as connection:
        shop = await get_shop(connection, shop_id_in(shop_id))
    path, came = _path(shop.id, asked), built_in(asked.event, asked.channel, asked.language)
    page = AskPage(
        title="Go back to the built-in text?",
        trail=((shop.name, f"/shops/{shop.id}"), ("Messages", f"/shops/{shop.id}/templates"), (_title(asked), path)),
        text="Your own text is lost. This is what the message says then:",
        quotes=tuple(filter(None, (came.subject, came.text))),
        direction=direction_of(asked.language),
        action=f"{path}/reset",
        button="Go back to the built-in text",
        back=path,
    )
    return show(request, page, who)


@router.post(f"{TEMPLATE}/reset")
async def reset(
    shop_id: str, event: str, channel: str, language: str, request: Request, who: Writer, parts: TheParts
) -> Response:
    """A second tap finds it built in already, and is no error."""
    await read_form(request, who)
    asked, number = _asked(event, channel, language), shop_id_in(shop_id)
    async with parts.database.reading() as connection:
        kept = await get_template(connection, number, asked.event, asked.channel, asked.language)
    if kept.is_own:
        await reset_template(parts.database, number, asked.event, asked.channel, asked.language, who=who.name)
    return RedirectResponse(f"{_path(number, asked)}?saved=1", 303)


async def _page(
    shop_id: str,
    asked: Template,
    request: Request,
    who: Identity,
    parts: Parts,
    *,
    typed: Mapping[str, str] | None = None,
    meanwhile: bool = False,
    status: int = 200,
) -> Response:
    """``meanwhile``: somebody else saved another text, which the one typed takes the place of when it is saved again."""
    now = datetime.now(UTC)
    async with parts.database.reading() as connection:
        shop = await get_shop(connection, shop_id_in(shop_id))
        found = {(one.event, one.channel, one.language): one for one in await list_templates(connection, shop.id)}
    kept = found[asked.event, asked.channel, asked.language]
    values = {"subject": kept.subject, "text": kept.text} if typed is None else dict(typed)
    preview, errors = _preview(parts, shop, asked, values)
    if meanwhile:
        errors |= {"": CHANGED_MEANWHILE}
    samples = sample_values(shop, asked.language, parts.settings.short_url, now, asked.event)
    page = TemplatePage(
        shop=shop,
        path=_path(shop.id, asked),
        event=TOLD[asked.event][0],
        when=TOLD[asked.event][1],
        channel=BUTTONS[asked.channel],
        language=LANGUAGES[asked.language],
        language_key=asked.language,
        has_subject=asked.channel == "email",
        form=Form(values, errors),
        version=kept.version if typed is None or meanwhile else typed.get("version", ""),
        now=kept if meanwhile else None,
        preview=preview,
        unsaved=typed is not None and not errors,
        saved="saved" in request.query_params,
        changed_at=moment(kept.updated_at, ZoneInfo(shop.zone), now) if kept.updated_at else None,
        changed_by=kept.updated_by or "",
        variables=tuple((f"{{{name}}}", MEANINGS[name], samples[name]) for name in MEANINGS),
        events=_choices(shop, [(TOLD[event][0], found[event, kept.channel, kept.language]) for event in EVENTS], kept),
        channels=_choices(shop, [(BUTTONS[one], found[kept.event, one, kept.language]) for one in CHANNELS], kept),
        languages=_choices(
            shop, [(name, found[kept.event, kept.channel, one]) for one, name in LANGUAGES.items()], kept
        ),
    )
    return show(request, page, who, status=status)


def _preview(
    parts: Parts, shop: Shop, asked: Template, values: Mapping[str, str]
) -> tuple[PreviewView, dict[str, str]]:
    """(what customers would read, what is wrong by field)."""
    draft = Template(asked.event, asked.channel, asked.language, values.get("subject", ""), values.get("text", ""))
    try:
        told = template_out(parts, shop, checked_template(draft))
    except TemplateError as error:
        problem = error.problem[:1].upper() + error.problem[1:]
        return PreviewView(problem=problem), {error.part: problem}
    if told.sms is None:
        return PreviewView(told.sample_subject, told.sample), {}
    size = sms_size(told.sample)
    left = f"Room for {size.left} more character{'s' if size.left != 1 else ''} before it becomes one more SMS."
    return PreviewView("", told.sample, length_words(size), left, _forcing(told.sms.forcing)), {}


def _forcing(characters: Iterable[str]) -> str:
    found = list(characters)
    if not found:
        return ""
    shown = " ".join(found[:10]) + (" …" if len(found) > 10 else "")
    return (
        f"Because of {shown} an SMS holds {SINGLE['UCS-2']} characters instead of {SINGLE['GSM-7']} "
        f"({JOINED['UCS-2']} instead of {JOINED['GSM-7']} when there are several)."
    )


def _event_view(
    parts: Parts, shop: Shop, event: Event, found: Mapping[tuple[Event, Channel, str], Template]
) -> EventView:
    title, when = TOLD[event]
    ordered = {shop.language: LANGUAGES[shop.language], **LANGUAGES}
    rows = tuple(
        (name, _choices(shop, [(BUTTONS[channel], found[event, channel, language]) for channel in CHANNELS]))
        for language, name in ordered.items()
    )
    return EventView(title, when, template_out(parts, shop, found[event, "sms", shop.language]).sample, rows)


def _choices(shop: Shop, named: Iterable[tuple[str, Template]], current: Template | None = None) -> tuple[Choice, ...]:
    return tuple(Choice(text, _path(shop.id, one), one.is_own, one is current) for text, one in named)


def _asked(event: str, channel: str, language: str) -> Template:
    """The built-in one of these. Raises NotFound."""
    known_event = next((known for known in EVENTS if known == event), None)
    known_channel = next((known for known in CHANNELS if known == channel), None)
    if known_event is None or known_channel is None or language not in LANGUAGES:
        raise NotFound("there is no such message.")
    return built_in(known_event, known_channel, language)


def _path(shop_id: int, one: Template) -> str:
    return f"/shops/{shop_id}/templates/{one.event}/{one.channel}/{one.language}"


def _title(one: Template) -> str:
    return f"{TOLD[one.event][0]}, {BUTTONS[one.channel]}, {LANGUAGES[one.language]}"
