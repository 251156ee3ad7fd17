"""Jobs: put, move, delete, expire. Each move is kept for good; each write tells the public side and the outgoing events."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.job_codes import insert_job_code, retire_job_code
from database.audit import write_audit
from database.changes import numbered_in_order, record_changes
from database.engine import Database
from database.schema import erasures, expired_jobs, job_details, job_moves, jobs, outgoing_events
from jobs.estimates import estimate, eta_in_force
from jobs.job_fields import (
    MAX_ITEM,
    MAX_NOTE,
    JobError,
    JobFields,
    Occasion,
    Stale,
    checked_details,
    checked_language,
    checked_reference,
    happened_at,
    in_zone_of,
    lines_of,
    one_line,
    refuse_stale,
)
from jobs.kind_rules import find_kind_rules
from jobs.kinds import DEFAULT_KIND, get_workflow
from jobs.moves import action_of, append_move, event_of, event_payload, tell
from jobs.register import DETAILS, Job, find_job, get_details, get_job, get_job_by_id
from jobs.shops import Shop, ensure_default_shop, get_shop, get_shop_named
from jobs.workflows import Stage, Workflow

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
    "put_over",
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
    before, after = await put_over(connection, reference, given, on)
    return after, before is None


async def put_over(
    connection: AsyncConnection, reference: str, given: JobFields, on: Occasion
) -> tuple[Job | None, Job]:
    """``put_job`` within a transaction: the job as it was, if there was one, and as it is now."""
    reference = checked_reference(reference)
    shop = await _shop(connection, given.shop)
    given = in_zone_of(given, shop)
    before = await find_job(connection, reference, shop.id)
    if before is None:
        if on.expected_revision is not None:
            raise Stale(f"job {reference} does not exist (any more). Put it without If-Match to make it.")
        return None, await _create(connection, shop, reference, given, on)
    held = await _held(connection, before)
    return held, await _change(connection, shop, held, await _untold(connection, shop, held, given, on), on)


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
    found = await _held(connection, await _named(connection, reference, shop))
    refuse_stale(found, on)
    workflow = await get_workflow(connection, found.kind)
    stage = await _stage_meant(connection, workflow, found, to)
    owner = await get_shop(connection, found.shop_id)
    return await _change(connection, owner, found, JobFields(stage=stage.key, reason=reason), on)


async def set_photo(
    database: Database, reference: str, photo: bytes | None, on: Occasion, shop: str | None = None
) -> Job:
    """``photo`` is JPEG of ours (jobs.photos), None takes it away."""
    async with database.transaction() as connection:
        found = await _held(connection, await _named(connection, reference, shop))
        refuse_stale(found, on)
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


async def expire_jobs(database: Database, job_ids: Iterable[int], *, at: datetime) -> int:
    """Their links say that they have expired, with the shop's contact; nothing else is left of them."""
    count, job_ids = 0, list(job_ids)
    async with database.transaction() as connection:
        held = select(jobs.c.id).where(jobs.c.id.in_(job_ids)).order_by(jobs.c.id).with_for_update()
        await connection.execute(held)  # before any other lock, as others take them
        for job_id in job_ids:
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
        rows = (await connection.execute(query.order_by(jobs.c.id).limit(CODES_AT_ONCE))).all()
        now = datetime.now(UTC)
        rules = {kind: await find_kind_rules(connection, kind) for kind in {row.kind for row in rows}}
        for row in rows:
            code_id = await insert_job_code(connection, row.reference, who, now, rules[row.kind])
            await connection.execute(update(jobs).where(jobs.c.id == row.id).values(code_id=code_id))
        if rows:
            await record_changes(connection, "job", [row.id for row in rows])
        return len(rows)


async def _create(connection: AsyncConnection, shop: Shop, reference: str, given: JobFields, on: Occasion) -> Job:
    await numbered_in_order(connection)  # its kind stays until then
    workflow = await get_workflow(connection, given.kind or DEFAULT_KIND)
    stage = workflow.stage(given.stage) if given.stage else workflow.first
    now = datetime.now(UTC)
    at = happened_at(on, now, shop)
    code_id = None
    if shop.tracking == "on":
        rules = await find_kind_rules(connection, workflow.kind)
        code_id = await insert_job_code(connection, reference, on.who, now, rules)
    eta_at = eta_in_force(given.due_at, estimate(workflow, stage.key, at, shop.calendar, now))
    values = {
        "shop_id": shop.id,
        "reference": reference,
        "kind": workflow.kind,
        "code_id": code_id,
        "stage": stage.key,
        "stage_at": at,
        "item": one_line(given.item or "", "item", MAX_ITEM),
        "public_note": lines_of(given.public_note or "", "public_note", MAX_NOTE),
        "photo": None,
        "language": checked_language(given.language or ""),
        "due_at": given.due_at,
        "eta_at": eta_at,
        "promised_at": eta_at if stage.is_open else None,  # what comes in finished keeps no promise
        "revision": 1,
        "created_at": now,
        "created_by": on.who,
        "updated_at": now,
        "completed_at": at if stage.phase == "done" else None,
    }
    job_id = int((await connection.execute(insert(jobs).values(values).returning(jobs.c.id))).scalar_one())
    details = dict.fromkeys(DETAILS, "") | checked_details(given.details)
    await connection.execute(insert(job_details).values(job_id=job_id, **details))
    await append_move(connection, job_id, "create", None, values, at, now, on.who, given.reason)
    await record_changes(connection, "job", [job_id])
    await write_audit(connection, on.who, "job.create", reference)
    made = await get_job_by_id(connection, job_id)
    await tell(connection, "job.created", job_id, event_payload(made, workflow))
    return made


