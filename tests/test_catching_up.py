"""Entries told after being offline: each once, however often and however many times at once it is sent."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from codes.alphabet import CodeError
from codes.errors import Conflict, NotFound
from database.engine import Database
from database.schema import batch_entries, job_moves, jobs
from jobs.catching_up import AT_ONCE, KEEP_ENTRIES, Entry, Outcome, catch_up, forget_entries
from jobs.jobs import JobError, JobFields, Occasion, Stale, move_job, put_job
from jobs.outgoing import list_events
from jobs.register import get_details, get_job, list_moves
from jobs.workflows import WorkflowError
from tests.conftest import both_databases

pytestmark = pytest.mark.anyio

ON = Occasion("Van")


async def send(db: Database, op: Any, reference: str = "R-1", **more: Any) -> Outcome:
    [told] = await catch_up(db, [Entry(op, reference, **more)], who="Van")
    if not isinstance(told, Outcome):
        raise told
    return told


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
async def test_many_entries_are_told_in_order_and_what_is_refused_stops_no_other(db: Database) -> None:
    entries = [
        Entry("put", "R-1", "1", fields=JobFields(item="Bicycle", details={"price": "12"})),
        Entry("put", "R-2", fields=JobFields(stage="nowhere")),
        Entry("advance", "R-1", "2"),
        Entry("put", "R-2", fields=JobFields(item="Clock")),
        Entry("advance", "R-1", "2"),
        Entry("put", "R-1", fields=JobFields(details={"price": "13"})),
        Entry("advance", "R-3", "3"),
        Entry("put", "R-1", "1"),
        Entry("delete", "R-2"),
        Entry("put", "R-2", shop="No\0where"),
        Entry("put", "R-2", fields=JobFields(kind="no\0ne")),
        Entry("put", "R-2"),
        Entry("back", "R-1", "4"),
        Entry("back", "R-1", "5"),
    ]
    told = await catch_up(db, entries, who="Van")
    assert [one.result if isinstance(one, Outcome) else type(one) for one in told] == [
        *("created", WorkflowError, "moved", "created", "moved", "changed", NotFound, Conflict, "deleted"),
        *(NotFound, NotFound, "created", "moved", JobError),
    ]
    assert [one.seen for one in told if isinstance(one, Outcome)] == [False, False, False, True, *[False] * 4]
    async with db.reading() as connection:
        found, other = await get_job(connection, "R-1"), await get_job(connection, "R-2")
        assert [move.action for move in await list_moves(connection, found.id)] == ["create", "advance", "back"]
        assert (await get_details(connection, found.id)).price == "13"
        events = [(event.event, event.payload["reference"]) for event in await list_events(connection, 0, 100)]
    assert (found.stage, found.revision, found.item) == ("intake", 4, "Bicycle")
    assert (other.revision, other.item) == (1, "")
    assert [event for event, reference in events if reference == "R-1"] == ["job.created", "job.moved", "job.moved"]
    assert [event for event, reference in events if reference == "R-2"] == ["job.deleted", "job.created"]
    assert isinstance(told[-2], Outcome)
    assert told[-2].job == found


@both_databases
async def test_the_same_many_entries_many_times_at_once_while_others_move_the_jobs(db: Database) -> None:
    """In other orders, too: nobody waits for somebody who waits for him."""
    entries = [
        entry
        for number in range(2 * AT_ONCE)
        for entry in (Entry("put", f"R-{number}", f"p{number}"), Entry("advance", f"R-{number}", f"a{number}"))
    ]
    orders = [entries, entries, sorted(entries, key=lambda entry: (entry.op == "advance", entry.reference[::-1]))]
    await catch_up(db, entries[: AT_ONCE // 2], who="Van")
    person = [move_job(db, f"R-{number}", "advance", ON) for number in range(AT_ONCE // 4)]
    moving = asyncio.gather(*person)
    told = [
        one for batch in await asyncio.gather(*(catch_up(db, order, who="Van") for order in orders)) for one in batch
    ]
    await moving
    assert sum(isinstance(one, Outcome) and not one.seen for one in told) == len(entries) - AT_ONCE // 2
    assert sum(isinstance(one, Outcome) for one in told) == len(told)
    assert await count(db, job_moves) == len(entries) + len(person)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_the_database_does_not_take_takes_nothing_before_it_along(db: Database) -> None:
    async with db.transaction() as connection:
        refusing = "BEFORE INSERT ON jobs WHEN NEW.reference = 'R-2' BEGIN SELECT RAISE(ABORT, 'full'); END"
        await connection.execute(text(f"CREATE TRIGGER refusing {refusing}"))
    with pytest.raises(IntegrityError, match="full"):
        await catch_up(db, [Entry("put", f"R-{number}") for number in range(4)], who="Van")
    assert await count(db, jobs) == 2


@both_databases
async def test_an_id_means_one_thing_within_one_sender(db: Database) -> None:
    await send(db, "put", id="1")
    with pytest.raises(Conflict, match="used for another entry"):
        await send(db, "put", id="1", fields=JobFields(item="Clock"))
    [other] = await catch_up(db, [Entry("advance", "R-1", "1")], who="Desk")
    assert isinstance(other, Outcome)
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
