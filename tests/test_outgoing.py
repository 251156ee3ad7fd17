"""Outgoing events: in order, nothing private, kept as long as is said."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError

from database.engine import Database
from database.schema import outgoing_events
from jobs.jobs import JobFields, Occasion, delete_job, move_job, put_job
from jobs.moves import tell
from jobs.outgoing import KEEP_EVENTS, EventSearch, forget_events, list_events, list_newest_events
from jobs.shops import ShopFields, create_shop
from tests.conftest import both_databases

pytestmark = pytest.mark.anyio

ON = Occasion("Ops")


async def told(db: Database, after: int = 0, limit: int = 100) -> list[tuple[str, str | None]]:
    async with db.reading() as connection:
        return [(one.event, one.payload.get("stage")) for one in await list_events(connection, after, limit)]


async def tell_impatiently(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
        await tell(connection, "job.moved", 2, {})


@both_databases
async def test_what_happened_is_read_in_order_from_where_one_was(db: Database) -> None:
    await put_job(db, "R-1", JobFields(item="Bicycle", details={"customer_name": "Canary"}), ON)
    await move_job(db, "R-1", "advance", ON)
    await move_job(db, "R-1", "deliver", ON)
    async with db.reading() as connection:
        events = await list_events(connection, 0, 100)
        assert await list_events(connection, events[0].id, 1) == [events[1]]
        assert await list_events(connection, events[2].id, 1) == []
    assert [(one.event, one.payload["stage"]) for one in events] == [
        ("job.created", "intake"),
        ("job.moved", "diagnosis"),
        ("job.delivered", "picked-up"),
    ]
    assert "Canary" not in str(events)
    assert "Bicycle" not in str(events)
    await delete_job(db, "R-1", ON)
    assert await told(db) == [("job.deleted", None)]


@both_databases
async def test_they_are_narrowed_and_read_backwards(db: Database) -> None:
    await put_job(db, "طلب/1", JobFields(), ON)
    await create_shop(db, ShopFields(name="Harbour"), who="Ops")
    await put_job(db, "R-2", JobFields(shop="Harbour"), ON)
    await move_job(db, "R-2", "advance", ON, shop="Harbour")
    async with db.reading() as connection:
        everything = [one.id for one in await list_newest_events(connection, None, 100)]
        assert everything == sorted(everything, reverse=True)
        assert [one.id for one in await list_newest_events(connection, everything[0], 1)] == [everything[1]]
        for search, count in (
            (EventSearch(event="job.created"), 2),
            (EventSearch(shop="Harbour"), 2),
            (EventSearch(shop="Harbour", event="job.moved", reference="R-2"), 1),
            (EventSearch(reference="طلب/1"), 1),
            (EventSearch(reference="r-2"), 0),
            (EventSearch(reference="R-2\x00"), 0),
        ):
            forwards = await list_events(connection, 0, 100, search)
            assert (len(forwards), await list_newest_events(connection, None, 100, search)) == (count, forwards[::-1])


@both_databases
async def test_old_events_are_forgotten(db: Database) -> None:
    await put_job(db, "R-1", JobFields(), ON)
    await move_job(db, "R-1", "advance", ON)
    now = datetime.now(UTC)
    async with db.transaction() as connection:
        old = outgoing_events.c.event == "job.created"
        await connection.execute(update(outgoing_events).where(old).values(at=now - KEEP_EVENTS - timedelta(hours=1)))
    assert await forget_events(db, now) == 1
    assert await told(db) == [("job.moved", "diagnosis")]


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
async def test_no_later_number_is_seen_before_an_earlier_one(db: Database) -> None:
    async with db.transaction() as first:
        await tell(first, "job.moved", 1, {})
        with pytest.raises(DBAPIError, match="lock"):
            await tell_impatiently(db)
    assert len(await told(db)) == 1
