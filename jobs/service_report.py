"""The service report: how long jobs stay in each stage, and how many were finished as promised."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from database.engine import Database
from database.schema import job_moves, jobs
from jobs.kinds import list_workflows
from jobs.register import Move, list_moves_of
from jobs.service_times import Stay, service, stays
from jobs.shops import list_shops
from jobs.workflows import Workflow
from jobs.working_time import Calendar

MAX_JOBS: Final = 20_000
CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Of the stays that ended within the period, in hours."""

    stage: str
    name: str
    stays: int
    median_hours: float
    p90_hours: float
    median_working_hours: float
    p90_working_hours: float


@dataclass(frozen=True, slots=True)
class KindTimes:
    """``finished`` counts jobs that became ready within the period; ``promised`` those of them with a promise."""

    kind: str
    name: str
    finished: int
    promised: int
    kept: int
    kept_share: float | None
    stages: list[StageTimes]


async def service_report(
    database: Database, start: datetime, end: datetime, *, kind: str = "", shop_id: int | None = None
) -> tuple[list[KindTimes], bool]:
    """By kind, and whether jobs were left out since too many moved then. Deleted and expired ones are not in it."""
    async with database.reading() as connection:
        query = select(jobs.c.id, jobs.c.kind, jobs.c.shop_id, jobs.c.promised_at).where(_moved_between(start, end))
        if kind:
            query = query.where(jobs.c.kind == kind)
        if shop_id is not None:
            query = query.where(jobs.c.shop_id == shop_id)
        found = (await connection.execute(query.order_by(jobs.c.id.desc()).limit(MAX_JOBS + 1))).all()
        moves = await _moves(connection, [row.id for row in found[:MAX_JOBS]])
        workflows = await list_workflows(connection)
        calendars = {shop.id: shop.calendar for shop in await list_shops(connection)}
    spent = asyncio.to_thread(_report, found[:MAX_JOBS], moves, workflows, calendars, start, end)
    return await spent, len(found) > MAX_JOBS


def _moved_between(start: datetime, end: datetime) -> ColumnElement[bool]:
    """By when it happened, not by when it was told: all that a period counts is a move of that time."""
    return exists().where(job_moves.c.job_id == jobs.c.id, job_moves.c.at >= start, job_moves.c.at < end)


async def _moves(connection: AsyncConnection, job_ids: Sequence[int]) -> dict[int, list[Move]]:
    found: dict[int, list[Move]] = {}
    for start in range(0, len(job_ids), CHUNK):
        found |= await list_moves_of(connection, job_ids[start : start + CHUNK])
    return found


def _report(
    found: Iterable[Any],
    moves: Mapping[int, list[Move]],
    workflows: Mapping[str, Workflow],
    calendars: Mapping[int, Calendar],
    start: datetime,
    end: datetime,
) -> list[KindTimes]:
    ended: dict[str, dict[str, list[Stay]]] = defaultdict(lambda: defaultdict(list))
    promises: dict[str, list[bool | None]] = defaultdict(list)
    for row in found:
        workflow = workflows.get(row.kind)
        if workflow is None:
            continue
        spent = stays(moves.get(row.id, ()), workflow, calendars[row.shop_id], end)
        for stay in spent:
            if stay.until is not None and start <= stay.until < end:
                ended[row.kind][stay.stage].append(stay)
        told = service(row.promised_at, spent)
        if told.finished_at is not None and start <= told.finished_at < end:
            promises[row.kind].append(told.kept)
    return [
        _kind(workflow, ended[kind], promises[kind])
        for kind, workflow in workflows.items()
        if kind in ended or kind in promises
    ]


def _kind(workflow: Workflow, ended: Mapping[str, list[Stay]], promises: Sequence[bool | None]) -> KindTimes:
    promised = [kept for kept in promises if kept is not None]
    share = round(sum(promised) / len(promised), 4) if promised else None
    names = {stage.key: stage.name for stage in workflow.stages}
    keys = [*(key for key in names if key in ended), *sorted(set(ended) - set(names))]
    times = [_times(key, names.get(key, key), ended[key]) for key in keys]
    return KindTimes(workflow.kind, workflow.name, len(promises), len(promised), sum(promised), share, times)


def _times(key: str, name: str, spent: Sequence[Stay]) -> StageTimes:
    wall = sorted(stay.wall.total_seconds() for stay in spent)
    working = sorted(stay.working.total_seconds() for stay in spent)
    hours = [round(percentile(of, share) / 3600, 3) for of in (wall, working) for share in (0.5, 0.9)]
    return StageTimes(key, name, len(spent), *hours)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Between the two nearest ranks, as spreadsheets do it."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
