"""What a shop's system did while it was offline, told in one go: entry by entry, each once, however often it is sent."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.errors import Conflict
from codes.names import plain_text
from database.engine import Database
from database.schema import batch_entries
from jobs.jobs import JobError, JobFields, Occasion, delete_job_in, move_job_in, put_over
from jobs.register import Job, find_job
from jobs.shops import get_shop_named

MAX_ENTRIES: Final = 1_000
MAX_ID: Final = 100
KEEP_ENTRIES: Final = timedelta(days=30)

Op = Literal["put", "advance", "back", "deliver", "move", "delete"]
Result = Literal["created", "changed", "unchanged", "moved", "deleted"]


@dataclass(frozen=True, slots=True)
class Entry:
    """``id`` is the sender's own: advance and back need one, since they mean something else the second time."""

    op: Op
    reference: str
    id: str | None = None
    shop: str | None = None
    stage: str | None = None  # of a move
    reason: str = ""
    fields: JobFields = field(default_factory=JobFields)  # of a put
    at: datetime | None = None
    revision: int | None = None

    @property
    def digest(self) -> str:
        """Of all it says: the same id must not come to mean something else."""
        return hashlib.sha256(json.dumps(asdict(self), default=str, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """``seen``: it was done when it was sent first. ``job``: as it is now; None once it is deleted."""

    result: Result
    revision: int
    stage: str
    seen: bool
    job: Job | None


async def catch_up(database: Database, entry: Entry, *, who: str) -> Outcome:
    """One entry with its mark in one transaction. Raises what put_job, move_job and delete_job do, and Conflict."""
    _check(entry)
    try:
        return await _apply(database, entry, who)
    except IntegrityError:  # PostgreSQL: the same entry, or the same new job, arrived twice at once
        return await _apply(database, entry, who)


async def forget_entries(database: Database, now: datetime) -> int:
    """Those that nobody sends again."""
    async with database.transaction() as connection:
        old = delete(batch_entries).where(batch_entries.c.at < now - KEEP_ENTRIES)
        return (await connection.execute(old)).rowcount


def _check(entry: Entry) -> None:
    if entry.id is None and entry.op in ("advance", "back"):
        raise JobError(f"{entry.op} needs an id of yours, or it would move the job again when it is sent again.")
    if entry.id is not None and (not entry.id or len(entry.id) > MAX_ID or plain_text(entry.id) != entry.id):
        raise JobError(f"an id is 1 to {MAX_ID} characters in one line; got {entry.id[:60]!r}.")
    if entry.op == "move" and not entry.stage:
        raise JobError("a move needs its stage.")


async def _apply(database: Database, entry: Entry, who: str) -> Outcome:
    async with database.transaction() as connection:
        seen = await _seen(connection, entry, who)
        if seen is not None:
            return seen
        outcome = await _done(connection, entry, who)
        if entry.id is not None:
            verdict = {"result": outcome.result, "revision": outcome.revision, "stage": outcome.stage}
            row = {"who": who, "entry": entry.id, "digest": entry.digest, "verdict": verdict, "at": datetime.now(UTC)}
            await connection.execute(insert(batch_entries).values(row))
        return outcome


async def _seen(connection: AsyncConnection, entry: Entry, who: str) -> Outcome | None:
    if entry.id is None:
        return None
    query = select(batch_entries).where(batch_entries.c.who == who, batch_entries.c.entry == entry.id)
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    if row.digest != entry.digest:
        raise Conflict(f"the id {entry.id!r} was used for another entry; give this one an id of its own.")
    verdict: Mapping[str, Any] = row.verdict
    shop_id = (await get_shop_named(connection, entry.shop)).id if entry.shop else None
    return Outcome(**verdict, seen=True, job=await find_job(connection, entry.reference, shop_id))


async def _done(connection: AsyncConnection, entry: Entry, who: str) -> Outcome:
    on = Occasion(who, entry.at, entry.revision)
    if entry.op == "delete":
        gone = await delete_job_in(connection, entry.reference, on, entry.shop)
        return Outcome("deleted", gone.revision, gone.stage, seen=False, job=None)
    if entry.op == "put":
        held, job = await put_over(connection, entry.reference, replace(entry.fields, shop=entry.shop), on)
        changed: Result = "unchanged" if held is not None and held.revision == job.revision else "changed"
        return Outcome("created" if held is None else changed, job.revision, job.stage, seen=False, job=job)
    before = await _before(connection, entry)
    to = entry.stage or "" if entry.op == "move" else entry.op
    job = await move_job_in(connection, entry.reference, to, on, shop=entry.shop, reason=entry.reason)
    moved = before is None or before.revision != job.revision
    return Outcome("moved" if moved else "unchanged", job.revision, job.stage, seen=False, job=job)


async def _before(connection: AsyncConnection, entry: Entry) -> Job | None:
    shop_id = (await get_shop_named(connection, entry.shop)).id if entry.shop else None
    return await find_job(connection, entry.reference, shop_id)
