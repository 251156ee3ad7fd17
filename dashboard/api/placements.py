"""Placements over the API: create, list, read, change, archive."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from codes.placements import (
    Placement,
    PlacementFields,
    create_placement,
    get_placement,
    list_placements,
    update_placement,
)
from dashboard.access import Editor, TheParts, Viewer
from dashboard.api.bounds import Id

router = APIRouter(tags=["placements"])

Archived = Annotated[bool, Query(description="The archived ones, too.")]
Hours = dict[str, list[list[str]]]
NULLABLE = frozenset({"opening_hours", "latitude", "longitude"})


class PlacementIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    venue: str = Field(max_length=200, examples=["Central Station"])
    spot: str = Field(max_length=200, examples=["Platform 3"])
    zone: str = Field(max_length=64, examples=["Europe/Berlin"])
    opening_hours: Hours | None = Field(None, examples=[{"mon": [["09:00", "18:00"]]}])
    latitude: float | None = None
    longitude: float | None = None


class PlacementChangeIn(BaseModel):
    """Left-out fields stay; null takes opening hours or coordinates away."""

    model_config = ConfigDict(extra="forbid")

    venue: str | None = Field(None, max_length=200)
    spot: str | None = Field(None, max_length=200)
    zone: str | None = Field(None, max_length=64)
    opening_hours: Hours | None = None
    latitude: float | None = None
    longitude: float | None = None
    archived: bool | None = None


class PlacementOut(BaseModel):
    id: int
    label: str
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


class PlacementList(BaseModel):
    placements: list[PlacementOut]


@router.post("/placements", status_code=201)
async def add_placement(body: PlacementIn, who: Editor, parts: TheParts) -> PlacementOut:
    made = await create_placement(parts.database, PlacementFields(**body.model_dump()), who=who.name)
    return placement_out(made)


@router.get("/placements")
async def get_placements(_who: Viewer, parts: TheParts, archived: Archived = False) -> PlacementList:
    async with parts.database.reading() as connection:
        found = await list_placements(connection, archived=archived)
    return PlacementList(placements=[placement_out(placement) for placement in found])


@router.get("/placements/{placement_id}")
async def show_placement(placement_id: Id, _who: Viewer, parts: TheParts) -> PlacementOut:
    async with parts.database.reading() as connection:
        return placement_out(await get_placement(connection, placement_id))


@router.patch("/placements/{placement_id}")
async def patch_placement(placement_id: Id, body: PlacementChangeIn, who: Editor, parts: TheParts) -> PlacementOut:
    cleared = frozenset(name for name in body.model_fields_set & NULLABLE if getattr(body, name) is None)
    given = PlacementFields(**body.model_dump(), cleared=cleared)
    return placement_out(await update_placement(parts.database, placement_id, given, who=who.name))


def placement_out(placement: Placement) -> PlacementOut:
    values: dict[str, Any] = {name: getattr(placement, name) for name in PlacementOut.model_fields}
    return PlacementOut(**values)
