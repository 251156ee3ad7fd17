"""Reports over the API: one address per card, all with the same filter."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from analytics.periods import Interval
from dashboard.access import TheParts, Viewer
from dashboard.api.filters import Asked

router = APIRouter(prefix="/reports", tags=["reports"])


@router.get("/timeseries")
async def timeseries(
    _who: Viewer, parts: TheParts, asked: Asked, interval: Annotated[Interval | None, Query()] = None
) -> dict[str, Any]:
    """Scans and visitors over time, zero-filled, in the asker's zone; version changes of the named codes."""
    return await parts.reports.timeseries(asked, interval)


@router.get("/{name}")
async def report(
    name: Literal["summary", "devices", "hours", "regions", "referrers", "networks", "versions", "codes"],
    _who: Viewer,
    parts: TheParts,
    asked: Asked,
) -> dict[str, Any]:
    answer: dict[str, Any] = await getattr(parts.reports, name)(asked)
    return answer
