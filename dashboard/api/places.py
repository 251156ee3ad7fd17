"""The place databases: which there are, how old, and what to do."""

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from dashboard.access import TheParts, Viewer
from geo.status import status

router = APIRouter(prefix="/places", tags=["places"])


@router.get("")
async def place_status(_who: Viewer, parts: TheParts) -> dict[str, list[dict[str, Any]]]:
    found = await asyncio.to_thread(status, parts.settings.data_dir / "geo")
    return {"databases": [asdict(entry) for entry in found]}
