"""The kinds of jobs there are: the built-in ones, changed or not, and a shop's own."""

from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Row, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.errors import Conflict, NotFound
from database.audit import write_audit
from database.changes import record_changes
from database.engine import Database
from database.schema import job_kinds, jobs
from jobs.workflows import BUILT_IN, Workflow, read_stages, written_stages

DEFAULT_KIND = "repair"


async def list_workflows(connection: AsyncConnection) -> dict[str, Workflow]:
    """By kind: the built-in ones first, then a shop's own by name."""
    rows = await connection.execute(select(job_kinds).order_by(job_kinds.c.kind))
    return {**BUILT_IN, **{row.kind: _workflow(row) for row in rows}}


async def get_workflow(connection: AsyncConnection, kind: str) -> Workflow:
    """Raises NotFound, with the kind that was probably meant."""
    row = (await connection.execute(select(job_kinds).where(job_kinds.c.kind == kind))).first()
    if row is not None:
        return _workflow(row)
    if kind in BUILT_IN:
        return BUILT_IN[kind]
    known = list(await list_workflows(connection))
    alike = get_close_matches(kind, known, 1)
    hint = f" Did you mean {alike[0]}?" if alike else ""
    raise NotFound(f"there is no kind of job {kind[:60]!r}.{hint} There are {', '.join(known)}.")


async def put_workflow(database: Database, workflow: Workflow, *, who: str) -> Workflow:
    """Takes the place of the one there was. Raises Conflict when jobs stand at a stage that it does not have."""
    values = {
        "kind": workflow.kind,
        "name": workflow.name,
        "stages": written_stages(workflow.stages),
        "keep_done_days": workflow.keep_done_days,
        "keep_idle_days": workflow.keep_idle_days,
        "updated_at": datetime.now(UTC),
        "updated_by": who,
    }
    async with database.transaction() as connection:
        await _refuse_lost_stages(connection, workflow)
        await connection.execute(delete(job_kinds).where(job_kinds.c.kind == workflow.kind))
        await connection.execute(insert(job_kinds).values(values))
        await _tell(connection, workflow.kind)
        await write_audit(connection, who, "kind.update", workflow.kind)
        return await get_workflow(connection, workflow.kind)


async def reset_workflow(database: Database, kind: str, *, who: str) -> None:
    """Back to the built-in one; a shop's own kind goes away. Raises NotFound, or Conflict when jobs would lose their stage."""
    async with database.transaction() as connection:
        await get_workflow(connection, kind)
        if kind in BUILT_IN:
            await _refuse_lost_stages(connection, BUILT_IN[kind])
        elif count := await _count(connection, kind):
            raise Conflict(f"{count} jobs are of the kind {kind}: it cannot be taken away before they are deleted.")
        await connection.execute(delete(job_kinds).where(job_kinds.c.kind == kind))
        await _tell(connection, kind)
        await write_audit(connection, who, "kind.reset", kind)


async def _refuse_lost_stages(connection: AsyncConnection, workflow: Workflow) -> None:
    keys = [stage.key for stage in workflow.stages]
    lost = select(jobs.c.stage, func.count()).where(jobs.c.kind == workflow.kind, jobs.c.stage.not_in(keys))
    rows = (await connection.execute(lost.group_by(jobs.c.stage))).all()
    if rows:
        standing = ", ".join(f"{row[1]} at {row[0]}" for row in rows)
        raise Conflict(f"jobs stand at stages that would go: {standing}. Move them first, or keep those stages.")


async def _count(connection: AsyncConnection, kind: str) -> int:
    return int((await connection.execute(select(func.count()).where(jobs.c.kind == kind))).scalar_one())


async def _tell(connection: AsyncConnection, kind: str) -> None:
    ids = list((await connection.execute(select(jobs.c.id).where(jobs.c.kind == kind))).scalars())
    await record_changes(connection, "kind", [0])
    if ids:
        await record_changes(connection, "job", ids)


def _workflow(row: Row[Any]) -> Workflow:
    return Workflow(row.kind, row.name, read_stages(row.stages), row.keep_done_days, row.keep_idle_days)
