"""Campaigns over the API: create, list, read, change, archive."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from codes.campaigns import (
    Campaign,
    CampaignChange,
    create_campaign,
    get_campaign,
    list_campaigns,
    update_campaign,
)
from codes.money import checked_money
from dashboard.access import Editor, TheParts, Viewer
from dashboard.api.bounds import Id

router = APIRouter(tags=["campaigns"])

Archived = Annotated[bool, Query(description="The archived ones, too.")]


UtmText = Annotated[str, Field(max_length=200)]


class Utm(BaseModel):
    """Added to the destinations of the campaign's codes, where they have none of their own."""

    model_config = ConfigDict(extra="forbid")

    source: UtmText = ""
    medium: UtmText = ""
    campaign: UtmText = ""
    term: UtmText = ""
    content: UtmText = ""


class CampaignIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200, examples=["Spring 26"])
    utm: Utm = Utm()
    cost_minor: int | None = Field(None, description="In minor units, such as cents; with currency.")
    currency: str | None = Field(None, max_length=3, description="ISO 4217.", examples=["EUR"])


class CampaignChangeIn(BaseModel):
    """Left-out fields stay. A null cost_minor takes the cost away."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, max_length=200)
    utm: Utm | None = None
    cost_minor: int | None = None
    currency: str | None = Field(None, max_length=3)
    archived: bool | None = None


class CampaignOut(BaseModel):
    id: int
    name: str
    utm: dict[str, str]
    cost_minor: int | None
    currency: str | None
    codes: int
    created_at: datetime
    created_by: str
    archived_at: datetime | None


class CampaignList(BaseModel):
    campaigns: list[CampaignOut]


@router.post("/campaigns", status_code=201)
async def add_campaign(body: CampaignIn, who: Editor, parts: TheParts) -> CampaignOut:
    cost = checked_money(body.cost_minor, body.currency)
    made = await create_campaign(parts.database, body.name, who=who.name, utm=body.utm.model_dump(), cost=cost)
    return campaign_out(made)


@router.get("/campaigns")
async def get_campaigns(_who: Viewer, parts: TheParts, archived: Archived = False) -> CampaignList:
    async with parts.database.reading() as connection:
        found = await list_campaigns(connection, archived=archived)
    return CampaignList(campaigns=[campaign_out(campaign) for campaign in found])


@router.get("/campaigns/{campaign_id}")
async def show_campaign(campaign_id: Id, _who: Viewer, parts: TheParts) -> CampaignOut:
    async with parts.database.reading() as connection:
        return campaign_out(await get_campaign(connection, campaign_id))


@router.patch("/campaigns/{campaign_id}")
async def patch_campaign(campaign_id: Id, body: CampaignChangeIn, who: Editor, parts: TheParts) -> CampaignOut:
    """Other UTM fields reach all codes of the campaign within a second."""
    change = CampaignChange(
        name=body.name,
        utm=body.utm.model_dump() if body.utm else None,
        cost=checked_money(body.cost_minor, body.currency),
        no_cost="cost_minor" in body.model_fields_set and body.cost_minor is None,
        archived=body.archived,
    )
    return campaign_out(await update_campaign(parts.database, campaign_id, change, who=who.name))


def campaign_out(campaign: Campaign) -> CampaignOut:
    return CampaignOut(
        id=campaign.id,
        name=campaign.name,
        utm=dict(campaign.utm),
        cost_minor=campaign.cost.minor if campaign.cost else None,
        currency=campaign.cost.currency if campaign.cost else None,
        codes=campaign.codes,
        created_at=campaign.created_at,
        created_by=campaign.created_by,
        archived_at=campaign.archived_at,
    )
