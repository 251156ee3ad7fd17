"""Messages to a job's customer, for staff to send: texts from templates, and links that open them ready in an app.

The only place where a customer's own data meets a text; nothing is sent from here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from codes.errors import Conflict
from jobs.estimates import is_late
from jobs.later_dates import later_date
from jobs.message_texts import WORDINGS, Channel, Event
from jobs.phone_numbers import PhoneError, international_number
from jobs.register import Details, Job
from jobs.shops import Shop
from jobs.sms import SmsSize, sms_size
from jobs.templates import Template, filled
from jobs.texts import texts_for
from jobs.workflows import BUILT_IN, Stage, Workflow

SAMPLE_REFERENCE: Final = "R-1042"
SAMPLE_TOKEN: Final = "0123456789ABCDEF"  # noqa: S105  as long as one
SAMPLE_DAYS: Final = 3
_SAMPLE_STAGES: Final[dict[Event, str]] = {
    "created": "intake",
    "moved": "repair",
    "estimated": "repair",
    "ready": "ready",
    "late": "repair",
    "delivered": "picked-up",
}
_RECIPIENT: Final[dict[Channel, str]] = {
    "sms": "customer_phone",
    "whatsapp": "customer_phone",
    "email": "customer_email",
}


@dataclass(frozen=True, slots=True)
class Message:
    """``size`` is that of an SMS. ``href`` opens it ready to be sent, to ``to`` if that is known; ``problem`` says why it
    is not, or why there is no link.
    """

    channel: Channel
    language: str
    to: str
    subject: str
    text: str
    size: SmsSize | None
    href: str | None
    problem: str | None


def message_for(
    job: Job, shop: Shop, details: Details, workflow: Workflow, template: Template, now: datetime
) -> Message:
    """Raises Conflict when the job has no link that could be sent."""
    values = values_for(job, shop, details, workflow, template.language, now)
    subject, text = filled(template.subject, values), filled(template.text, values)
    recipient, problem = _recipient(template.channel, details, shop.country)
    return Message(
        channel=template.channel,
        language=template.language,
        to=recipient,
        subject=subject,
        text=text,
        size=sms_size(text) if template.channel == "sms" else None,
        href=None
        if problem and details_of(template.channel, details)
        else link(template.channel, recipient, text, subject),
        problem=problem,
    )


def event_for(job: Job, workflow: Workflow, now: datetime) -> Event:
    """What there is to tell of it now."""
    stage = _stage(job, workflow)
    if stage.phase == "done":
        return "delivered"
    if stage.phase == "ready":
        return "ready"
    if is_late(stage.phase, job.eta_at, now):
        return "late"
    return "created" if stage == workflow.first else "moved"


def language_of(job: Job, shop: Shop) -> str:
    return job.language or shop.language


def values_for(
    job: Job, shop: Shop, details: Details, workflow: Workflow, language: str, now: datetime
) -> dict[str, str]:
    """By variable. An item without a name is called by its reference. Raises Conflict when there is no link."""
    if job.short_url is None or shop.tracking == "withdrawn":
        raise Conflict(
            f"job {job.reference} has no status page: tracking is {shop.tracking} for {shop.name}. Switch it on first."
        )
    stage = _stage(job, workflow)
    return {
        "tracking": job.short_url,
        "stage": stage.public_name(language),
        "eta": _date(_expected(job, shop, workflow, stage, now), shop, language, now),
        "shop": shop.name,
        "item": job.item or job.reference,
        "customer": details.customer_name,
        "reference": job.reference,
    }


def sample_values(shop: Shop, language: str, origin: str, now: datetime, event: Event = "ready") -> dict[str, str]:
    """For a template that is being written. ``origin``: scheme and host of the short links."""
    wording = WORDINGS[language]
    return {
        "tracking": f"{origin.rstrip('/')}/{SAMPLE_TOKEN}",
        "stage": BUILT_IN["repair"].stage(_SAMPLE_STAGES[event]).public_name(language),
        "eta": _date(now + timedelta(days=SAMPLE_DAYS), shop, language, now),
        "shop": shop.name,
        "item": wording.item,
        "customer": wording.customer,
        "reference": SAMPLE_REFERENCE,
    }


def link(channel: Channel, recipient: str, text: str, subject: str = "") -> str:
    """What a tap opens; without a recipient the app asks for one. Line ends as each scheme wants them."""
    if channel == "email":  # RFC 6068: CRLF, and + is a plus
        body = _encoded(text.replace("\n", "\r\n"))
        return f"mailto:{quote(recipient, safe='@')}?subject={_encoded(subject)}&body={body}"
    if channel == "whatsapp":
        return f"https://wa.me/{recipient.removeprefix('+')}?text={_encoded(text)}"
    # RFC 5724 with an empty field first: iOS looks for "&body=", Android for a query.
    return f"sms:{recipient}?&body={_encoded(text)}"


def details_of(channel: Channel, details: Details) -> str:
    """The recipient as it was written; "" when there is none."""
    return str(getattr(details, _RECIPIENT[channel])).strip()


def _recipient(channel: Channel, details: Details, country: str) -> tuple[str, str | None]:
    """(recipient, problem)."""
    written, name = details_of(channel, details), _RECIPIENT[channel]
    if not written:
        return "", f"the job has no {name}: choose the recipient yourself."
    if channel == "email":
        is_address = written.count("@") == 1 and not any(char.isspace() or char in "<>,;" for char in written)
        return (written, None) if is_address else ("", f"{name} is {written[:60]!r}: that is no e-mail address.")
    try:
        return international_number(written, country), None
    except PhoneError as error:
        return "", f"{name}: {error}"


def _stage(job: Job, workflow: Workflow) -> Stage:
    return workflow.find_stage(job.stage) or workflow.first


def _expected(job: Job, shop: Shop, workflow: Workflow, stage: Stage, now: datetime) -> datetime | None:
    """Of a late job the new date, as its page has it: the old one is no news."""
    if job.eta_at is not None and is_late(stage.phase, job.eta_at, now):
        later = later_date(workflow, stage.key, job.stage_at, job.eta_at, shop.calendar, now)
        return later.at if later else None
    return job.eta_at


def _date(at: datetime | None, shop: Shop, language: str, now: datetime) -> str:
    if at is None:
        return WORDINGS[language].no_date
    return texts_for(language, shop.country).promise(at, shop.zone, now)


def _encoded(text: str) -> str:
    return quote(text, safe="")
