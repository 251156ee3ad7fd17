"""What the pages of jobs show of one: its card, its next steps. Pure; what is private is left out here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from dashboard.formats import Moment, moment
from dashboard.job_messages import MessageView
from dashboard.views import Form
from jobs.estimates import estimate, standing
from jobs.register import Details, Job, Move
from jobs.shops import Shop
from jobs.workflows import Stage, Workflow

TYPED_TIME: Final = "%Y-%m-%dT%H:%M"
ACTIONS: Final = {
    "create": "Created",
    "advance": "Moved on",
    "skip": "Skipped ahead",
    "back": "Moved back",
    "deliver": "Completed",
    "reopen": "Reopened",
    "estimate": "New date",
}
PRIVATE: Final = {
    "customer_name": "Customer",
    "customer_phone": "Telephone",
    "customer_email": "E-mail",
    "customer_address": "Address",
    "price": "Price",
    "deposit": "Deposit",
    "serial": "Serial number",
    "passcode": "Passcode of the device",
    "accessories": "Accessories",
    "technician": "Technician",
    "internal_note": "Internal note",
}
LONG: Final = ("customer_address", "internal_note")


@dataclass(frozen=True, slots=True)
class StandingView:
    """Icon, words and colour say the same."""

    word: str
    text: str
    icon: str


STANDINGS: Final = {
    "late": StandingView("late", "Late", "warn"),
    "may-be-late": StandingView("may-be-late", "May be late", "clock"),
    "on-track": StandingView("on-track", "On track", "done"),
    "ready": StandingView("ready", "Ready", "done"),
    "done": StandingView("done", "Done", "done"),
    "": StandingView("none", "No date", "clock"),
}


@dataclass(frozen=True, slots=True)
class JobCard:
    id: int
    reference: str
    path: str
    item: str
    customer: str  # "" for viewers
    shop: str
    kind: str
    stage: str
    since: Moment
    expected: Moment | None
    standing: StandingView


@dataclass(frozen=True, slots=True)
class Step:
    """A button that moves the job to a stage."""

    key: str
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class TrailStep:
    name: str
    at: Moment | None
    when: str  # passed, now, coming


@dataclass(frozen=True, slots=True)
class MoveView:
    at: Moment
    action: str
    stage: str
    expected: Moment | None
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """``status_url``, ``contact`` and the values of ``details`` are empty for viewers."""

    template: ClassVar[str] = "job.html"
    active: ClassVar[str] = "jobs"
    card: JobCard
    kind_name: str
    path: str
    of_shop: str  # what addresses below the path end with
    revision: int
    stage: str
    phase: str
    promised: bool
    following: Step | None
    back: Step | None
    deliver: Step | None
    aside: tuple[Step, ...]  # optional stages just ahead
    others: tuple[Step, ...]
    trail: tuple[TrailStep, ...]
    moves: tuple[MoveView, ...]
    status_url: str
    has_code: bool
    tracking: str
    has_photo: bool
    public_note: str
    shop_shows: tuple[bool, bool]  # notes, photos
    shop_path: str
    without_hours: bool  # its estimate counts every hour, since the shop has told none
    kept: Mapping[str, str]  # what both forms begin with
    form: Form
    details: Form
    problem: str
    moved: bool
    zone: str
    languages: Mapping[str, str]
    contact: tuple[tuple[str, str], ...] = ()  # words, address: call, write
    messages: tuple[MessageView, ...] = ()
    private: Mapping[str, str] = field(default_factory=lambda: PRIVATE)
    long: Sequence[str] = LONG


@dataclass(frozen=True, slots=True)
class DeleteJobPage:
    """Asked before it is done."""

    template: ClassVar[str] = "job_delete.html"
    active: ClassVar[str] = "jobs"
    reference: str
    item: str
    path: str
    of_shop: str


def is_without_hours(job: Job, workflow: Workflow | None, shop: Shop) -> bool:
    """It is told an estimate that counts every hour, since its shop has told no opening hours."""
    stage = workflow.find_stage(job.stage) if workflow else None
    is_estimated = stage is not None and stage.is_open and job.due_at is None and job.eta_at is not None
    return is_estimated and shop.opening_hours is None


def job_path(job: Job, shops: Mapping[int, Shop]) -> str:
    return f"/jobs/{quote(job.reference, safe='')}{shop_query(job, shops)}"


def shop_query(job: Job, shops: Mapping[int, Shop]) -> str:
    """A job of another shop than the default one needs its shop."""
    shop = shops.get(job.shop_id)
    return "" if shop is None or shop.is_default else f"?{urlencode({'shop': shop.name})}"


def card_of(
    job: Job, workflow: Workflow | None, shops: Mapping[int, Shop], details: Details | None, now: datetime
) -> JobCard:
    shop = shops[job.shop_id]
    zone = ZoneInfo(shop.zone)
    stage = workflow.find_stage(job.stage) if workflow else None
    return JobCard(
        id=job.id,
        reference=job.reference,
        path=job_path(job, shops),
        item=job.item,
        customer=details.customer_name if details else "",
        shop=job.shop if len(shops) > 1 else "",
        kind=workflow.name if workflow else job.kind,
        stage=stage.name if stage else job.stage,
        since=moment(job.stage_at, zone, now),
        expected=moment(job.eta_at, zone, now) if job.eta_at else None,
        standing=_standing(job, workflow, shop, now),
    )


def steps_of(
    workflow: Workflow, job: Job, moves: Sequence[Move]
) -> tuple[Step | None, Step | None, Step | None, tuple[Step, ...], tuple[Step, ...]]:
    """(next, back, to the end, optional ones just ahead, all others). Back undoes the last move when that went ahead."""
    if workflow.find_stage(job.stage) is None:
        return None, None, None, (), tuple(_step(stage) for stage in workflow.stages)
    place = workflow.index_of(job.stage)
    following = workflow.next_after(job.stage)
    back = _undone(workflow, job, moves)
    last = workflow.done_stage
    deliver = last if following not in (None, last) else None
    until = workflow.index_of(following.key) if following else place + 1
    aside = workflow.stages[place + 1 : until]
    shown = {stage.key for stage in (following, back, deliver, *aside, workflow.stages[place]) if stage}
    others = tuple(_step(stage) for stage in workflow.stages if stage.key not in shown)
    return (
        _step(following) if following else None,
        _step(back) if back else None,
        _step(deliver) if deliver else None,
        tuple(_step(stage) for stage in aside),
        others,
    )


def trail_of(
    workflow: Workflow | None, job: Job, moves: Sequence[Move], zone: ZoneInfo, now: datetime
) -> list[TrailStep]:
    """As the customer reads it, in the shop's own words: what was undone is left out."""
    if workflow is None or workflow.find_stage(job.stage) is None:
        return [TrailStep(job.stage, moment(job.stage_at, zone, now), "now")]
    place = workflow.index_of(job.stage)
    way: dict[int, datetime] = {}
    for move in moves:
        if move.action != "estimate" and workflow.find_stage(move.to_stage):
            reached = workflow.index_of(move.to_stage)
            way = {number: at for number, at in way.items() if number < reached}
            way[reached] = move.at
    passed = [
        TrailStep(workflow.stages[number].name, moment(at, zone, now), "passed")
        for number, at in way.items()
        if number < place
    ]
    coming = [TrailStep(stage.name, None, "coming") for stage in workflow.coming(job.stage)]
    return [*passed, TrailStep(workflow.stages[place].name, moment(job.stage_at, zone, now), "now"), *coming]


