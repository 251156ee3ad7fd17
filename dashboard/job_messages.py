"""The messages that a job's page offers, each one tap from being sent by the phone in hand. Nothing is sent from here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from codes.errors import Conflict
from jobs.message_texts import CHANNELS, Channel
from jobs.messages import event_for, language_of, message_for
from jobs.register import Details, Job
from jobs.shops import Shop
from jobs.sms import SmsSize
from jobs.templates import get_template
from jobs.workflows import Workflow

BUTTONS: Final[dict[Channel, str]] = {"sms": "Text message", "whatsapp": "WhatsApp", "email": "E-mail"}


@dataclass(frozen=True, slots=True)
class MessageView:
    """``href`` "": there is a recipient, but it is none; ``note`` says so, or how long a text message is."""

    button: str
    href: str
    subject: str
    text: str
    note: str


async def messages_of(
    connection: AsyncConnection, job: Job, shop: Shop, details: Details, workflow: Workflow, now: datetime
) -> tuple[MessageView, ...]:
    """What there is to tell of it now, in the job's language; none while it has no link to send."""
    if workflow.find_stage(job.stage) is None:
        return ()
    event, language = event_for(job, workflow, now), language_of(job, shop)
    views = []
    for channel in CHANNELS:
        template = await get_template(connection, shop.id, event, channel, language)
        try:
            message = message_for(job, shop, details, workflow, template, now)
        except Conflict:
            return ()
        length = length_words(message.size) if message.size else ""
        problem = _in_words(message.problem or "")
        note = ". ".join(part[:1].upper() + part[1:] for part in (length, problem) if part)
        views.append(MessageView(BUTTONS[channel], message.href or "", message.subject, message.text, note))
    return tuple(views)


def length_words(size: SmsSize) -> str:
    return f"{size.characters} characters, {size.segments} SMS ({size.encoding})"


def _in_words(problem: str) -> str:
    """The API names fields; here they have labels."""
    named = problem.replace("customer_phone", "telephone number").replace("customer_email", "e-mail address")
    return named.rstrip(".")
