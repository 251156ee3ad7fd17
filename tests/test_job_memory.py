"""What a public worker remembers of jobs: read once, dropped when it changes, never more than fits; on both databases."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.domains import ensure_default_domain
from database.changes import Change
from database.engine import Database
from database.schema import jobs
from jobs.job_fields import JobFields, Occasion
from jobs.jobs import expire_jobs, move_job, put_job
from jobs.register import Job
from jobs.shops import ShopFields, get_shop, update_shop
from jobs.status_sources import ExpiredSource, JobSource, find_sources
from redirector import job_memory
from redirector.job_memory import JobMemory, Question
from tests.conftest import both_databases

pytestmark = pytest.mark.anyio
ON = Occasion("Ops")


class Reader:
    """Reads the database and keeps the keys; while ``go_on`` is cleared what was read is not handed out."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.keys: list[Any] = []
        self.answered = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, key: object, _network: str, question: Question) -> Any:
        self.keys.append(key)
        async with self.database.reading() as connection:
            found = await question(connection)
        self.answered += 1
        await self.go_on.wait()
        return found


@pytest.fixture
async def house(db: Database) -> Database:
    async with db.transaction() as connection:
        await ensure_default_domain(connection, "https://go.example")
    return db


async def put(database: Database, reference: str, **fields: Any) -> Job:
    return (await put_job(database, reference, JobFields(**fields), ON))[0]


def code_of(job: Job) -> int:
    assert job.code_id is not None
    return job.code_id


async def source_of(connection: AsyncConnection, job: Job) -> JobSource:
    found = (await find_sources(connection, [code_of(job)]))[code_of(job)]
    assert isinstance(found, JobSource)
    return found


@both_databases
async def test_a_page_is_made_of_what_is_public(house: Database) -> None:
    job = await put(house, "R-1", item="Clock", details={"passcode": "1234"})
    moved = await move_job(house, "R-1", "advance", ON)
    async with house.reading() as connection:
        found = await source_of(connection, job)
        assert await find_sources(connection, [code_of(job) + 1]) == {}
    assert job.token
    assert (found.job_id, found.token, found.url) == (
        job.id,
        job.token.lower(),
        f"https://go.example/j/{job.token.lower()}",
    )
    assert (found.reference, found.item, found.stage, found.eta_at) == ("R-1", "Clock", moved.stage, moved.eta_at)
    assert [move.to_stage for move in found.moves] == [job.stage, moved.stage]
    assert (found.has_photo, found.is_promised, found.revision) == (False, False, 2)
    assert "1234" not in repr(found)
    assert "Ops" not in repr(found)


@both_databases
async def test_of_an_expired_job_only_the_shop_is_left(house: Database) -> None:
    job = await put(house, "R-2")
    await expire_jobs(house, [job.id], at=datetime.now(UTC))
    async with house.reading() as connection:
        found = (await find_sources(connection, [code_of(job)]))[code_of(job)]
    assert isinstance(found, ExpiredSource)
    assert found.shop.id == job.shop_id


async def test_a_job_is_read_once_until_the_feed_says_that_it_changed(house: Database) -> None:
    job, other = await put(house, "R-3"), await put(house, "R-4")
    reader = Reader(house)
    memory = JobMemory(reader)
    for _ in range(3):
        await memory.find(code_of(job))
        await memory.find(code_of(other))
    assert len(reader.keys) == 2
    await move_job(house, "R-3", "ready", ON)
    memory.apply([Change(1, "scans", 0), Change(2, "domain", job.id), Change(3, "job", job.id)])
    found = await memory.find(code_of(job))
    assert isinstance(found, JobSource)
    assert found.stage == "ready"
    await memory.find(code_of(other))
    assert len(reader.keys) == 3
    for change in (Change(4, "shop", 1), Change(5, "kind", 0)):
        memory.apply([change])
        assert len(memory) == 0
        await memory.find(code_of(other))
    memory.apply([Change(6, "code", code_of(other))])
    assert len(memory) == 0


