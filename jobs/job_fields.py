"""What is said of a job when it is put or moved: its shape, and the checks that every way in shares."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from codes.alphabet import CodeError
from codes.names import plain_text
from jobs.expected import WHATEVER, Expected
from jobs.languages import LANGUAGES
from jobs.register import DETAILS, MAX_REFERENCE, Job
from jobs.shops import Shop

RESERVED: Final = ("batch", "export.ndjson")  # addresses of their own beside those of jobs
MAX_ITEM: Final = 200
MAX_NOTE: Final = 1000
FUTURE: Final = timedelta(minutes=5)  # by how much a shop's clock may be ahead


class JobError(CodeError):
    """A job that cannot be made or moved so; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class JobFields:
    """What a put says of a job. None leaves a field as it is, or as a new job has it."""

    shop: str | None = None  # by name
    kind: str | None = None
    stage: str | None = None
    item: str | None = None
    public_note: str | None = None
    language: str | None = None
    due_at: datetime | None = None  # without a zone: in the shop's
    due_on: date | None = None  # instead: until the shop closes on that day
    no_due: bool = False  # takes the promised date away: the estimate counts again
    details: Mapping[str, str] = field(default_factory=dict)  # of register.Details
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Who does it and when. ``at`` is earlier than now for what is told after being offline; without a zone the shop's."""

    who: str
    at: datetime | None = None
    expected_revision: int | None = None
    expected: Expected = WHATEVER  # unless there is a revision

    @property
    def wanted(self) -> Expected:
        return self.expected if self.expected_revision is None else Expected(frozenset({str(self.expected_revision)}))


def refuse_stale(found: Job, on: Occasion) -> None:
    """Raises Stale."""
    on.wanted.check(str(found.revision), f"job {found.reference}", "revision")


def refuse_missing(reference: str, on: Occasion) -> None:
    """Of a job that there is not. Raises Stale."""
    on.wanted.check(None, f"job {reference}")


def in_zone_of(given: JobFields, shop: Shop) -> JobFields:
    """A promised time without a zone is the shop's own, a date alone its last closing on that day."""
    if given.due_on is not None:
        return replace(given, due_at=shop.calendar.end_of(given.due_on), due_on=None)
    if given.due_at is None or given.due_at.tzinfo is not None:
        return given
    return replace(given, due_at=given.due_at.replace(tzinfo=ZoneInfo(shop.zone)))


def happened_at(on: Occasion, now: datetime, shop: Shop) -> datetime:
    if on.at is None:
        return now
    at = on.at if on.at.tzinfo else on.at.replace(tzinfo=ZoneInfo(shop.zone))
    if at > now + FUTURE:
        raise JobError(f"at: {at.isoformat()} lies in the future. Say when it happened, or leave it out for now.")
    return min(at, now)


def checked_reference(text: str) -> str:
    reference = plain_text(text)
    if not reference or len(reference) > MAX_REFERENCE or reference != text:
        raise JobError(
            f"a reference is 1 to {MAX_REFERENCE} characters in one line, without spaces at its ends, such as R-1042; got "
            f"{text[:100]!r}."
        )
    if reference in (".", ".."):
        raise JobError(f"{reference!r} is no reference: it means something else in addresses. Choose another one.")
    if reference in RESERVED:
        raise JobError(f"{reference!r} is no reference: Waymark has an address of that name. Choose another one.")
    return reference


def one_line(text: str, name: str, most: int) -> str:
    line = plain_text(text)
    if len(line) > most:
        raise JobError(f"{name}: up to {most} characters; these are {len(line)}.")
    return line


def lines_of(text: str, name: str, most: int) -> str:
    """Lines stay lines."""
    kept = "\n".join(plain_text(line) for line in text.splitlines()).strip()
    if len(kept) > most:
        raise JobError(f"{name}: up to {most} characters; these are {len(kept)}.")
    return kept


def checked_language(text: str) -> str:
    if text and text not in LANGUAGES:
        raise JobError(f"language: {text[:20]!r} is not one of {', '.join(LANGUAGES)}.")
    return text


def checked_details(given: Mapping[str, str]) -> dict[str, str]:
    if unknown := sorted(set(given) - set(DETAILS)):
        raise JobError(f"there is no field {unknown[0]!r} of a job. Private ones are {', '.join(DETAILS)}.")
    return {name: lines_of(value, name, MAX_NOTE) for name, value in given.items()}
