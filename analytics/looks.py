"""How often the pages of jobs were looked at by customers; programs, previews and what is not counted are left out."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import duckdb

from analytics.store import ScanStore

log = logging.getLogger(__name__)

MOST: Final = 1_000


async def looks_at_jobs(store: ScanStore, job_ids: Sequence[int]) -> dict[int, datetime] | None:
    """When each was looked at last; who is missing was never looked at. None: the store cannot say now."""
    sql = (
        "SELECT job_id, max(viewed_at) FROM job_views "
        "WHERE counted AND job_id IN (SELECT unnest(?::BIGINT[])) GROUP BY job_id"
    )
    rows = await _rows(store, sql, [list(job_ids)])
    return None if rows is None else {job_id: last_at.replace(tzinfo=UTC) for job_id, last_at in rows}


async def often_looked_at(store: ScanStore, since: datetime, times: int) -> list[int] | None:
    """The jobs that were looked at so many times or more since then, at most MOST; None: the store cannot say now."""
    sql = (
        "SELECT job_id FROM job_views WHERE counted AND viewed_at >= ? "
        "GROUP BY job_id HAVING count(*) >= ? ORDER BY count(*) DESC, job_id LIMIT ?"
    )
    rows = await _rows(store, sql, [_stored(since), times, MOST])
    return None if rows is None else [job_id for (job_id,) in rows]


async def count_occasions(store: ScanStore, since: datetime) -> dict[int, int] | None:
    """By job: on how many days customers looked at its page, each device once a day. None: the store cannot say now."""
    sql = (
        "SELECT job_id, count(*) FROM (SELECT DISTINCT job_id, visitor, viewed_at::DATE FROM job_views "
        "WHERE counted AND viewed_at >= ?) GROUP BY job_id"
    )
    rows = await _rows(store, sql, [_stored(since)])
    return None if rows is None else dict(rows)


async def _rows(store: ScanStore, sql: str, values: list[Any]) -> list[Any] | None:
    try:
        return await store.query(sql, values)
    except duckdb.Error as error:
        log.error("looks at jobs: %s", error)
        return None


def _stored(at: datetime) -> datetime:
    """Times are kept without a zone, in UTC."""
    return at.astimezone(UTC).replace(tzinfo=None)
