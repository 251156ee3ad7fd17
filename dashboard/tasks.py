"""Work that takes longer than a request: rows in the control database, done one after the other, begun again after a restart.

Knows nothing of what the work is: a kind's handler does it. A handler must be repeatable from its input alone.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.errors import Conflict, NotFound
from database.engine import Database, to_its_end
from database.schema import tasks

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.3
SAY_EVERY_S: Final = 0.5
OPEN: Final = ("waiting", "running")
LISTED: Final = 50
MAX_PROBLEM: Final = 500


class TaskStopped(Exception):  # noqa: N818
    """Raised inside a handler's work when it was cancelled or the process stops."""


class TaskRefused(Exception):  # noqa: N818
    """The work cannot be done; the message says why and what to do, and stays with the task."""


@dataclass(frozen=True, slots=True)
class Task:
    """``state`` is waiting, running, done, failed or cancelled; ``result`` is what the handler returned."""

    id: int
    kind: str
    state: str
    done: int
    total: int
    input: dict[str, Any]
    result: dict[str, Any] | None
    problem: str | None
    created_at: datetime
    created_by: str
    finished_at: datetime | None


class Progress:
    """Told from any thread. Raises TaskStopped in whoever tells when the work shall end."""

    def __init__(self) -> None:
        self.done = 0
        self._stop = threading.Event()

    def __call__(self, done: int, _total: int = 0) -> None:
        if self._stop.is_set():
            raise TaskStopped
        self.done = done

    def stop(self) -> None:
        self._stop.set()


Handler = Callable[[Task, Progress], Awaitable[dict[str, Any]]]


async def add_task(
    database: Database, kind: str, given: Mapping[str, Any], total: int, who: str, *, state: str = "waiting"
) -> Task:
    """``running`` for whoever does it right away with `do_task`; else the runner finds it."""
    async with database.transaction() as connection:
        return await add_task_in(connection, kind, given, total, who, state=state)


async def add_task_in(
    connection: AsyncConnection, kind: str, given: Mapping[str, Any], total: int, who: str, *, state: str = "waiting"
) -> Task:
    """``add_task`` within a transaction."""
    values = {
        "kind": kind,
        "state": state,
        "done": 0,
        "total": total,
        "input": dict(given),
        "created_at": datetime.now(UTC),
        "created_by": who,
    }
    task_id = (await connection.execute(insert(tasks).values(values).returning(tasks.c.id))).scalar_one()
    return await get_task(connection, int(task_id), kind)


async def get_task(connection: AsyncConnection, task_id: int, kind: str) -> Task:
    row = (await connection.execute(select(tasks).where(tasks.c.id == task_id, tasks.c.kind == kind))).one_or_none()
    if row is None:
        raise NotFound(f"there is no {kind} {task_id}. It may have been removed.")
    return _task(row)


async def list_tasks(connection: AsyncConnection, kind: str) -> list[Task]:
    """The newest, newest first."""
    query = select(tasks).where(tasks.c.kind == kind).order_by(tasks.c.id.desc()).limit(LISTED)
    return [_task(row) for row in await connection.execute(query)]


async def end_task(database: Database, task_id: int, kind: str) -> Task:
    """Cancels it when it is open, else forgets it; says what it was."""
    async with database.transaction() as connection:
        task = await get_task(connection, task_id, kind)
        if task.state in OPEN:
            values = {"state": "cancelled", "finished_at": datetime.now(UTC)}
            await connection.execute(update(tasks).where(tasks.c.id == task_id).values(values))
        else:
            await connection.execute(delete(tasks).where(tasks.c.id == task_id))
        return task


async def keep_doing_tasks(database: Database, handlers: Mapping[str, Handler]) -> None:
    """Until cancelled. What was amid its work at the last stop is begun again from its input."""
    again = update(tasks).where(tasks.c.state == "running", tasks.c.kind.in_(handlers)).values(state="waiting", done=0)
    async with database.transaction() as connection:
        await connection.execute(again)
    while True:
        task = await to_its_end(_next_task(database, tuple(handlers)))
        if task is None:
            await asyncio.sleep(LOOK_EVERY_S)
        else:
            await do_task(database, task, handlers[task.kind])


async def do_task(database: Database, task: Task, handler: Handler) -> None:
    """Marks it done or failed. Cancelled from outside, it stays running: the next start takes it up again."""
    progress = Progress()
    work = asyncio.ensure_future(handler(task, progress))
    work.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # looked at, even if nobody waits
    try:
        await _follow(database, task, work, progress)
        result = await work
    except asyncio.CancelledError:
        progress.stop()
        await asyncio.wait([work], timeout=10)
        raise
    except TaskStopped:
        return
    except (TaskRefused, Conflict, NotFound) as problem:
        await _finish(database, task, state="failed", problem=str(problem)[:MAX_PROBLEM])
    except Exception as error:
        log.error("%s %s failed: %r", task.kind, task.id, error, exc_info=error)
        words = "Something broke here; the log of the private process says what."
        await _finish(database, task, state="failed", problem=words)
    else:
        await _finish(database, task, state="done", done=task.total, result=result)


async def _follow(database: Database, task: Task, work: "asyncio.Future[Any]", progress: Progress) -> None:
    """Writes how far it is, and stops it when somebody cancelled it."""
    while not work.done():
        await asyncio.wait([work], timeout=SAY_EVERY_S)
        if not work.done() and not await to_its_end(_say(database, task.id, progress.done)):
            progress.stop()


async def _say(database: Database, task_id: int, done: int) -> bool:
    """Whether it is still wanted."""
    running = tasks.c.id == task_id, tasks.c.state == "running"
    async with database.transaction() as connection:
        return (await connection.execute(update(tasks).where(*running).values(done=done))).rowcount > 0


async def _next_task(database: Database, kinds: tuple[str, ...]) -> Task | None:
    waiting = select(tasks).where(tasks.c.state == "waiting", tasks.c.kind.in_(kinds)).order_by(tasks.c.id).limit(1)
    async with database.reading() as connection:
        row = (await connection.execute(waiting)).one_or_none()
    if row is None:
        return None
    async with database.transaction() as connection:
        taken = update(tasks).where(tasks.c.id == row.id, tasks.c.state == "waiting").values(state="running")
        return _task(row) if (await connection.execute(taken)).rowcount else None


async def _finish(database: Database, task: Task, **values: Any) -> None:
    """Unless it was cancelled meanwhile."""
    running = tasks.c.id == task.id, tasks.c.state == "running"
    async with database.transaction() as connection:
        await connection.execute(update(tasks).where(*running).values(finished_at=datetime.now(UTC), **values))


def _task(row: Row[Any]) -> Task:
    return Task(**{name: getattr(row, name) for name in Task.__dataclass_fields__})
