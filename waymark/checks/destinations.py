"""Check of what the guardian knows: codes whose destination does not answer, codes it sent back to an earlier version."""

import asyncio
from collections.abc import Iterator
from typing import Final

from sqlalchemy.exc import DBAPIError

from codes.checks import Alert, list_alerts
from database.engine import Database, DatabaseError
from waymark.checks import Check, ok, warn
from waymark.config import Config
from waymark.wiring import read_only_database_url

TOPIC: Final = "destinations"
SHOWN: Final = 5


def check_destinations(config: Config) -> Iterator[Check]:
    if not config.database.url and not (config.data_dir / "waymark.db").exists():
        return
    try:
        found = asyncio.run(_alerts(config))
    except (DatabaseError, DBAPIError):
        return  # the check of the control database tells why
    if not config.outbound.check_destinations:
        yield ok(TOPIC, "not looked at: [outbound] check_destinations is false")
    elif not found:
        yield ok(TOPIC, "no alert")
    for alert in found[:SHOWN]:
        yield warn(
            TOPIC, _says(alert), f"`waymark code show {alert.code}` says more; retarget it, or undo its last change."
        )
    if len(found) > SHOWN:
        yield warn(TOPIC, f"and {len(found) - SHOWN} more like these.", "The dashboard lists them.")


def _says(alert: Alert) -> str:
    where, since = f"{alert.domain}/{alert.code}", f"{alert.since:%Y-%m-%d %H:%M} UTC"
    if alert.fell_back:
        return f"{where} was sent back to {alert.destination} on {since}: {alert.problem}"
    return f"{where} leads to {alert.destination}, which has failed since {since}: {alert.problem}"


async def _alerts(config: Config) -> list[Alert]:
    database = await Database.open(read_only_database_url(config), read_only=True)
    try:
        async with database.reading() as connection:
            return await list_alerts(connection)
    finally:
        await database.close()
