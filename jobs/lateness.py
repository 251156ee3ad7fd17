"""Jobs that have become late are told of once for each date that they missed: nobody moves them when it passes."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from database.changes import numbered_in_order
from database.engine import Database, to_its_end
from database.schema import jobs
from jobs.kinds import list_workflows
from jobs.moves import event_payload, tell_all
from jobs.register import get_jobs_by_id
from jobs.search import JobSearch, late_only, matching

log = logging.getLogger(__name__)

EVERY_S: Final = 5.0
AT_ONCE: Final = 500  # in one transaction: no other writer waits long


async def keep_telling_of_late_jobs(database: Database) -> None:
    """Until cancelled."""
    while True:
        try:
            await to_its_end(tell_of_late_jobs(database, datetime.now(UTC)))
        except SQLAlchemyError as error:
            log.error("telling of late jobs: %s", getattr(error, "orig", None) or error)
        await asyncio.sleep(EVERY_S)


async def tell_of_late_jobs(database: Database, now: datetime) -> int:
    """How many."""
    count = 0
    while found := await _tell_of_some(database, now):
        count += found
    return count


async def _tell_of_some(database: Database, now: datetime) -> int:
    """Its revision stays: nobody touched it, and what others are about to change holds."""
    untold = or_(jobs.c.late_told_at.is_(None), jobs.c.late_told_at != jobs.c.eta_at)
    async with database.reading() as connection:
        workflows = await list_workflows(connection)
        late = matching(select(jobs.c.id), late_only(JobSearch(open_only=True), workflows, now)).where(untold)
        job_ids = (await connection.execute(late.limit(AT_ONCE))).scalars().all()
    if not job_ids:
        return 0
    async with database.transaction() as connection:
        # On PostgreSQL jobs are held before the feed, as by everybody; those that somebody changes just now come next time.
        still = late.where(jobs.c.id.in_(job_ids)).order_by(jobs.c.id).with_for_update(skip_locked=True)
        told = (await connection.execute(still)).scalars().all()
        if not told:
            return 0
        await numbered_in_order(connection)
        await connection.execute(update(jobs).where(jobs.c.id.in_(told)).values(late_told_at=jobs.c.eta_at))
        found = await get_jobs_by_id(connection, told)
        events = [("job.late", job_id, event_payload(job := found[job_id], workflows[job.kind])) for job_id in told]
        await tell_all(connection, events)
    return len(told)
