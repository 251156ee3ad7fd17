"""Domains, campaigns, placements and print batches of an import: which there are, and making those that are new."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import available_timezones

from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import CodeError
from codes.destinations import DestinationError, DestinationPolicy, check_destination
from codes.domains import address_parts
from codes.import_rows import RowProblem
from codes.money import checked_money
from codes.names import checked_name
from codes.opening_hours import read_hours
from codes.options import read_utm
from codes.placements import BETWEEN, placement_label
from codes.records import FORMAT, RecordError, read_at
from database.changes import record_changes
from database.schema import campaigns, codes, domains, placements, print_batches

TABLES: Final[dict[str, Table]] = {
    "domain": domains,
    "campaign": campaigns,
    "placement": placements,
    "batch": print_batches,
}


@dataclass(slots=True)
class Known:
    """Ids by name. A dry run notes what it would make with negative ids."""

    ids: dict[str, dict[str, int]] = field(default_factory=dict)
    default_host: str = ""
    archived_hosts: set[str] = field(default_factory=set)

    def id_of(self, kind: str, name: str | None, verdict_why: str) -> int | None:
        """Raises RowProblem when a name is given that is not known."""
        if not name:
            return None
        found = self.ids[kind].get(name)
        if found is None:
            raise RowProblem("invalid", verdict_why)
        return found


async def load_known(connection: AsyncConnection) -> Known:
    known = Known()
    for kind, table in TABLES.items():
        rows = (await connection.execute(select(table))).mappings().all()
        known.ids[kind] = {_name(kind, dict(row)): row["id"] for row in rows}
        if kind == "domain":
            known.default_host = next((row["host"] for row in rows if row["is_default"]), "")
            known.archived_hosts = {row["host"] for row in rows if row["archived_at"] is not None}
    return known


async def take_thing(
    connection: AsyncConnection,
    record: Mapping[str, Any],
    known: Known,
    who: str,
    policy: DestinationPolicy,
    *,
    dry_run: bool,
) -> None:
    """Makes it, unless it is there already. Raises RowProblem, also with the verdict same."""
    kind = record["record"]
    if kind == "waymark":
        if record.get("format") != FORMAT:
            raise RowProblem("invalid", f"the file is of format {record.get('format')!r}; this Waymark reads {FORMAT}.")
        raise RowProblem("same", "the head of the file.")
    try:
        values = _READERS[kind](record, known, policy)
        values |= {"created_at": read_at(record.get("created_at"), "created_at") or datetime.now(UTC)}
        values |= {"archived_at": read_at(record.get("archived_at"), "archived_at")}
    except (CodeError, DestinationError, RecordError) as error:
        raise RowProblem("invalid", str(error)) from None
    if kind != "domain":
        values["created_by"] = str(record.get("created_by") or who)[:120]
    name, table = _name(kind, values), TABLES[kind]
    present = known.ids[kind].get(name)
    if present is not None:
        await _compare(connection, kind, present, values, dry_run=dry_run)
        return
    if dry_run:
        known.ids[kind][name] = -len(known.ids[kind]) - 1
        return
    made = await connection.execute(insert(table).values(values).returning(table.c.id))
    known.ids[kind][name] = int(made.scalar_one())
    if kind == "domain":
        await record_changes(connection, "domain", [known.ids[kind][name]])


async def _compare(
    connection: AsyncConnection, kind: str, present: int, values: dict[str, Any], *, dry_run: bool
) -> None:
    """A domain without codes takes what the file says: it is there because the settings name it. Raises RowProblem."""
    if present < 0:
        raise RowProblem("conflict", "an earlier line of the file has it already.")
    table = TABLES[kind]
    row = (await connection.execute(select(table).where(table.c.id == present))).mappings().one()
    apart = [name for name, value in values.items() if name not in ("is_default", "created_by") and row[name] != value]
    if not apart:
        raise RowProblem("same", "it is there already.")
    if kind == "domain":
        count = select(func.count()).select_from(codes).where(codes.c.domain_id == present)
        if not (await connection.execute(count)).scalar_one():
            taken = {name: values[name] for name in ("scheme", "not_found_url", "created_at")}
            if not dry_run:
                await connection.execute(update(domains).where(domains.c.id == present).values(taken))
                await record_changes(connection, "domain", [present])
            return
    if apart == ["created_at"]:
        raise RowProblem("same", "it is there already.")
    raise RowProblem("conflict", f"it is there already, with another {', '.join(apart)}.")


def _name(kind: str, values: Mapping[str, Any]) -> str:
    if kind == "domain":
        return str(values["host"])
    return placement_label(values["venue"], values["spot"]) if kind == "placement" else str(values["name"])


def _domain(record: Mapping[str, Any], known: Known, policy: DestinationPolicy) -> dict[str, Any]:
    scheme, host = address_parts(f"{record.get('scheme', 'https')}://{record.get('domain', '')}")
    target = record.get("not_found_url") or None
    if target is not None:
        own = policy.own_hosts | frozenset(known.ids["domain"]) | {host}
        target = check_destination(str(target), replace(policy, own_hosts=own))
    return {"host": host, "scheme": scheme, "is_default": False, "not_found_url": target}


def _campaign(record: Mapping[str, Any], _known: Known, _policy: DestinationPolicy) -> dict[str, Any]:
    name = checked_name(str(record.get("name") or ""), "a campaign", 200)
    return {"name": name, "utm": read_utm(record.get("utm") or {}), **_cost(record)}


def _placement(record: Mapping[str, Any], _known: Known, _policy: DestinationPolicy) -> dict[str, Any]:
    venue, _, spot = str(record.get("placement") or "").partition(BETWEEN)
    zone, at = str(record.get("zone") or ""), (record.get("latitude"), record.get("longitude"))
    if zone not in available_timezones():
        raise RowProblem("invalid", f"{zone[:60]!r} is no time zone.")
    if not all(value is None or isinstance(value, int | float) for value in at) or (at[0] is None) != (at[1] is None):
        raise RowProblem("invalid", "its coordinates are no pair of numbers.")
    return {
        "venue": checked_name(venue, "the venue of a placement", 200),
        "spot": checked_name(spot, "the spot of a placement", 200),
        "zone": zone,
        "opening_hours": read_hours(record.get("opening_hours")),
        "latitude": at[0],
        "longitude": at[1],
    }


def _batch(record: Mapping[str, Any], _known: Known, _policy: DestinationPolicy) -> dict[str, Any]:
    quantity = record.get("quantity")
    try:
        day = date.fromisoformat(str(record.get("printed_on")))
    except ValueError:
        raise RowProblem("invalid", "its day of printing is no date.") from None
    if type(quantity) is not int or not 0 <= quantity < 2**31:
        raise RowProblem("invalid", "its quantity is no whole number.")
    name = checked_name(str(record.get("name") or ""), "a print batch", 200)
    return {
        "name": name,
        "printed_on": day,
        "quantity": quantity,
        "note": str(record.get("note") or "")[:500],
        "printed": record.get("printed") is True,
        **_cost(record),
    }


def _cost(record: Mapping[str, Any]) -> dict[str, Any]:
    minor = record.get("cost_minor")
    if minor is not None and type(minor) is not int:
        raise RowProblem("invalid", "its cost is no whole number of minor units.")
    money = checked_money(minor, record.get("currency"))
    return {"cost_minor": money.minor if money else None, "currency": money.currency if money else None}


_READERS: Final = {"domain": _domain, "campaign": _campaign, "placement": _placement, "batch": _batch}
