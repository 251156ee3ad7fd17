"""Scans as they arrive, as server-sent events."""

from collections.abc import AsyncIterator

import orjson
from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from codes.codes import get_code
from dashboard.access import TheParts, Viewer
from dashboard.parts import Parts

router = APIRouter(tags=["scans"])


@router.get("/live", response_class=Response, responses={200: {"content": {"text/event-stream": {}}}})
async def live(_who: Viewer, parts: TheParts, code: str | None = Query(None, max_length=256)) -> Response:
    """An event `scan` for each scan, within a second; the data is a scan as in the list."""
    code_id = None
    if code is not None:
        async with parts.database.reading() as connection:
            code_id = (await get_code(connection, code)).id
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(parts, code_id), media_type="text/event-stream", headers=headers)


async def _events(parts: Parts, code_id: int | None) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n: connected\n\n"
    async for row in parts.live.listen():
        if row is None:
            yield b": still here\n\n"
        elif code_id is None or row["code_id"] == code_id:
            [shown] = await parts.scans.describe([row])
            yield b"event: scan\nid: " + shown["id"].encode() + b"\ndata: " + orjson.dumps(shown) + b"\n\n"
