"""Messages over the API: a shop's templates, a draft while it is written, and what to send to a job's customer."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard.access import Editor, TheParts, Viewer
from dashboard.api.bounds import Id
from dashboard.api.job_models import Refusing
from dashboard.api.jobs import Reference, ShopName, asked_job
from dashboard.api.preconditions import TAGGED, OfChange, OfPut, tag
from dashboard.parts import Parts
from jobs.kinds import get_workflow
from jobs.message_texts import CHANNELS, Channel, Event
from jobs.messages import Message, event_for, language_of, message_for, sample_values
from jobs.register import get_details
from jobs.shops import Shop, ensure_default_shop, get_shop, get_shop_named
from jobs.sms import forcing_ucs2, sms_size
from jobs.templates import (
    MAX_SUBJECT,
    MAX_TEXT,
    VARIABLES,
    Template,
    checked_template,
    filled,
    get_template,
    list_templates,
    put_template,
    reset_template,
)

router = APIRouter(tags=["messages"])
Language = Literal["en", "es", "fr", "ar"]
TEMPLATE = "/shops/{shop_id}/templates/{event}/{channel}/{language}"
_TEXT = f"Variables: {', '.join(f'{{{name}}}' for name in VARIABLES)}."


class SmsOut(BaseModel):
    """``characters`` as they are counted: € and [ are two in GSM-7, an emoji is two in UCS-2. ``left`` until one more
    message begins; ``forcing`` are the characters but for which GSM-7 would do.
    """

    encoding: Literal["GSM-7", "UCS-2"]
    characters: int
    segments: int
    left: int
    forcing: list[str]


class TemplateIn(Refusing):
    text: str = Field(max_length=10 * MAX_TEXT, description=_TEXT, examples=["{shop}: {item}, {stage}. {tracking}"])
    subject: str = Field("", max_length=10 * MAX_SUBJECT, description="Of e-mails, and of nothing else.")


class TemplateOut(BaseModel):
    """``sample`` and ``sms`` are of the text with made-up values; ``own``: the shop's, else it came with Waymark. ``version``
    is as its ETag: another one for other words.
    """

    event: Event
    channel: Channel
    language: Language
    subject: str
    text: str
    own: bool
    version: str
    sample_subject: str
    sample: str
    sms: SmsOut | None
    updated_at: datetime | None
    updated_by: str | None


class TemplateList(BaseModel):
    shop: str
    variables: list[str]
    templates: list[TemplateOut]


class DraftIn(TemplateIn):
    channel: Channel = "sms"
    language: Language = "en"
    shop: str | None = Field(None, max_length=120, description="By name; the default one when left out.")


class DraftOut(BaseModel):
    subject: str
    text: str
    sms: SmsOut | None


class MessageOut(BaseModel):
    """``href`` opens it ready to be sent: sms:, wa.me or mailto:. ``problem``: why it opens without a recipient, or not."""

    channel: Channel
    to: str
    subject: str
    text: str
    sms: SmsOut | None
    href: str | None
    problem: str | None


class MessagesOut(BaseModel):
    reference: str
    event: Event
    language: Language
    link: str = Field(description="Of the status page, to be copied.")
    messages: list[MessageOut]


@router.get("/shops/{shop_id}/templates")
async def get_templates(
    shop_id: Id,
    _who: Viewer,
    parts: TheParts,
    event: Event | None = None,
    channel: Channel | None = None,
    language: Language | None = None,
) -> TemplateList:
    """All of them, or those of an event, a channel, a language."""
    async with parts.database.reading() as connection:
        shop = await get_shop(connection, shop_id)
        found = await list_templates(connection, shop_id)
    asked = [
        template
        for template in found
        if event in (None, template.event)
        and channel in (None, template.channel)
        and language in (None, template.language)
    ]
    told = [template_out(parts, shop, template) for template in asked]
    return TemplateList(shop=shop.name, variables=list(VARIABLES), templates=told)


@router.get(TEMPLATE, responses=TAGGED)
async def show_template(
    shop_id: Id,
    event: Event,
    channel: Channel,
    language: Language,
    _who: Viewer,
    parts: TheParts,
    response: Response,
) -> TemplateOut:
    async with parts.database.reading() as connection:
        found = await get_template(connection, shop_id, event, channel, language)
    return await _shown(parts, shop_id, found, response)


@router.put(TEMPLATE, responses=TAGGED)
async def change_template(
    shop_id: Id,
    event: Event,
    channel: Channel,
    language: Language,
    body: TemplateIn,
    who: Editor,
    parts: TheParts,
    expected: OfPut,
    response: Response,
) -> TemplateOut:
    """Takes the place of the one there was."""
    given = Template(event, channel, language, body.subject, body.text)
    kept = await put_template(parts.database, shop_id, given, who=who.name, expected=expected)
    return await _shown(parts, shop_id, kept, response)


@router.delete(TEMPLATE, responses=TAGGED)
async def delete_template(
    shop_id: Id,
    event: Event,
    channel: Channel,
    language: Language,
    who: Editor,
    parts: TheParts,
    expected: OfChange,
    response: Response,
) -> TemplateOut:
    """Back to the one that came with Waymark, which is the answer."""
    original = await reset_template(parts.database, shop_id, event, channel, language, who=who.name, expected=expected)
    return await _shown(parts, shop_id, original, response)


@router.post("/messages/preview")
async def preview(body: DraftIn, _who: Viewer, parts: TheParts) -> DraftOut:
    """A draft with made-up values, and how many text messages it takes. Keeps nothing."""
    # A draft belongs to no event yet, and no check hangs on one.
    draft = checked_template(Template("ready", body.channel, body.language, body.subject, body.text))
    async with parts.database.reading() as connection:
        shop = await get_shop_named(connection, body.shop) if body.shop else None
    shown = template_out(parts, shop or await _default_shop(parts), draft)
    return DraftOut(subject=shown.sample_subject, text=shown.sample, sms=shown.sms)


@router.get("/jobs/{reference}/messages")
async def job_messages(
    reference: Reference,
    _who: Editor,
    parts: TheParts,
    shop: ShopName = None,
    event: Annotated[Event | None, Query(description="What there is to tell now when left out.")] = None,
    channel: Channel | None = None,
    language: Annotated[Language | None, Query(description="The job's, else the shop's when left out.")] = None,
) -> MessagesOut:
    """What to send to the customer, on each channel; Waymark sends nothing itself."""
    now = datetime.now(UTC)
    async with parts.database.reading() as connection:
        job = await asked_job(connection, reference, shop)
        owner = await get_shop(connection, job.shop_id)
        workflow = await get_workflow(connection, job.kind)
        details = await get_details(connection, job.id)
        told, spoken = event or event_for(job, workflow, now), language or language_of(job, owner)
        templates = await _templates(connection, job.shop_id, told, spoken, channel)
    messages = [message_for(job, owner, details, workflow, template, now) for template in templates]
    return MessagesOut.model_validate(
        {
            "reference": job.reference,
            "event": told,
            "language": spoken,
            "link": job.short_url,
            "messages": [_message_out(message) for message in messages],
        }
    )


def template_out(parts: Parts, shop: Shop, template: Template) -> TemplateOut:
    values = sample_values(shop, template.language, parts.settings.short_url, datetime.now(UTC), template.event)
    sample = filled(template.text, values)
    return TemplateOut.model_validate(
        {
            **asdict(template),
            "own": template.is_own,
            "version": template.version,
            "sample_subject": filled(template.subject, values),
            "sample": sample,
            "sms": _sms_out(sample) if template.channel == "sms" else None,
        }
    )


async def _templates(
    connection: AsyncConnection, shop_id: int, event: Event, language: str, channel: Channel | None
) -> list[Template]:
    channels = CHANNELS if channel is None else (channel,)
    return [await get_template(connection, shop_id, event, chosen, language) for chosen in channels]


async def _shown(parts: Parts, shop_id: int, template: Template, response: Response) -> TemplateOut:
    tag(response, template.version)
    async with parts.database.reading() as connection:
        return template_out(parts, await get_shop(connection, shop_id), template)


async def _default_shop(parts: Parts) -> Shop:
    async with parts.database.transaction() as connection:
        return await ensure_default_shop(connection)


def _message_out(message: Message) -> MessageOut:
    sms = _sms_out(message.text) if message.channel == "sms" else None
    values = {name: getattr(message, name) for name in MessageOut.model_fields if name != "sms"}
    return MessageOut.model_validate({**values, "sms": sms})


def _sms_out(text: str) -> SmsOut:
    return SmsOut(**asdict(sms_size(text)), forcing=list(forcing_ucs2(text)))
