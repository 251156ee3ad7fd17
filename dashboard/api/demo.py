"""Demo data: a believable quarter of a year, written through the journal, marked and removable."""

from typing import Any

from fastapi import APIRouter

from analytics.demo import add_demo, remove_demo
from dashboard.access import Owner, TheParts

router = APIRouter(prefix="/demo", tags=["demo"])


@router.post("", status_code=201)
async def make_demo(who: Owner, parts: TheParts) -> dict[str, Any]:
    """Codes and scans of the last three months; the scans appear as they are ingested."""
    return await add_demo(
        parts.database, parts.settings.data_dir / "journal", who=who.name, policy=parts.settings.policy
    )


@router.delete("")
async def drop_demo(_who: Owner, parts: TheParts) -> dict[str, Any]:
    async with parts.ingest.paused:
        return await remove_demo(parts.database, parts.store, parts.settings.data_dir / "journal")
