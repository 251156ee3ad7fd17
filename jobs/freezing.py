"""Whether a shop's pages move with their jobs, and what is kept of those that no longer do."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from database.audit import write_audit
from database.changes import numbered_in_order, record_changes
from database.engine import Database
from database.schema import frozen_jobs, job_moves, jobs, shops
from jobs.kinds import list_workflows
from jobs.shops import Shop, Tracking, get_shop
from jobs.workflows import Stage, read_stages, written_stages
from jobs.working_time import Calendar

_MOVES: Final = select(func.count()).where(job_moves.c.job_id == jobs.c.id).correlate(jobs).scalar_subquery()
_KEPT: Final = [jobs.c.id, *(jobs.c[column.name] for column in list(frozen_jobs.c)[1:-1]), _MOVES]


@dataclass(frozen=True, slots=True)
class Frozen:
    """What the pages of a frozen shop's jobs were made of, besides the jobs. Its contact is not: that is of today."""

    calendar: Calendar
    show_note: bool
    show_photo: bool
    stages: Mapping[str, tuple[Stage, ...]]  # by kind


async def set_tracking(database: Database, shop_id: int, tracking: Tracking, *, who: str) -> Shop:
    """on: pages move with their jobs. frozen: they stay readable as of now, dated. withdrawn: 410 with the shop's contact."""
    async with database.transaction() as connection:
        await numbered_in_order(connection)
        before = await get_shop(connection, shop_id)
        if before.tracking == tracking:
            return before
        now = datetime.now(UTC)
        kept = await _as_it_stands(connection, before) if tracking == "frozen" else None
        values = {"tracking": tracking, "tracking_at": now, "as_frozen": kept, "updated_at": now}
        await connection.execute(update(shops).where(shops.c.id == shop_id).values(values))
        of_shop = select(jobs.c.id).where(jobs.c.shop_id == shop_id)
        await connection.execute(delete(frozen_jobs).where(frozen_jobs.c.job_id.in_(of_shop)))
        await record_changes(connection, "shop", [shop_id])
        await write_audit(connection, who, f"shop.tracking.{tracking}", before.name)
        return await get_shop(connection, shop_id)


async def keep_as_frozen(connection: AsyncConnection, job_ids: Collection[int]) -> None:
    """Belongs before every change of these jobs and every move, behind ``numbered_in_order``: no freeze comes between then.

    Nothing is kept of a job whose shop is not frozen, nor twice: the first change tells how it was.
    """
    since_frozen = exists().where(frozen_jobs.c.job_id == jobs.c.id)
    as_it_was = select(*_KEPT).join(shops, shops.c.id == jobs.c.shop_id)
    as_it_was = as_it_was.where(jobs.c.id.in_(job_ids), shops.c.tracking == "frozen", ~since_frozen)
    await connection.execute(insert(frozen_jobs).from_select(list(frozen_jobs.c), as_it_was))


async def find_frozen(connection: AsyncConnection, shop_id: int) -> Frozen | None:
    """None: the shop is not frozen (any more)."""
    kept = (await connection.execute(select(shops.c.as_frozen).where(shops.c.id == shop_id))).scalar()
    return (
        None
        if kept is None
        else Frozen(
            Calendar(kept["zone"], kept["opening_hours"], kept["holidays"]),
            kept["show_note"],
            kept["show_photo"],
            {kind: read_stages(stages) for kind, stages in kept["stages"].items()},
        )
    )


async def _as_it_stands(connection: AsyncConnection, shop: Shop) -> dict[str, Any]:
    """As JSON, which ``find_frozen`` reads."""
    workflows = await list_workflows(connection)
    return {
        "zone": shop.zone,
        "opening_hours": shop.opening_hours,
        "holidays": list(shop.holidays),
        "show_note": shop.show_note,
        "show_photo": shop.show_photo,
        "stages": {kind: written_stages(workflow.stages) for kind, workflow in workflows.items()},
    }
