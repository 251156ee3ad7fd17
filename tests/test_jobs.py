"""Jobs in the control database: put, move, delete, expire, with their codes, moves and events, on both databases."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from codes.alphabet import CodeError
from codes.domains import ensure_default_domain
from codes.errors import NotFound
from codes.register import find_code
from database.engine import Database
from database.schema import changes, codes, expired_jobs, job_details, job_moves, jobs, outgoing_events
from jobs.freezing import set_tracking
from jobs.jobs import JobFields, Occasion, Stale, delete_job, expire_jobs, give_codes, move_job, put_job
from jobs.register import Job, find_job_by_token, get_details, get_job, list_moves
from jobs.search import (
    CursorError,
    JobSearch,
    JobSort,
    Place,
    count_jobs,
    count_jobs_by_stage,
    cursor_of,
    list_heads,
    list_jobs,
    place_from,
)
from jobs.shops import ensure_default_shop
from tests.conftest import both_databases

pytestmark = pytest.mark.anyio

ON = Occasion("Ops")


async def put(db: Database, reference: str, **fields: Any) -> Job:
    return (await put_job(db, reference, JobFields(**fields), ON))[0]


async def count(db: Database, table: Any) -> int:
    async with db.reading() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def told(db: Database) -> list[str]:
    async with db.reading() as connection:
        query = select(outgoing_events.c.event).order_by(outgoing_events.c.id)
        return list((await connection.execute(query)).scalars())


@pytest.fixture
async def house(db: Database) -> Database:
    async with db.transaction() as connection:
        await ensure_default_domain(connection, "https://go.example")
    return db


@both_databases
async def test_a_job_needs_nothing_but_its_reference_and_has_its_code_at_once(house: Database) -> None:
    made, created = await put_job(house, "R-1042", JobFields(), ON)
    assert created
    assert (made.kind, made.shop, made.revision, made.completed_at) == ("repair", "go.example", 1, None)
    assert made.token
    assert made.short_url == f"https://go.example/{made.token}"
    async with house.reading() as connection:
        code = await find_code(connection, made.token.lower())
        assert code is not None
        assert (code.kind, code.name, code.destination, code.printed) == ("job", "R-1042", "job:", True)
        assert await find_job_by_token(connection, made.token.lower()) == made
        [move] = await list_moves(connection, made.id)
    assert (move.action, move.from_stage, move.to_stage, move.who) == ("create", None, made.stage, "Ops")
    assert await told(house) == ["job.created"]


@both_databases
async def test_the_same_put_again_changes_nothing(house: Database) -> None:
    fields: Mapping[str, Any] = {"item": "Bicycle", "details": {"customer_name": "A. N. Other"}}
    first = await put(house, "R-1", **fields)
    before = await count(house, changes)
    again, created = await put_job(house, "R-1", JobFields(**fields), ON)
    assert (again, created) == (first, False)
    assert await count(house, changes) == before
    assert await count(house, codes) == 1


@both_databases
async def test_moves_are_kept_in_order_with_what_they_were(house: Database) -> None:
    made = await put(house, "R-2")
    to = ("advance", "advance", "back", "deliver")
    seen = [made.stage, *[(await move_job(house, "R-2", way, ON, reason="because")).stage for way in to]]
    reopened = await move_job(house, "R-2", seen[1], ON)
    assert reopened.completed_at is None
    async with house.reading() as connection:
        moves = await list_moves(connection, made.id)
    assert [move.action for move in moves] == ["create", "advance", "advance", "back", "deliver", "reopen"]
    assert [move.to_stage for move in moves] == [*seen, seen[1]]
    assert [move.from_stage for move in moves] == [None, *seen]
    assert seen[3] == seen[1]
    assert await told(house) == ["job.created", "job.moved", "job.moved", "job.moved", "job.delivered", "job.moved"]


@both_databases
async def test_a_move_to_where_it_stands_is_none(house: Database) -> None:
    made = await put(house, "R-3")
    assert await move_job(house, "R-3", made.stage, ON) == made
    assert await count(house, job_moves) == 1


@both_databases
async def test_somebody_elses_change_is_not_overwritten(house: Database) -> None:
    made = await put(house, "R-4")
    await move_job(house, "R-4", "advance", Occasion("Desk", expected_revision=made.revision))
    with pytest.raises(Stale, match="at revision 2, not 1"):
        await move_job(house, "R-4", "advance", Occasion("Van", expected_revision=made.revision))
    with pytest.raises(Stale, match="does not exist"):
        await put_job(house, "R-5", JobFields(), Occasion("Van", expected_revision=1))


@both_databases
async def test_what_happened_offline_keeps_its_time(house: Database) -> None:
    now = datetime.now(UTC)
    earlier = now - timedelta(hours=3)
    made, _ = await put_job(house, "R-6", JobFields(), Occasion("Till", at=now - timedelta(hours=5)))
    moved = await move_job(house, "R-6", "advance", Occasion("Van", at=earlier))
    assert moved.stage_at == earlier
    with pytest.raises(CodeError, match="in the future"):
        await move_job(house, "R-6", "advance", Occasion("Van", at=datetime.now(UTC) + timedelta(hours=1)))
    async with house.reading() as connection:
        [first, second] = await list_moves(connection, made.id)
    assert (first.to_stage, second.to_stage) == (made.stage, moved.stage)
    assert (second.at, second.recorded_at > earlier + timedelta(hours=2)) == (earlier, True)


@both_databases
async def test_what_two_tills_tell_in_another_order_makes_no_trail_run_backwards(house: Database) -> None:
    now = datetime.now(UTC)

    def ago(hours: float) -> Occasion:
        return Occasion("Till", at=now - timedelta(hours=hours))

    made, _ = await put_job(house, "R-61", JobFields(), ago(9))
    await move_job(house, "R-61", "advance", ago(2))
    moved = await move_job(house, "R-61", "advance", ago(4))
    assert moved.stage_at == ago(2).at
    async with house.reading() as connection:
        moves = await list_moves(connection, made.id)
    assert [move.at for move in moves] == [ago(9).at, ago(2).at, ago(2).at]
    assert [move.to_stage for move in moves][2] == moved.stage
    with pytest.raises(CodeError, match="tell stages in the order"):
        await put_job(house, "R-61", JobFields(stage=made.stage), ago(3))
    close, _ = await put_job(house, "R-61", JobFields(stage=made.stage), ago(2.05))  # its clock is a little behind
    assert (close.stage, close.stage_at) == (made.stage, ago(2).at)


@both_databases
async def test_a_promised_date_counts_until_it_is_taken_away(house: Database) -> None:
    due = datetime(2030, 1, 7, 10, tzinfo=UTC)
    estimated = (await put(house, "R-7")).eta_at
    assert estimated
    promised = await put(house, "R-7", due_at=due)
    assert (promised.eta_at, promised.promised_at) == (due, estimated)
    assert (await put(house, "R-7", no_due=True)).eta_at != due
    assert (await told(house))[1:] == ["job.estimated", "job.estimated"]


@both_databases
async def test_private_fields_are_kept_apart_and_told_to_nobody(house: Database) -> None:
    made = await put(house, "R-8", details={"customer_phone": "+49 30 1", "passcode": "1234"})
    changed = await put(house, "R-8", details={"passcode": "9999"})
    assert changed.updated_at == made.updated_at  # nothing that a customer sees
    assert changed.revision == 2
    async with house.reading() as connection:
        details = await get_details(connection, made.id)
        payloads = list((await connection.execute(select(outgoing_events.c.payload))).scalars())
    assert (details.customer_phone, details.passcode) == ("+49 30 1", "9999")
    assert "9999" not in str(payloads)
    assert str(made.token) not in str(payloads)


@both_databases
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "repairs"}, "Did you mean repair?"),
        ({"stage": "nowhere"}, "no stage 'nowhere'"),
        ({"language": "de"}, "is not one of en, es, fr, ar"),
        ({"details": {"phone": "1"}}, "no field 'phone'"),
        ({"item": "x" * 201}, "up to 200"),
        ({"shop": "Elsewhere"}, "no shop 'Elsewhere'"),
    ],
)
async def test_what_cannot_be_is_said_and_nothing_is_made(house: Database, fields: Any, said: str) -> None:
    with pytest.raises((CodeError, NotFound), match=said):
        await put(house, "R-9", **fields)
    assert await count(house, jobs) == await count(house, codes) == 0


@both_databases
async def test_a_deleted_job_leaves_no_trace_and_its_code_stays_taken(house: Database) -> None:
    made = await put(house, "R-10", details={"customer_name": "A. N. Other"})
    await delete_job(house, "R-10", ON)
    for table in (jobs, job_details, job_moves):
        assert await count(house, table) == 0
    assert await told(house) == ["job.deleted"]
    async with house.reading() as connection:
        code = await find_code(connection, made.token or "")
        with pytest.raises(NotFound, match="no job 'R-10'"):
            await get_job(connection, "R-10")
    assert code is not None
    assert (code.name, code.archived_at is None) == ("", False)
    assert (await put(house, "R-10")).token != made.token


@both_databases
async def test_an_expired_job_leaves_its_link_and_its_shop(house: Database) -> None:
    made = await put(house, "R-11")
    assert await expire_jobs(house, [made.id], at=datetime.now(UTC)) == 1
    assert await count(house, jobs) == 0
    async with house.reading() as connection:
        code = await find_code(connection, made.token or "")
        row = (await connection.execute(select(expired_jobs))).one()
    assert code is not None
    assert (code.archived_at, row.code_id, row.shop_id) == (None, made.code_id, made.shop_id)


@both_databases
async def test_jobs_made_while_tracking_is_off_get_their_codes_when_it_is_switched_on(house: Database) -> None:
    async with house.transaction() as connection:
        shop = await ensure_default_shop(connection)
    await set_tracking(house, shop.id, "withdrawn", who="Ops")
    for number in range(3):
        assert (await put(house, f"R-{number}")).token is None
    await set_tracking(house, shop.id, "on", who="Ops")
    assert await give_codes(house, shop.id, who="Ops") == 3
    assert await give_codes(house, shop.id, who="Ops") == 0
    async with house.reading() as connection:
        assert all(found.token for found in await list_jobs(connection, JobSearch()))


@both_databases
async def test_jobs_are_found_by_what_staff_type(house: Database) -> None:
    await put(house, "A-1", item="Bicycle", details={"customer_name": "Jo_e"})
    await put(house, "A-2", item="Clock", kind="order", details={"customer_phone": "+49 30 12"})
    await move_job(house, "A-2", "deliver", ON)
    for search, expected in [
        (JobSearch(text="bicy"), ["A-1"]),
        (JobSearch(text="o_e"), ["A-1"]),
        (JobSearch(text="30 12"), ["A-2"]),
        (JobSearch(open_only=True), ["A-1"]),
        (JobSearch(kind="order"), ["A-2"]),
        (JobSearch(), ["A-2", "A-1"]),
        (JobSearch(text="tok", private=False), []),
        (JobSearch(text="Jo_e", private=False), []),
        (JobSearch(text="\x00"), []),
    ]:
        async with house.reading() as connection:
            assert [found.reference for found in await list_jobs(connection, search)] == expected, search


@both_databases
async def test_a_job_is_found_by_its_token_however_it_is_typed(house: Database) -> None:
    found, other = await put(house, "R-1042"), await put(house, "R-1043")
    token = found.token or ""
    secret = [token, token.upper(), f" {token[:4]}-{token[4:8]} {token[8:]}", found.short_url, found.status_url]
    secret.append(token.lower().replace("0", "o").replace("1", "l"))
    async with house.reading() as connection:
        for typed in secret:
            assert [job.id for job in await list_jobs(connection, JobSearch(text=typed or ""))] == [found.id], typed
            assert await list_jobs(connection, JobSearch(text=typed or "", private=False)) == [], typed
        for typed in ("r 1O42", "1042", "(R-1042)"):
            for private in (True, False):
                assert [job.id for job in await list_jobs(connection, JobSearch(text=typed, private=private))] == [
                    found.id
                ]
        assert await list_jobs(connection, JobSearch(text=token[:15])) == []
        assert await count_jobs(connection, JobSearch(text="r 1o4")) == 2
    assert other.token != token


@both_databases
async def test_pages_by_due_date_miss_and_repeat_nothing(house: Database) -> None:
    for number in range(11):
        due = datetime(2027, 1, 1 + number % 3, 12, 0, 0, number % 2, tzinfo=UTC)
        job = await put(house, f"R-{number}", kind="ticket", due_at=due)
        if number % 4 == 0:
            async with house.transaction() as connection:
                await connection.execute(update(jobs).where(jobs.c.id == job.id).values(eta_at=None))
    pages: dict[str, list[str]] = {}
    sorts: tuple[JobSort, ...] = ("due", "newest")
    for sort in sorts:
        search = JobSearch(sort=sort, limit=None)
        async with house.reading() as connection:
            whole = await list_jobs(connection, search)
            found: list[Job] = []
            for _ in range(len(whole)):  # more than there are pages
                found += await list_jobs(connection, replace(search, limit=2, after=_behind(found)))
            heads = await list_heads(connection, search, 4)
            assert await count_jobs_by_stage(connection, search) == {"ticket": {whole[0].stage: 11}}
        assert [job.reference for job in found] == [job.reference for job in whole]
        assert [job.reference for job in heads] == [job.reference for job in whole][:4]
        pages[sort] = [job.reference for job in whole]
    assert pages["due"] == ["R-6", "R-3", "R-9", "R-10", "R-1", "R-7", "R-2", "R-5", "R-0", "R-4", "R-8"]
    assert pages["newest"] == [f"R-{number}" for number in reversed(range(11))]
    with pytest.raises(CursorError):
        place_from("1")


def _behind(found: list[Job]) -> Place | None:
    return place_from(cursor_of(found[-1])) if found else None
