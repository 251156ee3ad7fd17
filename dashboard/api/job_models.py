"""What the API takes and tells of jobs. Private fields and the secret link are for staff: editors and owners."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from dashboard.access import Identity
from jobs.estimates import job_state
from jobs.jobs import JobFields
from jobs.register import DETAILS, Details, Job
from jobs.workflows import Workflow

MAX_DETAIL: Final = 1000
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2200


_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _moment(given: Any) -> datetime:
    read = _due(given)
    if not isinstance(read, datetime):
        raise ValueError(f"{given!r} has no time; write it as 2026-12-24T18:00")  # noqa: TRY004  pydantic takes these
    return read


def _due(given: Any) -> date:
    """A datetime, or a date alone."""
    text = given.isoformat() if isinstance(given, date) else given.strip().upper() if isinstance(given, str) else ""
    try:
        read = date.fromisoformat(text) if _DATE.fullmatch(text) else datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{str(given)[:40]!r} is no time; write it as 2026-12-24T18:00") from None
    if not FIRST_YEAR <= read.year < LAST_YEAR:
        raise ValueError(f"a time of the years {FIRST_YEAR} to {LAST_YEAR}, please")
    return read


_AS_TIME: Final = WithJsonSchema({"type": "string", "format": "date-time"})
Moment = Annotated[datetime, BeforeValidator(_moment), _AS_TIME]
Due = Annotated[datetime | date, BeforeValidator(_due), _AS_TIME]
WHEN: Final = "When it happened, if that was earlier; without a zone in the shop's."
Private = Annotated[str | None, Field(None, max_length=MAX_DETAIL, description="Private: for staff and messages only.")]
Shown = Annotated[str | None, Field(None, description="Private; null for viewers.")]


class Refusing(BaseModel):
    """Refuses fields that there are not, and says which one was probably meant."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        unknown = [str(name) for name in given if name not in cls.model_fields] if isinstance(given, Mapping) else []
        if unknown:
            alike = get_close_matches(unknown[0], cls.model_fields, 1)
            hint = f"Did you mean {alike[0]!r}?" if alike else f"There are {', '.join(cls.model_fields)}."
            raise ValueError(f"there is no field {unknown[0][:60]!r}. {hint}")
        return given


class Contents(Refusing):
    """Left-out and null fields stay as they are, "" empties them. But for due_at: null takes the promised time away."""

    model_config = ConfigDict(coerce_numbers_to_str=True)  # a price or a number of their own as a number

    kind: str | None = Field(None, max_length=40, description="repair when left out of a new job.", examples=["repair"])
    stage: str | None = Field(None, max_length=40, description="By key; the first one of a new job.")
    item: str | None = Field(None, max_length=1000, description="What it is about, for the customer's eyes.")
    public_note: str | None = Field(None, max_length=4000, description="Shown if the shop shows notes.")
    language: str | None = Field(None, max_length=8, description="Of messages: en, es, fr, ar; empty: the shop's.")
    due_at: Due | None = Field(
        None, description="Promised; without a zone in the shop's, without a time until it closes. Null: estimated."
    )
    reason: str | None = Field(None, max_length=500, description="Of a change of stage; kept in the history.")
    customer_name: Private
    customer_phone: Private
    customer_email: Private
    customer_address: Private
    price: Private
    deposit: Private
    serial: Private
    passcode: Private
    accessories: Private
    internal_note: Private
    technician: Private

    def fields(self, shop: str | None) -> JobFields:
        return JobFields(
            shop=shop,
            kind=self.kind,
            stage=self.stage,
            item=self.item,
            public_note=self.public_note,
            language=self.language,
            due_at=self.due_at if isinstance(self.due_at, datetime) else None,
            due_on=None if isinstance(self.due_at, datetime) else self.due_at,
            no_due="due_at" in self.model_fields_set and self.due_at is None,
            details={name: value for name in DETAILS if (value := getattr(self, name)) is not None},
            reason=self.reason or "",
        )


class JobIn(Contents):
    at: Moment | None = Field(None, description=WHEN)


class MoveIn(Refusing):
    at: Moment | None = Field(None, description=WHEN)
    reason: str = Field("", max_length=500, description="Kept in the history.")


class MoveToIn(MoveIn):
    stage: str = Field(max_length=40, description="By key.")


class JobOut(BaseModel):
    """``token`` and what is made of it are null while tracking is off, and for viewers: who has the link sees the page."""

    reference: str
    shop: str
    kind: str
    token: str | None
    status_url: str | None
    short_url: str | None
    stage: str
    stage_name: str
    stage_at: datetime
    phase: str
    state: str
    next_stage: str | None
    item: str
    public_note: str
    has_photo: bool
    language: str
    due_at: datetime | None
    eta_at: datetime | None
    promised_at: datetime | None
    revision: int
    created_at: datetime
    created_by: str
    updated_at: datetime
    completed_at: datetime | None
    customer_name: Shown
    customer_phone: Shown
    customer_email: Shown
    customer_address: Shown
    price: Shown
    deposit: Shown
    serial: Shown
    passcode: Shown
    accessories: Shown
    internal_note: Shown
    technician: Shown


class JobPage(BaseModel):
    jobs: list[JobOut]
    total: int = Field(description="On all pages.")
    next: str | None = Field(description="The cursor of the next page; null at the end.")


_OF_JOB: Final = tuple(name for name in JobOut.model_fields if name in Job.__dataclass_fields__)
_SECRET: Final = ("token", "status_url", "short_url")


def is_staff(who: Identity) -> bool:
    return who.may("editor")


def job_out(job: Job, workflow: Workflow | None, details: Details | None) -> JobOut:
    """``details``: None for who may not see them, nor the link."""
    stage = workflow.find_stage(job.stage) if workflow else None
    following = workflow.next_after(job.stage) if workflow and stage else None
    values: dict[str, Any] = {name: getattr(job, name) for name in _OF_JOB}
    values["status_url"] = job.status_url
    if details is None:
        values |= dict.fromkeys(_SECRET)
    else:
        values |= {name: getattr(details, name) for name in DETAILS}
    phase = stage.phase if stage else "working"
    return JobOut(
        **values,
        stage_name=stage.name if stage else job.stage,
        phase=phase,
        state=job_state(phase, job.eta_at, datetime.now(UTC)),
        next_stage=following.key if following else None,
    )
