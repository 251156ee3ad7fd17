"""Finding a code: in memory, from the database on a miss, from the snapshot without one, and never an old destination."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from codes.alphabet import fold
from codes.codes import delete_demo_codes, retarget, undo
from codes.destinations import DestinationPolicy
from database.changes import last_seq, prune_changes, record_changes
from database.engine import Database, sqlite_url
from database.migrate import migrate
from database.schema import changes, codes, domains, versions
from redirector.lookup import Lookup, Unavailable, all_domains, all_routes
from redirector.misses import MissLimit, TooManyMisses
from redirector.routes import MAX_UNKNOWN, DomainName, Route, RouteTable
from redirector.snapshot import SnapshotError, read_snapshot, write_snapshot
from tests.conftest import AddCode

pytestmark = pytest.mark.anyio

HOST = "w.example"
POLICY = DestinationPolicy(frozenset({HOST}))


@pytest.fixture
def database_file(tmp_path: Path) -> Path:
    return tmp_path / "waymark.db"


@pytest.fixture
def lookup(tmp_path: Path, database_file: Path) -> Lookup:
    return Lookup(sqlite_url(database_file, read_only=True), tmp_path / "routes.snapshot")


@pytest.fixture
def limited(tmp_path: Path, database_file: Path) -> Lookup:
    """Three misses, and the next one in a minute."""
    url, snapshot = sqlite_url(database_file, read_only=True), tmp_path / "routes.snapshot"
    return Lookup(url, snapshot, MissLimit(burst=3, per_minute=1))


@asynccontextmanager
async def following(lookup: Lookup) -> AsyncIterator[None]:
    """Its follower runs, and has loaded everything there is."""
    task = asyncio.create_task(lookup.run())
    try:
        await until(lambda: lookup.table.complete)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await lookup.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def destination(lookup: Lookup, text: str, host: str = HOST) -> str | None:
    route = await lookup.find(host, text)
    return route.destination if route else None


async def add_domain(db: Database, host: str) -> None:
    async with db.transaction() as connection:
        await connection.execute(
            insert(domains).values(host=host, scheme="https", is_default=False, created_at=datetime.now(UTC))
        )
        await record_changes(connection, "domain", [1])


async def add_legacy(db: Database, text: str, target: str) -> int:
    """As an import writes it: found in its exact spelling only."""
    now = datetime.now(UTC)
    row = {
        "domain_id": 1, "code": text, "folded": fold(text), "legacy": True, "kind": "campaign", "name": "", "version": 1,
        "printed": True, "demo": False, "created_at": now, "created_by": "import", "updated_at": now,
    }  # fmt: skip
    async with db.transaction() as connection:
        code_id = int((await connection.execute(insert(codes).values(row).returning(codes.c.id))).scalar_one())
        first = {"code_id": code_id, "number": 1, "destination": target, "action": "create", "reason": ""}
        await connection.execute(insert(versions).values(**first, created_at=now, created_by="import"))
        await record_changes(connection, "code", [code_id])
    return code_id


async def archive(db: Database, code_id: int) -> None:
    async with db.transaction() as connection:
        await connection.execute(update(codes).where(codes.c.id == code_id).values(archived_at=datetime.now(UTC)))
        await record_changes(connection, "code", [code_id])


async def save_snapshot(db: Database, path: Path) -> None:
    async with db.reading() as connection:
        seq = await last_seq(connection)
        write_snapshot(path, seq, await all_domains(connection), await all_routes(connection))


async def copy_of(db: Database, path: Path) -> None:
    async with db.reading() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.exec_driver_sql("ROLLBACK")
        await connection.exec_driver_sql(f"VACUUM INTO '{path}'")
        await connection.exec_driver_sql("BEGIN")


def move_database(folder: Path, name: str, old_name: str = "waymark") -> None:
    for file in folder.glob(f"{old_name}.db*"):
        file.rename(folder / file.name.replace(old_name, name, 1))


# The follower


async def test_nobody_knows_before_anything_is_loaded(lookup: Lookup) -> None:
    with pytest.raises(Unavailable):
        await lookup.find(HOST, "spring")


async def test_every_code_is_loaded(db: Database, add_code: AddCode, lookup: Lookup) -> None:
    for number in range(20):
        await add_code(f"https://example.com/{number}", slug=f"code-{number}")
    async with following(lookup):
        assert len(lookup.table) == 20
        assert [await destination(lookup, f"code-{number}") for number in range(20)] == [
            f"https://example.com/{number}" for number in range(20)
        ]


async def test_a_retarget_and_an_undo_are_seen(db: Database, add_code: AddCode, lookup: Lookup) -> None:
    await add_code("https://example.com/1", slug="spring")
    async with following(lookup):
        await retarget(db, "spring", "https://example.com/2", who="ops", policy=POLICY)
        await until(lambda: _version(lookup, "spring") == 2)
        assert await destination(lookup, "SPRING") == "https://example.com/2"
        await undo(db, "spring", who="ops")
        await until(lambda: _version(lookup, "spring") == 3)
        assert await destination(lookup, "spring") == "https://example.com/1"


def _version(lookup: Lookup, text: str) -> int | None:
    route = lookup.table.find(1, text)
    return route.version if route else None


async def test_a_new_code_is_found_without_waiting_for_the_follower(
    db: Database, add_code: AddCode, lookup: Lookup
) -> None:
    async with following(lookup):
        for number in range(5):
            slug = f"new-{number}"
            await add_code(f"https://example.com/{number}", slug=slug)
            assert await destination(lookup, slug) == f"https://example.com/{number}"


async def test_an_unknown_code_is_remembered_until_something_changes(
    db: Database, add_code: AddCode, lookup: Lookup
) -> None:
    async with following(lookup):
        assert await destination(lookup, "spring") is None
        assert lookup.table.is_unknown(1, "spring")
        await add_code("https://example.com/", slug="spring")
        await until(lambda: lookup.table.find(1, "spring"))
        assert not lookup.table.is_unknown(1, "spring")
        assert await destination(lookup, "spring") == "https://example.com/"


async def test_archived_and_removed_codes_are_unknown(db: Database, add_code: AddCode, lookup: Lookup) -> None:
    archived = await add_code("https://example.com/", slug="archived")
    await add_code("https://example.com/", slug="removed", demo=True)
    async with following(lookup):
        assert await destination(lookup, "archived")
        assert await destination(lookup, "removed")
        await archive(db, archived.id)
        await delete_demo_codes(db)
        await until(lambda: len(lookup.table) == 0)
        assert await destination(lookup, "archived") is None
        assert await destination(lookup, "removed") is None


async def test_whoever_fell_behind_the_pruned_feed_loads_anew(db: Database, add_code: AddCode, lookup: Lookup) -> None:
    await add_code("https://example.com/1", slug="stays")
    await add_code("https://example.com/1", slug="goes", demo=True)
    async with following(lookup):
        pass
    await retarget(db, "stays", "https://example.com/2", who="ops", policy=POLICY)
    await delete_demo_codes(db)
    await add_code("https://example.com/3", slug="comes")
    async with db.transaction() as connection:
        await prune_changes(connection, keep_rows=1)
        assert len((await connection.execute(select(changes))).all()) == 1
    async with following(lookup):
        await until(lambda: {route.code for route in lookup.table.all()} == {"stays", fold("comes")})
        assert _version(lookup, "stays") == 2


async def test_a_database_put_back_to_an_older_state_is_loaded_anew(
    db: Database, add_code: AddCode, lookup: Lookup
) -> None:
    await add_code("https://example.com/1", slug="spring")
    async with following(lookup):
        lookup.table.seq += 1_000  # what this worker has seen is ahead of what the database knows
        lookup.table.put(Route(999, 1, "ghost", False, 1, "https://example.com/ghost"))
        await until(lambda: lookup.table.find(1, "ghost") is None)
        await until(lambda: lookup.table.complete)
        assert await destination(lookup, "spring") == "https://example.com/1"


async def test_scans_while_codes_change_never_leave_an_old_destination(
    db: Database, add_code: AddCode, lookup: Lookup
) -> None:
    """A read that began before a retarget must not overwrite what the feed brought meanwhile."""
    slugs = [f"code-{number}" for number in range(25)]

    async def scan_them() -> None:
        while True:
            for slug in slugs:
                await lookup.find(HOST, slug)
            lookup.table.forget_unknown()
            await asyncio.sleep(0.002)

    async with following(lookup):
        scanning = [asyncio.create_task(scan_them()) for _ in range(3)]
        for slug in slugs:
            await add_code("https://example.com/1", slug=slug)
            await retarget(db, slug, "https://example.com/2", who="ops", policy=POLICY)
        await until(lambda: all(_version(lookup, slug) == 2 for slug in slugs))
        for task in scanning:
            task.cancel()
        await asyncio.gather(*scanning, return_exceptions=True)


async def test_what_was_read_before_a_change_does_not_overwrite_it(
    db: Database, add_code: AddCode, lookup: Lookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, held still: the read has happened, the feed moves on, and only then the read comes back."""
    code = await add_code("https://example.com/1", slug="spring")
    comes_back, really = asyncio.Event(), lookup._read_one

    async def slow_read(domain_id: int, text: str) -> Route | None:
        found = await really(domain_id, text)
        await comes_back.wait()
        return found

    monkeypatch.setattr(lookup, "_read_one", slow_read)
    async with following(lookup):
        lookup.table.remove(code.id)
        scanning = asyncio.create_task(lookup.find(HOST, "spring"))
        await asyncio.sleep(0)
        await retarget(db, "spring", "https://example.com/2", who="ops", policy=POLICY)
        await until(lambda: _version(lookup, "spring") == 2)
        comes_back.set()
        assert await scanning is not None
        assert _version(lookup, "spring") == 2


