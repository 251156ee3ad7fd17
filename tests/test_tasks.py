"""Background tasks: done in order, begun again after a restart, cancelled, failed with words; on both databases."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import select

from codes.errors import NotFound
from dashboard.tasks import (
    Handler,
    Progress,
    Task,
    TaskRefused,
    TaskStopped,
    add_task,
    do_task,
    end_task,
    get_task,
    keep_doing_tasks,
    list_tasks,
)
from database.engine import Database
from database.schema import tasks
from tests.conftest import both_databases

pytestmark = pytest.mark.anyio


async def read(db: Database, task_id: int) -> Task:
    async with db.reading() as connection:
        return await get_task(connection, task_id, "test")


async def until(db: Database, task_id: int, wanted: Callable[[Task], bool]) -> Task:
    for _ in range(600):
        task = await read(db, task_id)
        if wanted(task):
            return task
        await asyncio.sleep(0.05)
    raise AssertionError(f"did not happen: {task}")


@asynccontextmanager
async def runner(db: Database, handler: Handler) -> AsyncIterator[None]:
    running = asyncio.create_task(keep_doing_tasks(db, {"test": handler}))
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def handler_of(work: Callable[[Task, Progress], Any]) -> Handler:
    async def handle(task: Task, progress: Progress) -> dict[str, Any]:
        result: dict[str, Any] = await asyncio.to_thread(work, task, progress)
        return result

    return handle


@both_databases
async def test_tasks_are_done_one_after_the_other(db: Database) -> None:
    done: list[int] = []

    def work(task: Task, _progress: Progress) -> dict[str, Any]:
        done.append(task.input["number"])
        return {"seen": task.input["number"]}

    added = [await add_task(db, "test", {"number": number}, 1, "ops") for number in range(3)]
    other = await add_task(db, "other", {}, 1, "ops")
    async with runner(db, handler_of(work)):
        last = await until(db, added[2].id, lambda task: task.state == "done")
    assert done == [0, 1, 2]
    assert (last.result, last.done, last.total, last.created_by) == ({"seen": 2}, 1, 1, "ops")
    assert last.finished_at is not None
    async with db.reading() as connection:
        assert (await get_task(connection, other.id, "other")).state == "waiting"
        assert [task.id for task in await list_tasks(connection, "test")] == [task.id for task in reversed(added)]


@both_databases
async def test_what_ran_at_a_stop_is_begun_again_from_its_input(db: Database) -> None:
    begun = threading.Event()
    tries: list[dict[str, Any]] = []

    def endless(task: Task, progress: Progress) -> dict[str, Any]:
        tries.append(task.input)
        begun.set()
        for done in range(100_000):
            progress(done)
            threading.Event().wait(0.01)
        raise AssertionError

    task = await add_task(db, "test", {"n": 7}, 100, "ops")
    async with runner(db, handler_of(endless)):
        await until(db, task.id, lambda task: task.done > 0)
    assert begun.is_set()
    assert (await read(db, task.id)).state == "running"

    def quick(task: Task, _progress: Progress) -> dict[str, Any]:
        tries.append(task.input)
        return {"again": True}

    async with runner(db, handler_of(quick)):
        done = await until(db, task.id, lambda task: task.state == "done")
    assert done.result == {"again": True}
    assert tries == [{"n": 7}, {"n": 7}]


async def test_a_cancelled_task_stops_and_stays_cancelled(db: Database) -> None:
    stopped = threading.Event()

    def endless(_task: Task, progress: Progress) -> dict[str, Any]:
        try:
            for done in range(100_000):
                progress(done)
                threading.Event().wait(0.01)
        except TaskStopped:
            stopped.set()
            raise
        raise AssertionError

    task = await add_task(db, "test", {}, 100, "ops")
    async with runner(db, handler_of(endless)):
        await until(db, task.id, lambda task: task.done > 0)
        assert (await end_task(db, task.id, "test")).state == "running"
        next_task = await add_task(db, "test", {}, 100, "ops")
        await until(db, next_task.id, lambda task: task.state == "running")
        assert stopped.is_set()
    assert (await read(db, task.id)).state == "cancelled"


async def test_a_finished_task_is_forgotten_when_it_is_ended(db: Database) -> None:
    task = await add_task(db, "test", {}, 1, "ops", state="running")
    await do_task(db, task, handler_of(lambda task, progress: {}))
    assert (await end_task(db, task.id, "test")).state == "done"
    with pytest.raises(NotFound, match="no test"):
        await read(db, task.id)


async def test_a_refusal_stays_with_the_task_and_a_breakdown_says_where_to_look(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_task: Task, _progress: Progress) -> dict[str, Any]:
        raise TaskRefused("the labels are too small. Choose larger ones.")

    def break_down(_task: Task, _progress: Progress) -> dict[str, Any]:
        raise ZeroDivisionError("secret detail")

    for work, words in ((refuse, "too small"), (break_down, "the log of the private process")):
        task = await add_task(db, "test", {}, 1, "ops", state="running")
        await do_task(db, task, handler_of(work))
        failed = await read(db, task.id)
        assert failed.state == "failed"
        assert words in (failed.problem or "")
        assert "secret" not in (failed.problem or "")
    assert "secret detail" in caplog.text


async def test_only_one_runner_takes_a_task(db: Database) -> None:
    taken: list[int] = []

    def work(task: Task, _progress: Progress) -> dict[str, Any]:
        taken.append(task.id)
        return {}

    async with runner(db, handler_of(work)), runner(db, handler_of(work)):
        added = [await add_task(db, "test", {}, 1, "ops") for _ in range(8)]
        await asyncio.gather(*(until(db, task.id, lambda task: task.state == "done") for task in added))
    assert sorted(taken) == [task.id for task in added]
    async with db.reading() as connection:
        assert len((await connection.execute(select(tasks.c.id))).all()) == 8
