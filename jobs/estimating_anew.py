"""What customers are told of open jobs once their shop's hours, days off or zone, or the hours of their kind are others."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from database.changes import numbered_in_order, record_changes
from database.engine import Database
from database.schema import jobs
from jobs.estimates import estimate, eta_in_force
from jobs.freezing import keep_as_frozen
from jobs.kinds import list_workflows
from jobs.moves import NewMove, append_moves, event_payload, tell_all
from jobs.register import get_jobs_by_id
from jobs.shops import list_shops
from jobs.workflows import Workflow
from jobs.working_time import Calendar

AT_ONCE: Final = 200
SHOP_CHANGED: Final = "opening hours changed"
KIND_CHANGED: Final = "working hours of the stages changed"

_OTHER_ETA: Final = (
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"))
    .values(eta_at=bindparam("new_eta_at"), promised_at=bindparam("new_promised_at"))
)


async def estimate_anew(database: Database, of: int | str, after_id: int, *, who: str) -> int | None:
    """The next AT_ONCE open jobs of a shop, by its id, or of a kind; the last one's id, None when there were none left.

    Not those for which the shop named a date, and not those that are late: of these the customer is told so, and when now.
    """
    async with database.transaction() as connection:
        calendars = {shop.id: shop.calendar for shop in await list_shops(connection)}
        workflows = await list_workflows(connection)
        rows = await _some(connection, of, after_id)
        now = datetime.now(UTC)
        # Of a kind that is gone nobody knows when its jobs will be ready.
        known = [row for row in rows if row.kind in workflows]
        etas = {row.id: (row, _other_eta(row, workflows[row.kind], calendars[row.shop_id], now)) for row in known}
        others = {job_id: (row, eta_at) for job_id, (row, eta_at) in etas.items() if eta_at is not None}
        if others:
            reason = SHOP_CHANGED if isinstance(of, int) else KIND_CHANGED
            await _tell_others(connection, others, workflows, now, who, reason)
    return rows[-1].id if rows else None


async def _some(connection: AsyncConnection, of: int | str, after_id: int) -> list[Row[Any]]:
    columns = (jobs.c.shop_id, jobs.c.kind, jobs.c.stage, jobs.c.stage_at, jobs.c.eta_at, jobs.c.promised_at)
    query = (
        select(jobs.c.id, *columns)
        .where(jobs.c.shop_id == of if isinstance(of, int) else jobs.c.kind == of)
        .where(jobs.c.completed_at.is_(None), jobs.c.due_at.is_(None), jobs.c.id > after_id)
        .order_by(jobs.c.id)
        .limit(AT_ONCE)
        .with_for_update()
    )
    return list(await connection.execute(query))


def _other_eta(row: Row[Any], workflow: Workflow, calendar: Calendar, now: datetime) -> datetime | None:
    if row.eta_at is not None and row.eta_at <= now:
        return None
    eta_at = eta_in_force(None, estimate(workflow, row.stage, row.stage_at, calendar, now), calendar)
    return None if eta_at == row.eta_at else eta_at


async def _tell_others(
    connection: AsyncConnection,
    others: Mapping[int, tuple[Row[Any], datetime]],
    workflows: Mapping[str, Workflow],
    now: datetime,
    who: str,
    reason: str,
) -> None:
    """Nobody touched the jobs: revisions stay, and with them what others are about to change; so does when they expire."""
    rows = [
        {"of_job": row.id, "new_eta_at": eta_at, "new_promised_at": row.promised_at or eta_at}
        for row, eta_at in others.values()
    ]
    await numbered_in_order(connection)
    await keep_as_frozen(connection, list(others))
    await connection.execute(_OTHER_ETA, rows)
    found = await get_jobs_by_id(connection, list(others))
    changed = [found[job_id] for job_id in others]
    await append_moves(connection, [NewMove(job, "estimate", job.stage, now, now, who, reason) for job in changed])
    told = [("job.estimated", job.id, event_payload(job, workflows[job.kind])) for job in changed]
    await tell_all(connection, told)
    await record_changes(connection, "job", list(others))
