"""What a customer sees of a job, and nothing else: the list of what may be shown. Pure; knows no HTML and no language."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from jobs.estimates import estimate, job_state, standing
from jobs.status_sources import JobSource, PublicMove
from jobs.workflows import Stage, Workflow
from jobs.working_time import Calendar

Word = Literal["on-track", "may-be-late", "late", "ready", "done"]
When = Literal["passed", "now", "coming"]
ROUND_TO = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class TrailStage:
    public: Stage
    at: datetime | None  # None: still to come
    when: When


@dataclass(frozen=True, slots=True)
class Opening:
    is_open: bool
    next_at: datetime | None  # when it opens; None: it is open, or nobody can say


@dataclass(frozen=True, slots=True)
class StatusPage:
    """Of one moment. ``expected_at`` is what the customer was told last, ``new_at`` what a late job is expected at now."""

    stage: Stage
    word: Word | None  # None: nothing was promised, so nothing can be said
    expected_at: datetime | None
    is_promised: bool
    new_at: datetime | None
    since: datetime  # when it came to this stage
    trail: tuple[TrailStage, ...]
    item: str
    reference: str
    note: str  # "": none, or the shop shows none
    has_photo: bool
    updated_at: datetime
    frozen_at: datetime | None
    opening: Opening | None  # of the shop, now; None: it has told no hours
    sequence: int  # rises with every change, also of the estimate alone

    @property
    def calendar_at(self) -> datetime | None:
        """When its calendar entry is: when it was ready, else when it is expected."""
        if self.word in ("ready", "done"):
            return self.since
        return self.new_at or self.expected_at


def status_page(source: JobSource, now: datetime) -> StatusPage | None:
    """None: a frozen shop's job that had not begun by then."""
    shop, workflow = source.shop, source.workflow
    frozen_at = shop.tracking_at if shop.tracking == "frozen" else None
    moves = [move for move in source.moves if frozen_at is None or move.recorded_at <= frozen_at]
    moment = now if frozen_at is None else frozen_at
    if not moves:
        return None
    stage, since = _current(source, moves, frozen_at)
    eta_at = source.eta_at if frozen_at is None else moves[-1].eta_at
    calendar = shop.calendar
    word = _word(source, calendar, stage, since, eta_at, moment)
    # What is written on a job has no history: once it changed after the freeze, nobody knows what it was.
    is_as_then = frozen_at is None or source.updated_at <= frozen_at
    moved_at = max(move.recorded_at for move in moves)
    return StatusPage(
        stage=stage,
        word=word,
        expected_at=eta_at,
        is_promised=source.is_promised,
        new_at=later_date(workflow, calendar, stage, since, moment) if word == "late" else None,
        since=since,
        trail=_trail(workflow, moves, stage, since),
        item=source.item,
        reference=source.reference,
        note=source.public_note if shop.show_note and is_as_then else "",
        has_photo=source.has_photo and shop.show_photo and is_as_then,
        updated_at=max(source.updated_at, moved_at) if is_as_then else moved_at,
        frozen_at=frozen_at,
        opening=opening_of(calendar, now),
        sequence=source.revision + len(moves),
    )


def opening_of(calendar: Calendar, now: datetime) -> Opening | None:
    if calendar.hours is None:
        return None
    next_at = calendar.next_opening(now)
    return Opening(True, None) if next_at == now else Opening(False, next_at)


def later_date(
    workflow: Workflow, calendar: Calendar, stage: Stage, stage_at: datetime, now: datetime
) -> datetime | None:
    """When a late job is expected now, at the end of that hour: a date that moves with each look would be none.

    None: any moment now, or nobody can say.
    """
    estimated = estimate(workflow, stage.key, stage_at, calendar, now)
    if estimated is None or estimated <= now:
        return None
    rounded = estimated.replace(minute=0, second=0, microsecond=0)
    return rounded if rounded == estimated else rounded + ROUND_TO


def state_for_rules(source: JobSource, now: datetime) -> str:
    """One of ``codes.conditions.JOB_STATES``."""
    stage = source.workflow.find_stage(source.stage) or source.workflow.first
    return job_state(stage.phase, source.eta_at, now)


def _current(source: JobSource, moves: list[PublicMove], frozen_at: datetime | None) -> tuple[Stage, datetime]:
    last = _arrivals(moves)[-1]
    key, since = (source.stage, source.stage_at) if frozen_at is None else (last.to_stage, last.at)
    return source.workflow.find_stage(key) or source.workflow.first, since


def _arrivals(moves: list[PublicMove]) -> list[PublicMove]:
    """The moves that came to another stage; the others changed the estimate."""
    before = ["", *(move.to_stage for move in moves)]
    return [move for stage, move in zip(before, moves, strict=False) if move.to_stage != stage]


def _word(
    source: JobSource, calendar: Calendar, stage: Stage, since: datetime, eta_at: datetime | None, now: datetime
) -> Word | None:
    if stage.phase in ("ready", "done"):
        return stage.phase
    estimated = estimate(source.workflow, stage.key, since, calendar, now)
    found = standing(stage.phase, eta_at, now, estimated, calendar=calendar, since=source.created_at)
    return None if found is None else found.word


def _trail(workflow: Workflow, moves: list[PublicMove], stage: Stage, since: datetime) -> tuple[TrailStage, ...]:
    """What it passed on its way to where it is. What was undone is no part of the way, and skipped stages are not either."""
    keys = [known.key for known in workflow.stages]
    place = keys.index(stage.key)
    way: dict[int, datetime] = {}
    for move in _arrivals(moves):
        if move.to_stage in keys:
            reached = keys.index(move.to_stage)
            way = {number: at for number, at in way.items() if number < reached}
            way[reached] = move.at
    passed = [TrailStage(workflow.stages[number], at, "passed") for number, at in way.items() if number < place]
    coming = [TrailStage(ahead, None, "coming") for ahead in workflow.coming(stage.key)]
    return (*passed, TrailStage(stage, since, "now"), *coming)
