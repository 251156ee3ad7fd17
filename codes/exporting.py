"""Everything about codes as records: domains, campaigns, placements, print batches, then codes with all their versions.

Accounts, tokens, the audit log and what the destination checks found stay: they belong to an installation, not to its codes.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.placements import placement_label
from codes.records import FORMAT, written_at
from codes.register import NOT_OF_JOBS
from database.schema import (
    batch_codes,
    campaigns,
    code_tags,
    codes,
    domains,
    placements,
    print_batches,
    scheduled_changes,
    versions,
)

CHUNK: Final = 500
Record = dict[str, Any]


async def export_records(connection: AsyncConnection) -> AsyncIterator[Record]:
    """In the order in which an import can take them; use it within one reading transaction."""
    yield {"record": "waymark", "format": FORMAT}
    for row in await connection.execute(select(domains).order_by(domains.c.id)):
        yield _domain(row)
    names: dict[str, dict[int, str]] = {}
    found = (await connection.execute(select(campaigns).order_by(campaigns.c.id))).all()
    names["campaign"] = {row.id: row.name for row in found}
    for row in found:
        yield _campaign(row)
    found = (await connection.execute(select(placements).order_by(placements.c.id))).all()
    names["placement"] = {row.id: placement_label(row.venue, row.spot) for row in found}
    for row in found:
        yield _placement(row)
    found = (await connection.execute(select(print_batches).order_by(print_batches.c.id))).all()
    names["batch"] = {row.id: row.name for row in found}
    for row in found:
        yield _batch(row)
    seen = 0
    while part := await _codes_above(connection, seen, names):
        for number, record in part:
            yield record
            seen = number


async def _codes_above(
    connection: AsyncConnection, seen: int, names: dict[str, dict[int, str]]
) -> list[tuple[int, Record]]:
    query = select(codes, domains.c.host).join(domains, domains.c.id == codes.c.domain_id)
    rows = (
        await connection.execute(query.where(NOT_OF_JOBS, codes.c.id > seen).order_by(codes.c.id).limit(CHUNK))
    ).all()
    if not rows:
        return []
    ids = [row.id for row in rows]
    history = await _by_code(connection, versions, ids, versions.c.number)
    tags = await _by_code(connection, code_tags, ids, code_tags.c.tag)
    plans = await _by_code(connection, scheduled_changes, ids, scheduled_changes.c.id)
    prints = await _by_code(connection, batch_codes, ids, batch_codes.c.batch_id)
    records = []
    for row in rows:
        in_force = next(version for version in history[row.id] if version.number == row.version)
        records.append(
            (
                row.id,
                {
                    "record": "code",
                    "domain": row.host,
                    "code": row.code,
                    "destination": in_force.destination,
                    "name": row.name,
                    "tags": [entry.tag for entry in tags.get(row.id, ())],
                    "campaign": names["campaign"].get(row.campaign_id),
                    "placement": names["placement"].get(row.placement_id),
                    "printed": row.printed,
                    "archived_at": written_at(row.archived_at),
                    "created_at": written_at(row.created_at),
                    "created_by": row.created_by,
                    "updated_at": written_at(row.updated_at),
                    "legacy": row.legacy,
                    "kind": row.kind,
                    "guard": row.guard,
                    "demo": row.demo,
                    "version": row.version,
                    "versions": [_version(version, row.version) for version in history[row.id]],
                    "plans": [_plan(plan) for plan in plans.get(row.id, ())],
                    "batches": [names["batch"][entry.batch_id] for entry in prints.get(row.id, ())],
                },
            )
        )
    return records


async def _by_code(
    connection: AsyncConnection, table: Any, ids: Sequence[int], order: Any
) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = {}
    for row in await connection.execute(select(table).where(table.c.code_id.in_(ids)).order_by(table.c.code_id, order)):
        found.setdefault(row.code_id, []).append(row)
    return found


def _domain(row: Row[Any]) -> Record:
    return {
        "record": "domain",
        "domain": row.host,
        "scheme": row.scheme,
        "default": row.is_default,
        "not_found_url": row.not_found_url,
        "created_at": written_at(row.created_at),
        "archived_at": written_at(row.archived_at),
    }


def _campaign(row: Row[Any]) -> Record:
    return {
        "record": "campaign",
        "name": row.name,
        "utm": row.utm,
        "cost_minor": row.cost_minor,
        "currency": row.currency,
        **_made(row),
    }


def _placement(row: Row[Any]) -> Record:
    return {
        "record": "placement",
        "placement": placement_label(row.venue, row.spot),
        "zone": row.zone,
        "opening_hours": row.opening_hours,
        "latitude": row.latitude,
        "longitude": row.longitude,
        **_made(row),
    }


def _batch(row: Row[Any]) -> Record:
    return {
        "record": "batch",
        "name": row.name,
        "printed_on": written_at(row.printed_on),
        "quantity": row.quantity,
        "cost_minor": row.cost_minor,
        "currency": row.currency,
        "note": row.note,
        "printed": row.printed,
        **_made(row),
    }


def _made(row: Row[Any]) -> Record:
    return {
        "created_at": written_at(row.created_at),
        "created_by": row.created_by,
        "archived_at": written_at(row.archived_at),
    }


def _version(row: Row[Any], in_force: int) -> Record:
    """The destination in force stands in the code's own field, where people may edit it."""
    record = {
        "number": row.number,
        "destination": row.destination,
        "rules": row.rules,
        "options": row.options,
        "action": row.action,
        "restores": row.restores,
        "reason": row.reason,
        "created_at": written_at(row.created_at),
        "created_by": row.created_by,
    }
    return {
        name: value
        for name, value in record.items()
        if value not in (None, "") and not (name == "destination" and row.number == in_force)
    }


def _plan(row: Row[Any]) -> Record:
    names = ("content", "reason", "state", "problem", "applied_version", "replaced_version", "created_by")
    return {
        **{name: getattr(row, name) for name in names},
        **{name: written_at(getattr(row, name)) for name in ("starts_at", "ends_at", "created_at")},
    }
