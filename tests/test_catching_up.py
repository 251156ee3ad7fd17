"""Entries told after being offline: each once, however often and however many times at once it is sent."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from codes.alphabet import CodeError
from codes.errors import Conflict, NotFound
from database.engine import Database
from database.schema import batch_entries, job_moves
from jobs.catching_up import KEEP_ENTRIES, Entry, Outcome, catch_up, forget_entries
from jobs.jobs import JobFields, Occasion, Stale, move_job, put_job
from tests.conftest import both_databases

pytestmark = pytest.mark.anyio

ON = Occasion("Van")


async def send(db: Database, op: Any, reference: str = "R-1", **more: Any) -> Outcome:
    return await catch_up(db, Entry(op, reference, **more), who="Van")


async def count(db: Database, table: Any) -> int:
    async with db.reading() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


@both_databases
async def test_the_same_entry_twice_moves_the_job_once(db: Database) -> None:
    first = [await send(db, "put", id="1"), await send(db, "advance", id="2"), await send(db, "advance", id="3")]
    second = [await send(db, "put", id="1"), await send(db, "advance", id="2"), await send(db, "advance", id="3")]
    assert [outcome.result for outcome in first] == ["created", "moved", "moved"]
    assert [(outcome.result, outcome.seen) for outcome in second] == [
        ("created", True),
        ("moved", True),
        ("moved", True),
    ]
    assert [outcome.stage for outcome in second] == [outcome.stage for outcome in first]
    assert await count(db, job_moves) == 3


@both_databases
async def test_the_same_entry_many_times_at_once_moves_the_job_once(db: Database) -> None:
    await send(db, "put")
    outcomes = await asyncio.gather(*(send(db, "advance", id="7") for _ in range(6)))
    assert sorted(outcome.seen for outcome in outcomes) == [False, *[True] * 5]
    assert await count(db, job_moves) == 2


@both_databases
async def test_of_many_changes_of_one_revision_one_is_done(db: Database) -> None:
    await put_job(db, "R-1", JobFields(), ON)
    meant = Occasion("Desk", expected_revision=1)
    asked = [move_job(db, "R-1", to, meant) for to in ("advance", "ready", "deliver", "diagnosis")]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, Stale) for one in found) == 3, found
    assert await count(db, job_moves) == 2


@both_databases
async def test_of_many_makers_of_one_job_all_get_the_same(db: Database) -> None:
    found = await asyncio.gather(*(put_job(db, "R-1", JobFields(item="Bicycle"), ON) for _ in range(5)))
    assert sum(created for _, created in found) == 1
    assert len({job.token for job, _ in found}) == 1


@both_databases
async def test_an_id_means_one_thing_within_one_sender(db: Database) -> None:
    await send(db, "put", id="1")
    with pytest.raises(Conflict, match="used for another entry"):
        await send(db, "put", id="1", fields=JobFields(item="Clock"))
    other = await catch_up(db, Entry("advance", "R-1", "1"), who="Desk")
    assert (other.result, other.seen) == ("moved", False)


@both_databases
async def test_what_was_refused_may_be_sent_again(db: Database) -> None:
    with pytest.raises(NotFound):
        await send(db, "advance", id="1")
    await send(db, "put")
    assert (await send(db, "advance", id="1")).seen is False


@both_databases
@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"op": "advance"}, "needs an id"),
        ({"op": "back"}, "needs an id"),
        ({"op": "move", "id": "1"}, "needs its stage"),
        ({"op": "put", "id": ""}, "1 to 100 characters"),
        ({"op": "put", "id": "a\nb"}, "in one line"),
    ],
)
async def test_an_entry_that_says_too_little_is_refused(db: Database, entry: dict[str, Any], said: str) -> None:
    with pytest.raises(CodeError, match=said):
        await send(db, **entry)
    assert await count(db, batch_entries) == 0


@both_databases
async def test_a_delete_is_told_as_done_when_it_comes_again(db: Database) -> None:
    await send(db, "put", id="1")
    await send(db, "delete", id="2")
    again = await send(db, "delete", id="2")
    assert (again.result, again.seen, again.job) == ("deleted", True, None)
    assert (await send(db, "put", id="1")).seen  # nor does it come back


@both_databases
async def test_ids_are_forgotten_after_a_month(db: Database) -> None:
    await send(db, "put", id="old")
    await send(db, "advance", id="new")
    now = datetime.now(UTC)
    async with db.transaction() as connection:
        old = update(batch_entries).where(batch_entries.c.entry == "old")
        await connection.execute(old.values(at=now - KEEP_ENTRIES - timedelta(minutes=1)))
    assert await forget_entries(db, now) == 1
    assert await count(db, batch_entries) == 1
