"""Campaigns: what codes are printed for, the UTM fields their destinations get, and what it cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.errors import Conflict, NotFound
from codes.money import Money
from codes.names import checked_name
from codes.options import read_utm
from database.audit import write_audit
from database.changes import record_changes
from database.engine import Database
from database.schema import campaigns, codes

MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Campaign:
    id: int
    name: str
    utm: Mapping[str, str]
    cost: Money | None
    codes: int
    created_at: datetime
    created_by: str
    archived_at: datetime | None


@dataclass(frozen=True, slots=True)
class CampaignChange:
    """None leaves a field as it is; no_cost takes the cost away."""

    name: str | None = None
    utm: Mapping[str, str] | None = None
    cost: Money | None = None
    no_cost: bool = False
    archived: bool | None = None


async def create_campaign(
    database: Database, name: str, *, who: str, utm: Mapping[str, str] | None = None, cost: Money | None = None
) -> Campaign:
    """Raises CodeError (name, utm) or Conflict when the name is taken, by an archived one too."""
    values = {
        "name": checked_name(name, "a campaign", MAX_NAME),
        "utm": read_utm(utm or {}),
        **_cost_values(cost),
        "created_at": datetime.now(UTC),
        "created_by": who,
    }
    async with database.transaction() as connection:
        try:
            made = await connection.execute(insert(campaigns).values(values).returning(campaigns.c.id))
        except IntegrityError as error:
            raise _taken(values["name"]) from error
        campaign_id = int(made.scalar_one())
        await write_audit(connection, who, "campaign.create", values["name"])
        return await get_campaign(connection, campaign_id)


async def update_campaign(database: Database, campaign_id: int, change: CampaignChange, *, who: str) -> Campaign:
    """Other UTM fields reach every code of it at once. Raises NotFound, CodeError, Conflict."""
    async with database.transaction() as connection:
        campaign = await get_campaign(connection, campaign_id)
        values = _changed_values(campaign, change)
        if not values:
            return campaign
        try:
            await connection.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(values))
        except IntegrityError as error:
            raise _taken(str(values.get("name"))) from error
        if "utm" in values or "name" in values:
            of_it = select(codes.c.id).where(codes.c.campaign_id == campaign_id)
            ids = list((await connection.execute(of_it)).scalars())
            if ids:
                await record_changes(connection, "code", ids)
        await write_audit(connection, who, "campaign.update", campaign.name)
        return await get_campaign(connection, campaign_id)


async def list_campaigns(connection: AsyncConnection, *, archived: bool = False) -> list[Campaign]:
    """By name; the archived ones only when asked for."""
    query = _query().order_by(func.lower(campaigns.c.name))
    if not archived:
        query = query.where(campaigns.c.archived_at.is_(None))
    return [_campaign(row) for row in await connection.execute(query)]


async def get_campaign(connection: AsyncConnection, campaign_id: int) -> Campaign:
    row = (await connection.execute(_query().where(campaigns.c.id == campaign_id))).first()
    if row is None:
        raise NotFound(f"there is no campaign with id {campaign_id}. `waymark campaign list` shows those there are.")
    return _campaign(row)


async def find_campaign(connection: AsyncConnection, name: str) -> Campaign | None:
    row = (await connection.execute(_query().where(campaigns.c.name == name.strip()))).first()
    return None if row is None else _campaign(row)


async def get_campaign_named(connection: AsyncConnection, name: str) -> Campaign:
    found = await find_campaign(connection, name)
    if found is None:
        raise NotFound(f"there is no campaign {name[:200]!r}. `waymark campaign list` shows those there are.")
    return found


def _changed_values(campaign: Campaign, change: CampaignChange) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if change.name is not None:
        values["name"] = checked_name(change.name, "a campaign", MAX_NAME)
    if change.utm is not None:
        values["utm"] = read_utm(change.utm)
    if change.cost is not None or change.no_cost:
        values |= _cost_values(change.cost)
    if change.archived is not None and change.archived != (campaign.archived_at is not None):
        values["archived_at"] = datetime.now(UTC) if change.archived else None
    return values


def _cost_values(cost: Money | None) -> dict[str, Any]:
    return {"cost_minor": cost.minor if cost else None, "currency": cost.currency if cost else None}


def _query() -> Select[Any]:
    of_it = (codes.c.campaign_id == campaigns.c.id) & codes.c.archived_at.is_(None)
    counted = select(func.count()).where(of_it).select_from(codes).scalar_subquery()
    return select(campaigns, counted.label("codes"))


def _campaign(row: Row[Any]) -> Campaign:
    cost = None if row.cost_minor is None else Money(row.cost_minor, row.currency)
    return Campaign(row.id, row.name, row.utm, cost, row.codes, row.created_at, row.created_by, row.archived_at)


def _taken(name: str) -> Conflict:
    return Conflict(f"there is a campaign {name!r} already, perhaps an archived one. Choose another name.")
