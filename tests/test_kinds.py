"""Kinds of jobs as they are kept: never two of a name, never a change lost unseen, no stage from under a job."""

from dataclasses import replace

import pytest

from codes.errors import Conflict, NotFound
from database.engine import Database
from jobs.expected import Expected, Stale
from jobs.jobs import JobFields, Occasion, put_job
from jobs.kinds import (
    count_by_kind,
    count_by_stage,
    create_workflow,
    first_language,
    get_workflow,
    put_workflow,
    reset_workflow,
)
from jobs.shops import ShopFields, ensure_default_shop, update_shop
from jobs.workflows import BUILT_IN, Workflow
from tests.conftest import both_databases

WATCH = replace(BUILT_IN["repair"], kind="watch", name="Watch repair")


def at(seen: Workflow) -> Expected:
    return Expected(frozenset({seen.version}))


@pytest.mark.anyio
@both_databases
async def test_a_change_takes_the_place_only_of_what_was_looked_at(db: Database) -> None:
    seen = await create_workflow(db, WATCH, who="Ops")
    theirs = await put_workflow(db, replace(WATCH, keep_done_days=20), who="Somebody", expected=at(seen))
    mine = replace(WATCH, keep_done_days=10)
    with pytest.raises(Stale, match="somebody changed it meanwhile"):
        await put_workflow(db, mine, who="Ops", expected=at(seen))
    with pytest.raises(Stale, match="somebody changed it meanwhile"):
        await reset_workflow(db, "watch", who="Ops", expected=at(seen))
    async with db.reading() as connection:
        assert await get_workflow(connection, "watch") == theirs
    assert await put_workflow(db, mine, who="Ops", expected=at(theirs)) == mine
    assert await put_workflow(db, WATCH, who="Ops") == WATCH


@pytest.mark.anyio
@both_databases
async def test_there_are_no_two_kinds_of_one_name(db: Database) -> None:
    await create_workflow(db, WATCH, who="Ops")
    for alike in (WATCH, replace(WATCH, name="Other"), replace(WATCH, kind="other", name="WATCH repair")):
        with pytest.raises(Conflict, match="already"):
            await create_workflow(db, alike, who="Ops")
    with pytest.raises(Conflict, match="already"):
        await create_workflow(db, replace(WATCH, kind="mine", name="Repair"), who="Ops")
    await reset_workflow(db, "watch", who="Ops")
    assert (await create_workflow(db, WATCH, who="Ops")).kind == "watch"


@pytest.mark.anyio
@both_databases
async def test_jobs_are_counted_and_hold_their_stage(db: Database) -> None:
    await create_workflow(db, WATCH, who="Ops")
    for reference, kind in (("W-1", "watch"), ("W-2", "watch"), ("R-1", "repair")):
        await put_job(db, reference, JobFields(kind=kind), Occasion("Ops"))
    async with db.reading() as connection:
        assert await count_by_kind(connection) == {"watch": 2, "repair": 1}
        assert await count_by_stage(connection, "watch") == {"intake": 2}
        assert await count_by_stage(connection, "order") == {}
    with pytest.raises(Conflict, match="2 at intake"):
        await put_workflow(db, replace(WATCH, stages=WATCH.stages[1:]), who="Ops")
    with pytest.raises(Conflict, match="2 jobs are of the kind watch"):
        await reset_workflow(db, "watch", who="Ops")
    with pytest.raises(NotFound):
        await reset_workflow(db, "nothing", who="Ops")


@pytest.mark.anyio
@both_databases
async def test_the_first_language_is_that_of_the_first_shop(db: Database) -> None:
    async with db.reading() as connection:
        assert await first_language(connection) == "en"
    async with db.transaction() as connection:
        shop = await ensure_default_shop(connection)
    await update_shop(db, shop.id, ShopFields(languages=["fr", "en"]), who="Ops")
    async with db.reading() as connection:
        assert await first_language(connection) == "fr"
