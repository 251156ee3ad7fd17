"""Jobs: put, move, delete, expire. Each move is kept for good; each write tells the public side and the outgoing events."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal

from sqlalchemy import ColumnElement, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.job_codes import insert_job_codes, retire_job_code
from database.audit import write_audit
from database.changes import numbered_in_order, record_changes
from database.engine import Database
from database.schema import erasures, expired_jobs, frozen_jobs, job_details, job_moves, jobs, outgoing_events
from jobs.expected import Stale
from jobs.freezing import keep_as_frozen
from jobs.job_fields import (
    JobError,
    JobFields,
    Occasion,
    refuse_stale,
)
from jobs.kind_rules import find_kind_rules
from jobs.known import Known
from jobs.moves import event_payload, tell
from jobs.register import Job, get_job, get_job_by_id
from jobs.shops import Shop, ensure_default_shop, get_shop_named
from jobs.steps import Step, moving, putting, write_steps

__all__ = [
    "JobError",
    "JobFields",
    "Occasion",
    "Stale",
    "delete_job",
    "delete_job_in",
    "event_payload",
    "expire_jobs",
    "give_codes",
    "move_job",
    "move_job_in",
    "put_job",
    "put_job_in",
    "set_photo",
]

CODES_AT_ONCE: Final = 200

Direction = Literal["advance", "back", "deliver"]


async def put_job(database: Database, reference: str, given: JobFields, on: Occasion) -> tuple[Job, bool]:
    """The job as it is then, and whether it was made by this. The same put again changes nothing.

    Raises CodeError, NotFound (shop, kind), Stale, Conflict.
    """
    try:
        async with database.transaction() as connection:
            return await put_job_in(connection, reference, given, on)
    except IntegrityError:  # PostgreSQL lets two makers of one job get this far: now it is there
        async with database.transaction() as connection:
            return await put_job_in(connection, reference, given, on)


async def put_job_in(connection: AsyncConnection, reference: str, given: JobFields, on: Occasion) -> tuple[Job, bool]:
    """``put_job`` within a transaction."""
    before, step = await putting(Known(connection), reference, given, on)
    return await _written(connection, before, step), before is None


async def move_job(
    database: Database, reference: str, to: Direction | str, on: Occasion, *, shop: str | None = None, reason: str = ""
) -> Job:
    """To the next stage, one back, to the last one (deliver), or to the one named. At that stage already: nothing happens.

    Raises NotFound, JobError, WorkflowError (no such stage), Stale.
    """
    async with database.transaction() as connection:
        return await move_job_in(connection, reference, to, on, shop=shop, reason=reason)


async def move_job_in(
    connection: AsyncConnection, reference: str, to: str, on: Occasion, *, shop: str | None = None, reason: str = ""
) -> Job:
    """``move_job`` within a transaction."""
    before, step = await moving(Known(connection), reference, to, on, shop=shop, reason=reason)
    return await _written(connection, before, step)


async def set_photo(
    database: Database, reference: str, photo: bytes | None, on: Occasion, shop: str | None = None
) -> Job:
    """``photo`` is JPEG of ours (jobs.photos), None takes it away."""
    async with database.transaction() as connection:
        found = await _held(connection, await _named(connection, reference, shop))
        refuse_stale(found, on)
        await numbered_in_order(connection)
        await keep_as_frozen(connection, [found.id])
        now = datetime.now(UTC)
        values = {"photo": photo, "revision": found.revision + 1, "updated_at": now}
        await connection.execute(update(jobs).where(jobs.c.id == found.id).values(values))
        await record_changes(connection, "job", [found.id])
        await write_audit(connection, on.who, "job.photo", found.reference)
        return await get_job_by_id(connection, found.id)


async def delete_job(database: Database, reference: str, on: Occasion, shop: str | None = None) -> Job:
    """Its page is gone at once, and answers like a code that never was. What was scanned of it is erased by who keeps it."""
    async with database.transaction() as connection:
        return await delete_job_in(connection, reference, on, shop)


async def delete_job_in(connection: AsyncConnection, reference: str, on: Occasion, shop: str | None = None) -> Job:
    """``delete_job`` within a transaction."""
    found = await _held(connection, await _named(connection, reference, shop))
    refuse_stale(found, on)
    await _remove(connection, found)
    if found.code_id is not None:
        await retire_job_code(connection, found.code_id, answering=False)
    await tell(connection, "job.deleted", found.id, {"reference": found.reference, "shop": found.shop})
    await write_audit(connection, on.who, "job.delete", found.reference)
    return found


async def expire_jobs(
    database: Database, job_ids: Iterable[int], *, at: datetime, only: ColumnElement[bool] | None = None
) -> int:
    """Their links say that they have expired, with the shop's contact; nothing else is left of them. ``only`` those of which
    it still holds: somebody may have reopened one since it was read.
    """
    count = 0
    async with database.transaction() as connection:
        held = select(jobs.c.id).where(jobs.c.id.in_(list(job_ids))).order_by(jobs.c.id).with_for_update()
        held = held if only is None else held.where(only)
        for job_id in (await connection.execute(held)).scalars().all():  # before any other lock, as others take them
            found = await get_job_by_id(connection, job_id)
            await _remove(connection, found)
            if found.code_id is not None:
                await retire_job_code(connection, found.code_id, answering=True)
                row = {"code_id": found.code_id, "shop_id": found.shop_id, "expired_at": at}
                await connection.execute(insert(expired_jobs).values(row))
            count += 1
        if count:
            await write_audit(connection, "retention", "job.expire", f"{count} jobs")
    return count


async def give_codes(database: Database, shop_id: int, *, who: str) -> int:
    """Codes for up to CODES_AT_ONCE jobs that were made while tracking was off; how many there were. 0: all have theirs."""
    async with database.transaction() as connection:
        query = select(jobs.c.id, jobs.c.reference, jobs.c.kind).where(
            jobs.c.shop_id == shop_id, jobs.c.code_id.is_(None)
        )
        held = (
            query.order_by(jobs.c.id).limit(CODES_AT_ONCE).with_for_update()
        )  # before any other lock, as others take them
        rows = (await connection.execute(held)).all()
        if rows:
            kinds = {row.kind for row in rows}
            rules = {kind: (await find_kind_rules(connection, kind)).rules for kind in kinds}
            wanted = [(row.reference, rules[row.kind]) for row in rows]
            code_ids = await insert_job_codes(connection, wanted, who, datetime.now(UTC))
            given = update(jobs).where(jobs.c.id == bindparam("of_job")).values(code_id=bindparam("new_code_id"))
            pairs = zip(rows, code_ids, strict=True)
            await connection.execute(given, [{"of_job": row.id, "new_code_id": code_id} for row, code_id in pairs])
            await record_changes(connection, "job", [row.id for row in rows])
        return len(rows)


async def _written(connection: AsyncConnection, before: Job | None, step: Step | None) -> Job:
    if step is None:
        assert before is not None  # only what is there can stay as it is
        return before
    [after] = await write_steps(connection, [step])
    return after


async def _remove(connection: AsyncConnection, found: Job) -> None:
    """With what was told of it: only that it was deleted is told afterwards. It is held."""
    await numbered_in_order(connection)
    await connection.execute(delete(outgoing_events).where(outgoing_events.c.job_id == found.id))
    for table in (frozen_jobs, job_moves, job_details):
        await connection.execute(delete(table).where(table.c.job_id == found.id))
    await connection.execute(delete(jobs).where(jobs.c.id == found.id))
    row = {"job_id": found.id, "code_id": found.code_id, "asked_at": datetime.now(UTC)}
    await connection.execute(insert(erasures).values(row))
    await record_changes(connection, "job", [found.id])


async def _named(connection: AsyncConnection, reference: str, shop: str | None) -> Job:
    return await get_job(connection, reference, (await _shop(connection, shop)).id if shop else None)


async def _held(connection: AsyncConnection, found: Job) -> Job:
    """As it is now, and stays until the transaction ends: PostgreSQL has several writers at once, SQLite only this one."""
    if connection.dialect.name == "sqlite":
        return found
    await connection.execute(select(jobs.c.id).where(jobs.c.id == found.id).with_for_update())
    return await get_job_by_id(connection, found.id)


async def _shop(connection: AsyncConnection, name: str | None) -> Shop:
    return await get_shop_named(connection, name) if name else await ensure_default_shop(connection)
