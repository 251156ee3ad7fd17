"""What a customer sees of a job, and nothing else: the list of what may be shown. Pure; knows no HTML and no language."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from jobs.estimates import estimate, job_state, standing
from jobs.later_dates import LaterDate, later_date
from jobs.status_sources import JobSource, arrivals
from jobs.workflows import Stage
from jobs.working_time import Calendar

Word = Literal["on-track", "may-be-late", "late", "ready", "done"]
When = Literal["passed", "now", "coming"]


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
    """Of one moment. ``expected_at`` is what the customer was told last, ``later`` what they are told of a late job."""

    stage: Stage
    word: Word | None  # None: nothing was promised, so nothing can be said
    expected_at: datetime | None
    is_promised: bool
    later: LaterDate | None
    since: datetime  # when it came to this stage
    trail: tuple[TrailStage, ...]
    item: str
    reference: str
    note: str  # "": none, or the shop shows none
    has_photo: bool
    updated_at: datetime
    shop_updated_at: datetime
    frozen_at: datetime | None
    opening: Opening | None  # of the shop, now; None: it has told no hours
    sequence: int  # rises with every change, also of the estimate alone

    @property
    def new_at(self) -> datetime | None:
        return self.later.at if self.later else None

    @property
    def calendar_at(self) -> datetime | None:
        """When its calendar entry is: when it was ready, else when it is expected."""
        if self.word in ("ready", "done"):
            return self.since
        return self.later.entry_at if self.later else self.expected_at

    @property
    def calendar_changed_at(self) -> datetime:
        """Of a late job also when the shop has changed, whose hours its new date is reckoned with."""
        return max(self.updated_at, self.later.since, self.shop_updated_at) if self.later else self.updated_at


def status_page(source: JobSource, now: datetime) -> StatusPage:
    shop, workflow, calendar = source.shop, source.workflow, source.calendar
    moment = source.frozen_at or now
    stage = workflow.find_stage(source.stage) or workflow.first
    word = _word(source, calendar, stage, moment)
    return StatusPage(
        stage=stage,
        word=word,
        expected_at=source.eta_at,
        is_promised=source.is_promised,
        later=_later(source, stage, moment) if word == "late" else None,
        since=source.stage_at,
        trail=_trail(source, stage),
        item=source.item,
        reference=source.reference,
        note=source.public_note if shop.show_note else "",
        has_photo=source.has_photo and shop.show_photo,
        updated_at=max(source.updated_at, *(move.recorded_at for move in source.moves)),
        shop_updated_at=shop.updated_at,
        frozen_at=source.frozen_at,
        opening=opening_of(calendar if source.frozen_at is None else shop.calendar, now),
        sequence=source.revision + len(source.moves),
    )


def opening_of(calendar: Calendar, now: datetime) -> Opening | None:
    if calendar.hours is None:
        return None
    next_at = calendar.next_opening(now)
    return Opening(True, None) if next_at == now else Opening(False, next_at)


def state_for_rules(source: JobSource, now: datetime) -> str:
    """One of ``codes.conditions.JOB_STATES``."""
    stage = source.workflow.find_stage(source.stage) or source.workflow.first
    return job_state(stage.phase, source.eta_at, source.frozen_at or now)


def _later(source: JobSource, stage: Stage, moment: datetime) -> LaterDate | None:
    missed_at = source.eta_at or source.stage_at
    return later_date(source.workflow, stage.key, source.stage_at, missed_at, source.calendar, moment)


def _word(source: JobSource, calendar: Calendar, stage: Stage, now: datetime) -> Word | None:
    if stage.phase in ("ready", "done"):
        return stage.phase
    estimated = estimate(source.workflow, stage.key, source.stage_at, calendar, now)
    found = standing(stage.phase, source.eta_at, now, estimated, calendar=calendar, since=source.created_at)
    return None if found is None else found.word


def _trail(source: JobSource, stage: Stage) -> tuple[TrailStage, ...]:
    """What it passed on its way to where it is. What was undone is no part of the way, and skipped stages are not either."""
    workflow = source.workflow
    keys = [known.key for known in workflow.stages]
    place = keys.index(stage.key)
    way: dict[int, datetime] = {}
    for move in arrivals(source.moves):
        if move.to_stage in keys:
            reached = keys.index(move.to_stage)
            way = {number: at for number, at in way.items() if number < reached}
            way[reached] = move.at
    passed = [TrailStage(workflow.stages[number], at, "passed") for number, at in way.items() if number < place]
    coming = [TrailStage(ahead, None, "coming") for ahead in workflow.coming(stage.key)]
    return (*passed, TrailStage(stage, source.stage_at, "now"), *coming)
