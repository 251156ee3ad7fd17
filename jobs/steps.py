"""What a put or a move of a job comes to, and the rows that it leaves: of many jobs in as few statements as of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.job_codes import insert_job_codes
from database.changes import numbered_in_order, record_changes
from database.rows import insert_rows
from database.schema import audit, job_details, jobs
from jobs.estimates import estimate, eta_in_force
from jobs.freezing import keep_as_frozen
from jobs.job_fields import (
    MAX_ITEM,
    MAX_NOTE,
    JobError,
    JobFields,
    Occasion,
    checked_details,
    checked_language,
    checked_reference,
    happened_at,
    in_zone_of,
    lines_of,
    one_line,
    refuse_missing,
    refuse_stale,
)
from jobs.kind_rules import find_kind_rules
from jobs.kinds import DEFAULT_KIND
from jobs.known import Known
from jobs.moves import NewMove, action_of, append_moves, event_of, event_payload, tell_all
from jobs.register import DETAILS, Job, details_values, get_jobs_by_id
from jobs.shops import Shop
from jobs.workflows import Stage, Workflow

_CHANGING: Final = (
    *("kind", "stage", "stage_at", "item", "public_note", "language", "due_at", "eta_at", "promised_at", "revision"),
    *("updated_at", "completed_at"),
)
_CHANGE: Final = (
    update(jobs).where(jobs.c.id == bindparam("of_job")).values({name: bindparam(f"new_{name}") for name in _CHANGING})
)
_CHANGE_DETAILS: Final = (
    update(job_details)
    .where(job_details.c.job_id == bindparam("of_job"))
    .values({name: bindparam(f"new_{name}") for name in (*DETAILS, "updated_at")})
)
CLOCKS_APART: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Step:
    """Of one job. ``before``: as it was; None: this makes it. ``action``: of the move in its trail; None: it leaves none."""

    before: Job | None
    shop: Shop
    workflow: Workflow
    values: Mapping[str, Any]  # of jobs, those that change
    details: Mapping[str, str]  # all of them; none: they stay
    action: str | None
    at: datetime
    now: datetime
    who: str
    reason: str


async def putting(known: Known, reference: str, given: JobFields, on: Occasion) -> tuple[Job | None, Step | None]:
    """The job as it is, if there is one, and what a put of it comes to; None: nothing.

    Raises CodeError, NotFound (shop, kind), Stale.
    """
    reference = checked_reference(reference)
    shop = await known.shop(given.shop)
    given = in_zone_of(given, shop)
    before = await known.find(reference, shop.id)
    if before is None:
        refuse_missing(reference, on)
        await known.in_order()
        return None, _making(
            await known.shop_now(shop), await known.workflow(given.kind or DEFAULT_KIND), reference, given, on
        )
    refuse_stale(before, on)
    return before, await _changing(known, shop, before, await _untold(known, shop, before, given, on), on)


async def moving(
    known: Known, reference: str, to: str, on: Occasion, *, shop: str | None = None, reason: str = ""
) -> tuple[Job, Step | None]:
    """The job as it is, and what moving it comes to; None: it is there. Raises NotFound, JobError, WorkflowError, Stale."""
    found = await known.get(reference, shop)
    refuse_stale(found, on)
    await known.in_order()
    stage = await _stage_meant(known, await known.workflow(found.kind), found, to)
    given = JobFields(stage=stage.key, reason=reason)
    return found, await _changing(known, await known.shop_of(found), found, given, on)


def _making(shop: Shop, workflow: Workflow, reference: str, given: JobFields, on: Occasion) -> Step:
    """A job that is not there yet. Raises JobError, WorkflowError."""
    stage = workflow.stage(given.stage) if given.stage else workflow.first
    now = datetime.now(UTC)
    at = happened_at(on, now, shop)
    eta_at = eta_in_force(given.due_at, estimate(workflow, stage.key, at, shop.calendar, now), shop.calendar)
    values = {
        "shop_id": shop.id,
        "reference": reference,
        "kind": workflow.kind,
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
    details = dict.fromkeys(DETAILS, "") | checked_details(given.details)
    return Step(None, shop, workflow, values, details, "create", at, now, on.who, given.reason)


async def write_steps(connection: AsyncConnection, steps: Sequence[Step]) -> list[Job]:
    """Of different jobs, as they are then. On PostgreSQL those that are changed must be held."""
    if not steps:
        return []
    await numbered_in_order(connection)
    made = await _insert(connection, [step for step in steps if step.before is None])
    await _update(connection, [(step.before, step) for step in steps if step.before is not None])
    job_ids = [step.before.id if step.before else made[step.shop.id, step.values["reference"]] for step in steps]
    found = await get_jobs_by_id(connection, job_ids)
    written = [(found[job_id], step) for job_id, step in zip(job_ids, steps, strict=True)]
    moved = [(job, step, step.action) for job, step in written if step.action is not None]
    await append_moves(connection, [_move(job, step, action) for job, step, action in moved])
    told = [(_event(job, step, action), job.id, event_payload(job, step.workflow)) for job, step, action in moved]
    await tell_all(connection, told)
    await record_changes(connection, "job", [job.id for job, step in written if step.values])
    now = datetime.now(UTC)
    entries = [(now, step.who, _audited(step), job.reference[:300]) for job, step in written]
    await insert_rows(connection, audit, ("at", "who", "action", "subject"), entries)
    return [job for job, _ in written]


def _move(job: Job, step: Step, action: str) -> NewMove:
    from_stage = step.before.stage if step.before else None
    return NewMove(job, action, from_stage, step.at, step.now, step.who, step.reason)


def _event(job: Job, step: Step, action: str) -> str:
    return event_of(action, step.workflow.stage(job.stage).phase) if step.before else "job.created"


def _audited(step: Step) -> str:
    return "job.create" if step.before is None else "job.move" if "stage" in step.values else "job.update"


async def _insert(connection: AsyncConnection, steps: Sequence[Step]) -> dict[tuple[int, str], int]:
    """Ids by shop and reference."""
    if not steps:
        return {}
    tracked = [step for step in steps if step.shop.tracking == "on"]
    kinds = {step.workflow.kind for step in tracked}
    rules = {kind: (await find_kind_rules(connection, kind)).rules for kind in kinds}
    wanted = [(str(step.values["reference"]), rules[step.workflow.kind]) for step in tracked]
    code_ids = iter(await insert_job_codes(connection, wanted, steps[0].who, steps[0].now))
    rows = [{**step.values, "code_id": next(code_ids) if step.shop.tracking == "on" else None} for step in steps]
    made = await connection.execute(insert(jobs).returning(jobs.c.id, jobs.c.shop_id, jobs.c.reference), rows)
    ids = {(row.shop_id, row.reference): int(row.id) for row in made}
    columns = ("job_id", *DETAILS)
    details = [
        (ids[step.shop.id, step.values["reference"]], *(step.details[name] for name in DETAILS)) for step in steps
    ]
    await insert_rows(connection, job_details, columns, details)
    return ids


async def _update(connection: AsyncConnection, steps: Sequence[tuple[Job, Step]]) -> None:
    if not steps:
        return
    await keep_as_frozen(connection, [before.id for before, _ in steps])
    rows = []
    for before, step in steps:
        shown = {**step.values, "updated_at": step.now} if step.values else {}
        after = replace(before, revision=before.revision + 1, **shown)
        rows.append({"of_job": before.id, **{f"new_{name}": getattr(after, name) for name in _CHANGING}})
    await connection.execute(_CHANGE, rows)
    private = [
        {"of_job": before.id, "new_updated_at": step.now, **{f"new_{name}": step.details[name] for name in DETAILS}}
        for before, step in steps
        if step.details
    ]
    if private:
        await connection.execute(_CHANGE_DETAILS, private)


async def _changing(known: Known, shop: Shop, before: Job, given: JobFields, on: Occasion) -> Step | None:
    await known.in_order()
    workflow = await known.workflow(given.kind or before.kind)
    if given.kind and given.kind != before.kind and given.stage is None and workflow.find_stage(before.stage) is None:
        raise JobError(
            f"a {workflow.kind} has no stage {before.stage!r}, at which job {before.reference} stands. Name its stage, too."
        )
    now = datetime.now(UTC)
    at = happened_at(on, now, shop)
    values = _changed_values(before, given, workflow)
    stage = workflow.stage(values.get("stage", before.stage))
    if "stage" in values:
        at = max(at, before.stage_at)  # what is told late counts from the last move: no trail runs backwards
        values |= {"stage_at": at, "completed_at": at if stage.phase == "done" else None}
    elif (stage.phase == "done") != (before.completed_at is not None):  # its kind means something else by it
        values["completed_at"] = at if stage.phase == "done" else None
    if {"stage", "due_at", "kind"} & values.keys():
        values |= _estimated(before, values, workflow, stage, shop, now)
    details = await _changed_details(known, before, given.details)
    if not values and not details:
        return None
    action = action_of(workflow, before, stage) if "stage" in values else "estimate" if "eta_at" in values else None
    return Step(before, shop, workflow, values, details, action, at, now, on.who, given.reason)


def _refuse_old_news(before: Job, given: JobFields, at: datetime) -> None:
    """A stage that a job was at before the one it has is not where it stands. Raises JobError."""
    if given.stage not in (None, before.stage) and at < before.stage_at - CLOCKS_APART:
        raise JobError(
            f"job {before.reference} came to its stage {before.stage} at {before.stage_at.isoformat()}, which is later than "
            f"{at.isoformat()}: tell stages in the order in which they happened, or leave `at` out for now."
        )


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
    eta_at = eta_in_force(due_at, estimated, shop.calendar)
    if eta_at is None and not stage.is_open:
        return {}
    changed = {"eta_at": eta_at} if eta_at != before.eta_at else {}
    if before.promised_at is None and eta_at is not None and stage.is_open:
        changed["promised_at"] = eta_at
    return changed


async def _changed_details(known: Known, before: Job, given: Mapping[str, str]) -> dict[str, str]:
    """All of them when one changes."""
    wanted = checked_details(given)
    if not wanted:
        return {}
    held = details_values(await known.details(before))
    after = held | wanted
    return {} if after == held else after


async def _untold(known: Known, shop: Shop, before: Job, given: JobFields, on: Occasion) -> JobFields:
    """Without a stage that it is known to have come to at that time: a list of moves put again moves nothing to and fro."""
    if given.stage in (None, before.stage) or on.at is None:
        return given
    at = happened_at(on, datetime.now(UTC), shop)
    if (given.stage, at) in await known.arrivals(before):
        return replace(given, stage=None)
    _refuse_old_news(before, given, at)
    return given


async def _stage_meant(known: Known, workflow: Workflow, found: Job, to: str) -> Stage:
    if to == "advance":
        following = workflow.next_after(found.stage)
        if following is None:
            raise JobError(f"job {found.reference} is at its last stage, {found.stage}. `back` reopens it.")
        return following
    if to == "back":
        reached = {stage for stage, _at in await known.arrivals(found)}
        earlier = workflow.before(found.stage, reached)
        if earlier is None:
            raise JobError(f"job {found.reference} is at its first stage, {found.stage}: there is none before it.")
        return earlier
    return workflow.done_stage if to == "deliver" else workflow.stage(to)
