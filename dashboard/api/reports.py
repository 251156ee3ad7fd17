"""Reports over the API: one address per card, all with the same filter."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from analytics.periods import Interval
from analytics.reports import Split
from codes.groups import find_cost
from dashboard.access import TheParts, Viewer
from dashboard.api.filters import Asked
from dashboard.costs import cost_of_scans

router = APIRouter(prefix="/reports", tags=["reports"])

SplitBy = Annotated[
    Split | None,
    Query(
        description="Adds `parts`: the same report of each version, rule or variant alone, the most scanned first. Their scans "
        "add up to the total. Of several codes, versions of one number and rules of one name are taken together."
    ),
]


@router.get("/timeseries")
async def timeseries(
    _who: Viewer,
    parts: TheParts,
    asked: Asked,
    interval: Annotated[Interval | None, Query()] = None,
    split: SplitBy = None,
) -> dict[str, Any]:
    """Scans and visitors over time, zero-filled, in the asker's zone; every new version of the named codes."""
    if split is not None:
        return await parts.reports.split("timeseries", asked, split, interval)
    return await parts.reports.timeseries(asked, interval)


@router.get("/{name}")
async def report(
    name: Literal[
        "summary", "devices", "hours", "regions", "referrers", "networks", "versions", "rules", "variants", "codes"
    ],
    _who: Viewer,
    parts: TheParts,
    asked: Asked,
    split: SplitBy = None,
) -> dict[str, Any]:
    """The summary of one campaign or print batch that has a cost also tells what a scan and a visitor cost."""
    if split is not None:
        answer = await parts.reports.split(name, asked, split)
    else:
        answer = (await parts.reports.several(asked, (name,)))[name]
    if name == "summary" and asked.code_ids is None and len(asked.labels) == 1:
        async with parts.database.reading() as connection:
            cost = await find_cost(connection, asked.labels[0])
        if cost is not None:
            answer["cost"] = cost_of_scans(cost, answer["total"])
    return answer
