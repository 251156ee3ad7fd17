"""The query parameters that every report shares, read into one filter."""

from dataclasses import replace
from typing import Annotated, Final

from fastapi import Depends, Query

from analytics.periods import period_for
from analytics.reports import Bots, Filter
from codes.codes import get_code
from codes.groups import get_groups
from dashboard.access import TheParts
from dashboard.parts import Parts

MAX_LABEL: Final = 403  # a venue and a spot
Campaign = Annotated[str | None, Query(max_length=200, description="By name: the codes that are in it now.")]
Placement = Annotated[
    str | None,
    Query(max_length=MAX_LABEL, description="Venue / spot, or a venue for all its spots.", examples=["Café / Door"]),
]
Batch = Annotated[str | None, Query(max_length=200, description="A print batch, by name.")]


async def asked_filter(
    parts: TheParts,
    start: Annotated[str | None, Query(alias="from", max_length=40, examples=["2026-11-01"])] = None,
    to: Annotated[str | None, Query(max_length=40, description="A date includes that whole day.")] = None,
    tz: Annotated[str, Query(max_length=60, examples=["Europe/Berlin"])] = "UTC",
    code: Annotated[list[str] | None, Query(description="One or more codes; all when left out.")] = None,
    domain: Annotated[str | None, Query(max_length=260)] = None,
    tag: Annotated[str | None, Query(max_length=60)] = None,
    campaign: Campaign = None,
    placement: Placement = None,
    batch: Batch = None,
    bots: Bots = "exclude",
) -> Filter:
    """Without from: the last 30 days. A code must fit every filter. Raises PeriodError, NotFound."""
    found = await filter_for(parts, start, to, tz, code, domain=domain, tag=tag, bots=bots)
    return replace(found, groups=await groups_named(parts, campaign, placement, batch))


async def groups_named(
    parts: Parts, campaign: str | None, placement: str | None, batch: str | None = None
) -> tuple[str, ...]:
    """Raises NotFound."""
    if not (campaign or placement or batch):
        return ()
    async with parts.database.reading() as connection:
        return await get_groups(connection, campaign=campaign, placement=placement, batch=batch)


async def filter_for(
    parts: Parts,
    start: str | None,
    to: str | None,
    tz: str,
    code: list[str] | None,
    *,
    domain: str | None = None,
    tag: str | None = None,
    bots: Bots = "exclude",
) -> Filter:
    period = period_for(start, to, tz)
    code_ids: tuple[int, ...] | None = None
    if code:
        async with parts.database.reading() as connection:
            code_ids = tuple([(await get_code(connection, text, domain)).id for text in code[:500]])
    return Filter(period, code_ids, tag.strip().lower() if tag else None, bots)


async def asked_filter_with_bots(asked: Annotated[Filter, Depends(asked_filter)], bots: Bots = "include") -> Filter:
    """A raw list hides nothing unless asked to."""
    return replace(asked, bots=bots)


Asked = Annotated[Filter, Depends(asked_filter)]
AskedWithBots = Annotated[Filter, Depends(asked_filter_with_bots)]
