"""Outgoing events: what happened to jobs, in order, kept for whoever wants to be told: each move, and that one is late."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, Select, delete, false, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.names import is_plain
from database.engine import Database
from database.schema import jobs, outgoing_events, shops

KEEP_EVENTS: Final = timedelta(days=90)
EVENTS: Final = (
    "job.created",
    "job.moved",
    "job.estimated",
    "job.ready",
    "job.late",
    "job.delivered",
    "job.deleted",
)


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """``payload`` is moves.event_payload, of a deleted job only its reference and shop."""

    id: int
    at: datetime
    event: str
    payload: Mapping[str, Any]
    job_id: int | None = None


@dataclass(frozen=True, slots=True)
class EventSearch:
    """ "" asks for nothing; ``shop`` and ``reference`` of a job that is gone as they were called when it happened."""

    event: str = ""
    shop: str = ""
    reference: str = ""


ALL: Final = EventSearch()


async def list_events(
    connection: AsyncConnection, after_id: int, limit: int, search: EventSearch = ALL
) -> list[OutgoingEvent]:
    """The oldest first. Ids rise as events become visible: who has read one misses none before it."""
    query = (
        (await _matching(connection, search))
        .where(outgoing_events.c.id > after_id)
        .order_by(outgoing_events.c.id)
        .limit(limit)
    )
    return [_event(row) for row in await connection.execute(query)]


async def last_event_id(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.max(outgoing_events.c.id)))).scalar() or 0)


async def list_newest_events(
    connection: AsyncConnection, before_id: int | None, limit: int, search: EventSearch = ALL
) -> list[OutgoingEvent]:
    """The newest first."""
    query = (await _matching(connection, search)).order_by(outgoing_events.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(outgoing_events.c.id < before_id)
    return [_event(row) for row in await connection.execute(query)]


async def forget_events(database: Database, now: datetime) -> int:
    """Those that nobody asks for any more."""
    async with database.transaction() as connection:
        old = delete(outgoing_events).where(outgoing_events.c.at < now - KEEP_EVENTS)
        return (await connection.execute(old)).rowcount


async def _matching(connection: AsyncConnection, search: EventSearch) -> Select[Any]:
    """Of a job that is there by its id, whatever its shop was called before; else by what was written then."""
    query, payload = select(outgoing_events), outgoing_events.c.payload
    if not all(map(is_plain, (search.event, search.shop, search.reference))):
        return query.where(false())  # PostgreSQL takes no such letters
    if search.event:
        query = query.where(outgoing_events.c.event == search.event)
    if search.reference:
        there = select(jobs.c.id).join(shops, shops.c.id == jobs.c.shop_id).where(jobs.c.reference == search.reference)
        if search.shop:
            there = there.where(shops.c.name == search.shop)
        if job_ids := (await connection.execute(there)).scalars().all():
            return query.where(outgoing_events.c.job_id.in_(job_ids))
    if search.shop:
        query = query.where(payload["shop"].as_string() == search.shop)
    if search.reference:
        query = query.where(payload["reference"].as_string() == search.reference)
    return query


def _event(row: Row[Any]) -> OutgoingEvent:
    return OutgoingEvent(row.id, row.at, row.event, row.payload, row.job_id)
