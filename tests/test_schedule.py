"""Planned changes: local times, overlaps, exactly once, the revert that does not overwrite anybody, the real ports."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from codes.codes import CodeChange, change_code, rollback
from codes.destinations import DestinationError, DestinationPolicy
from codes.errors import Conflict, NotFound
from codes.register import Code, get_code
from codes.schedule import (
    NewSchedule,
    Scheduled,
    ScheduleError,
    cancel,
    get_scheduled,
    instant,
    list_scheduled,
    run_due,
    schedule,
)
from codes.versions import list_versions
from database.engine import Database
from tests.conftest import AddCode, Clock, both_databases
from tests.running import Running, wait_for

pytestmark = pytest.mark.anyio

POLICY = DestinationPolicy(frozenset({"w.example"}))
LUNCH, DINNER = "https://example.com/lunch", "https://example.com/dinner"


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-12-24T18:00", None, "2026-12-24T18:00+00:00"),
        ("2026-12-24 18:00", "Europe/Berlin", "2026-12-24T17:00+00:00"),
        ("2026-07-24T18:00", "Europe/Berlin", "2026-07-24T16:00+00:00"),
        ("2026-12-24T18:00", "Asia/Kolkata", "2026-12-24T12:30+00:00"),
        ("2026-12-24T18:00+04:00", "Europe/Berlin", "2026-12-24T14:00+00:00"),
        ("2026-12-24T18:00Z", "Europe/Berlin", "2026-12-24T18:00+00:00"),
        ("2026-12-24", "America/New_York", "2026-12-24T05:00+00:00"),
        ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30+00:00"),  # comes twice: the first
        ("2026-10-25T02:30+01:00", "Europe/Berlin", "2026-10-25T01:30+00:00"),  # the second, said with its offset
    ],
)
def test_local_times(text: str, zone: str | None, expected: str) -> None:
    assert instant(text, zone) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("text", "zone", "says"),
    [
        ("tomorrow", None, "is no time"),
        ("", None, "is no time"),
        ("2026-13-01", None, "is no time"),
        ("2026-12-24T18:00", "Mars/Olympus", "no time zone"),
        ("2026-03-29T02:30", "Europe/Berlin", "does not exist"),
        ("0001-01-01T00:00", "Asia/Kolkata", "is no time"),
    ],
)
def test_times_that_make_no_sense(text: str, zone: str | None, says: str) -> None:
    with pytest.raises(ScheduleError, match=says):
        instant(text, zone)


@pytest.fixture
def plan(db: Database, clock: Clock) -> Callable[..., Any]:
    """Minutes from now; None for no end."""

    async def planned(code: Code, start: float | None, end: float | None = None, **new: Any) -> Scheduled:
        def moment(minutes: float | None) -> datetime | None:
            return None if minutes is None else clock.now + timedelta(minutes=minutes)

        change = NewSchedule(moment(start), moment(end), **({"destination": DINNER} | new))
        return await schedule(db, code.code, change, who="anna", policy=POLICY, now=clock.now)

    return planned


async def destination(db: Database, code: Code) -> str:
    async with db.reading() as connection:
        return (await get_code(connection, code.code)).destination


async def actions(db: Database, code: Code) -> list[str]:
    async with db.reading() as connection:
        return [version.action for version in reversed(await list_versions(connection, code.id))]


async def state(db: Database, planned: Scheduled) -> tuple[str, str | None]:
    async with db.reading() as connection:
        found = await get_scheduled(connection, planned.id)
    return found.state, found.problem


@both_databases
async def test_a_change_comes_and_goes(db: Database, add_code: AddCode, clock: Clock, plan: Any) -> None:
    code = await add_code(LUNCH)
    planned = await plan(code, 10, 20, reason="dinner time")
    assert await run_due(db, POLICY, clock.now) == 0
    assert await run_due(db, POLICY, clock.advance(minutes=10)) == 1
    assert await destination(db, code) == DINNER
    assert await run_due(db, POLICY, clock.now) == 0
    assert await run_due(db, POLICY, clock.advance(minutes=10)) == 1
    assert await destination(db, code) == LUNCH
    assert await state(db, planned) == ("done", None)
    async with db.reading() as connection:
        revert, change, _first = await list_versions(connection, code.id)
    assert (change.action, change.created_by, change.reason) == ("schedule", "anna", "dinner time")
    assert (revert.action, revert.created_by, revert.restores) == ("revert", "anna", 1)


async def test_without_a_beginning_it_begins_now(db: Database, add_code: AddCode, clock: Clock, plan: Any) -> None:
    code = await add_code(LUNCH)
    await plan(code, None, 5)
    await run_due(db, POLICY, clock.now)
    assert await destination(db, code) == DINNER


async def test_without_an_end_it_stays(db: Database, add_code: AddCode, clock: Clock, plan: Any) -> None:
    code = await add_code(LUNCH)
    planned = await plan(code, 5)
    await run_due(db, POLICY, clock.advance(days=400))
    assert await destination(db, code) == DINNER
    assert await state(db, planned) == ("done", None)


async def test_what_somebody_has_changed_meanwhile_is_not_reverted(
    db: Database, add_code: AddCode, clock: Clock, plan: Any
) -> None:
    code = await add_code(LUNCH)
    planned = await plan(code, 0, 10)
    await run_due(db, POLICY, clock.now)
    other = CodeChange(destination="https://example.com/party")
    await change_code(db, code.code, other, who="bert", policy=POLICY)
    await run_due(db, POLICY, clock.advance(minutes=10))
    assert await destination(db, code) == "https://example.com/party"
    said, problem = await state(db, planned)
    assert said == "done"
    assert problem is not None
    assert "bert made version 3" in problem


async def test_a_change_that_was_taken_back_again_does_not_keep_the_revert_away(
    db: Database, add_code: AddCode, clock: Clock, plan: Any
) -> None:
    code = await add_code(LUNCH)
    await plan(code, 0, 10)
    await run_due(db, POLICY, clock.now)
    await change_code(db, code.code, CodeChange(destination="https://example.com/x"), who="bert", policy=POLICY)
    await rollback(db, code.code, 2, who="bert")
    await run_due(db, POLICY, clock.advance(minutes=10))
    assert await destination(db, code) == LUNCH


async def test_a_revert_restores_what_was_in_force_at_the_beginning_not_at_the_planning(
    db: Database, add_code: AddCode, clock: Clock, plan: Any
) -> None:
    code = await add_code(LUNCH)
    await plan(code, 10, 20)
    await change_code(db, code.code, CodeChange(destination="https://example.com/new"), who="bert", policy=POLICY)
    await run_due(db, POLICY, clock.advance(minutes=10))
    await run_due(db, POLICY, clock.advance(minutes=10))
    assert await destination(db, code) == "https://example.com/new"


async def test_only_what_was_planned_changes(db: Database, add_code: AddCode, clock: Clock, plan: Any) -> None:
    code = await add_code(LUNCH, rules=[{"name": "night", "when": [], "to": "https://example.com/night"}])
    await plan(code, 1)
    await plan(code, 2, destination=None, rules=[])
    await run_due(db, POLICY, clock.advance(minutes=1))
    async with db.reading() as connection:
        assert len((await get_code(connection, code.code)).rules) == 1
    await run_due(db, POLICY, clock.advance(minutes=1))
    async with db.reading() as connection:
        changed = await get_code(connection, code.code)
    assert (changed.destination, changed.rules) == (DINNER, ())


async def test_after_a_pause_everything_is_caught_up_with_in_order(
    db: Database, add_code: AddCode, clock: Clock, plan: Any
) -> None:
    code = await add_code(LUNCH)
    await plan(code, 10, destination="https://example.com/1")
    missed = await plan(code, 20, 30, destination="https://example.com/2")
    running = await plan(code, 30, 90, destination="https://example.com/3")
    await run_due(db, POLICY, clock.advance(minutes=60))
    assert await destination(db, code) == "https://example.com/3"
    said, problem = await state(db, missed)
    assert said == "failed"
    assert problem is not None
    assert "not running" in problem
    assert (await state(db, running))[0] == "active"
    await run_due(db, POLICY, clock.advance(minutes=60))
    assert await destination(db, code) == "https://example.com/1"


async def test_one_may_follow_on_the_other_at_the_same_moment(
    db: Database, add_code: AddCode, clock: Clock, plan: Any
) -> None:
    code = await add_code(LUNCH)
    await plan(code, 20, 30, destination="https://example.com/2")
    await plan(code, 10, 20, destination="https://example.com/1")
    seen = []
    for _ in range(3):
        await run_due(db, POLICY, clock.advance(minutes=10))
        seen.append(await destination(db, code))
    assert seen == ["https://example.com/1", "https://example.com/2", LUNCH]
    assert await actions(db, code) == ["create", "schedule", "revert", "schedule", "revert"]


OVERLAPS = [
    ((10, 20), (15, 25), True),
    ((10, 20), (5, 15), True),
    ((10, 20), (12, 18), True),
    ((10, 20), (5, 25), True),
    ((10, 20), (10, None), True),
    ((10, 20), (15, None), True),
    ((15, None), (10, 20), True),
    ((15, None), (15, None), True),
    ((10, 20), (20, 30), False),
    ((10, 20), (5, 10), False),
    ((10, 20), (20, None), False),
    ((10, 20), (9, None), False),
    ((15, None), (16, None), False),
    ((15, None), (16, 20), False),
]


@pytest.mark.parametrize(("first", "second", "refused"), OVERLAPS)
async def test_overlapping_changes_are_refused(
    add_code: AddCode, plan: Any, first: tuple[Any, Any], second: tuple[Any, Any], refused: bool
) -> None:
    code, other = await add_code(LUNCH), await add_code(LUNCH)
    planned = await plan(code, *first)
    await plan(other, *second)
    if not refused:
        await plan(code, *second)
        return
    with pytest.raises(Conflict, match=f"planned change {planned.id} "):
        await plan(code, *second)


async def test_a_cancelled_change_never_happens_and_makes_room(
    db: Database, add_code: AddCode, clock: Clock, plan: Any
) -> None:
    code = await add_code(LUNCH)
    planned = await plan(code, 10, 20)
    assert (await cancel(db, planned.id, who="bert")).state == "cancelled"
    await plan(code, 12, destination="https://example.com/other")
    await run_due(db, POLICY, clock.advance(minutes=30))
    assert await destination(db, code) == "https://example.com/other"
    with pytest.raises(Conflict, match="is cancelled"):
        await cancel(db, planned.id, who="bert")
    with pytest.raises(NotFound):
        await cancel(db, 999, who="bert")


async def test_cancelled_while_in_force_it_stays(db: Database, add_code: AddCode, clock: Clock, plan: Any) -> None:
    code = await add_code(LUNCH)
    planned = await plan(code, 0, 10)
    await run_due(db, POLICY, clock.now)
    await cancel(db, planned.id, who="bert")
    await run_due(db, POLICY, clock.advance(minutes=20))
    assert await destination(db, code) == DINNER


@pytest.mark.parametrize(
    ("start", "end", "new", "error"),
    [
        (-10, None, {}, ScheduleError),
        (10, 5, {}, ScheduleError),
        (10, 10, {}, ScheduleError),
        (None, -1, {}, ScheduleError),
        (10_000_000, None, {}, ScheduleError),
        (10, None, {"destination": None}, ScheduleError),
        (10, None, {"destination": "javascript:alert(1)"}, DestinationError),
        (10, None, {"destination": "https://w.example/LOOP"}, DestinationError),
    ],
)
async def test_what_cannot_be_planned(
    add_code: AddCode, plan: Any, start: float | None, end: float | None, new: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await plan(await add_code(LUNCH), start, end, **new)


async def test_a_destination_that_became_ours_meanwhile_fails_and_says_so(
    db: Database, add_code: AddCode, clock: Clock, plan: Any
) -> None:
    code = await add_code(LUNCH)
    planned = await plan(code, 10, destination="https://later.example/x")
    stricter = DestinationPolicy(frozenset({"w.example", "later.example"}))
    await run_due(db, stricter, clock.advance(minutes=10))
    said, problem = await state(db, planned)
    assert said == "failed"
    assert problem is not None
    assert "own short domains" in problem
    assert await destination(db, code) == LUNCH


async def test_an_archived_code_is_left_alone(db: Database, add_code: AddCode, clock: Clock, plan: Any) -> None:
    code = await add_code(LUNCH)
    planned = await plan(code, 10)
    await change_code(db, code.code, CodeChange(archived=True), who="bert", policy=POLICY)
    await run_due(db, POLICY, clock.advance(minutes=10))
    assert (await state(db, planned))[0] == "failed"


@both_databases
async def test_two_runners_at_once_make_one_version(
    db: Database, add_code: AddCode, clock: Clock, plan: Any, database_url: str
) -> None:
    codes = [await add_code(LUNCH) for _ in range(5)]
    for code in codes:
        await plan(code, 0, 10)
    other = await Database.open(database_url)
    try:
        for now in (clock.now, clock.advance(minutes=10)):
            await asyncio.gather(run_due(db, POLICY, now), run_due(other, POLICY, now))
    finally:
        await other.close()
    for code in codes:
        assert await actions(db, code) == ["create", "schedule", "revert"]
    async with db.reading() as connection:
        assert await list_scheduled(connection) == []
        assert {one.state for one in await list_scheduled(connection, all_states=True)} == {"done"}


@pytest.fixture(scope="module")
def waymark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("schedule")) as running:
        yield running


def leads_to(waymark: Running, code: str) -> str | None:
    return waymark.scan(f"/{code}").headers["Location"]


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@pytest.mark.ci
@pytest.mark.slow
@pytest.mark.together
def test_a_planned_change_comes_and_goes_on_the_real_port(waymark: Running) -> None:
    waymark.cli("code", "add", LUNCH, "--slug", "menu")
    planned = waymark.cli_json("code", "retarget", "menu", DINNER, "--at", soon(6), "--until", soon(16))
    assert leads_to(waymark, "menu") == LUNCH
    wait_for(lambda: leads_to(waymark, "menu") == DINNER, "the change coming into force")
    [active] = waymark.cli_json("code", "schedule", "list", "menu")["scheduled"]
    assert (active["id"], active["state"]) == (planned["id"], "active")
    wait_for(lambda: leads_to(waymark, "menu") == LUNCH, "the change going again")
    history = waymark.cli_json("code", "history", "menu")["versions"]
    assert [version["action"] for version in history] == ["revert", "schedule", "create"]


@pytest.mark.ci
@pytest.mark.slow
@pytest.mark.together
def test_a_kill_while_changes_are_due_leaves_each_made_exactly_once(waymark: Running) -> None:
    for number in range(30):
        waymark_post(waymark, "/codes", {"destination": LUNCH, "slug": f"kill-{number}"})
        body = {"destination": DINNER, "at": soon(3), "until": soon(6)}
        waymark_post(waymark, f"/codes/kill-{number}/schedule", body)
    for _ in range(4):
        wait_for(lambda: is_up(waymark), "the private port", 60)
        waymark.kill("waymark.private")
    wait_for(lambda: is_up(waymark) and not waymark.get("/schedule")["scheduled"], "all of them being done", 60)
    with closing(sqlite3.connect(f"file:{waymark.data / 'waymark.db'}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT codes.code, group_concat(action) FROM versions JOIN codes ON codes.id = code_id "
            "WHERE codes.code LIKE 'kill-%' GROUP BY codes.code"
        ).fetchall()
        states = database.execute("SELECT state, problem, count(*) FROM scheduled_changes GROUP BY 1, 2").fetchall()
    assert len(rows) == 30
    for code, done in rows:  # a window that passed while nobody ran is left out whole, never half
        assert done in ("create,schedule,revert", "create"), (code, done, states)
    # The last of them was written a moment ago: workers follow within a second.
    wait_for(lambda: all(leads_to(waymark, code) == LUNCH for code, _done in rows), "all leading back", 10)


def is_up(waymark: Running) -> bool:
    try:
        return bool(waymark.get("/status"))
    except Exception:
        return False


def waymark_post(waymark: Running, path: str, body: dict[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {(waymark.data / 'owner.token').read_text()}"}
    url = f"http://127.0.0.1:{waymark.private_port}/api/v1{path}"
    answer = httpx2.post(url, json=body, headers=headers, trust_env=False, verify=False, timeout=30)
    assert answer.status_code < 300, answer.text
    return answer.json()
