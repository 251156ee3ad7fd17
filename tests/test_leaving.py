"""Jobs that leave: what time takes away, kind by kind, and a shop that wipes all it has."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from codes.register import find_code
from database.engine import Database
from database.schema import codes, erasures, expired_jobs, job_details, job_moves, jobs, outgoing_events
from jobs.jobs import JobFields, Occasion, delete_job, expire_jobs, move_job, put_job
from jobs.kinds import list_workflows, put_workflow
from jobs.leaving import due_condition, expire_due_jobs, newest_job_id, wipe_expired, wipe_some
from jobs.search import JobSearch, list_jobs
from jobs.shops import ensure_default_shop
from jobs.workflows import BUILT_IN, Workflow
from tests.conftest import both_databases

pytestmark = pytest.mark.anyio

ON = Occasion("Ops")
NOW = datetime.now(UTC)


async def put(db: Database, reference: str, *, kind: str = "repair", done: bool = False, days: float) -> str:
    """Completed, or changed last, so many days ago; its token."""
    job, _ = await put_job(db, reference, JobFields(kind=kind, details={"customer_name": "A. N. Other"}), ON)
    if done:
        await move_job(db, reference, "deliver", ON)
    column = "completed_at" if done else "updated_at"
    async with db.transaction() as connection:
        at = NOW - timedelta(days=days)
        await connection.execute(update(jobs).where(jobs.c.id == job.id).values({column: at}))
    assert job.token
    return job.token


async def left(db: Database) -> list[str]:
    async with db.reading() as connection:
        return [job.reference for job in await list_jobs(connection, JobSearch())][::-1]


async def count(db: Database, table: Any) -> int:
    async with db.reading() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


@both_databases
async def test_each_kind_keeps_its_jobs_as_long_as_it_says(db: Database) -> None:
    repair = BUILT_IN["repair"]
    await put_workflow(
        db, Workflow("repair", repair.name, repair.stages, keep_done_days=10, keep_idle_days=20), who="x"
    )
    gone = await put(db, "done-long", done=True, days=10.1)
    await put(db, "done-lately", done=True, days=9.9)
    await put(db, "idle-long", days=20.1)
    await put(db, "idle-lately", days=19.9)
    await put(db, "parcel", kind="parcel", done=True, days=89)
    await put(db, "parcel-long", kind="parcel", done=True, days=91)
    assert await expire_due_jobs(db, NOW) == 3
    assert await left(db) == ["done-lately", "idle-lately", "parcel"]
    assert await expire_due_jobs(db, NOW) == 0
    async with db.reading() as connection:
        code = await find_code(connection, gone)
        assert code is not None
        asked = select(expired_jobs.c.shop_id).where(expired_jobs.c.code_id == code.id)
        assert (await connection.execute(asked)).scalar() is not None
    assert (code.name, code.archived_at) == ("", None)  # its link says that it has expired
    assert await count(db, erasures) == 3


@both_databases
async def test_a_job_that_was_reopened_or_deleted_meanwhile_is_no_longer_due(db: Database) -> None:
    for reference in ("R-1", "R-2", "R-3"):
        await put(db, reference, done=True, days=900)
    async with db.reading() as connection:
        due = due_condition(await list_workflows(connection), NOW)
        found = (await connection.execute(select(jobs.c.id).where(due).order_by(jobs.c.id))).scalars().all()
    assert len(found) == 3
    await move_job(db, "R-1", "back", ON)
    await delete_job(db, "R-2", ON)
    assert await expire_jobs(db, found, at=NOW, only=due) == 1
    assert await left(db) == ["R-1"]


@both_databases
async def test_more_than_fits_one_transaction_expires(db: Database) -> None:
    for number in range(205):
        await put_job(db, f"R-{number}", JobFields(), ON)
    assert await expire_due_jobs(db, NOW + timedelta(days=91)) == 205
    assert await count(db, jobs) == 0


@both_databases
async def test_a_wipe_leaves_nothing_of_the_jobs_there_were(db: Database) -> None:
    await put(db, "expired", done=True, days=91)
    await expire_due_jobs(db, NOW)
    for number in range(3):
        await put_job(db, f"R-{number}", JobFields(details={"passcode": "1234"}), ON)
    async with db.transaction() as connection:
        shop = await ensure_default_shop(connection)
        up_to = await newest_job_id(connection, shop.id)
    await put_job(db, "later", JobFields(), ON)
    assert await wipe_some(db, shop.id, up_to, NOW) == 3
    assert await wipe_some(db, shop.id, up_to, NOW) == 0
    await wipe_expired(db, shop.id, NOW, who="Ops", shop=shop.name)
    assert await left(db) == ["later"]
    for table in (job_details, job_moves, outgoing_events):
        assert await count(db, table) == 1, table.name
    assert await count(db, expired_jobs) == 0
    async with db.reading() as connection:
        rows = (await connection.execute(select(codes.c.name, codes.c.archived_at).order_by(codes.c.id))).all()
    assert [(row.name, row.archived_at is None) for row in rows] == [*[("", False)] * 4, ("later", True)]
    assert await count(db, erasures) == 4


@both_databases
async def test_a_job_that_staff_still_make_notes_of_is_kept(db: Database) -> None:
    await put(db, "noted", days=100)
    await put(db, "forgotten", days=100)
    await put_job(db, "noted", JobFields(details={"internal_note": "the part is on its way"}), ON)
    await expire_due_jobs(db, NOW)
    assert await left(db) == ["noted"]
    assert await expire_due_jobs(db, NOW + timedelta(days=91)) == 1
