"""The kinds of jobs there are: the built-in ones, changed or not, and a shop's own."""

from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.errors import Conflict, NotFound
from database.audit import write_audit
from database.changes import numbered_in_order, record_changes
from database.engine import Database
from database.schema import job_kind_rules, job_kinds, jobs
from jobs.expected import WHATEVER, Expected
from jobs.shops import list_shops
from jobs.workflows import BUILT_IN, Workflow, check_stage, read_stages, written_stages

DEFAULT_KIND = "repair"


async def list_workflows(connection: AsyncConnection) -> dict[str, Workflow]:
    """By kind: the built-in ones first, then a shop's own by name."""
    rows = await connection.execute(select(job_kinds).order_by(job_kinds.c.kind))
    return {**BUILT_IN, **{row.kind: _workflow(row) for row in rows}}


async def find_workflow(connection: AsyncConnection, kind: str) -> Workflow | None:
    row = (await connection.execute(select(job_kinds).where(job_kinds.c.kind == kind))).first()
    return BUILT_IN.get(kind) if row is None else _workflow(row)


async def get_workflow(connection: AsyncConnection, kind: str) -> Workflow:
    """Raises NotFound, with the kind that was probably meant."""
    found = await find_workflow(connection, kind)
    if found is not None:
        return found
    known = list(await list_workflows(connection))
    alike = get_close_matches(kind, known, 1)
    hint = f" Did you mean {alike[0]}?" if alike else ""
    raise NotFound(f"there is no kind of job {kind[:60]!r}.{hint} There are {', '.join(known)}.")


async def check_names(connection: AsyncConnection, kind: str, stages: Sequence[str] = ()) -> None:
    """Of jobs that are looked for; "" is any kind. Raises NotFound for an unknown kind, WorkflowError for such a stage."""
    workflows = await list_workflows(connection)
    if kind and kind not in workflows:
        if kind not in await count_by_kind(connection):  # jobs whose kind is gone can still be found
            await get_workflow(connection, kind)
        return
    for stage in stages:
        if kind:
            workflows[kind].index_of(stage)
        else:
            check_stage(stage, workflows.values())


async def first_language(connection: AsyncConnection) -> str:
    """That of the first shop: each stage has a public text in it."""
    shops = await list_shops(connection)
    return shops[0].language if shops else "en"


async def count_by_kind(connection: AsyncConnection) -> dict[str, int]:
    """How many jobs there are of each kind; without those of which there is none."""
    counted = await connection.execute(select(jobs.c.kind, func.count()).group_by(jobs.c.kind))
    return {row[0]: row[1] for row in counted}


async def count_by_stage(connection: AsyncConnection, kind: str) -> dict[str, int]:
    """How many jobs stand at each stage, by its key; without those at which none stands."""
    query = select(jobs.c.stage, func.count()).where(jobs.c.kind == kind).group_by(jobs.c.stage)
    return {row[0]: row[1] for row in await connection.execute(query)}


async def create_workflow(database: Database, workflow: Workflow, *, who: str) -> Workflow:
    """Raises Conflict when there is one that is called so."""
    async with database.transaction() as connection:
        await numbered_in_order(connection)
        known = await list_workflows(connection)
        if workflow.kind in known or workflow.name.casefold() in {found.name.casefold() for found in known.values()}:
            raise Conflict(f"there is a kind {workflow.name!r} already. Choose another name, or change that one.")
        return await _keep(connection, workflow, who)


async def put_workflow(database: Database, workflow: Workflow, *, who: str, expected: Expected = WHATEVER) -> Workflow:
    """Takes the place of the one there was. Raises Conflict when jobs stand at a stage that it does not have, and Stale."""
    async with database.transaction() as connection:
        return await put_workflow_in(connection, workflow, who=who, expected=expected)


