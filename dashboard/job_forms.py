"""Sent forms of jobs and shops, read into what jobs/ takes, and filled with what is kept. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from codes.opening_hours import read_typed_hours, typed_hours
from dashboard.job_views import typed_time
from dashboard.show import sentence
from dashboard.views import Form
from jobs.expected import Stale
from jobs.jobs import JobError, JobFields
from jobs.languages import LANGUAGES
from jobs.register import DETAILS, Details, Job, details_values
from jobs.shops import Shop, ShopError, ShopFields
from jobs.working_time import read_typed_holidays, typed_holidays

Fields = Mapping[str, str]
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2200
BEGAN_AS: Final = "was."


def new_job_of(fields: Fields) -> JobFields:
    return JobFields(
        shop=fields.get("shop") or None,
        kind=fields.get("kind") or None,
        item=fields.get("item", ""),
        due_at=_read_time(fields.get("due_at", "")),
        details=_details(fields),
    )


def job_change_of(fields: Fields, job: Job, shop: Shop) -> JobFields:
    """What was left as it stood in the form stays as exact as it is kept."""
    typed = fields.get("due_at", "").strip()
    is_same = typed == typed_time(job.due_at, ZoneInfo(shop.zone))
    return JobFields(
        shop=shop.name,
        item=fields.get("item", ""),
        public_note=fields.get("public_note", ""),
        language=fields.get("language", ""),
        due_at=job.due_at if is_same else _read_time(typed),
        no_due=not typed,
    )


def details_change_of(fields: Fields, shop: Shop) -> JobFields:
    return JobFields(shop=shop.name, details=_details(fields))


def job_values(job: Job, shop: Shop) -> dict[str, str]:
    due = typed_time(job.due_at, ZoneInfo(shop.zone))
    return {"item": job.item, "public_note": job.public_note, "language": job.language, "due_at": due}


def private_values(details: Details) -> dict[str, str]:
    return details_values(details)


def shop_fields_of(fields: Fields) -> ShopFields:
    hours = read_typed_hours(fields.get("hours", "").replace("\n", ";"))
    return ShopFields(
        name=fields.get("name", ""),
        country=fields.get("country", ""),
        phone=fields.get("phone", ""),
        whatsapp=fields.get("whatsapp", ""),
        email=fields.get("email", ""),
        address=fields.get("address", ""),
        zone=fields.get("zone", "").strip(),
        opening_hours=hours,
        holidays=read_typed_holidays(fields.get("holidays", "")),
        languages=_read_languages(fields),
        show_note=bool(fields.get("show_note")),
        show_photo=bool(fields.get("show_photo")),
        looks_per_call=_read_looks(fields.get("looks_per_call", "")),
        cleared=frozenset({"opening_hours"} if hours is None else ()),
    )


def shop_values(shop: Shop) -> dict[str, str]:
    """Ticks are "1" or ""."""
    return {
        **{name: getattr(shop, name) for name in ("name", "country", "phone", "whatsapp", "email", "address", "zone")},
        "hours": typed_hours(shop.opening_hours),
        "holidays": "\n".join(typed_holidays(shop.holidays)),
        "language": shop.language,
        **{f"in_{language}": "1" if language in shop.languages else "" for language in LANGUAGES},
        "show_note": "1" if shop.show_note else "",
        "show_photo": "1" if shop.show_photo else "",
        "looks_per_call": str(shop.looks_per_call),
    }


def refused(fields: Fields, error: Exception) -> Form:
    """With what was typed, and why it was not taken. What was left as the form began (``was.NAME``) is shown as the job is
    now: saving again must not put back what somebody else has changed. The revision it began with stays until that was said.
    """
    sent = {name: text for name, text in fields.items() if name != "csrf" and not name.startswith(BEGAN_AS)}
    typed = {name: text for name, text in sent.items() if not _is_same(text, fields.get(BEGAN_AS + name))}
    if isinstance(error, Stale):
        typed.pop("revision", None)
    return Form(typed, {"": sentence(error)})


def _is_same(typed: str, before: str | None) -> bool:
    """Browsers write the ends of lines their way."""
    return before is not None and typed.replace("\r\n", "\n") == before.replace("\r\n", "\n")


def whole(text: str | None) -> int | None:
    """None for what is no number of a few digits."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else None


def _details(fields: Fields) -> dict[str, str]:
    return {name: fields[name] for name in DETAILS if name in fields}


def _read_time(typed: str) -> datetime | None:
    """Without a zone: in the shop's."""
    if not typed.strip():
        return None
    try:
        at = datetime.fromisoformat(typed.strip())
    except ValueError:
        raise JobError(f"the date {typed[:40]!r} cannot be read; write it as 2026-05-31T17:00.") from None
    if not FIRST_YEAR <= at.year < LAST_YEAR:
        raise JobError(f"a date of the years {FIRST_YEAR} to {LAST_YEAR}, please; got {typed[:40]!r}.")
    return at


def _read_looks(typed: str) -> int | None:
    if not typed.strip():
        return None
    number = whole(typed.strip())
    if number is None:
        raise ShopError(f"looks that stand for one call: a whole number, not {typed[:40]!r}.")
    return number


def _read_languages(fields: Fields) -> list[str]:
    first = fields.get("language", "")
    chosen = [language for language in LANGUAGES if fields.get(f"in_{language}")]
    return [first, *(language for language in chosen if language != first)]
