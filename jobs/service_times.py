"""How long a job stayed in each stage, and whether it was finished as promised. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs.register import Move
from jobs.workflows import Phase, Workflow
from jobs.working_time import Calendar


@dataclass(frozen=True, slots=True)
class Stay:
    """In one stage, once. ``until``: None while it is still there, or for good in the last one."""

    stage: str
    name: str  # for staff
    phase: Phase | None  # None: the workflow has no such stage any more
    since: datetime
    until: datetime | None
    wall: timedelta
    working: timedelta  # within the shop's opening hours


@dataclass(frozen=True, slots=True)
class Service:
    """``promised_at`` is what the customer was told first. ``kept``: None while unfinished, or without a promise."""

    promised_at: datetime | None
    finished_at: datetime | None
    kept: bool | None


def stays(moves: Sequence[Move], workflow: Workflow, calendar: Calendar, now: datetime) -> list[Stay]:
    """In order. A time in a stage that has not ended is counted up to now, but not that in the last one."""
    entered = _entered(moves)
    found = []
    for (stage_key, since), following in zip(entered, [*entered[1:], None], strict=True):
        stage = workflow.find_stage(stage_key)
        until = following[1] if following else None
        end = until or (since if stage and stage.phase == "done" else max(since, now))
        name, phase = (stage.name, stage.phase) if stage else (stage_key, None)
        found.append(Stay(stage_key, name, phase, since, until, end - since, calendar.between(since, end)))
    return found


def service(promised_at: datetime | None, spent: Sequence[Stay]) -> Service:
    """Finished is when it became ready (or done) and was not taken back to work since."""
    finished_at = None
    for stay in reversed(spent):
        if stay.phase not in ("ready", "done"):
            break
        finished_at = stay.since
    kept = None if finished_at is None or promised_at is None else finished_at <= promised_at
    return Service(promised_at, finished_at, kept)


def _entered(moves: Sequence[Move]) -> list[tuple[str, datetime]]:
    """(stage, since) as they were recorded. One told late, of a time before the one recorded ahead of it, came first all
    the same: what was recorded ahead of it cannot have happened later.
    """
    steps = [move for move in sorted(moves, key=lambda move: move.id) if move.action != "estimate"]
    entered: list[tuple[str, datetime]] = []
    latest: datetime | None = None
    for move in reversed(steps):
        latest = move.at if latest is None else min(latest, move.at)
        entered.append((move.to_stage, latest))
    return entered[::-1]
