"""Codes of jobs: made and retired with their job. The code itself is the job's secret: nothing that is written names it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import JOB_LENGTH, new_code
from codes.codes import GENERATE_ATTEMPTS, NewCode, code_values, insert_code, refuse_collision, without_loops
from codes.destinations import DestinationPolicy
from codes.domains import get_domain
from codes.errors import Conflict
from codes.options import NO_OPTIONS
from codes.register import JOB_DESTINATION, Code, codes_by_id, get_code_by_id
from codes.rules import Rule, read_rules
from codes.versions import Content, Version, add_versions, earlier_step, list_versions, next_version, restoring
from database.changes import record_changes
from database.engine import Database
from database.schema import codes

READ_AT_ONCE: Final = 500


async def insert_job_code(
    connection: AsyncConnection, reference: str, who: str, at: datetime, rules: tuple[Rule, ...] = ()
) -> int:
    """The code of a job, in the transaction that makes the job; its id. The code itself is the job's secret."""
    domain = await get_domain(connection, None)
    for _attempt in range(GENERATE_ATTEMPTS):
        text = new_code(JOB_LENGTH)
        try:
            await refuse_collision(connection, domain.id, domain.host, text)
        except Conflict:
            continue
        values = code_values(NewCode(JOB_DESTINATION, name=reference), domain.id, text, who, at)
        content = Content(JOB_DESTINATION, rules, NO_OPTIONS)
        return await insert_code(connection, values | {"kind": "job", "printed": True}, content, ())
    raise Conflict("no free code was found in five tries; try again.")


async def change_job_rules(
    database: Database,
    code_id: int,
    reference: str,
    rules: Any,
    *,
    who: str,
    policy: DestinationPolicy,
    reason: str = "",
) -> Code:
    """Other rules, asked before the job's page is shown, are a new version. What is written of it names the job, never
    its code. Raises CodeError, DestinationError.
    """
    async with database.transaction() as connection:
        read = read_rules(rules, await without_loops(connection, policy))
        await put_job_rules(connection, {code_id: reference}, read, who=who, reason=reason)
        return await get_code_by_id(connection, code_id)


async def put_job_rules(
    connection: AsyncConnection, references: Mapping[int, str], rules: tuple[Rule, ...], *, who: str, reason: str
) -> int:
    """The same for many jobs, by their codes' ids, in one step; how many had others."""
    changed: dict[int, Version] = {}
    ids = list(references)
    for start in range(0, len(ids), READ_AT_ONCE):
        for code in await codes_by_id(connection, ids[start : start + READ_AT_ONCE]):
            if code.rules != rules:
                content = replace(code.content, rules=rules)
                changed[code.id] = next_version(code.version + 1, content, "rules", who, reason)
    await add_versions(connection, changed, {code_id: f"job {references[code_id]}" for code_id in changed})
    return len(changed)


async def undo_job_rules(database: Database, code_id: int, reference: str, *, who: str, reason: str = "") -> Code:
    """Brings back the rules before; again goes one further back. Raises Conflict when there were no others."""
    async with database.transaction() as connection:
        code = await get_code_by_id(connection, code_id)
        history = {version.number: version for version in await list_versions(connection, code_id)}
        origin = earlier_step(history, code.version)
        if origin is None:
            raise Conflict(f"job {reference} has the rules that it started with; there is nothing to undo.")
        version = next_version(code.version + 1, history[origin].content, "undo", who, reason)
        await add_versions(connection, {code_id: restoring(version, origin)}, {code_id: f"job {reference}"})
        return await get_code_by_id(connection, code_id)


async def retire_job_code(connection: AsyncConnection, code_id: int, *, answering: bool) -> None:
    """Of a job that is gone: nameless, and never used again. ``answering``: its link still says that it has expired."""
    values: dict[str, Any] = {"name": "", "updated_at": datetime.now(UTC)}
    if not answering:
        values["archived_at"] = values["updated_at"]
    await connection.execute(update(codes).where(codes.c.id == code_id).values(values))
    await record_changes(connection, "code", [code_id])