async def put_workflow_in(
    connection: AsyncConnection, workflow: Workflow, *, who: str, expected: Expected = WHATEVER
) -> Workflow:
    """``put_workflow`` within a transaction."""
    await numbered_in_order(connection)
    found = await find_workflow(connection, workflow.kind)
    expected.check(found.version if found else None, f"the kind {workflow.kind}")
    await _refuse_lost_stages(connection, workflow)
    return await _keep(connection, workflow, who)


async def reset_workflow(database: Database, kind: str, *, who: str, expected: Expected = WHATEVER) -> None:
    """Back to the built-in one; a shop's own kind goes away. Raises NotFound, Stale, or Conflict when jobs would lose
    their stage.
    """
    async with database.transaction() as connection:
        await reset_workflow_in(connection, kind, who=who, expected=expected)


async def reset_workflow_in(connection: AsyncConnection, kind: str, *, who: str, expected: Expected = WHATEVER) -> None:
    """``reset_workflow`` within a transaction."""
    await numbered_in_order(connection)
    expected.check((await get_workflow(connection, kind)).version, f"the kind {kind}")
    if kind in BUILT_IN:
        await _refuse_lost_stages(connection, BUILT_IN[kind])
    elif count := sum((await count_by_stage(connection, kind)).values()):
        are = "1 job is" if count == 1 else f"{count} jobs are"
        raise Conflict(f"{are} of the kind {kind}: it cannot be taken away before they are deleted.")
    for table in (job_kinds, job_kind_rules):
        await connection.execute(delete(table).where(table.c.kind == kind))
    if kind in BUILT_IN:
        await _complete(connection, BUILT_IN[kind])
    await _tell(connection, kind)
    await write_audit(connection, who, "kind.reset", kind)


async def _complete(connection: AsyncConnection, workflow: Workflow) -> None:
    """Jobs at stages that are the end now, or no longer. Who moves one just now waits for this, and does it himself."""
    ends = [stage.key for stage in workflow.stages if stage.phase == "done"]
    others = [stage.key for stage in workflow.stages if stage.phase != "done"]
    for keys, before, completed_at in (
        (ends, jobs.c.completed_at.is_(None), datetime.now(UTC)),
        (others, jobs.c.completed_at.is_not(None), None),
    ):
        wrong = select(jobs.c.id).where(jobs.c.kind == workflow.kind, jobs.c.stage.in_(keys), before)
        wrong = wrong.with_for_update(skip_locked=True)
        await connection.execute(update(jobs).where(jobs.c.id.in_(wrong)).values(completed_at=completed_at))


async def _keep(connection: AsyncConnection, workflow: Workflow, who: str) -> Workflow:
    values = {
        "kind": workflow.kind,
        "name": workflow.name,
        "stages": written_stages(workflow.stages),
        "keep_done_days": workflow.keep_done_days,
        "keep_idle_days": workflow.keep_idle_days,
        "updated_at": datetime.now(UTC),
        "updated_by": who,
    }
    await connection.execute(delete(job_kinds).where(job_kinds.c.kind == workflow.kind))
    await connection.execute(insert(job_kinds).values(values))
    await _complete(connection, workflow)
    await _tell(connection, workflow.kind)
    await write_audit(connection, who, "kind.update", workflow.kind)
    return await get_workflow(connection, workflow.kind)


async def _refuse_lost_stages(connection: AsyncConnection, workflow: Workflow) -> None:
    counted = await count_by_stage(connection, workflow.kind)
    lost = {key: count for key, count in counted.items() if workflow.find_stage(key) is None}
    if lost:
        standing = ", ".join(f"{count} at {key}" for key, count in lost.items())
        raise Conflict(f"jobs stand at stages that would go: {standing}. Move them first, or keep those stages.")


async def _tell(connection: AsyncConnection, kind: str) -> None:
    ids = list((await connection.execute(select(jobs.c.id).where(jobs.c.kind == kind))).scalars())
    await record_changes(connection, "kind", [0])
    if ids:
        await record_changes(connection, "job", ids)


def _workflow(row: Row[Any]) -> Workflow:
    return Workflow(row.kind, row.name, read_stages(row.stages), row.keep_done_days, row.keep_idle_days)
