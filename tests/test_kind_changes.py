"""Other working hours of a kind: its open jobs get new estimates, in the background, as with other opening hours."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from dashboard.job_tasks import ESTIMATES, change_kind, change_shop, reset_kind
from dashboard.tasks import list_tasks
from database.engine import Database
from database.schema import jobs
from jobs.estimating_anew import KIND_CHANGED, estimate_anew
from jobs.job_fields import JobFields, Occasion
from jobs.jobs import put_job
from jobs.kinds import create_workflow
from jobs.register import get_job, list_moves
from jobs.shops import ShopFields, create_shop, ensure_default_shop
from jobs.workflows import BUILT_IN, Workflow
from tests.conftest import both_databases

pytestmark = pytest.mark.anyio

REPAIR = BUILT_IN["repair"]
LONG_PAST = datetime(2026, 1, 5, 10, tzinfo=UTC)
ON = Occasion("Desk")


def with_hours(hours: float | None, kind: Workflow = REPAIR) -> Workflow:
    return replace(kind, stages=tuple(replace(stage, hours=hours if stage.is_open else None) for stage in kind.stages))


async def asked_for(db: Database) -> list[Any]:
    async with db.reading() as connection:
        return [task.input for task in await list_tasks(connection, ESTIMATES)]


@both_databases
async def test_only_other_durations_ask_for_new_estimates(db: Database) -> None:
    await change_kind(db, with_hours(2), "Ops")
    assert await asked_for(db) == []  # there is no such job
    async with db.transaction() as connection:
        await ensure_default_shop(connection)
    await put_job(db, "R-1", JobFields(), ON)
    renamed = tuple(replace(stage, name="Other", public={"en": "Other"}) for stage in with_hours(2).stages)
    await change_kind(db, replace(with_hours(2), name="Mending", stages=renamed, keep_done_days=9), "Ops")
    assert await asked_for(db) == []
    await change_kind(db, with_hours(3), "Ops")
    assert await asked_for(db) == [{"kind": "repair"}]
    await reset_kind(db, "repair", "Ops")
    assert await asked_for(db) == [{"kind": "repair"}] * 2
    without = replace(REPAIR, stages=(REPAIR.stages[0], *REPAIR.stages[-2:]))
    await change_kind(db, without, "Ops")
    assert len(await asked_for(db)) == 3


@both_databases
async def test_open_jobs_of_the_kind_are_estimated_anew_in_every_shop_by_its_own_hours(db: Database) -> None:
    """Not where a date was promised, nor where it is late."""
    async with db.transaction() as connection:
        default = await ensure_default_shop(connection)
    mondays = {"mon": [["09:00", "17:00"]]}
    await change_shop(db, default.id, ShopFields(zone="Europe/Berlin", opening_hours=mondays), "Ops")
    other = {"tue": [["00:00", "24:00"]]}
    await create_shop(db, ShopFields(name="Other", zone="America/New_York", opening_hours=other), who="Ops")
    for reference, fields in {
        "R-1": JobFields(),
        "R-2": JobFields(shop="Other"),
        "promised": JobFields(due_at=datetime(2099, 1, 1, tzinfo=UTC)),
        "late": JobFields(),
        "ready": JobFields(stage="ready"),
        "parcel": JobFields(kind="parcel"),
    }.items():
        await put_job(db, reference, fields, ON)
    async with db.transaction() as connection:
        await connection.execute(update(jobs).where(jobs.c.reference == "late").values(eta_at=LONG_PAST))
    before = await _etas(db)
    await change_kind(db, with_hours(50), "Ops")
    upto: int | None = 0
    while upto is not None:
        last, upto = upto, await estimate_anew(db, "repair", upto, who="Ops")
    after = await _etas(db)
    assert {reference for reference in after if after[reference] != before[reference]} == {"R-1", "R-2"}
    # 200 hours of work: 25 Mondays of eight hours, nine Tuesdays of 24.
    assert after["R-1"] - before["R-1"] > timedelta(weeks=20)
    assert timedelta(weeks=7) < after["R-2"] - before["R-2"] < timedelta(weeks=10)
    async with db.reading() as connection:
        job_id = (await connection.execute(select(jobs.c.id).where(jobs.c.reference == "R-1"))).scalar_one()
        moves = await list_moves(connection, job_id)
    assert [(move.action, move.reason) for move in moves] == [("create", ""), ("estimate", KIND_CHANGED)]
    assert await estimate_anew(db, "repair", last, who="Ops") is None


async def _etas(db: Database) -> dict[str, datetime]:
    async with db.reading() as connection:
        rows = await connection.execute(select(jobs.c.reference, jobs.c.eta_at))
        return {row.reference: row.eta_at for row in rows}


@both_databases
async def test_a_job_is_completed_when_its_kind_says_so(db: Database) -> None:
    """The end of another kind, and a stage that becomes the end, or is it no longer: whoever lists what is open asks that."""
    last = [stage.key for stage in REPAIR.stages].index("ready")
    ends = replace(REPAIR, stages=(*REPAIR.stages[:last], replace(REPAIR.stages[last], phase="done")))
    job, _ = await put_job(db, "R-1", JobFields(stage="ready"), ON)
    assert job.completed_at is None

    async def completed() -> bool:
        async with db.reading() as connection:
            return (await get_job(connection, "R-1")).completed_at is not None

    await change_kind(db, ends, "Ops")
    assert await completed()
    await reset_kind(db, "repair", "Ops")
    assert not await completed()
    await create_workflow(db, replace(ends, kind="short", name="Short"), who="Ops")
    await put_job(db, "R-1", JobFields(kind="short"), ON)
    assert await completed()
    await put_job(db, "R-1", JobFields(kind="repair"), ON)
    assert not await completed()
