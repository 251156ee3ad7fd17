"""The work around jobs that takes longer than a request: codes for all jobs of a shop, wiping a shop, what time takes away."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.errors import Conflict
from dashboard.labels import forget_stickers
from dashboard.parts import Parts
from dashboard.tasks import OPEN, Handler, Progress, Task, add_task, add_task_in, list_tasks
from database.engine import Database, to_its_end
from database.schema import jobs
from jobs.catching_up import forget_entries
from jobs.estimates import durations
from jobs.estimating_anew import estimate_anew
from jobs.expected import WHATEVER, Expected
from jobs.jobs import give_codes
from jobs.kinds import count_by_kind, find_workflow, put_workflow_in, reset_workflow_in
from jobs.leaving import count_jobs, expire_due_jobs, newest_job_id, wipe_expired, wipe_some
from jobs.outgoing import forget_events
from jobs.shops import Shop, ShopFields, get_shop, update_shop_in
from jobs.workflows import Workflow

log = logging.getLogger(__name__)

CODES: Final = "job codes"
WIPE: Final = "shop wipe"
ESTIMATES: Final = "job estimates"
RETENTION_EVERY_S: Final = 3600.0


async def count_without_code(connection: AsyncConnection, shop_id: int) -> int:
    query = select(func.count()).select_from(jobs).where(jobs.c.shop_id == shop_id, jobs.c.code_id.is_(None))
    return int((await connection.execute(query)).scalar_one())


async def find_work(connection: AsyncConnection, shop_id: int) -> Task | None:
    """The newest work on this shop, done or not."""
    found = [*await list_tasks(connection, CODES), *await list_tasks(connection, WIPE)]
    of_shop = [task for task in found if task.input["shop_id"] == shop_id]
    return max(of_shop, key=lambda task: task.id, default=None)


async def give_missing_codes(database: Database, shop: Shop, who: str) -> None:
    """Begins it when there is something to do and nobody is doing it."""
    async with database.reading() as connection:
        missing = await count_without_code(connection, shop.id)
        work = await find_work(connection, shop.id)
    if missing and not (work and work.kind == CODES and work.state in OPEN):
        await add_task(database, CODES, {"shop_id": shop.id}, missing, who)


async def begin_wipe(database: Database, shop: Shop, who: str) -> Task:
    """Of the jobs there are now. Raises Conflict while it is being done."""
    async with database.reading() as connection:
        work = await find_work(connection, shop.id)
        if work and work.kind == WIPE and work.state in OPEN:
            raise Conflict(f"{shop.name} is being wiped already.")
        total = (await count_jobs(connection, shop.id))["jobs"]
        up_to_id = await newest_job_id(connection, shop.id)
    return await add_task(database, WIPE, {"shop_id": shop.id, "up_to_id": up_to_id}, total, who)


async def change_shop(database: Database, shop_id: int, given: ShopFields, who: str) -> Shop:
    """``update_shop``, and new estimates for its open jobs when it is open at other times now."""
    async with database.transaction() as connection:
        before = await get_shop(connection, shop_id)
        after = await update_shop_in(connection, shop_id, given, who=who)
        if after.calendar != before.calendar:
            total = (await count_jobs(connection, shop_id))["jobs"]
            await add_task_in(connection, ESTIMATES, {"shop_id": shop_id}, total, who)
        return after


async def change_kind(database: Database, workflow: Workflow, who: str, expected: Expected = WHATEVER) -> Workflow:
    """``put_workflow``, and new estimates for its open jobs when its stages take another time now."""
    async with database.transaction() as connection:
        before = await find_workflow(connection, workflow.kind)
        after = await put_workflow_in(connection, workflow, who=who, expected=expected)
        await _estimate_kind_anew(connection, before, after, who)
        return after


async def reset_kind(database: Database, kind: str, who: str, expected: Expected = WHATEVER) -> None:
    """``reset_workflow``, and new estimates as for ``change_kind``."""
    async with database.transaction() as connection:
        before = await find_workflow(connection, kind)
        await reset_workflow_in(connection, kind, who=who, expected=expected)
        await _estimate_kind_anew(connection, before, await find_workflow(connection, kind), who)


async def _estimate_kind_anew(
    connection: AsyncConnection, before: Workflow | None, after: Workflow | None, who: str
) -> None:
    if before is None or after is None or durations(before) == durations(after):
        return
    if count := (await count_by_kind(connection)).get(after.kind):
        await add_task_in(connection, ESTIMATES, {"kind": after.kind}, count, who)


def estimates_handler(parts: Parts) -> Handler:
    """After a kill from the beginning: what has its new estimate keeps it."""

    async def estimate(task: Task, _progress: Progress) -> dict[str, Any]:
        of, upto = task.input.get("shop_id") or task.input["kind"], 0
        while last := await to_its_end(estimate_anew(parts.database, of, upto, who=task.created_by)):
            upto = last
        return {}

    return estimate


def codes_handler(parts: Parts) -> Handler:
    """Each transaction gives some, so that after a kill the rest is what is left."""

    async def give(task: Task, progress: Progress) -> dict[str, Any]:
        given = 0
        while count := await to_its_end(give_codes(parts.database, task.input["shop_id"], who=task.created_by)):
            given += count
            async with parts.database.reading() as connection:
                left = await count_without_code(connection, task.input["shop_id"])
            progress(max(0, task.total - left))
        return {"given": given}

    return give


def wipe_handler(parts: Parts) -> Handler:
    async def wipe(task: Task, progress: Progress) -> dict[str, Any]:
        shop_id, up_to_id = task.input["shop_id"], task.input["up_to_id"]
        async with parts.database.reading() as connection:
            shop = await get_shop(connection, shop_id)
        while await to_its_end(wipe_some(parts.database, shop_id, up_to_id, datetime.now(UTC))):
            async with parts.database.reading() as connection:
                left = (await count_jobs(connection, shop_id))["jobs"]
            progress(max(0, task.total - left))
        await asyncio.to_thread(forget_stickers, parts.settings.data_dir)
        await to_its_end(wipe_expired(parts.database, shop_id, datetime.now(UTC), who=task.created_by, shop=shop.name))
        return {"jobs": task.total}

    return wipe


async def keep_retention(database: Database) -> None:
    """Until cancelled: what is too old goes, every hour."""
    while True:
        try:
            now = datetime.now(UTC)
            if count := await to_its_end(expire_due_jobs(database, now)):
                log.info("%d jobs have expired; their links say so", count)
            await to_its_end(forget_entries(database, now))
            await to_its_end(forget_events(database, now))
        except SQLAlchemyError as error:
            log.error("expiring jobs: %s", getattr(error, "orig", None) or error)
        await asyncio.sleep(RETENTION_EVERY_S)
