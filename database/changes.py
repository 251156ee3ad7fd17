"""The change feed: who caches control data follows it and is up to date within a second of a commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from database.rows import insert_rows
from database.schema import changes

KEEP_ROWS = 100_000
LOCK_KEY = 0x57415943  # PostgreSQL advisory lock: one transaction at a time writes to the feed


@dataclass(frozen=True, slots=True)
class Change:
    seq: int
    kind: str
    ref_id: int


async def record_changes(connection: AsyncConnection, kind: str, ref_ids: Sequence[int]) -> None:
    """Belongs into the transaction that writes the thing itself."""
    now = datetime.now(UTC)
    await numbered_in_order(connection)
    await insert_rows(connection, changes, ("kind", "ref_id", "at"), [(kind, ref_id, now) for ref_id in ref_ids])


async def numbered_in_order(connection: AsyncConnection) -> None:
    """Before rows are inserted that others follow by their numbers: until the commit nobody else inserts such rows.

    PostgreSQL gives numbers out before the commit: a later one could be visible first, and a follower that has read it
    would never ask for the earlier one.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})


async def last_seq(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.coalesce(func.max(changes.c.seq), 0)))).scalar_one())


async def changes_after(connection: AsyncConnection, seq: int, limit: int = 10_000) -> list[Change] | None:
    """Changes in order; None when rows after ``seq`` were already pruned, so that the follower must reload."""
    rows = (
        await connection.execute(
            select(changes.c.seq, changes.c.kind, changes.c.ref_id)
            .where(changes.c.seq > seq)
            .order_by(changes.c.seq)
            .limit(limit)
        )
    ).all()
    if rows and rows[0].seq > seq + 1 and await _was_pruned(connection, seq):
        return None
    return [Change(row.seq, row.kind, row.ref_id) for row in rows]


async def _was_pruned(connection: AsyncConnection, seq: int) -> bool:
    # A gap alone proves nothing: PostgreSQL's sequences skip numbers on rollback.
    oldest = (await connection.execute(select(func.min(changes.c.seq)))).scalar_one()
    return oldest is not None and oldest > seq + 1


async def prune_changes(connection: AsyncConnection, keep_rows: int = KEEP_ROWS) -> int:
    newest = await last_seq(connection)
    result = await connection.execute(delete(changes).where(changes.c.seq <= newest - keep_rows))
    return result.rowcount
