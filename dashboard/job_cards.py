"""What pages of jobs read first: the shops, and jobs as cards with whose they are."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard.job_views import JobCard, card_of
from dashboard.parts import Parts
from jobs.register import Job, list_details
from jobs.shops import Shop, ensure_default_shop, list_shops
from jobs.workflows import Workflow


async def shops_by_id(parts: Parts) -> dict[int, Shop]:
    """The default one first; there always is one."""
    async with parts.database.reading() as connection:
        found = await list_shops(connection)
    if not found:
        async with parts.database.transaction() as connection:
            found = [await ensure_default_shop(connection)]
    return {shop.id: shop for shop in found}


async def cards_of(
    connection: AsyncConnection,
    found: Sequence[Job],
    workflows: Mapping[str, Workflow],
    shops: Mapping[int, Shop],
    now: datetime,
    *,
    staff: bool,
) -> list[JobCard]:
    """Only staff read whose a job is."""
    details = await list_details(connection, [job.id for job in found]) if staff else {}
    return [card_of(job, workflows.get(job.kind), shops, details.get(job.id), now) for job in found]
