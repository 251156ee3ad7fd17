"""How jobs leave in numbers: those whose time is over, and all of a shop that wipes its tracking data."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from database.audit import write_audit
from database.changes import numbered_in_order, record_changes
from database.engine import Database
from database.schema import codes, erasures, expired_jobs, frozen_jobs, job_details, job_moves, jobs, outgoing_events
from jobs.jobs import expire_jobs
from jobs.kinds import list_workflows
from jobs.workflows import Workflow

AT_ONCE: Final = 200


async def expire_due_jobs(database: Database, now: datetime) -> int:
    """Those completed, or never completed and not changed, for as many days as their kind says; how many."""
    count = 0
    while True:
        async with database.reading() as connection:
            due = due_condition(await list_workflows(connection), now)
            query = select(jobs.c.id).where(due).order_by(jobs.c.id).limit(AT_ONCE)
            job_ids = (await connection.execute(query)).scalars().all()
        if not job_ids:
            return count
        count += await expire_jobs(database, job_ids, at=now, only=due)


async def count_jobs(connection: AsyncConnection, shop_id: int) -> dict[str, int]:
    """What a wipe takes away: jobs, and links that say already that they have expired."""
    found = {}
    for name, table in (("jobs", jobs), ("expired", expired_jobs)):
        query = select(func.count()).select_from(table).where(table.c.shop_id == shop_id)
        found[name] = int((await connection.execute(query)).scalar_one())
    return found


async def newest_job_id(connection: AsyncConnection, shop_id: int) -> int:
    query = select(func.max(jobs.c.id)).where(jobs.c.shop_id == shop_id)
    return int((await connection.execute(query)).scalar() or 0)


async def wipe_some(database: Database, shop_id: int, up_to_id: int, now: datetime) -> int:
    """Up to AT_ONCE of the shop's jobs with all that is known of them; how many. Nobody is told of each."""
    async with database.transaction() as connection:
        query = select(jobs.c.id, jobs.c.code_id).where(jobs.c.shop_id == shop_id, jobs.c.id <= up_to_id)
        rows = (await connection.execute(query.order_by(jobs.c.id).limit(AT_ONCE).with_for_update())).all()
        if not rows:
            return 0
        await numbered_in_order(connection)
        job_ids = [row.id for row in rows]
        for table in (outgoing_events, frozen_jobs, job_moves, job_details):
            await connection.execute(delete(table).where(table.c.job_id.in_(job_ids)))
        await connection.execute(delete(jobs).where(jobs.c.id.in_(job_ids)))
        await connection.execute(
            insert(erasures), [{"job_id": row.id, "code_id": row.code_id, "asked_at": now} for row in rows]
        )
        await _retire(connection, [row.code_id for row in rows if row.code_id is not None], now)
        await record_changes(connection, "job", job_ids)
        return len(rows)


async def wipe_expired(database: Database, shop_id: int, now: datetime, *, who: str, shop: str) -> None:
    """The links that only said that they have expired: from now on they say nothing."""
    async with database.transaction() as connection:
        await numbered_in_order(connection)
        query = select(expired_jobs.c.code_id).where(expired_jobs.c.shop_id == shop_id)
        code_ids = list((await connection.execute(query)).scalars())
        await connection.execute(delete(expired_jobs).where(expired_jobs.c.shop_id == shop_id))
        for start in range(0, len(code_ids), AT_ONCE):
            await _retire(connection, code_ids[start : start + AT_ONCE], now)
        await write_audit(connection, who, "shop.wipe", shop)


async def _retire(connection: AsyncConnection, code_ids: list[int], now: datetime) -> None:
    if code_ids:
        values = {"name": "", "updated_at": now, "archived_at": now}
        await connection.execute(update(codes).where(codes.c.id.in_(code_ids)).values(values))
        await record_changes(connection, "code", code_ids)


def due_condition(workflows: Mapping[str, Workflow], now: datetime) -> ColumnElement[bool]:
    """Of jobs that are kept no longer."""
    over: list[ColumnElement[bool]] = []
    for kind, workflow in workflows.items():
        done = jobs.c.completed_at < now - timedelta(days=workflow.keep_done_days)
        idle = and_(jobs.c.completed_at.is_(None), _untouched_since(now - timedelta(days=workflow.keep_idle_days)))
        over.append(and_(jobs.c.kind == kind, or_(done, idle)))
    return or_(*over)


def _untouched_since(moment: datetime) -> ColumnElement[bool]:
    """Neither by what customers see nor by a note of staff."""
    noted = exists().where(job_details.c.job_id == jobs.c.id, job_details.c.updated_at >= moment)
    return and_(jobs.c.updated_at < moment, ~noted)
