"""Rules that the code of each new job of a kind starts with: where its slip leads by how the job stands."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.codes import without_loops
from codes.destinations import DestinationPolicy
from codes.errors import Conflict
from codes.job_codes import put_job_rules
from codes.rules import Rule, read_rules, written_rules
from codes.selection import MAX_CODES
from database.audit import write_audit
from database.changes import numbered_in_order
from database.engine import Database
from database.schema import job_kind_rules, jobs
from jobs.kinds import get_workflow


async def find_kind_rules(connection: AsyncConnection, kind: str) -> tuple[Rule, ...]:
    """Checked when they were kept; none for a kind that has none."""
    query = select(job_kind_rules.c.rules).where(job_kind_rules.c.kind == kind)
    return read_rules((await connection.execute(query)).scalar() or [], None)


async def put_kind_rules(
    database: Database,
    kind: str,
    given: Any,
    *,
    who: str,
    policy: DestinationPolicy,
    to_all: bool = False,
    reason: str = "",
) -> tuple[tuple[Rule, ...], int]:
    """The rules as read, and how many jobs got them: with ``to_all`` those there are, whatever rules they had, in one
    step of which each can be undone by itself. Raises NotFound, CodeError, DestinationError, or
    Conflict for too many jobs at once.
    """
    async with database.transaction() as connection:
        await numbered_in_order(connection)
        await get_workflow(connection, kind)
        rules = read_rules(given, await without_loops(connection, policy))
        if rules != await find_kind_rules(connection, kind):
            await connection.execute(delete(job_kind_rules).where(job_kind_rules.c.kind == kind))
            row = {"kind": kind, "rules": written_rules(rules), "updated_at": datetime.now(UTC), "updated_by": who}
            if rules:
                await connection.execute(insert(job_kind_rules).values(row))
            await write_audit(connection, who, "kind.rules", kind)
        if not to_all:
            return rules, 0
        of_kind = select(jobs.c.code_id, jobs.c.reference).where(jobs.c.kind == kind, jobs.c.code_id.is_not(None))
        references = {row.code_id: row.reference for row in await connection.execute(of_kind)}
        if len(references) > MAX_CODES:
            raise Conflict(
                f"{len(references):,} jobs are of the kind {kind}; up to {MAX_CODES:,} can be changed at once. "
                "Keep the rules for new jobs alone."
            )
        return rules, await put_job_rules(connection, references, rules, who=who, reason=reason)