async def test_jobs_that_are_asked_for_while_others_are_read_are_read_together(house: Database) -> None:
    jobs = [await put(house, f"R-{number}", item=f"Clock {number}") for number in range(5)]
    await expire_jobs(house, [jobs[4].id], at=datetime.now(UTC))
    reader = Reader(house)
    memory = JobMemory(reader)
    reader.go_on.clear()
    first = asyncio.create_task(memory.find(code_of(jobs[0])))
    while not reader.answered:
        await asyncio.sleep(0.01)
    others = [asyncio.create_task(memory.find(code_of(job))) for job in (*jobs[1:], jobs[1])]
    unknown = asyncio.create_task(memory.find(999))
    reader.go_on.set()
    items = [found.item for found in await asyncio.gather(first, *others) if isinstance(found, JobSource)]
    assert items == ["Clock 0", "Clock 1", "Clock 2", "Clock 3", "Clock 1"]
    assert isinstance(await others[3], ExpiredSource)
    assert await unknown is None
    assert len(reader.keys) == 2
    assert len(memory) == 5


async def test_a_job_that_cannot_be_read_takes_no_other_along(house: Database) -> None:
    broken, job = await put(house, "R-8"), await put(house, "R-9")
    async with house.transaction() as connection:
        await connection.execute(update(jobs).where(jobs.c.id == broken.id).values(kind="gone"))
    memory = JobMemory(Reader(house))
    await memory.fill()
    assert isinstance(memory.held(code_of(job)), JobSource)
    assert await memory.find(code_of(broken)) is None


async def test_a_shop_that_changes_while_pages_are_read_is_on_the_next_ones(house: Database) -> None:
    """Shops and workflows are on many pages, and read once for all of them."""
    job, other = await put(house, "R-7"), await put(house, "R-8")
    memory = JobMemory(Reader(house))
    assert isinstance(await memory.find(code_of(job)), JobSource)
    async with house.reading() as connection:
        shop = await get_shop(connection, job.shop_id)
    await update_shop(house, shop.id, ShopFields(name="Clockwork"), who="Ops")
    memory.apply([Change(1, "shop", shop.id)])
    found = await memory.find(code_of(other))
    assert isinstance(found, JobSource)
    assert found.shop.name == "Clockwork"


async def test_what_changes_while_it_is_read_is_read_again(house: Database) -> None:
    job = await put(house, "R-5")
    reader = Reader(house)
    memory = JobMemory(reader)
    reader.go_on.clear()
    before = asyncio.create_task(memory.find(code_of(job)))
    while not reader.answered:
        await asyncio.sleep(0.01)
    await move_job(house, "R-5", "ready", ON)
    memory.apply([Change(1, "job", job.id)])
    after = asyncio.create_task(memory.find(code_of(job)))
    await asyncio.sleep(0)
    reader.go_on.set()
    await before
    found = await after
    assert isinstance(found, JobSource)
    assert found.stage == "ready"
    assert len(set(reader.keys)) == 2  # who asks later does not share what was begun before
    assert await memory.find(code_of(job)) is found


async def test_what_was_read_before_a_change_is_not_remembered(house: Database) -> None:
    job = await put(house, "R-6")
    reader = Reader(house)
    memory = JobMemory(reader)
    reader.go_on.clear()
    before = asyncio.create_task(memory.find(code_of(job)))
    while not reader.answered:
        await asyncio.sleep(0.01)
    memory.apply([Change(1, "job", job.id)])
    reader.go_on.set()
    await before
    assert len(memory) == 0


async def test_what_is_no_job_is_not_remembered(house: Database) -> None:
    reader = Reader(house)
    memory = JobMemory(reader)
    assert [await memory.find(999) for _ in range(2)] == [None, None]
    assert (len(reader.keys), len(memory)) == (2, 0)


async def test_after_a_start_the_newest_are_there(house: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_memory, "MAX_JOBS", 2)
    jobs = [await put(house, f"R-{number}") for number in range(3)]
    reader = Reader(house)
    memory = JobMemory(reader)
    await memory.fill()
    reader.keys.clear()
    for job in jobs[1:]:
        assert isinstance(await memory.find(code_of(job)), JobSource)
    assert (len(memory), reader.keys) == (2, [])
    memory.apply([Change(1, "job", jobs[2].id)])
    assert memory.held(code_of(jobs[2])) is None


async def test_the_one_asked_for_longest_ago_goes_first(house: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_memory, "MAX_JOBS", 2)
    jobs = [await put(house, f"R-{number}") for number in range(3)]
    reader = Reader(house)
    memory = JobMemory(reader)
    for number in (0, 1, 0, 2, 0):
        await memory.find(code_of(jobs[number]))
    assert len(memory) == 2
    assert len(reader.keys) == 3
    await memory.find(code_of(jobs[1]))
    assert len(reader.keys) == 4
