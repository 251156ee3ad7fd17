"""Placements: where codes hang, a spot in a venue, with its time zone, opening hours and coordinates."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import available_timezones

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import CodeError
from codes.errors import Conflict, NotFound
from codes.names import checked_name
from codes.opening_hours import Hours, read_hours
from database.audit import write_audit
from database.changes import record_changes
from database.engine import Database
from database.schema import codes, placements

MAX_NAME: Final = 200
BETWEEN: Final = " / "


class PlacementError(CodeError):
    """A placement that cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Placement:
    id: int
    venue: str
    spot: str
    zone: str
    opening_hours: Hours | None
    latitude: float | None
    longitude: float | None
    codes: int
    created_at: datetime
    created_by: str
    archived_at: datetime | None

    @property
    def label(self) -> str:
        """What names it: venue / spot."""
        return placement_label(self.venue, self.spot)


@dataclass(frozen=True, slots=True)
class PlacementFields:
    """As given for a new one. For a change None leaves a field as it is; ``cleared`` names those to take away."""

    venue: str | None = None
    spot: str | None = None
    zone: str | None = None
    opening_hours: Any = None
    latitude: float | None = None
    longitude: float | None = None
    cleared: frozenset[str] = frozenset()
    archived: bool | None = None


def placement_label(venue: str, spot: str) -> str:
    return f"{venue}{BETWEEN}{spot}"


async def create_placement(database: Database, given: PlacementFields, *, who: str) -> Placement:
    """Raises CodeError or Conflict when the venue has this spot already, archived or not."""
    values = {"opening_hours": None, "latitude": None, "longitude": None, **_values(given)}
    for name in ("venue", "spot", "zone"):
        if name not in values:
            raise PlacementError(f"a placement needs its {name}.")
    _check_coordinates(values)
    values |= {"created_at": datetime.now(UTC), "created_by": who}
    async with database.transaction() as connection:
        try:
            made = await connection.execute(insert(placements).values(values).returning(placements.c.id))
        except IntegrityError as error:
            raise _taken(values) from error
        found = await get_placement(connection, int(made.scalar_one()))
        await write_audit(connection, who, "placement.create", found.label)
        return found


async def update_placement(database: Database, placement_id: int, given: PlacementFields, *, who: str) -> Placement:
    """Raises NotFound, CodeError, Conflict."""
    async with database.transaction() as connection:
        before = await get_placement(connection, placement_id)
        values = _values(given) | dict.fromkeys(given.cleared)
        if given.archived is not None and given.archived != (before.archived_at is not None):
            values["archived_at"] = datetime.now(UTC) if given.archived else None
        if not values:
            return before
        kept = {entry.name: getattr(before, entry.name) for entry in fields(Placement)}
        _check_coordinates(kept | values)
        try:
            await connection.execute(update(placements).where(placements.c.id == placement_id).values(values))
        except IntegrityError as error:
            raise _taken(kept | values) from error
        if "venue" in values or "spot" in values:
            of_it = select(codes.c.id).where(codes.c.placement_id == placement_id)
            ids = list((await connection.execute(of_it)).scalars())
            if ids:
                await record_changes(connection, "code", ids)
        await write_audit(connection, who, "placement.update", before.label)
        return await get_placement(connection, placement_id)


async def list_placements(connection: AsyncConnection, *, archived: bool = False) -> list[Placement]:
    """By venue and spot; the archived ones only when asked for."""
    query = _query().order_by(func.lower(placements.c.venue), func.lower(placements.c.spot))
    if not archived:
        query = query.where(placements.c.archived_at.is_(None))
    return [_placement(row) for row in await connection.execute(query)]


async def get_placement(connection: AsyncConnection, placement_id: int) -> Placement:
    row = (await connection.execute(_query().where(placements.c.id == placement_id))).first()
    if row is None:
        raise NotFound(f"there is no placement with id {placement_id}. `waymark placement list` shows those there are.")
    return _placement(row)


async def find_placement(connection: AsyncConnection, label: str) -> Placement | None:
    venue, _, spot = label.partition(BETWEEN)
    query = _query().where(placements.c.venue == venue.strip(), placements.c.spot == spot.strip())
    row = (await connection.execute(query)).first()
    return None if row is None else _placement(row)


async def get_placement_named(connection: AsyncConnection, label: str) -> Placement:
    found = await find_placement(connection, label)
    if found is None:
        raise NotFound(
            f"there is no placement {label[:200]!r}; they are written venue{BETWEEN}spot. "
            "`waymark placement list` shows those there are."
        )
    return found


def _values(given: PlacementFields) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in ("venue", "spot"):
        if (text := getattr(given, name)) is not None:
            values[name] = checked_name(text, f"the {name} of a placement", MAX_NAME)
    if BETWEEN in values.get("venue", ""):
        raise PlacementError(f"a venue's name cannot hold {BETWEEN!r}: that is what parts it from the spot.")
    if given.zone is not None:
        if given.zone not in available_timezones():
            raise PlacementError(f"{given.zone[:60]!r} is no time zone; write one like Europe/Paris.")
        values["zone"] = given.zone
    if given.opening_hours is not None:
        values["opening_hours"] = read_hours(given.opening_hours)
    for name in ("latitude", "longitude"):
        if (number := getattr(given, name)) is not None:
            values[name] = number
    return values


def _check_coordinates(values: Mapping[str, Any]) -> None:
    latitude, longitude = values.get("latitude"), values.get("longitude")
    if (latitude is None) != (longitude is None):
        raise PlacementError("coordinates are a pair: give latitude and longitude, or neither.")
    if latitude is not None and not (-90 <= latitude <= 90 and -180 <= values["longitude"] <= 180):
        raise PlacementError("latitude runs from -90 to 90, longitude from -180 to 180.")


def _query() -> Select[Any]:
    of_it = (codes.c.placement_id == placements.c.id) & codes.c.archived_at.is_(None)
    counted = select(func.count()).where(of_it).select_from(codes).scalar_subquery()
    return select(placements, counted.label("codes"))


def _placement(row: Row[Any]) -> Placement:
    return Placement(**{entry.name: getattr(row, entry.name) for entry in fields(Placement)})


def _taken(values: Mapping[str, Any]) -> Conflict:
    label = placement_label(values["venue"], values["spot"])
    return Conflict(f"there is a placement {label!r} already, perhaps an archived one. Choose another spot.")
