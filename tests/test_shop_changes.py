"""Other opening hours: kept together with the order for new estimates, and those survive a kind that is gone."""

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from dashboard.job_tasks import ESTIMATES, change_shop
from dashboard.tasks import list_tasks
from database.engine import Database
from database.schema import job_kinds, jobs
from jobs.estimating_anew import estimate_anew
from jobs.jobs import JobFields, Occasion, put_job
from jobs.kinds import put_workflow
from jobs.shops import ShopFields, ensure_default_shop, get_shop
from jobs.workflows import BUILT_IN
from tests.conftest import both_databases
from tests.test_kinds import WATCH

pytestmark = pytest.mark.anyio

MONDAYS = {"mon": [["09:00", "10:00"]]}
ON = Occasion("Desk")


async def shop_of(db: Database) -> int:
    async with db.transaction() as connection:
        return (await ensure_default_shop(connection)).id


@both_databases
async def test_new_hours_come_with_new_estimates_or_not_at_all(db: Database) -> None:
    shop_id = await shop_of(db)
    await change_shop(db, shop_id, ShopFields(name="Wheels"), "Ops")
    async with db.transaction() as connection:
        assert await list_tasks(connection, ESTIMATES) == []
        await connection.execute(text("ALTER TABLE tasks RENAME TO gone"))
    with pytest.raises(DBAPIError):
        await change_shop(db, shop_id, ShopFields(opening_hours=MONDAYS), "Ops")
    async with db.transaction() as connection:
        assert (await get_shop(connection, shop_id)).opening_hours is None
        await connection.execute(text("ALTER TABLE gone RENAME TO tasks"))
    after = await change_shop(db, shop_id, ShopFields(opening_hours=MONDAYS), "Ops")
    assert after.opening_hours == MONDAYS
    async with db.reading() as connection:
        [task] = await list_tasks(connection, ESTIMATES)
    assert (task.state, task.input) == ("waiting", {"shop_id": shop_id})


@both_databases
async def test_a_job_of_a_kind_that_is_gone_keeps_others_from_nothing(db: Database) -> None:
    shop_id = await shop_of(db)
    await put_workflow(db, WATCH, who="Ops")
    await put_job(db, "W-1", JobFields(kind="watch"), ON)
    await put_job(db, "R-1", JobFields(kind="repair"), ON)
    async with db.transaction() as connection:  # by hand: we keep a kind while jobs are of it
        await connection.execute(delete(job_kinds).where(job_kinds.c.kind == "watch"))
        await connection.execute(update(jobs).values(eta_at=None))
    assert BUILT_IN["repair"].stages[0].hours is not None
    last = await estimate_anew(db, shop_id, 0, who="Ops")
    async with db.reading() as connection:
        rows = (await connection.execute(select(jobs.c.id, jobs.c.reference, jobs.c.eta_at).order_by(jobs.c.id))).all()
    etas = {row.reference: row.eta_at for row in rows}
    assert last == rows[-1].id
    assert (etas["W-1"], etas["R-1"] is not None) == (None, True)
