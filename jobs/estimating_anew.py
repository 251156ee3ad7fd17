"""What customers are told of a shop's open jobs once its hours, its days off or its zone are others."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from database.changes import record_changes
from database.engine import Database
from database.schema import jobs
from jobs.estimates import estimate, eta_in_force
from jobs.kinds import list_workflows
from jobs.moves import append_move, event_payload, tell
from jobs.register import get_job_by_id
from jobs.shops import get_shop
from jobs.workflows import Workflow
from jobs.working_time import Calendar

AT_ONCE: Final = 200
REASON: Final = "opening hours changed"


async def estimate_anew(database: Database, shop_id: int, after_id: int, *, who: str) -> int | None:
    """The next AT_ONCE of its open jobs; the last one's id, None when there were none left.

    Not those for which the shop named a date, and not those that are late: of these the customer is told so, and when now.
    """
    async with database.transaction() as connection:
        calendar = (await get_shop(connection, shop_id)).calendar
        workflows = await list_workflows(connection)
        rows = await _some(connection, shop_id, after_id)
        now, changed = datetime.now(UTC), []
        for row in rows:
            eta_at = _other_eta(row, workflows[row.kind], calendar, now)
            if eta_at is not None:
                await _tell_other(connection, row, workflows[row.kind], eta_at, now, who)
                changed.append(row.id)
        if changed:
            await record_changes(connection, "job", changed)
    return rows[-1].id if rows else None


async def _some(connection: AsyncConnection, shop_id: int, after_id: int) -> list[Row[Any]]:
    query = (
        select(jobs.c.id, jobs.c.kind, jobs.c.stage, jobs.c.stage_at, jobs.c.eta_at, jobs.c.promised_at)
        .where(jobs.c.shop_id == shop_id, jobs.c.completed_at.is_(None), jobs.c.due_at.is_(None), jobs.c.id > after_id)
        .order_by(jobs.c.id)
        .limit(AT_ONCE)
        .with_for_update()
    )
    return list(await connection.execute(query))


def _other_eta(row: Row[Any], workflow: Workflow, calendar: Calendar, now: datetime) -> datetime | None:
    if row.eta_at is not None and row.eta_at <= now:
        return None
    eta_at = eta_in_force(None, estimate(workflow, row.stage, row.stage_at, calendar, now))
    return None if eta_at == row.eta_at else eta_at


async def _tell_other(
    connection: AsyncConnection, row: Row[Any], workflow: Workflow, eta_at: datetime, now: datetime, who: str
) -> None:
    """Nobody touched the job: its revision stays, and with it what others are about to change; so does when it expires."""
    await connection.execute(
        update(jobs).where(jobs.c.id == row.id).values(eta_at=eta_at, promised_at=row.promised_at or eta_at)
    )
    kept = {"stage": row.stage, "eta_at": eta_at}
    await append_move(connection, row.id, "estimate", row.stage, kept, now, now, who, REASON)
    after = await get_job_by_id(connection, row.id)
    await tell(connection, "job.estimated", row.id, event_payload(after, workflow))
