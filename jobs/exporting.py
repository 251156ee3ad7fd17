"""All jobs as records, for a backup of one's own or for another system: with private fields, links and histories."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from jobs.register import Details, list_details, list_moves_of
from jobs.search import JobSearch, Place, list_jobs

CHUNK: Final = 200
_LEFT_OUT: Final = ("id", "shop_id", "code_id", "has_photo")


async def job_records(connection: AsyncConnection, shop_id: int | None = None) -> AsyncIterator[dict[str, Any]]:
    """The newest first."""
    behind: Place | None = None
    while found := await list_jobs(connection, JobSearch(shop_id=shop_id, after=behind, limit=CHUNK)):
        ids = [job.id for job in found]
        details, moves = await list_details(connection, ids), await list_moves_of(connection, ids)
        for job in found:
            yield {
                **_plain(asdict(job), _LEFT_OUT),
                "status_url": job.status_url,
                **asdict(details.get(job.id, Details())),
                "moves": [_plain(asdict(move), ("id",)) for move in moves.get(job.id, ())],
            }
        behind = Place(ids[-1])


def _plain(values: dict[str, Any], left_out: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
        if name not in left_out
    }
