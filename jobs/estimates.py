"""When a job will be finished, from the hours of its stages, and how it stands against what was promised. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from codes.conditions import DAYS
from codes.opening_hours import Hours
from jobs.workflows import Phase, Workflow, state_of
from jobs.working_time import ALWAYS_OPEN, Calendar

Word = Literal["on-track", "may-be-late", "late"]
NEAR_SHARE: Final = 0.1
NEAR_MOST: Final = timedelta(hours=4)
MOMENT: Final = timedelta(microseconds=1)
TOLD_IN: Final = timedelta(minutes=15)  # an estimate to the minute would promise what nobody knows
DAYTIME: Final[Hours] = {day: [["08:00", "20:00"]] for day in DAYS}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Standing:
    """``kept`` is for the service report: whether the promise was kept; None while the job is open, or nothing was promised."""

    word: Word
    kept: bool | None = None


def estimate(
    workflow: Workflow, stage_key: str, stage_at: datetime, calendar: Calendar, now: datetime
) -> datetime | None:
    """When the job will be ready, if it has been in this stage since ``stage_at``.

    None: nobody can say (a stage without hours, a shop that never opens, a stage the workflow no longer has), or
    there is nothing left to estimate, since it is ready or done: what was said before then stays in force.
    """
    left = work_left(workflow, stage_key, stage_at, calendar, now)
    if left is None:
        return None
    return calendar.after(now, left) if left else calendar.next_opening(now)


def durations(workflow: Workflow) -> list[tuple[str, Phase, float | None, bool]]:
    """All of a workflow that estimates depend on."""
    return [(stage.key, stage.phase, stage.hours, stage.optional) for stage in workflow.stages]


def work_left(
    workflow: Workflow, stage_key: str, stage_at: datetime, calendar: Calendar, now: datetime
) -> timedelta | None:
    """Working time from now to the first stage that is ready or done; None as for ``estimate``."""
    stage = workflow.find_stage(stage_key)
    if stage is None or not stage.is_open or stage.hours is None:
        return None
    hours = timedelta(hours=stage.hours)
    left = hours - calendar.between(stage_at, now, hours)
    for coming in workflow.coming(stage_key):
        if not coming.is_open:
            break
        if coming.hours is None:
            return None
        left += timedelta(hours=coming.hours)
    return left


def eta_in_force(due_at: datetime | None, estimated: datetime | None, calendar: Calendar) -> datetime | None:
    """What the customer is told: what the shop promised, else the estimate, at the end of its quarter of an hour."""
    return due_at if due_at is not None or estimated is None else told(estimated, calendar, TOLD_IN)


def told(estimated: datetime, calendar: Calendar, within: timedelta) -> datetime:
    """At the end of its quarter of an hour, or its hour, by the shop's clock, and not behind the closing. A shop that has
    told no hours hands nothing out at 03:15: then it is the morning.
    """
    offset = estimated.astimezone(ZoneInfo(calendar.zone)).utcoffset() or timedelta(0)
    rounded = estimated + (_EPOCH - offset - estimated) % within
    if calendar.hours is not None:
        return min(rounded, calendar.closing(estimated) or rounded)
    by_day = Calendar(calendar.zone, DAYTIME, calendar.holidays).next_opening(estimated) or estimated
    return rounded if by_day == estimated else by_day


def standing(
    phase: Phase,
    eta_at: datetime | None,
    now: datetime,
    estimated: datetime | None,
    *,
    calendar: Calendar = ALWAYS_OPEN,
    since: datetime | None = None,
    finished_at: datetime | None = None,
) -> Standing | None:
    """None: nothing was promised, so nothing can be said. ``since``: when the job began; ``finished_at``: when it became ready.

    It may be late when the estimate says so. Also when nothing vouches for the promise (there is no estimate, or the
    stage has used up its hours and only "any moment now" is left) and less than a tenth of the working time since
    ``since`` is left, at most four hours, which also hold without it: a job that keeps to its schedule must not look
    doubtful just because its end is near.
    """
    if phase in ("ready", "done"):
        return Standing("on-track", None if eta_at is None or finished_at is None else finished_at <= eta_at)
    if eta_at is None:
        return None
    if now > eta_at:
        return Standing("late")
    if estimated is not None and estimated > eta_at:
        return Standing("may-be-late")
    unsure = estimated is None or not calendar.between(now, estimated, MOMENT)
    if unsure and _is_near(eta_at, now, calendar, since):
        return Standing("may-be-late")
    return Standing("on-track")


def is_late(phase: Phase, eta_at: datetime | None, now: datetime) -> bool:
    return phase in ("waiting", "working") and eta_at is not None and now > eta_at


def job_state(phase: Phase, eta_at: datetime | None, now: datetime) -> str:
    """What rules ask of it, one of ``codes.conditions.JOB_STATES``."""
    return state_of(phase, is_late(phase, eta_at, now))


def _is_near(eta_at: datetime, now: datetime, calendar: Calendar, since: datetime | None) -> bool:
    margin = NEAR_MOST if since is None else NEAR_SHARE * calendar.between(since, eta_at, NEAR_MOST / NEAR_SHARE)
    return calendar.between(now, eta_at, margin) < margin