async def _untold(connection: AsyncConnection, shop: Shop, before: Job, given: JobFields, on: Occasion) -> JobFields:
    """Without a stage that it is known to have come to at that time: a list of moves put again moves nothing to and fro."""
    if given.stage in (None, before.stage) or on.at is None:
        return given
    at = happened_at(on, datetime.now(UTC), shop)
    told = (job_moves.c.job_id == before.id, job_moves.c.to_stage == given.stage, job_moves.c.at == at)
    is_told = (await connection.execute(select(exists().where(*told)))).scalar()
    return replace(given, stage=None) if is_told else given


async def _change(connection: AsyncConnection, shop: Shop, before: Job, given: JobFields, on: Occasion) -> Job:
    refuse_stale(before, on)
    workflow = await get_workflow(connection, given.kind or before.kind)
    if given.kind and given.kind != before.kind and given.stage is None and workflow.find_stage(before.stage) is None:
        raise JobError(
            f"a {workflow.kind} has no stage {before.stage!r}, at which job {before.reference} stands. Name its stage, too."
        )
    now = datetime.now(UTC)
    at = happened_at(on, now, shop)
    values = _changed_values(before, given, workflow)
    stage = workflow.stage(values.get("stage", before.stage))
    if "stage" in values:
        values |= {"stage_at": at, "completed_at": at if stage.phase == "done" else None}
    if {"stage", "due_at", "kind"} & values.keys():
        values |= _estimated(before, values, workflow, stage, shop, now)
    details = await _changed_details(connection, before.id, given.details)
    if not values and not details:
        return before
    shown = {**values, "updated_at": now} if values else {}
    await connection.execute(update(jobs).where(jobs.c.id == before.id).values(revision=before.revision + 1, **shown))
    if details:
        private = {**details, "updated_at": now}
        await connection.execute(update(job_details).where(job_details.c.job_id == before.id).values(private))
    after = await get_job_by_id(connection, before.id)
    if "stage" in values or "eta_at" in values:
        action = action_of(workflow, before, stage) if "stage" in values else "estimate"
        kept = {"stage": after.stage, "eta_at": after.eta_at}
        await append_move(connection, before.id, action, before.stage, kept, at, now, on.who, given.reason)
        await tell(connection, event_of(action), before.id, event_payload(after, workflow))
    if values:
        await record_changes(connection, "job", [before.id])
    await write_audit(connection, on.who, "job.move" if "stage" in values else "job.update", before.reference)
    return after


def _changed_values(before: Job, given: JobFields, workflow: Workflow) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if given.kind is not None:
        wanted["kind"] = workflow.kind
    if given.stage is not None:
        wanted["stage"] = workflow.stage(given.stage).key
    if given.item is not None:
        wanted["item"] = one_line(given.item, "item", MAX_ITEM)
    if given.public_note is not None:
        wanted["public_note"] = lines_of(given.public_note, "public_note", MAX_NOTE)
    if given.language is not None:
        wanted["language"] = checked_language(given.language)
    if given.due_at is not None or given.no_due:
        wanted["due_at"] = given.due_at
    return {name: value for name, value in wanted.items() if value != getattr(before, name)}


def _estimated(
    before: Job, values: Mapping[str, Any], workflow: Workflow, stage: Stage, shop: Shop, now: datetime
) -> dict[str, Any]:
    """What the customer is told from now on. Once nothing is left to do, what was said last stays in force."""
    due_at = values.get("due_at", before.due_at)
    estimated = estimate(workflow, stage.key, values.get("stage_at", before.stage_at), shop.calendar, now)
    eta_at = eta_in_force(due_at, estimated)
    if eta_at is None and not stage.is_open:
        return {}
    changed = {"eta_at": eta_at} if eta_at != before.eta_at else {}
    if before.promised_at is None and eta_at is not None and stage.is_open:
        changed["promised_at"] = eta_at
    return changed


async def _changed_details(connection: AsyncConnection, job_id: int, given: Mapping[str, str]) -> dict[str, str]:
    wanted = checked_details(given)
    if not wanted:
        return {}
    held = await get_details(connection, job_id)
    return {name: value for name, value in wanted.items() if value != getattr(held, name)}


async def _stage_meant(connection: AsyncConnection, workflow: Workflow, found: Job, to: str) -> Stage:
    if to == "advance":
        following = workflow.next_after(found.stage)
        if following is None:
            raise JobError(f"job {found.reference} is at its last stage, {found.stage}. `back` reopens it.")
        return following
    if to == "back":
        query = select(job_moves.c.to_stage).where(job_moves.c.job_id == found.id)
        reached = set((await connection.execute(query)).scalars())
        earlier = workflow.before(found.stage, reached)
        if earlier is None:
            raise JobError(f"job {found.reference} is at its first stage, {found.stage}: there is none before it.")
        return earlier
    return workflow.done_stage if to == "deliver" else workflow.stage(to)


async def _remove(connection: AsyncConnection, found: Job) -> None:
    """With what was told of it: only that it was deleted is told afterwards."""
    await connection.execute(delete(outgoing_events).where(outgoing_events.c.job_id == found.id))
    for table in (job_moves, job_details):
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
