"""Outgoing events: what happened to jobs, in order, kept for whoever wants to be told. Written with each move."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from database.engine import Database
from database.schema import outgoing_events

KEEP_EVENTS: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """``payload`` is moves.event_payload, of a deleted job only its reference and shop."""

    id: int
    at: datetime
    event: str
    payload: Mapping[str, Any]


async def list_events(connection: AsyncConnection, after_id: int, limit: int) -> list[OutgoingEvent]:
    """The oldest first. Ids rise as events become visible: who has read one misses none before it."""
    query = select(outgoing_events).where(outgoing_events.c.id > after_id).order_by(outgoing_events.c.id).limit(limit)
    return [OutgoingEvent(row.id, row.at, row.event, row.payload) for row in await connection.execute(query)]


async def forget_events(database: Database, now: datetime) -> int:
    """Those that nobody asks for any more."""
    async with database.transaction() as connection:
        old = delete(outgoing_events).where(outgoing_events.c.at < now - KEEP_EVENTS)
        return (await connection.execute(old)).rowcount
