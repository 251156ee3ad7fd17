"""That a job has become late is an event: told once for each date that it misses, by nobody's move."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, update

from database.engine import Database
from database.schema import job_kinds, jobs
from jobs import lateness
from jobs.jobs import JobFields, Occasion, move_job, put_job
from jobs.kinds import create_workflow
from jobs.lateness import tell_of_late_jobs
from jobs.outgoing import OutgoingEvent, list_events
from jobs.register import get_job
from jobs.workflows import BUILT_IN
from tests.conftest import both_databases

pytestmark = pytest.mark.anyio

ON = Occasion("Ops")
NOW = datetime.now(UTC)
DUE = NOW + timedelta(hours=5)


async def told(db: Database) -> list[OutgoingEvent]:
    async with db.reading() as connection:
        return [one for one in await list_events(connection, 0, 5_000) if one.event == "job.late"]


@both_databases
async def test_each_missed_date_is_told_once(db: Database) -> None:
    made, _ = await put_job(db, "R-1", JobFields(due_at=DUE, details={"customer_name": "Canary"}), ON)
    assert await tell_of_late_jobs(db, DUE) == 0
    assert await tell_of_late_jobs(db, DUE + timedelta(seconds=1)) == 1
    assert await tell_of_late_jobs(db, DUE + timedelta(days=1)) == 0
    [event] = await told(db)
    assert (event.job_id, event.payload["reference"], event.payload["eta_at"]) == (made.id, "R-1", DUE.isoformat())
    assert "Canary" not in str(event)
    async with db.reading() as connection:
        assert await get_job(connection, "R-1") == made  # its revision, too: nobody touched it
    later = DUE + timedelta(days=2)
    await put_job(db, "R-1", JobFields(due_at=later), ON)
    assert await tell_of_late_jobs(db, DUE + timedelta(days=1)) == 0
    assert await tell_of_late_jobs(db, later + timedelta(seconds=1)) == 1


async def test_only_of_jobs_with_work_left(db: Database) -> None:
    for reference, way in (("R-1", "ready"), ("R-2", "deliver"), ("R-3", "advance")):
        await put_job(db, reference, JobFields(due_at=DUE), ON)
        await move_job(db, reference, way, ON)
    await put_job(db, "R-4", JobFields(kind="ticket"), ON)
    async with db.transaction() as connection:
        await connection.execute(update(jobs).where(jobs.c.reference == "R-4").values(eta_at=None))
    await tell_of_late_jobs(db, DUE + timedelta(days=900))
    assert [event.payload["reference"] for event in await told(db)] == ["R-3"]


async def test_thousands_are_told_in_parts_and_one_of_a_kind_that_is_gone_holds_nothing_up(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lateness, "AT_ONCE", 2)
    await create_workflow(db, replace(BUILT_IN["ticket"], kind="gone", name="Gone"), who="Ops")
    await put_job(db, "R-0", JobFields(kind="gone", due_at=DUE), ON)
    async with db.transaction() as connection:
        await connection.execute(delete(job_kinds).where(job_kinds.c.kind == "gone"))
    for number in range(1, 6):
        await put_job(db, f"R-{number}", JobFields(due_at=DUE), ON)
    assert await tell_of_late_jobs(db, DUE + timedelta(days=1)) == 5
    assert [event.payload["reference"] for event in await told(db)] == [f"R-{number}" for number in range(1, 6)]
