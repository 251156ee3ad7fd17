"""Many people at the same jobs, shops and kinds at once: nobody waits for somebody who waits for them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from codes.alphabet import CodeError
from codes.destinations import DestinationPolicy
from codes.errors import Conflict, NotFound
from codes.job_codes import change_job_rules
from database.engine import Database
from jobs.freezing import set_tracking
from jobs.jobs import JobFields, Occasion, delete_job, move_job, put_job
from jobs.kind_rules import put_kind_rules
from jobs.lateness import tell_of_late_jobs
from jobs.leaving import newest_job_id, wipe_some
from jobs.register import get_job
from jobs.shops import ShopFields, Tracking, create_shop, ensure_default_shop, get_shop, update_shop
from tests.conftest import both_databases

pytestmark = pytest.mark.anyio

ON = Occasion("Ops")
POLICY = DestinationPolicy()
SOON = datetime.now(UTC) + timedelta(seconds=1)
LATER = datetime.now(UTC) + timedelta(days=1)
RULES = [{"name": "Ready", "when": [{"job": ["ready"]}], "to": "https://example.com/pick-up"}]
JOBS = 24


async def made(db: Database, prefix: str) -> int:
    """Late ones of the default shop."""
    for number in range(JOBS):
        await put_job(db, f"{prefix}-{number}", JobFields(due_at=SOON), ON)
    async with db.transaction() as connection:
        return (await ensure_default_shop(connection)).id


async def for_each(work: Callable[[int], Awaitable[object]]) -> None:
    """What is refused in words is: it is there no more, or somebody was quicker."""
    for number in range(JOBS):
        try:
            await work(number)
        except (CodeError, Conflict, NotFound):
            continue


@both_databases
async def test_jobs_are_edited_told_of_and_given_rules_at_once(db: Database) -> None:
    await made(db, "R")

    async def own_rules(number: int) -> None:
        async with db.reading() as connection:
            job = await get_job(connection, f"R-{number}")
        assert job.code_id is not None
        await change_job_rules(db, job.code_id, job.reference, RULES if number % 2 else [], who="Ops", policy=POLICY)

    await asyncio.gather(
        for_each(lambda number: move_job(db, f"R-{number}", "advance", ON)),
        for_each(lambda number: put_job(db, f"R-{JOBS - 1 - number}", JobFields(item=str(number)), ON)),
        for_each(lambda number: tell_of_late_jobs(db, LATER + timedelta(seconds=number))),
        for_each(own_rules),
        for_each(
            lambda number: put_kind_rules(db, "repair", RULES[number % 2 :], who="Ops", policy=POLICY, to_all=True)
        ),
    )


@both_databases
async def test_a_shop_is_renamed_frozen_and_wiped_while_its_jobs_come_and_go(db: Database) -> None:
    shop_id = await made(db, "R")
    async with db.reading() as connection:
        newest = await newest_job_id(connection, shop_id)
    states: tuple[Tracking, ...] = ("frozen", "withdrawn", "on")
    await asyncio.gather(
        for_each(lambda number: put_job(db, f"N-{number}", JobFields(), ON)),
        for_each(lambda number: put_job(db, f"R-{number}", JobFields(details={"price": str(number)}), ON)),
        for_each(lambda number: delete_job(db, f"R-{JOBS - 1 - number}", ON)),
        for_each(lambda number: update_shop(db, shop_id, ShopFields(name=f"Called {number}"), who="Ops")),
        for_each(lambda number: set_tracking(db, shop_id, states[number % 3], who="Ops")),
        for_each(lambda number: create_shop(db, ShopFields(name=f"Called {number}"), who="Ops")),
        for_each(lambda number: wipe_some(db, shop_id, newest, SOON) if number % 8 == 7 else asyncio.sleep(0)),
    )
    async with db.reading() as connection:
        assert (await get_shop(connection, shop_id)).tracking == "on"
