"""The raw list of scans, flagged ones included, page by page."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from dashboard.access import TheParts, Viewer
from dashboard.api.filters import AskedWithBots

router = APIRouter(tags=["scans"])


@router.get("/scans")
async def list_scans(
    _who: Viewer,
    parts: TheParts,
    asked: AskedWithBots,
    *,
    cursor: Annotated[str | None, Query(max_length=100, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    counted: Annotated[bool, Query(description="Leave out HEAD requests and prefetches.")] = False,
) -> dict[str, Any]:
    """Newest first; `next` is null on the last page."""
    scans, following = await parts.scans.list_scans(asked, counted_only=counted, cursor=cursor, limit=limit)
    return {"scans": scans, "next": following}
