"""Rules that the code of each new job of a kind starts with: where its slip leads by how the job stands."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.codes import without_loops
from codes.destinations import DestinationPolicy
from codes.errors import Conflict
from codes.job_codes import put_job_rules, undo_step
from codes.rules import Rule, read_rules, written_rules
from codes.selection import MAX_CODES
from database.audit import write_audit
from database.changes import numbered_in_order
from database.engine import Database
from database.schema import job_kind_rules, jobs
from jobs.kinds import get_workflow


@dataclass(frozen=True, slots=True)
class KindRules:
    """``before`` is what an undo brings back; None when there is nothing to undo. ``at``: of the last change."""

    rules: tuple[Rule, ...] = ()
    before: tuple[Rule, ...] | None = None
    at: datetime | None = None

    @property
    def version(self) -> str:
        """Another one after each change."""
        return self.at.isoformat() if self.at else "none"


NO_RULES: Final = KindRules()


async def find_kind_rules(connection: AsyncConnection, kind: str) -> KindRules:
    """Checked when they were kept; ``NO_RULES`` for a kind that never had any."""
    row = (await connection.execute(select(job_kind_rules).where(job_kind_rules.c.kind == kind))).first()
    if row is None:
        return NO_RULES
    before = None if row.before is None else read_rules(row.before, None)
    return KindRules(read_rules(row.rules, None), before, row.updated_at)


async def put_kind_rules(
    database: Database,
    kind: str,
    given: Any,
    *,
    who: str,
    policy: DestinationPolicy,
    to_all: bool = False,
    reason: str = "",
    expected_version: str | None = None,
) -> tuple[tuple[Rule, ...], int]:
    """The rules as read, and how many jobs got them: with ``to_all`` those there are, whatever rules they had, in one
    step of which each can be undone by itself. Raises NotFound, CodeError, DestinationError, or
    Conflict for too many jobs at once, or when ``expected_version`` is no longer in force.
    """
    async with database.transaction() as connection:
        await numbered_in_order(connection)
        await get_workflow(connection, kind)
        rules = read_rules(given, await without_loops(connection, policy))
        kept, now = await find_kind_rules(connection, kind), datetime.now(UTC)
        _refuse_stale(kept, expected_version)
        if to_all or rules != kept.rules:
            await _keep(connection, kind, KindRules(rules, kept.rules, now), who)
            await write_audit(connection, who, "kind.rules", kind)
        if not to_all:
            return rules, 0
        references = await _references(connection, kind)
        if len(references) > MAX_CODES:
            raise Conflict(
                f"{len(references):,} jobs are of the kind {kind}; up to {MAX_CODES:,} can be changed at once. "
                "Keep the rules for new jobs alone."
            )
        return rules, await put_job_rules(connection, references, rules, who=who, reason=reason, at=now)


async def undo_kind_rules(
    database: Database, kind: str, *, who: str, reason: str = "", expected_version: str | None = None
) -> tuple[tuple[Rule, ...], int]:
    """Brings back the rules before the last change, also to the jobs that got them with it and were left alone since; the
    rules, and how many jobs. Raises NotFound, or Conflict when there is nothing to undo, or ``expected_version`` is no
    longer in force.
    """
    async with database.transaction() as connection:
        await numbered_in_order(connection)
        await get_workflow(connection, kind)
        kept = await find_kind_rules(connection, kind)
        _refuse_stale(kept, expected_version)
        if kept.before is None or kept.at is None:
            raise Conflict(f"the last change of the rules of {kind} was undone, or there was none: nothing to undo.")
        await _keep(connection, kind, KindRules(kept.before, None, datetime.now(UTC)), who)
        await write_audit(connection, who, "kind.rules", kind)
        references = await _references(connection, kind)
        return kept.before, await undo_step(connection, references, kept.at, who=who, reason=reason)


async def count_slips(connection: AsyncConnection, kind: str) -> tuple[int, int]:
    """The jobs of this kind that have a code: open ones, finished ones."""
    open_ones = func.count().filter(jobs.c.completed_at.is_(None))
    query = select(open_ones, func.count()).where(jobs.c.kind == kind, jobs.c.code_id.is_not(None))
    found, total = (await connection.execute(query)).one()
    return found, total - found


def _refuse_stale(kept: KindRules, expected_version: str | None) -> None:
    if expected_version not in (None, kept.version):
        raise Conflict("somebody has changed these rules meanwhile; nothing was saved. Look at them in another window.")


async def _keep(connection: AsyncConnection, kind: str, kept: KindRules, who: str) -> None:
    values = {
        "kind": kind,
        "rules": written_rules(kept.rules) or [],
        "before": None if kept.before is None else written_rules(kept.before) or [],
        "updated_at": kept.at,
        "updated_by": who,
    }
    await connection.execute(delete(job_kind_rules).where(job_kind_rules.c.kind == kind))
    await connection.execute(insert(job_kind_rules).values(values))


async def _references(connection: AsyncConnection, kind: str) -> dict[int, str]:
    """Of the jobs there are, by their codes' ids."""
    of_kind = select(jobs.c.code_id, jobs.c.reference).where(jobs.c.kind == kind, jobs.c.code_id.is_not(None))
    return {row.code_id: row.reference for row in await connection.execute(of_kind)}
