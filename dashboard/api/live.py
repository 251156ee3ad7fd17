"""Scans as they arrive, as server-sent events."""

import time
from collections.abc import AsyncIterator
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from codes.codes import get_code
from dashboard.access import TheParts, Viewer
from dashboard.api.filters import Batch, Campaign, Placement, groups_named
from dashboard.parts import Parts

router = APIRouter(tags=["scans"])
MEMBERS_FOR_S: Final = 2.0  # how long it is believed which codes have a tag or are in a group


@router.get("/live", response_class=Response, responses={200: {"content": {"text/event-stream": {}}}})
async def live(
    _who: Viewer,
    parts: TheParts,
    code: str | None = Query(None, max_length=256),
    domain: Annotated[str | None, Query(max_length=260, description="Of the code.")] = None,
    tag: Annotated[str | None, Query(max_length=60)] = None,
    campaign: Campaign = None,
    placement: Placement = None,
    batch: Batch = None,
) -> Response:
    """An event `scan` for each scan, within a second; the data is a scan as in the list."""
    code_id = None
    if code is not None:
        async with parts.database.reading() as connection:
            code_id = (await get_code(connection, code, domain)).id
    groups = await groups_named(parts, campaign, placement, batch)
    labels = (tag.strip().lower(), *groups) if tag else groups
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(parts, code_id, labels), media_type="text/event-stream", headers=headers)


async def _events(parts: Parts, code_id: int | None, labels: tuple[str, ...]) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n: connected\n\n"
    members: frozenset[int] = frozenset()
    known_until = 0.0
    async for row in parts.live.listen():
        if row is None:
            yield b": still here\n\n"
            continue
        if code_id is not None and row["code_id"] != code_id:
            continue
        if labels and time.monotonic() >= known_until:
            members = await parts.scans.codes_with(labels)
            known_until = time.monotonic() + MEMBERS_FOR_S
        if not labels or row["code_id"] in members:
            [shown] = await parts.scans.describe([row])
            yield b"event: scan\nid: " + shown["id"].encode() + b"\ndata: " + orjson.dumps(shown) + b"\n\n"
