"""Codes of jobs: made and retired with their job. The code itself is the job's secret: nothing that is written names it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import JOB_LENGTH, fold, new_code
from codes.codes import GENERATE_ATTEMPTS, NewCode, code_values, without_loops
from codes.destinations import DestinationPolicy
from codes.domains import get_domain
from codes.errors import Conflict
from codes.options import NO_OPTIONS
from codes.register import JOB_DESTINATION, Code, codes_by_id, get_code_by_id
from codes.rules import Rule, read_rules
from codes.versions import (
    Content,
    Version,
    add_versions,
    earlier_step,
    list_versions,
    next_version,
    restoring,
    step_of,
    version_values,
    versions_of,
)
from database.changes import numbered_in_order, record_changes
from database.engine import Database
from database.rows import insert_rows
from database.schema import codes, versions

READ_AT_ONCE: Final = 500


async def insert_job_codes(
    connection: AsyncConnection, wanted: Sequence[tuple[str, tuple[Rule, ...]]], who: str, at: datetime
) -> list[int]:
    """Codes of jobs, by their references and the rules they start with, in the transaction that makes the jobs; their ids.
    A code itself is its job's secret.
    """
    if not wanted:
        return []
    domain = await get_domain(connection, None)
    texts = await _free_codes(connection, domain.id, len(wanted))
    rows = [
        code_values(NewCode(JOB_DESTINATION, name=reference), domain.id, text, who, at)
        | {"kind": "job", "printed": True}
        for text, (reference, _rules) in zip(texts, wanted, strict=True)
    ]
    made = await connection.execute(insert(codes).returning(codes.c.id, codes.c.code), rows)
    ids = {row.code: int(row.id) for row in made}
    code_ids = [ids[text] for text in texts]
    first = [
        version_values(next_version(1, Content(JOB_DESTINATION, rules, NO_OPTIONS), "create", who, "", at))
        for _reference, rules in wanted
    ]
    history = [(code_id, *values.values()) for code_id, values in zip(code_ids, first, strict=True)]
    await insert_rows(connection, versions, ("code_id", *first[0]), history)
    await record_changes(connection, "code", code_ids)
    return code_ids


async def _free_codes(connection: AsyncConnection, domain_id: int, count: int) -> list[str]:
    found: dict[str, str] = {}  # by what they read like
    for _attempt in range(GENERATE_ATTEMPTS):
        found |= {fold(text): text for text in (new_code(JOB_LENGTH) for _ in range(count - len(found)))}
        clash = select(codes.c.folded).where(codes.c.domain_id == domain_id, codes.c.folded.in_(found))
        for taken in (await connection.execute(clash)).scalars():
            found.pop(taken, None)
        if len(found) == count:
            return list(found.values())
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
    expected_version: int | None = None,
) -> Code:
    """Other rules, asked before the job's page is shown, are a new version. What is written of it names the job, never
    its code. Raises CodeError, DestinationError, or Conflict when ``expected_version`` is no longer in force.
    """
    async with database.transaction() as connection:
        await numbered_in_order(connection)  # before any row, as for the rules of a kind
        _refuse_stale(await get_code_by_id(connection, code_id), reference, expected_version)
        read = read_rules(rules, await without_loops(connection, policy))
        await put_job_rules(connection, {code_id: reference}, read, who=who, reason=reason)
        return await get_code_by_id(connection, code_id)


async def put_job_rules(
    connection: AsyncConnection,
    references: Mapping[int, str],
    rules: tuple[Rule, ...],
    *,
    who: str,
    reason: str,
    at: datetime | None = None,
) -> int:
    """The same for many jobs, by their codes' ids, in one step; how many had others. ``undo_step`` finds it by ``at``."""
    changed: dict[int, Version] = {}
    ids = list(references)
    for start in range(0, len(ids), READ_AT_ONCE):
        for code in await codes_by_id(connection, ids[start : start + READ_AT_ONCE]):
            if code.rules != rules:
                content = replace(code.content, rules=rules)
                changed[code.id] = next_version(code.version + 1, content, "rules", who, reason, at)
    await add_versions(connection, changed, {code_id: f"job {references[code_id]}" for code_id in changed})
    return len(changed)


async def undo_step(
    connection: AsyncConnection, references: Mapping[int, str], at: datetime, *, who: str, reason: str
) -> int:
    """Takes back what ``put_job_rules`` did then, where nobody has changed anything since; for how many jobs."""
    undone: dict[int, Version] = {}
    ids = list(references)
    for start in range(0, len(ids), READ_AT_ONCE):
        some = ids[start : start + READ_AT_ONCE]
        history = await versions_of(connection, some)
        for code in await codes_by_id(connection, some):
            made = history[code.id, code.version]
            if made.action == "rules" and made.created_at == at and code.version > 1:
                before = history[code.id, code.version - 1]
                version = next_version(code.version + 1, before.content, "undo", who, reason)
                undone[code.id] = restoring(version, step_of(before))
    await add_versions(connection, undone, {code_id: f"job {references[code_id]}" for code_id in undone})
    return len(undone)


async def undo_job_rules(
    database: Database,
    code_id: int,
    reference: str,
    *,
    who: str,
    reason: str = "",
    expected_version: int | None = None,
) -> Code:
    """Brings back the rules before; again goes one further back. Raises Conflict when there were no others, or when
    ``expected_version`` is no longer in force.
    """
    async with database.transaction() as connection:
        await numbered_in_order(connection)
        code = await get_code_by_id(connection, code_id)
        _refuse_stale(code, reference, expected_version)
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


def _refuse_stale(code: Code, reference: str, expected_version: int | None) -> None:
    if expected_version not in (None, code.version):
        raise Conflict(
            f"somebody has changed the rules of job {reference} meanwhile; nothing was saved. Look at them in another "
            "window."
        )
