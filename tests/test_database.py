"""Transactions, the change feed, times and migrations, on SQLite files and on a real PostgreSQL."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from database.changes import Change, changes_after, last_seq, prune_changes, record_changes
from database.engine import Database, DatabaseError, sqlite_url
from database.migrate import migrate, newest_revision, schema_revision
from database.schema import audit, changes, metadata
from tests.conftest import both_databases

pytestmark = pytest.mark.anyio


async def add_audit(connection: AsyncConnection, subject: str) -> None:
    row = {"at": datetime.now(UTC), "who": "ops", "action": "test", "subject": subject}
    await connection.execute(insert(audit).values(row))


async def count_audit(database: Database) -> int:
    async with database.reading() as connection:
        return int((await connection.execute(select(func.count()).select_from(audit))).scalar_one())


@both_databases
async def test_a_failed_transaction_leaves_nothing_behind_not_even_its_tables(db: Database) -> None:
    async def fail_halfway() -> None:
        async with db.transaction() as connection:
            await add_audit(connection, "half")
            await connection.execute(text("CREATE TABLE half_done (n INTEGER)"))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        await fail_halfway()
    assert await count_audit(db) == 0
    async with db.reading() as connection:
        assert "half_done" not in await connection.run_sync(lambda c: inspect(c).get_table_names())


@both_databases
async def test_a_cancelled_transaction_is_rolled_back_and_the_next_one_works(db: Database) -> None:
    started = asyncio.Event()

    async def never_done() -> None:
        async with db.transaction() as connection:
            await add_audit(connection, "cancelled")
            started.set()
            await asyncio.sleep(3600)

    task = asyncio.create_task(never_done())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with db.transaction() as connection:
        await add_audit(connection, "after")
    assert await count_audit(db) == 1


@both_databases
async def test_concurrent_writers_lose_no_update(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute(text("CREATE TABLE counter (n INTEGER NOT NULL)"))
        await connection.execute(text("INSERT INTO counter VALUES (0)"))
    lock = "" if db.dialect == "sqlite" else " FOR UPDATE"

    async def count_up(times: int) -> None:
        for _ in range(times):
            async with db.transaction() as connection:
                n = (await connection.execute(text(f"SELECT n FROM counter{lock}"))).scalar_one()
                await asyncio.sleep(0)
                await connection.execute(text("UPDATE counter SET n = :n"), {"n": n + 1})

    await asyncio.gather(*(count_up(25) for _ in range(4)))
    async with db.reading() as connection:
        assert (await connection.execute(text("SELECT n FROM counter"))).scalar_one() == 100


async def test_two_engines_on_one_sqlite_file_lose_no_update(db: Database) -> None:
    """The command line may write while the private process does: the lock in memory is not shared then."""
    async with db.transaction() as connection:
        await add_audit(connection, "0")
    other = await Database.open(db.url)

    async def count_up(database: Database) -> None:
        for _ in range(25):
            async with database.transaction() as connection:
                subject = (await connection.execute(select(audit.c.subject))).scalar_one()
                await connection.execute(update(audit).values(subject=str(int(subject) + 1)))

    await asyncio.gather(count_up(db), count_up(other))
    await other.close()
    async with db.reading() as connection:
        assert (await connection.execute(select(audit.c.subject))).scalar_one() == "50"


@both_databases
async def test_a_reader_neither_waits_for_a_writer_nor_sees_its_half_done_work(db: Database) -> None:
    async with db.transaction() as connection:
        await add_audit(connection, "half")
        assert await asyncio.wait_for(count_audit(db), timeout=4) == 0
    assert await count_audit(db) == 1


async def test_a_read_of_several_statements_sees_one_state(db: Database) -> None:
    async with db.reading() as connection:
        before = (await connection.execute(select(func.count()).select_from(audit))).scalar_one()
        async with db.transaction() as writer:
            await add_audit(writer, "meanwhile")
        after = (await connection.execute(select(func.count()).select_from(audit))).scalar_one()
    assert (before, after) == (0, 0)


async def test_the_public_side_cannot_write(db: Database, tmp_path: Path) -> None:
    readers = await Database.open(sqlite_url(tmp_path / "waymark.db", read_only=True), read_only=True)
    with pytest.raises(DBAPIError, match="readonly"):
        async with readers.transaction() as connection:
            await add_audit(connection, "forbidden")
    assert await count_audit(readers) == 0
    await readers.close()


async def test_the_public_side_leaves_the_write_ahead_log_to_the_writer(db: Database, tmp_path: Path) -> None:
    """A reader that checkpoints when it closes would compete with the writer for the file."""
    readers = await Database.open(sqlite_url(tmp_path / "waymark.db", read_only=True), read_only=True)
    async with db.transaction() as connection:
        await add_audit(connection, "in the log")
    log = tmp_path / "waymark.db-wal"
    size = log.stat().st_size
    await count_audit(readers)
    await readers.close()
    assert size > 0
    assert log.stat().st_size == size


@pytest.mark.parametrize("folder", ["with space", "100%", "50%41", "a#b", "what?", "a&b=c", "größe"])
async def test_any_folder_name_can_hold_the_database(tmp_path: Path, folder: str) -> None:
    path = tmp_path / folder / "waymark.db"
    path.parent.mkdir()
    database = await Database.open(sqlite_url(path))
    await migrate(database)
    await database.close()
    assert path.is_file()
    reader = await Database.open(sqlite_url(path, read_only=True), read_only=True)
    assert await count_audit(reader) == 0
    await reader.close()


def missing_folder(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "nowhere" / "waymark.db")


def not_yet_made(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "waymark.db", read_only=True)


def no_database(tmp_path: Path) -> str:
    (tmp_path / "waymark.db").write_bytes(b"this is a text, not a database\n" * 100)
    return sqlite_url(tmp_path / "waymark.db")


def no_database_for_reading(tmp_path: Path) -> str:
    no_database(tmp_path)
    return not_yet_made(tmp_path)


def no_server(_tmp_path: Path) -> str:
    return "postgresql+asyncpg://someone:s3cret@127.0.0.1:1/waymark"


@pytest.mark.parametrize(
    "broken", [missing_folder, not_yet_made, no_database, no_database_for_reading, no_server], ids=lambda f: f.__name__
)
async def test_a_database_that_cannot_be_opened_is_named_with_what_to_do(
    tmp_path: Path, broken: Callable[[Path], str]
) -> None:
    with pytest.raises(DatabaseError, match=r"cannot be opened: .+ Check that") as caught:
        await Database.open(broken(tmp_path))
    assert "s3cret" not in str(caught.value)


@both_databases
@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 11, 21, 18, 40, 1, 123456, UTC),
        datetime(2026, 3, 29, 3, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        datetime(1999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-8))),
    ],
    ids=["utc with microseconds", "east of utc", "west of utc"],
)
async def test_times_come_back_as_the_same_instant_in_utc(db: Database, at: datetime) -> None:
    async with db.transaction() as connection:
        await connection.execute(insert(audit).values(at=at, who="ops", action="test", subject=""))
    async with db.reading() as connection:
        found = (await connection.execute(select(audit.c.at))).scalar_one()
        early = (await connection.execute(select(audit.c.at).where(audit.c.at < at))).first()
    assert (found, found.tzinfo) == (at, UTC)
    assert early is None


@both_databases
async def test_changes_come_in_order_and_only_after_the_mark(db: Database) -> None:
    async with db.reading() as connection:
        start = await last_seq(connection)
    async with db.transaction() as connection:
        await record_changes(connection, "code", [7, 8])
    async with db.transaction() as connection:
        await record_changes(connection, "domain", [1])
    async with db.reading() as connection:
        found = await changes_after(connection, start)
        assert found is not None
        assert [(change.kind, change.ref_id) for change in found] == [("code", 7), ("code", 8), ("domain", 1)]
        assert await changes_after(connection, found[1].seq) == [Change(found[2].seq, "domain", 1)]
        assert await changes_after(connection, found[2].seq) == []
        assert await changes_after(connection, start, limit=1) == found[:1]
        assert await last_seq(connection) == found[2].seq


@both_databases
async def test_a_follower_behind_the_pruned_feed_is_told_to_reload(db: Database) -> None:
    async with db.transaction() as connection:
        await record_changes(connection, "code", list(range(10)))
        newest = await last_seq(connection)
        before = (await connection.execute(select(func.count()).select_from(changes))).scalar_one()
        assert await prune_changes(connection, keep_rows=4) == before - 4
    async with db.reading() as connection:
        assert await changes_after(connection, newest - 5) is None
        kept = await changes_after(connection, newest - 4)
    assert kept is not None
    assert [change.ref_id for change in kept] == [6, 7, 8, 9]


@both_databases
async def test_a_sequence_number_never_comes_back(db: Database) -> None:
    async with db.transaction() as connection:
        await record_changes(connection, "code", [1, 2])
        newest = await last_seq(connection)
        await connection.execute(changes.delete())
    async with db.transaction() as connection:
        await record_changes(connection, "code", [3])
        assert await last_seq(connection) > newest


@both_databases
async def test_a_number_skipped_by_a_rollback_is_no_reason_to_reload(db: Database) -> None:
    async with db.reading() as connection:
        start = await last_seq(connection)

    async def fail_halfway() -> None:
        async with db.transaction() as connection:
            await record_changes(connection, "code", [1, 2, 3])
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        await fail_halfway()
    async with db.transaction() as connection:
        await record_changes(connection, "code", [4])
    async with db.reading() as connection:
        found = await changes_after(connection, start)
    assert found is not None
    assert [change.ref_id for change in found] == [4]


@both_databases
async def test_changes_are_numbered_in_the_order_in_which_they_become_visible(db: Database) -> None:
    """A follower that has read number n asks for n+1 and later: a smaller number may not appear afterwards."""
    first_has_a_number, may_commit = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with db.transaction() as connection:
            await record_changes(connection, "code", [1])
            first_has_a_number.set()
            await may_commit.wait()

    async def quick() -> None:
        await first_has_a_number.wait()
        async with db.transaction() as connection:
            await record_changes(connection, "code", [2])

    async def follower(seen: list[int]) -> None:
        async with db.reading() as connection:
            mark = await last_seq(connection)
        while len(seen) < 2:
            async with db.reading() as connection:
                for change in await changes_after(connection, mark) or []:
                    seen.append(change.ref_id)
                    mark = change.seq
            await asyncio.sleep(0.01)

    seen: list[int] = []
    following = asyncio.create_task(follower(seen))
    writers = [asyncio.create_task(slow()), asyncio.create_task(quick())]
    await first_has_a_number.wait()
    await asyncio.sleep(0.1)  # enough for the quick one to overtake, if nothing holds it
    may_commit.set()
    await asyncio.gather(*writers)
    await asyncio.wait_for(following, timeout=5)
    assert seen == [1, 2]


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


@both_databases
async def test_the_migrations_make_exactly_the_schema(db: Database) -> None:
    async with db.reading() as connection:
        assert await connection.run_sync(differences) == []


@both_databases
async def test_an_index_that_differs_would_be_noticed(db: Database) -> None:
    """The comparison above is only worth something if it sees what it is for."""
    async with db.transaction() as connection:
        await connection.execute(text("DROP INDEX ix_audit_at"))
        assert await connection.run_sync(differences) != []


@both_databases
async def test_migrating_again_changes_nothing(db: Database) -> None:
    await migrate(db)
    assert await schema_revision(db) == await newest_revision()


@both_databases
async def test_a_database_from_a_newer_waymark_is_refused(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = 'future'"))
    with pytest.raises(DatabaseError, match="newer Waymark"):
        await migrate(db)
    assert await schema_revision(db) == "future"


@pytest.fixture
async def empty(database_url: str) -> AsyncIterator[Database]:
    database = await Database.open(database_url)
    yield database
    await database.close()


MIGRATE = """
import asyncio, sys
from database.engine import Database
from database.migrate import migrate

async def main():
    database = await Database.open(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    await migrate(database)
    await database.close()

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
@both_databases
async def test_processes_that_start_at_once_migrate_once(empty: Database, database_url: str) -> None:
    assert await schema_revision(empty) is None
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", MIGRATE, database_url, **pipes) for _ in "abc"
    ]
    for process in started:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    complaints = [error.decode() for _, error in await asyncio.gather(*(p.communicate(b"\n") for p in started))]
    assert complaints == ["", "", ""]
    assert await schema_revision(empty) == await newest_revision()
    async with empty.reading() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM alembic_version"))).scalar_one() == 1
        assert await connection.run_sync(differences) == []
