"""Who did what, when: one row in the transaction that does it."""

from datetime import UTC, datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from database.schema import audit


async def write_audit(connection: AsyncConnection, who: str, action: str, subject: str) -> None:
    await connection.execute(insert(audit).values(at=datetime.now(UTC), who=who, action=action, subject=subject[:300]))
