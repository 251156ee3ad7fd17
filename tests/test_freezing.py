"""Frozen shops: their pages stay byte for byte as they were, whatever is changed; then they show the present again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from codes.domains import ensure_default_domain
from database.engine import Database
from database.schema import frozen_jobs
from jobs.calendars import calendar_of
from jobs.estimating_anew import estimate_anew
from jobs.freezing import set_tracking
from jobs.job_fields import JobFields, Occasion
from jobs.jobs import delete_job, expire_jobs, give_codes, move_job, put_job, set_photo
from jobs.kinds import put_workflow
from jobs.leaving import newest_job_id, wipe_some
from jobs.register import Job
from jobs.shops import ShopFields, create_shop, get_shop, update_shop
from jobs.status import state_for_rules, status_page
from jobs.status_html import status_html
from jobs.status_sources import JobSource, find_shown_photo, find_sources
from jobs.texts import texts_for
from jobs.workflows import BUILT_IN, Workflow
from tests.conftest import both_databases
from tests.status_samples import HOURS

pytestmark = pytest.mark.anyio
ON = Occasion("Ops")
REPAIR = BUILT_IN["repair"]
LATER = datetime.now(UTC) + timedelta(days=3)
Change = Callable[[Database, int], Awaitable[Any]]


@pytest.fixture
async def house(db: Database) -> Database:
    async with db.transaction() as connection:
        await ensure_default_domain(connection, "https://go.example")
    return db


async def opened(house: Database) -> int:
    given = ShopFields(name="Corner", zone="Europe/Berlin", opening_hours=HOURS, show_note=True, show_photo=True)
    return (await create_shop(house, given, who="Ops")).id


async def put(house: Database, reference: str = "R-1", **fields: Any) -> Job:
    return (await put_job(house, reference, JobFields(shop="Corner", **fields), ON))[0]


async def made(house: Database) -> Job:
    """With something in everything that a page shows."""
    await put(house, item="Clock", public_note="As it was")
    await move_job(house, "R-1", "advance", ON, shop="Corner")
    await set_photo(house, "R-1", b"its first photo", ON, "Corner")
    return await put(house, details={"internal_note": "private"})


async def source_of(house: Database, job: Job) -> JobSource | None:
    assert job.code_id is not None
    async with house.reading() as connection:
        found = (await find_sources(connection, [job.code_id])).get(job.code_id)
    assert found is None or isinstance(found, JobSource)
    return found


async def shown(house: Database, job: Job, at: datetime = LATER) -> tuple[str, str, bytes | None, str]:
    """Page, calendar entry, photo, and what rules are told."""
    source = await source_of(house, job)
    assert source is not None
    page, texts = status_page(source, at), texts_for("en")
    async with house.reading() as connection:
        photo = await find_shown_photo(connection, job.id) if page.has_photo else None
    html, _ = status_html(source, page, texts, at)
    return html, calendar_of(source, page, texts), photo, state_for_rules(source, at)


async def kept(house: Database) -> int:
    async with house.reading() as connection:
        return int((await connection.execute(select(func.count()).select_from(frozen_jobs))).scalar_one())


def renamed(kind: Workflow) -> Workflow:
    return replace(kind, stages=tuple(replace(stage, public={"en": "Renamed"}, hours=99) for stage in kind.stages))


CHANGES: dict[str, Change] = {
    "item": lambda db, _: put(db, item="Other clock"),
    "note": lambda db, _: put(db, public_note="Other note"),
    "photo": lambda db, _: set_photo(db, "R-1", b"another photo", ON, "Corner"),
    "photo removed": lambda db, _: set_photo(db, "R-1", None, ON, "Corner"),
    "date": lambda db, _: put(db, due_at=datetime(2031, 3, 5, 16, 30, tzinfo=UTC)),
    "date of old": lambda db, _: put(db, due_at=datetime(2026, 1, 5, tzinfo=UTC)),
    "stage": lambda db, _: move_job(db, "R-1", "ready", ON, shop="Corner"),
    "stage undone": lambda db, _: move_job(db, "R-1", "back", ON, shop="Corner"),
    "kind": lambda db, _: put(db, kind="order", stage=BUILT_IN["order"].first.key),
    "private field": lambda db, _: put(db, details={"serial": "1234"}),
    "stages": lambda db, _: put_workflow(db, renamed(REPAIR), who="Ops"),
    "opening hours": lambda db, shop: _at_other_times(db, shop),
}


async def _at_other_times(db: Database, shop_id: int) -> None:
    hours = {"sun": [["03:00", "03:30"]]}
    await update_shop(db, shop_id, ShopFields(opening_hours=hours), who="Ops")
    await estimate_anew(db, shop_id, 0, who="Ops")
    # What the page says of the opening hours themselves is the shop's contact, which is of today.
    await update_shop(db, shop_id, ShopFields(opening_hours=HOURS), who="Ops")


@both_databases
async def test_whatever_changes_the_page_stays_and_then_shows_it_all(house: Database) -> None:
    shop_id = await opened(house)
    job = await made(house)
    present = await shown(house, job, datetime.now(UTC))
    await set_tracking(house, shop_id, "frozen", who="Ops")
    frozen = await shown(house, job)
    assert "As it was" in frozen[0]
    assert "no longer updated" in frozen[0]
    assert frozen[2] == present[2] == b"its first photo"
    for what, change in CHANGES.items():
        await change(house, shop_id)
        assert await shown(house, job) == frozen, what
    assert await kept(house) == 1
    await set_tracking(house, shop_id, "on", who="Ops")
    assert await kept(house) == 0
    html, entry, photo, _ = await shown(house, job)
    for part in ("Other clock", "Other note", BUILT_IN["order"].first.public_name("en")):
        assert part in html
    assert "As it was" not in html
    assert photo is None
    assert _sequence(entry) > _sequence(frozen[1]) == _sequence(present[1])  # calendars take what is newer


def _sequence(entry: str) -> int:
    return int(entry.partition("SEQUENCE:")[2].splitlines()[0])


@pytest.mark.parametrize("what", CHANGES)
async def test_each_change_alone_leaves_the_page(house: Database, what: str) -> None:
    shop_id = await opened(house)
    job = await made(house)
    await set_tracking(house, shop_id, "frozen", who="Ops")
    frozen = await shown(house, job)
    await CHANGES[what](house, shop_id)
    assert await shown(house, job) == frozen
    await set_tracking(house, shop_id, "on", who="Ops")
    assert await shown(house, job) != frozen


async def test_a_new_freeze_is_of_its_own_time(house: Database) -> None:
    shop_id = await opened(house)
    job = await made(house)
    for tracking in ("frozen", "withdrawn", "frozen"):
        await set_tracking(house, shop_id, tracking, who="Ops")
        await put(house, public_note=f"While {tracking}")
    assert "While withdrawn" in (await shown(house, job))[0]
    await set_tracking(house, shop_id, "frozen", who="Ops")  # it is so already
    assert "While withdrawn" in (await shown(house, job))[0]


async def test_what_the_shop_did_not_show_then_it_does_not_show_later_and_it_can_still_be_hidden(
    house: Database,
) -> None:
    shop_id = await opened(house)
    job = await made(house)
    await update_shop(house, shop_id, ShopFields(show_note=False), who="Ops")
    await set_tracking(house, shop_id, "frozen", who="Ops")
    await update_shop(house, shop_id, ShopFields(show_note=True, show_photo=False, phone="+49 30 99"), who="Ops")
    html, _, photo, _ = await shown(house, job)
    assert ("As it was" in html, photo) == (False, None)
    assert "+49 30 99" in html  # whom to ask is of today


@both_databases
async def test_a_job_made_while_frozen_gets_its_page_when_tracking_is_on_again(house: Database) -> None:
    shop_id = await opened(house)
    await set_tracking(house, shop_id, "frozen", who="Ops")
    job = await put(house, "R-2", item="New")
    assert job.token is None
    await put(house, "R-2", item="Newer")
    await set_tracking(house, shop_id, "on", who="Ops")
    await give_codes(house, shop_id, who="Ops")
    job = await put(house, "R-2")
    assert "Newer" in (await shown(house, job))[0]
    await set_tracking(house, shop_id, "frozen", who="Ops")
    await put(house, "R-2", item="Newest")
    assert "Newer" in (await shown(house, job))[0]


@both_databases
async def test_of_a_job_that_goes_nothing_is_kept(house: Database) -> None:
    shop_id = await opened(house)
    jobs = [await put(house, f"R-{number}") for number in range(4)]
    await set_tracking(house, shop_id, "frozen", who="Ops")
    for job in jobs:
        await put(house, job.reference, public_note="Changed")
    assert await kept(house) == 4
    await delete_job(house, "R-0", ON, "Corner")
    assert await kept(house) == 3
    await expire_jobs(house, [jobs[1].id], at=datetime.now(UTC))
    assert await kept(house) == 2
    async with house.reading() as connection:
        up_to = await newest_job_id(connection, shop_id)
    assert await wipe_some(house, shop_id, up_to, datetime.now(UTC)) == 2
    assert await kept(house) == 0


@both_databases
async def test_another_shop_goes_on(house: Database) -> None:
    await opened(house)
    other = await create_shop(house, ShopFields(name="Other"), who="Ops")
    job = await made(house)
    await set_tracking(house, other.id, "frozen", who="Ops")
    await put(house, item="Other clock")
    assert await kept(house) == 0
    assert "Other clock" in (await shown(house, job))[0]


@both_databases
async def test_a_freeze_amid_changes_falls_between_two_of_them(house: Database) -> None:
    """Each change is of item, stage and note at once: a page has all of one, and no page another one a moment later."""
    shop_id = await opened(house)
    job = await put(house, item="intake", public_note="intake")
    keys = [stage.key for stage in REPAIR.stages[:4]]

    async def change(number: int) -> None:
        key = keys[number % len(keys)]
        await put(house, stage=key, item=key, public_note=key)

    for _ in range(3):
        changes = [asyncio.create_task(change(number)) for number in range(12)]
        await asyncio.sleep(0)
        await changes[0]
        await set_tracking(house, shop_id, "frozen", who="Ops")
        found = await source_of(house, job)
        await asyncio.gather(*changes)
        assert found is not None
        assert found.stage == found.item == found.public_note
        assert await source_of(house, job) == found
        await set_tracking(house, shop_id, "on", who="Ops")
    async with house.reading() as connection:
        assert (await get_shop(connection, shop_id)).tracking == "on"