# Misses


async def test_one_read_serves_everybody_who_asks_for_the_same_code(
    db: Database, add_code: AddCode, lookup: Lookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, really = list[str](), lookup._read_one

    async def counted(domain_id: int, text: str) -> Route | None:
        reads.append(text)
        return await really(domain_id, text)

    monkeypatch.setattr(lookup, "_read_one", counted)
    async with following(lookup):
        assert await asyncio.gather(*(lookup.find(HOST, "unknown", f"net {n % 7}") for n in range(200))) == [None] * 200
        assert reads == ["unknown"]


async def test_a_flood_of_misses_does_not_hold_up_the_follower(
    db: Database, add_code: AddCode, lookup: Lookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here every read of a miss hangs, holding a connection."""
    await add_code("https://example.com/1", slug="spring")
    go_on = asyncio.Event()

    async def hanging(domain_id: int, text: str) -> Route | None:
        assert lookup._for_misses is not None
        async with lookup._for_misses.reading() as connection:
            await connection.execute(select(1))
            await go_on.wait()
            return None

    async with following(lookup):
        monkeypatch.setattr(lookup, "_read_one", hanging)
        flood = [asyncio.create_task(lookup.find(HOST, f"unknown-{number}")) for number in range(50)]
        await retarget(db, "spring", "https://example.com/2", who="ops", policy=POLICY)
        await until(lambda: _version(lookup, "spring") == 2)
        assert not any(task.done() for task in flood)
        go_on.set()
        assert await asyncio.gather(*flood) == [None] * 50


async def test_a_limited_network_is_told_of_every_known_code_and_reads_for_no_unknown_one(
    db: Database, add_code: AddCode, limited: Lookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_code("https://example.com/1", slug="spring")
    async with following(limited):
        assert [await limited.find(HOST, f"unknown-{number}", "a") for number in range(3)] == [None] * 3
        monkeypatch.setattr(limited, "_read_one", None)  # nothing is read from now on
        for number in range(100):
            with pytest.raises(TooManyMisses):
                await limited.find(HOST, f"guess-{number}", "a")
        assert await limited.find(HOST, "unknown-1", "a") is None
        assert await limited.find(HOST, "spring", "a")
        assert await limited.find_first(HOST, ("sp-ring", "spring"), "a")
        await add_code("https://example.com/2", slug="summer")
        await until(lambda: limited.table.find(1, "summer"))
        assert await limited.find(HOST, "summer", "a")


async def test_while_codes_are_loading_a_limited_network_still_gets_the_known_ones(
    db: Database, add_code: AddCode, limited: Lookup
) -> None:
    """Only the database knows them then."""
    for number in range(10):
        await add_code("https://example.com/1", slug=f"code-{number}")
    await limited._open()
    assert [await limited.find(HOST, f"unknown-{number}", "a") for number in range(3)] == [None] * 3
    for number in range(10):
        with pytest.raises(TooManyMisses):
            await limited.find(HOST, f"guess-{number}", "a")
        assert await limited.find(HOST, f"code-{number}", "a")
    await limited.close()


async def test_codes_found_in_the_database_cost_nothing(db: Database, add_code: AddCode, limited: Lookup) -> None:
    for number in range(10):
        await add_code("https://example.com/1", slug=f"code-{number}")
    await limited._open()
    for number in range(10):
        assert await limited.find(HOST, f"code-{number}", "a")
    assert [await limited.find(HOST, f"unknown-{number}", "a") for number in range(3)] == [None] * 3
    await limited.close()


# Without the database


async def test_the_snapshot_serves_when_the_database_is_missing(
    db: Database, add_code: AddCode, lookup: Lookup, database_file: Path, tmp_path: Path
) -> None:
    await add_code("https://example.com/1", slug="spring")
    await save_snapshot(db, tmp_path / "routes.snapshot")
    await db.close()
    move_database(tmp_path, "away")
    async with following(lookup):
        assert not lookup.database_ok
        assert await destination(lookup, "spring") == "https://example.com/1"
        assert await destination(lookup, "autumn") is None
        # The database comes back, with a change that the snapshot does not have.
        move_database(tmp_path, "waymark", "away")
        again = await Database.open(sqlite_url(database_file))
        await retarget(again, "spring", "https://example.com/2", who="ops", policy=POLICY)
        await until(lambda: _version(lookup, "spring") == 2)
        assert lookup.database_ok
        await again.close()


async def test_a_deleted_database_file_does_not_stop_known_codes(
    db: Database, add_code: AddCode, lookup: Lookup, tmp_path: Path
) -> None:
    await add_code("https://example.com/1", slug="spring")
    async with following(lookup):
        move_database(tmp_path, "gone")
        assert await destination(lookup, "spring") == "https://example.com/1"
        assert await destination(lookup, "autumn") is None
    async with following(lookup):  # its connection has ended, too
        assert await destination(lookup, "spring") == "https://example.com/1"
        assert await destination(lookup, "winter") is None
        assert not lookup.database_ok


async def test_a_database_file_put_in_the_place_of_the_open_one_is_read(
    db: Database, add_code: AddCode, lookup: Lookup, database_file: Path, tmp_path: Path
) -> None:
    """As a restored backup is: its codes are answered, those it lacks are not; and it is followed from then on."""
    await add_code("https://example.com/1", slug="spring")
    await copy_of(db, tmp_path / "backup.db")
    await retarget(db, "spring", "https://example.com/2", who="ops", policy=POLICY)
    await add_code("https://example.com/1", slug="summer")
    async with following(lookup):
        assert await destination(lookup, "spring") == "https://example.com/2"
        move_database(tmp_path, "gone")
        (tmp_path / "backup.db").rename(database_file)
        await until(lambda: _version(lookup, "spring") == 1)
        await until(lambda: len(lookup.table) == 1)
        assert await destination(lookup, "summer") is None
        restored = await Database.open(sqlite_url(database_file))
        await retarget(restored, "spring", "https://example.com/3", who="ops", policy=POLICY)
        await until(lambda: _version(lookup, "spring") == 2)
        assert await destination(lookup, "spring") == "https://example.com/3"
        await restored.close()


@pytest.mark.parametrize("what", ["empty file", "no codes", "no database"])
async def test_what_has_no_codes_is_not_believed_to_be_the_database(
    db: Database, add_code: AddCode, lookup: Lookup, database_file: Path, tmp_path: Path, what: str
) -> None:
    await copy_of(db, tmp_path / "backup.db")
    await add_code("https://example.com/1", slug="spring")
    async with following(lookup):
        move_database(tmp_path, "gone")
        if what == "no codes":
            move_database(tmp_path, "waymark", "backup")
        else:
            await asyncio.to_thread(database_file.write_bytes, b"" if what == "empty file" else b"nonsense" * 1_000)
        await until(lambda: lookup._complaint)
        await asyncio.sleep(0.5)  # it is tried again and again
        assert await destination(lookup, "spring") == "https://example.com/1"
        assert await destination(lookup, "autumn") is None
        move_database(tmp_path, "not-believed")
        move_database(tmp_path, "waymark", "gone")
        await retarget(db, "spring", "https://example.com/2", who="ops", policy=POLICY)
        await until(lambda: _version(lookup, "spring") == 2)


async def test_a_damaged_snapshot_is_not_used(lookup: Lookup, tmp_path: Path) -> None:
    (tmp_path / "routes.snapshot").write_text('["head",1,5]\n["route",1,1,"spring",false,1,"https://example.com/"]\n')
    task = asyncio.create_task(lookup.run())
    await asyncio.sleep(0.05)
    assert not lookup.table.complete
    with pytest.raises(Unavailable):
        await lookup.find(HOST, "spring")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# Which code is meant


async def test_legacy_codes_are_found_exactly_and_first(db: Database, add_code: AddCode, lookup: Lookup) -> None:
    await add_code("https://example.com/own", slug="poster")
    await add_legacy(db, "POSTER", "https://example.com/legacy-capitals")
    await add_legacy(db, "aBc9", "https://example.com/legacy-abc")
    expected = [
        ("POSTER", "https://example.com/legacy-capitals"),
        ("Poster", "https://example.com/own"),
        ("p0ster", "https://example.com/own"),
        ("aBc9", "https://example.com/legacy-abc"),
        ("abc9", None),
        ("ABC9", None),
    ]
    async with following(lookup):
        assert [(text, await destination(lookup, text)) for text, _ in expected] == expected
        for route in list(lookup.table.all()):  # once more from the database
            lookup.table.remove(route.code_id)
        lookup.table.forget_unknown()
        assert [(text, await destination(lookup, text)) for text, _ in expected] == expected


async def test_look_alikes_are_one_code(db: Database, add_code: AddCode, lookup: Lookup) -> None:
    code = await add_code("https://example.com/")
    async with following(lookup):
        for text in (code.code, code.code.lower(), code.code.replace("0", "O").replace("1", "I"), fold(code.code)):
            assert await destination(lookup, text) == "https://example.com/"


async def test_the_host_header_only_selects_among_configured_domains(
    db: Database, add_code: AddCode, lookup: Lookup
) -> None:
    await add_domain(db, "b.example")
    await add_code("https://example.com/w", slug="spring")
    await add_code("https://example.com/b", slug="spring", domain="b.example")
    answers = {
        "w.example": "w", "b.example": "b", "B.EXAMPLE": "b", "b.example:443": "b", "b.example:8080": "b",
        "evil.example": "w", "": "w", "b.example.evil.example": "w", "[::1]:8080": "w", ":": "w", "b.example:": "b",
    }  # fmt: skip
    async with following(lookup):
        found = {host: await destination(lookup, "spring", host) for host in answers}
    assert found == {host: f"https://example.com/{name}" for host, name in answers.items()}


async def test_a_domain_added_later_is_followed(db: Database, add_code: AddCode, lookup: Lookup) -> None:
    async with following(lookup):
        await add_domain(db, "later.example")
        await add_code("https://example.com/later", slug="spring", domain="later.example")
        await until(lambda: len(lookup.table.domains()) == 2)
        assert await destination(lookup, "spring", "later.example") == "https://example.com/later"
        assert await destination(lookup, "spring", HOST) is None


# The table


def route(code_id: int, code: str, *, legacy: bool = False, version: int = 1) -> Route:
    return Route(
        code_id, 1, code if legacy else fold(code), legacy, version, f"https://example.com/{code_id}/{version}"
    )


def test_a_route_is_replaced_by_its_next_version() -> None:
    table = RouteTable()
    table.put(route(1, "spring"))
    table.put(route(1, "spring", version=2))
    assert len(table) == 1
    assert table.find(1, "spring") == route(1, "spring", version=2)


def test_a_code_made_anew_outlives_the_removal_of_the_one_before() -> None:
    """Demo codes are removed and made again under the same name."""
    table = RouteTable()
    table.put(route(1, "spring"))
    table.put(route(2, "spring"))
    table.remove(1)
    assert table.find(1, "spring") == route(2, "spring")
    table.remove(2)
    table.remove(2)
    assert table.find(1, "spring") is None


def test_nobody_can_type_the_key_of_a_legacy_code() -> None:
    table = RouteTable()
    table.put(route(1, "abc", legacy=True))
    assert table.find(1, "abc") == route(1, "abc", legacy=True)
    for text in ("=abc", "EXACT abc", "exact abc", "ABC", " abc"):
        assert table.find(1, text) is None


def test_unknown_codes_are_remembered_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    table = RouteTable()
    table.note_unknown(1, "spring")
    assert table.is_unknown(1, "spring")
    assert not table.is_unknown(2, "spring")
    monkeypatch.setattr("redirector.routes.UNKNOWN_FOR_S", 0.0)
    table.note_unknown(1, "autumn")
    assert not table.is_unknown(1, "autumn")


def test_unknown_codes_take_bounded_memory() -> None:
    table = RouteTable()
    for number in range(3 * MAX_UNKNOWN):
        table.note_unknown(1, str(number))
    assert len(table._unknown) <= MAX_UNKNOWN
    assert table.is_unknown(1, str(3 * MAX_UNKNOWN - 1))


# The snapshot

DOMAINS = [DomainName(1, "w.example", True), DomainName(2, "b.example:8080", False)]
ROUTES = [route(1, "spring"), route(7, "AbC/ü\n", legacy=True, version=3)]


def test_a_snapshot_comes_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "routes.snapshot"
    write_snapshot(path, 42, DOMAINS, ROUTES)
    assert read_snapshot(path) == (42, DOMAINS, ROUTES)
    assert path.stat().st_mode & 0o777 == 0o600
    write_snapshot(path, 43, DOMAINS, [])
    assert read_snapshot(path) == (43, DOMAINS, [])
    assert list(tmp_path.iterdir()) == [path]


def test_a_snapshot_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "routes.snapshot"
    write_snapshot(path, 42, DOMAINS, ROUTES)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(SnapshotError, match="cut off, damaged"):
            read_snapshot(path)


@given(st.data())
@settings(max_examples=100)
def test_a_snapshot_with_a_flipped_byte_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.snapshot"
    write_snapshot(path, 42, DOMAINS, ROUTES)
    damaged = bytearray(path.read_bytes())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged)
    with pytest.raises(SnapshotError):
        read_snapshot(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"[]\n", b'["head",2,5]\n["end",0]\n', b"\x00" * 100])
def test_what_is_no_snapshot_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "routes.snapshot"
    path.write_bytes(content)
    with pytest.raises(SnapshotError, match=r"routes\.snapshot"):
        read_snapshot(path)
    path.unlink()
    with pytest.raises(SnapshotError, match="does not exist"):
        read_snapshot(path)
    path.mkdir()
    with pytest.raises(SnapshotError, match="cannot be read"):
        read_snapshot(path)


async def test_an_empty_installation_has_a_snapshot_too(tmp_path: Path) -> None:
    database = await Database.open(sqlite_url(tmp_path / "empty.db"))
    await migrate(database)
    async with database.transaction() as connection:
        await connection.execute(delete(domains))
    await save_snapshot(database, tmp_path / "routes.snapshot")
    assert read_snapshot(tmp_path / "routes.snapshot") == (0, [], [])
    await database.close()
