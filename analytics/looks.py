"""How often the pages of jobs were looked at by customers; programs, previews and what is not counted are left out."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from analytics.store import ScanStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Looks:
    """``recent``: since the moment that was asked for; ``last_at`` is UTC."""

    all: int
    recent: int
    last_at: datetime


async def looks_at_jobs(store: ScanStore, job_ids: Sequence[int], since: datetime) -> dict[int, Looks] | None:
    """By job id; who is missing was never looked at. None: the store cannot say now."""
    sql = (
        "SELECT job_id, count(*), count(*) FILTER (viewed_at >= ?), max(viewed_at) FROM job_views "
        "WHERE counted AND job_id IN (SELECT unnest(?::BIGINT[])) GROUP BY job_id"
    )
    try:
        rows = await store.query(sql, [_stored(since), list(job_ids)])
    except duckdb.Error as error:
        log.error("looks at jobs: %s", error)
        return None
    return {job_id: Looks(count, recent, last_at.replace(tzinfo=UTC)) for job_id, count, recent, last_at in rows}


async def count_occasions(store: ScanStore, since: datetime) -> int | None:
    """On how many days customers looked at their job's page, each device once a day; None: the store cannot say now."""
    sql = (
        "SELECT count(*) FROM (SELECT DISTINCT job_id, visitor, viewed_at::DATE FROM job_views "
        "WHERE counted AND viewed_at >= ?)"
    )
    try:
        [(count,)] = await store.query(sql, [_stored(since)])
    except duckdb.Error as error:
        log.error("looks at jobs: %s", error)
        return None
    return int(count)


def _stored(at: datetime) -> datetime:
    """Times are kept without a zone, in UTC."""
    return at.astimezone(UTC).replace(tzinfo=None)