def move_views(workflow: Workflow | None, moves: Sequence[Move], zone: ZoneInfo, now: datetime) -> list[MoveView]:
    """The newest first."""
    return [
        MoveView(
            at=moment(move.at, zone, now),
            action=ACTIONS.get(move.action, move.action),
            stage=_name(workflow, move.to_stage),
            expected=moment(move.eta_at, zone, now) if move.eta_at else None,
            who=move.who,
            reason=move.reason,
        )
        for move in reversed(moves)
    ]


def typed_time(at: datetime | None, zone: ZoneInfo) -> str:
    """As a form's date and time field has it."""
    return at.astimezone(zone).strftime(TYPED_TIME) if at else ""


def contact_of(details: Details) -> tuple[tuple[str, str], ...]:
    number = "".join(sign for sign in details.customer_phone if sign.isdigit() or sign == "+")
    found = [(f"Call {details.customer_phone}", f"tel:{number}")] if len(number) > 2 else []
    if "@" in details.customer_email:
        found.append(("Write an e-mail", f"mailto:{quote(details.customer_email, safe='@')}"))
    return tuple(found)


def _standing(job: Job, workflow: Workflow | None, shop: Shop, now: datetime) -> StandingView:
    stage = workflow.find_stage(job.stage) if workflow else None
    if workflow is None or stage is None:
        return STANDINGS[""]
    if stage.phase in ("ready", "done"):
        return STANDINGS[stage.phase]
    calendar = shop.calendar
    estimated = estimate(workflow, stage.key, job.stage_at, calendar, now)
    found = standing(stage.phase, job.eta_at, now, estimated, calendar=calendar, since=job.created_at)
    return STANDINGS[found.word if found else ""]


def _undone(workflow: Workflow, job: Job, moves: Sequence[Move]) -> Stage | None:
    last = next((move for move in reversed(moves) if move.action != "estimate"), None)
    came_from = workflow.find_stage(last.from_stage) if last and last.from_stage else None
    if (
        came_from
        and last
        and last.to_stage == job.stage
        and workflow.index_of(came_from.key) < workflow.index_of(job.stage)
    ):
        return came_from
    return workflow.before(job.stage, {move.to_stage for move in moves})


def _step(stage: Stage) -> Step:
    return Step(stage.key, stage.name, "only when needed" if stage.optional else "")


def _name(workflow: Workflow | None, key: str) -> str:
    stage = workflow.find_stage(key) if workflow else None
    return stage.name if stage else key
