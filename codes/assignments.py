"""Which campaign and placement a code gets, from their names. Reads only."""

from sqlalchemy.ext.asyncio import AsyncConnection

from codes.campaigns import get_campaign_named
from codes.errors import Conflict
from codes.placements import get_placement_named


async def campaign_id_for(connection: AsyncConnection, name: str | None) -> int | None:
    """None stays None (as it is), "" is 0 (none at all). Raises NotFound, or Conflict for an archived one."""
    if name is None or not name.strip():
        return None if name is None else 0
    campaign = await get_campaign_named(connection, name)
    if campaign.archived_at is not None:
        raise Conflict(f"the campaign {campaign.name!r} is archived: bring it back before it gets codes.")
    return campaign.id


async def placement_id_for(connection: AsyncConnection, label: str | None) -> int | None:
    """As ``campaign_id_for``, from venue / spot."""
    if label is None or not label.strip():
        return None if label is None else 0
    placement = await get_placement_named(connection, label)
    if placement.archived_at is not None:
        raise Conflict(f"the placement {placement.label!r} is archived: bring it back before it gets codes.")
    return placement.id
