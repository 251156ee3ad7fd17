"""Backups: whole, verified, pruned with the segments they cover; and a scan store put back from them, each scan once."""

import asyncio
import gzip
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from analytics import tallies
from analytics.backup import (
    MANIFEST,
    VERIFICATION,
    Backup,
    BackupError,
    BackupMissing,
    copy_backup,
    get_backup,
    list_backups,
    removable,
    require_room,
)
from analytics.backup_check import find_problem, verify
from analytics.backup_export import make_backup
from analytics.backup_restore import mark_damaged, open_or_rebuild
from analytics.backups import Backups, BackupSettings, prune_segments
from analytics.demo import SERIES as DEMO
from analytics.store import SCHEMA_VERSION, ScanStore, StoreError
from analytics.tables import BACKED_UP, CREATE, REFILLED
from codes.errors import Conflict
from redirector.records import View, scan_line, stats_line, view_line
from tests.children import ROOT
from tests.running import Running, wait_for
from tests.scan_samples import scan, scan_lines, write_segment
from tests.store_samples import ingest_journal
from tests.truth import OpenLoop, add_codes, assert_nothing_lost, get_pid
from waymark.checks import backup as check
from waymark.checks.stores import check_control_database
from waymark.cli import run
from waymark.config import Config, Data, load_config
from waymark.upkeep import compress_segments

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 21, 18, 40, tzinfo=UTC)
QUESTIONS = (
    "SELECT * FROM scans ORDER BY id",
    "SELECT segment, run, scans, corrupt, torn_bytes, done FROM journal_marks ORDER BY segment",
    "SELECT * FROM accounting ORDER BY run",
    "SELECT * FROM quarantine ORDER BY segment, at_offset",
    "SELECT * FROM job_views ORDER BY job_id, viewed_at",
)


class House:
    """A data folder with journal, control database and scan store, without processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path, self.journal = folder / "scans.duckdb", folder / "journal"
        self.control, self.backups = folder / "waymark.db", folder / "backups"
        self.settings = BackupSettings(self.backups, self.control, self.journal, keep=3, daily=True, version="1.2.3")
        folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.control)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE codes (code TEXT)")
            database.executemany("INSERT INTO codes VALUES (?)", [(f"code-{number}",) for number in range(500)])
            database.commit()

    def write(self, number: int, scans: range, *more: bytes, series: str = "public-0") -> Path:
        return write_segment(self.journal, [*scan_lines(scans), *more], number=number, series=series)

    def open(self) -> ScanStore:
        return open_or_rebuild(self.path, self.backups, self.journal)

    @asynccontextmanager
    async def store(self) -> AsyncIterator[ScanStore]:
        """Everything in the journal is read in first."""
        store = self.open()
        try:
            await ingest_journal(store, self.journal, self.folder / "geo")
            yield store
        finally:
            store.close()

    async def state(self) -> list[Any]:
        async with self.store() as store:
            return [await store.query(question) for question in QUESTIONS]

    async def back_up(self, now: datetime | None = None) -> Backup:
        async with self.store() as store:
            return await Backups(store, self.settings).make(now)

    def compress(self) -> None:
        with duckdb.connect(str(self.path), read_only=True) as store:
            done = {row[0] for row in store.execute("SELECT segment FROM journal_marks WHERE done").fetchall()}
        compress_segments(self.journal, done)

    def damage(self, at: int = 0, length: int = 8192) -> None:
        content = bytearray(self.path.read_bytes())
        content[at : at + length] = os.urandom(length)
        self.path.write_bytes(content)

    def set_aside(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("scans.duckdb.*"))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "data")


def make_old(folder: Path, days: float = 3) -> None:
    for path in folder.iterdir():
        moment = path.stat().st_mtime - days * 86_400
        os.utime(path, (moment, moment))


# What a backup is


async def test_a_backup_holds_every_table_and_the_codes_for_its_owner_alone(house: House) -> None:
    house.write(1, range(100), b"damage\n", stats_line(7, {"answered": 100, "recorded": 101}))
    house.write(2, range(100, 130))
    backup = await house.back_up(NOW)
    assert backup.folder == house.backups / "20261121T184000Z"
    assert backup.rows == {"scans": 130, "journal_marks": 2, "accounting": 1, "quarantine": 1, "job_views": 0}
    assert backup.verified_at == NOW.replace(microsecond=0) or backup.verified_at is not None
    names = {f"{table}.parquet" for table in BACKED_UP} | {"waymark.db"}
    assert set(backup.files) == names
    assert {path.name for path in backup.folder.iterdir()} == names | {MANIFEST, VERIFICATION}
    assert {path.stat().st_mode & 0o777 for path in backup.folder.iterdir()} == {0o600}
    assert backup.folder.stat().st_mode & 0o777 == 0o700
    manifest = json.loads((backup.folder / MANIFEST).read_text())
    assert (manifest["format"], manifest["waymark"], manifest["made_at"]) == (1, "1.2.3", "2026-11-21T18:40:00Z")
    assert manifest["scan_store"]["newest_scan_at"] == "2026-11-21T18:40:00Z"
    reading = (house.journal / "public-0.0000000000001.000002.jsonl").stat()
    assert manifest["journal"]["reading"] == {"public-0.0000000000001.000002.jsonl": reading.st_size}
    with closing(sqlite3.connect(backup.folder / "waymark.db")) as copy:
        assert copy.execute("SELECT count(*) FROM codes").fetchone() == (500,)


def test_every_table_of_the_store_is_backed_up_or_filled_again() -> None:
    made = {statement.split("EXISTS ")[1].split(" ")[0] for statement in CREATE if statement.startswith("CREATE")}
    counted = {statement.split("EXISTS ")[1].split(" ")[0] for statement in tallies.TABLES}
    assert made == {*BACKED_UP, *REFILLED}
    assert counted.isdisjoint(BACKED_UP)  # counted anew from the scans


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
async def test_a_backup_is_one_state_while_scans_arrive(house: House) -> None:
    """Rows and marks of one moment, whatever is committed meanwhile."""
    for number in range(1, 60):
        house.write(number, range(number * 100, number * 100 + 50))
    store = house.open()
    try:
        reading = asyncio.create_task(ingest_journal(store, house.journal, house.folder / "geo"))
        seen = []
        while not reading.done():
            backup = await make_backup(store, None, house.backups, version="1")
            with duckdb.connect() as reader:
                marked = reader.execute(
                    "SELECT coalesce(sum(scans), 0) FROM read_parquet(?)", [str(backup.parquet("journal_marks"))]
                ).fetchone()
            assert marked == (backup.rows["scans"],)
            seen.append(backup.rows["scans"])
        await reading
        assert find_problem(backup) is None
    finally:
        store.close()
    assert len(set(seen)) > 1


async def test_codes_on_a_server_are_not_copied_and_that_is_said(house: House) -> None:
    house.write(1, range(10))
    async with house.store() as store:
        backup = await make_backup(store, None, house.backups, version="1")
    assert not backup.has_control
    assert "pg_dump" in backup.manifest["control"]["remedy"]
    assert find_problem(backup) is None
    assert not (backup.folder / "waymark.db").exists()


async def test_codes_are_copied_while_somebody_writes(house: House) -> None:
    house.write(1, range(10))
    with closing(sqlite3.connect(house.control, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM codes")
        backup = await house.back_up()
        writer.execute("ROLLBACK")
    with closing(sqlite3.connect(backup.folder / "waymark.db")) as copy:
        assert copy.execute("SELECT count(*) FROM codes").fetchone() == (500,)


async def test_a_half_made_backup_is_none_and_goes_with_the_next(house: House) -> None:
    house.write(1, range(10))
    backup = await house.back_up()
    half = house.backups / ".unfinished-1"
    half.mkdir()
    (half / "scans.parquet").write_bytes(b"PAR1")
    (house.backups / "20200101T000000Z").mkdir()  # as a folder without a manifest
    assert [found.name for found in list_backups(house.backups)] == [backup.name]
    await house.back_up(datetime.now(UTC) + timedelta(days=2))
    assert not half.exists()


async def test_a_failed_backup_leaves_nothing_and_says_why(house: House) -> None:
    house.write(1, range(10))
    house.control.unlink()
    house.control.mkdir()  # which no SQLite can open
    async with house.store() as store:
        backups = Backups(store, house.settings)
        with pytest.raises(BackupError, match=r"was not made: .*earlier backups are untouched"):
            await backups.make()
        state = await backups.state()
    assert (state["newest_verified_at"], state["last_attempt_failed"]) == (None, True)
    assert {path.name for path in house.backups.iterdir()} == {"last-attempt.json"}


def test_a_backup_leaves_room_for_the_journal(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"no room .* Make room, or set another \[backup\] folder"):
        require_room(tmp_path / "not" / "there", 10**18)
    require_room(tmp_path, 0)


async def test_one_backup_at_a_time(house: House) -> None:
    house.write(1, range(10))
    async with house.store() as store:
        backups = Backups(store, house.settings)
        made, refused = await asyncio.gather(backups.make(), backups.make(), return_exceptions=True)
    assert isinstance(made, Backup)
    assert isinstance(refused, Conflict)


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
async def test_a_store_can_be_closed_amid_a_backup(house: House) -> None:
    store = house.open()
    await store.write([("INSERT INTO scans (id) SELECT range::VARCHAR FROM range(2000000)", ())])
    making = asyncio.create_task(make_backup(store, house.control, house.backups, version="1"))
    while not list(house.backups.glob(".unfinished-*/scans.parquet")):
        await asyncio.sleep(0.001)
    await asyncio.to_thread(store.close)
    with pytest.raises(BackupError):
        await making
    assert list_backups(house.backups) == []


# Verification


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def change_manifest(change: Callable[[Any], None]) -> Callable[[Backup], None]:
    def changed(backup: Backup) -> None:
        path = backup.folder / MANIFEST
        manifest = json.loads(path.read_text())
        change(manifest)
        path.write_text(json.dumps(manifest))

    return changed


def fewer_rows(manifest: Any) -> None:
    manifest["scan_store"]["tables"]["scans"]["rows"] -= 1


def other_rows(manifest: Any) -> None:
    manifest["scan_store"]["tables"]["scans"]["fingerprint"] = "1"


def no_table(manifest: Any) -> None:
    del manifest["scan_store"]["tables"]["accounting"]


def broken_control(backup: Backup) -> None:
    """With a digest that fits: as if it had been damaged before it was copied."""
    path = backup.folder / "waymark.db"
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    path.write_bytes(content)
    from analytics.backup import file_facts

    change_manifest(lambda manifest: manifest["files"].update({"waymark.db": file_facts(path)}))(backup)


DAMAGE: list[tuple[str, Callable[[Backup], None], str]] = [
    ("a flipped byte of scans", lambda b: flip(b.parquet("scans")), "its digest is another one"),
    ("a flipped byte of codes", lambda b: flip(b.folder / "waymark.db"), "its digest is another one"),
    ("a missing file", lambda b: b.parquet("journal_marks").unlink(), "journal_marks.parquet is missing"),
    ("a file cut off", lambda b: os.truncate(b.parquet("scans"), 100), "100 bytes instead of"),
    ("fewer rows", change_manifest(fewer_rows), "130 rows instead of 129"),
    ("other rows", change_manifest(other_rows), "other rows than the scan store held"),
    ("a table less", change_manifest(no_table), "the table accounting is missing"),
    ("codes damaged before", broken_control, "waymark.db is damaged"),
]


@pytest.mark.parametrize(("harm", "says"), [case[1:] for case in DAMAGE], ids=[case[0] for case in DAMAGE])
async def test_damage_is_found_named_and_remembered(house: House, harm: Callable[[Backup], None], says: str) -> None:
    house.write(1, range(130))
    harm(await house.back_up())
    [damaged] = list_backups(house.backups)
    assert damaged.verified_at is not None  # nobody has looked yet
    assert says in str(verify(damaged).problem)
    [damaged] = list_backups(house.backups)
    assert damaged.verified_at is None
    assert says in str(damaged.problem)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"made_at": 5}', "\xff"])
async def test_a_manifest_without_sense_is_no_backup(house: House, content: str) -> None:
    house.write(1, range(10))
    backup = await house.back_up()
    (backup.folder / MANIFEST).write_text(content, encoding="latin-1")
    assert list_backups(house.backups) == []
    with pytest.raises(BackupError, match="Use another backup"):
        get_backup(backup.folder)
    with pytest.raises(BackupMissing):
        get_backup(house.backups)


async def test_a_copy_on_another_disk_is_as_good(house: House, tmp_path: Path) -> None:
    house.write(1, range(10))
    backup = await house.back_up()
    copy = copy_backup(backup, tmp_path / "usb")
    assert (copy.name, copy.rows, copy.verified_at) == (backup.name, backup.rows, None)
    assert verify(copy).problem is None


# What is kept


def kept_of(states: str, keep: int) -> str:
    """``states``: newest first, v verified, x not; the same with - for what is removed."""
    backups = [
        Backup(Path(f"{99 - number}"), {"made_at": f"2026-01-{28 - number:02}T00:00:00Z"}, None, None)
        for number in range(len(states))
    ]
    backups = [
        replace(backup, verified_at=NOW if state == "v" else None)
        for backup, state in zip(backups, states, strict=True)
    ]
    gone = removable(reversed(backups), keep)
    return "".join("-" if backup in gone else state for backup, state in zip(backups, states, strict=True))


@pytest.mark.parametrize(
    ("states", "keep", "kept"),
    [
        ("", 3, ""),
        ("v", 1, "v"),
        ("vvv", 3, "vvv"),
        ("vvvv", 3, "vvv-"),
        ("xvvv", 2, "xvv-"),
        ("xxxv", 1, "x--v"),
        ("xxxx", 2, "x---"),
        ("vxvxv", 2, "v-v--"),
    ],
)
def test_which_backups_stay(states: str, keep: int, kept: str) -> None:
    assert kept_of(states, keep) == kept


async def test_only_covered_old_compressed_segments_go(house: House) -> None:
    for number in range(1, 4):
        house.write(number, range(number * 10, number * 10 + 10))
    house.write(1, range(50, 60), series=DEMO)
    house.write(2, range(60, 70), series=DEMO)
    first = await house.back_up(NOW)
    house.compress()
    house.write(4, range(40, 50))
    before = await house.state()
    house.compress()  # 3 too, which this backup does not hold whole
    now = datetime.now(UTC)
    there = sorted(path.name for path in house.journal.iterdir())
    assert prune_segments(house.journal, [first], now) == 0  # too young
    assert prune_segments(house.journal, [], now + timedelta(days=9)) == 0  # nothing covers them
    os.utime(house.journal / "public-0.0000000000001.000002.jsonl.gz")
    assert prune_segments(house.journal, [first], now + timedelta(days=1.9)) == 0
    assert prune_segments(house.journal, [first], now + timedelta(days=2.1)) == 2
    gone = [f"public-0.0000000000001.00000{number}.jsonl.gz" for number in (1, 2)]
    assert sorted(path.name for path in house.journal.iterdir()) == [name for name in there if name not in gone]
    assert await house.state() == before


async def test_a_segment_goes_when_every_backup_kept_holds_it(house: House) -> None:
    """So that an older backup and the journal are enough, should the newest turn out damaged."""
    house.write(1, range(10))
    house.write(2, range(10, 20))
    first = await house.back_up(NOW)
    house.write(3, range(20, 30))
    before = await house.state()
    house.compress()
    make_old(house.journal)
    second = await house.back_up(NOW + timedelta(days=1))
    assert len(list(house.journal.glob("*.000002.*"))) == 1
    assert len(list(house.journal.glob("*.000001.*"))) == 0
    for backup in (second, first):
        flip(second.parquet("scans"))
        house.damage()
        assert await house.state() == before, backup.name


async def test_a_segment_that_comes_back_is_not_read_again(house: House) -> None:
    segment = house.write(1, range(10))
    house.write(2, range(10, 20))
    before = await house.state()
    house.compress()
    packed = segment.with_name(f"{segment.name}.gz")
    content = packed.read_bytes()
    make_old(house.journal)
    await house.back_up()
    assert not packed.exists()
    packed.write_bytes(content)
    assert await house.state() == before
    segment.write_bytes(gzip.decompress(content))
    assert await house.state() == before


@pytest.mark.parametrize(
    ("hours", "attempt_hours", "problem", "due"),
    [
        (None, None, None, True),
        (23, 23, None, False),
        (25, 25, None, True),
        (-30, -30, None, True),  # the clock was wrong then
        (25, 0.5, "disk full", False),
        (25, 2, "disk full", True),
        (None, 0.5, "disk full", False),
    ],
)
async def test_when_the_daily_backup_is_due(
    house: House, hours: float | None, attempt_hours: float | None, problem: str | None, due: bool
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    house.write(1, range(10))
    if hours is not None:
        await house.back_up(now - timedelta(hours=hours))
    if attempt_hours is not None:
        house.backups.mkdir(exist_ok=True)
        said = {"at": (now - timedelta(hours=attempt_hours)).isoformat(), "problem": problem}
        (house.backups / "last-attempt.json").write_text(json.dumps(said))
    async with house.store() as store:
        assert await Backups(store, house.settings).due(now) is due


async def test_an_empty_installation_is_not_backed_up_by_itself(house: House) -> None:
    async with house.store() as store:
        assert not await Backups(store, house.settings).due()


# A broken scan store


async def broken_in_use(house: House) -> None:
    """Damage in the middle is seen by whoever reads it, noted, and acted upon at the next start."""
    size = house.path.stat().st_size
    house.damage(12288, size - 12288 - 4096)
    try:
        store = ScanStore.open(house.path)
    except StoreError:
        return  # the tables' own description was hit
    with pytest.raises(duckdb.Error):
        await store.read_everything()
    assert store.damage is not None
    mark_damaged(house.path, store.damage)
    store.close()


async def broken_header(house: House) -> None:
    house.damage()


async def cut_in_half(house: House) -> None:
    os.truncate(house.path, house.path.stat().st_size // 2)


async def emptied(house: House) -> None:
    house.path.write_bytes(b"")


async def missing(house: House) -> None:
    house.path.unlink()


async def broken_log(house: House) -> None:
    """A write-ahead log as a killed process leaves it, with damage in the middle."""
    program = (
        "import os, sys; from pathlib import Path; from analytics.store import ScanStore\n"
        "store = ScanStore.open(Path(sys.argv[1]))\n"
        "for number in range(50): store._write([('INSERT INTO quarantine VALUES (?, 1, ?)', ['x', 'y' * 100])])\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(house.path)], cwd=ROOT, check=False)  # noqa: ASYNC221
    log = house.path.with_name("scans.duckdb.wal")
    content = bytearray(log.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 1024] = bytes(1024)
    log.write_bytes(content)


BREAKING = [broken_header, broken_in_use, cut_in_half, emptied, missing, broken_log]


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
@pytest.mark.parametrize("breaks", BREAKING)
async def test_a_broken_store_is_rebuilt_from_backup_and_journal(
    house: House, breaks: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the early scans only the backup is left, of the late ones only the journal: all are there once, with accounting."""
    house.write(1, range(40), b"damage\n", stats_line(7, {"answered": 40, "recorded": 41}))
    house.write(2, range(40, 60))
    await house.state()
    house.compress()
    make_old(house.journal)
    await house.back_up()
    assert not list(house.journal.glob("*.000001.*"))
    house.write(2, range(40, 75), stats_line(9, {"answered": 75, "recorded": 76}))  # read on in the middle
    house.write(3, range(75, 90), b"torn")
    before = await house.state()
    size = house.path.stat().st_size
    await breaks(house)
    assert await house.state() == before
    assert "the scan store scans.duckdb is rebuilt" in caplog.text
    assert "has been put back from the backup" in caplog.text
    kept = [name for name in house.set_aside() if ".broken-" in name]
    if breaks is missing:
        assert kept == []
    else:
        assert (house.folder / kept[0]).stat().st_size <= size
        assert kept[0] in caplog.text
    assert await house.state() == before  # once and for all
    assert [name for name in house.set_aside() if ".broken-" in name] == kept


async def test_what_was_half_read_at_the_backup_and_compressed_since_is_there_once(house: House) -> None:
    """Scans and looks at jobs' pages alike."""
    looks = [view_line(View(1_700_000_000_000_000 + number, 7, None, "f" * 16)) for number in range(3)]
    house.write(1, range(10), *looks[:2])
    await house.back_up()
    house.write(1, range(10), *looks[:2], *scan_lines(range(10, 20)), looks[2])
    house.write(2, range(20, 30))
    before = await house.state()
    assert len(before[-1]) == 3
    house.compress()
    assert list(house.journal.glob("*.000001.*.gz"))
    house.damage()
    assert await house.state() == before


async def test_without_a_backup_the_journal_alone_is_enough(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.write(1, range(40))
    house.write(2, range(40, 60))
    before = await house.state()
    house.compress()
    house.damage()
    assert await house.state() == before
    assert "rebuilt from the journal alone" in caplog.text


async def test_a_missing_store_without_a_backup_is_a_first_start(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.open().close()
    assert caplog.text == ""
    assert house.set_aside() == []


async def test_a_damaged_backup_is_passed_over(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.write(1, range(40))
    await house.back_up(NOW)
    house.write(2, range(40, 60))
    before = await house.state()
    newer = await house.back_up(NOW + timedelta(days=1))
    flip(newer.parquet("scans"))
    house.damage()
    assert await house.state() == before
    assert f"the backup {newer.name} cannot be used: scans.parquet was changed" in caplog.text


async def test_a_backup_of_a_newer_waymark_is_passed_over(house: House) -> None:
    house.write(1, range(40))
    backup = await house.back_up(NOW)
    change_manifest(lambda manifest: manifest["scan_store"].update(version=SCHEMA_VERSION + 1))(backup)
    before = await house.state()
    house.damage()
    assert await house.state() == before
    assert "newer Waymark" in str(find_problem(get_backup(backup.folder)))


async def test_a_store_of_somebody_else_is_left_alone(house: House) -> None:
    """Locked by another process, or written by a newer version: a rebuild would be wrong."""
    house.write(1, range(10))
    await house.back_up()
    hold = (
        "import sys, time; from pathlib import Path; from analytics.store import ScanStore\n"
        "store = ScanStore.open(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(house.path)], cwd=ROOT, stdout=subprocess.PIPE) as holder:  # noqa: ASYNC220
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(StoreError, match="Conflicting lock"):
            house.open()
        holder.kill()
    with duckdb.connect(str(house.path)) as store:
        store.execute("UPDATE store_version SET version = ?", [SCHEMA_VERSION + 1])
    with pytest.raises(StoreError, match="newer Waymark"):
        house.open()
    assert [name for name in house.set_aside() if "broken" in name] == []


async def test_trouble_that_left_no_damage_is_forgotten(house: House) -> None:
    house.write(1, range(10))
    before = await house.state()
    mark_damaged(house.path, "FATAL Error: something went wrong while writing")
    assert await house.state() == before
    assert house.set_aside() == []


async def test_a_store_older_than_its_backup_is_completed(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """As when a disk image of last week is put back: the journal no longer has what only the backup has."""
    house.write(1, range(10))
    await house.state()
    old = house.path.read_bytes()
    house.write(2, range(10, 20))
    house.write(3, range(20, 30))
    before = await house.state()
    house.compress()
    make_old(house.journal)
    await house.back_up()
    house.path.write_bytes(old)
    assert await house.state() == before
    assert "it is older than its backup" in caplog.text


async def test_demo_scans_removed_since_do_not_come_back(house: House) -> None:
    house.write(1, range(10))
    for number, series in ((1, DEMO), (2, DEMO)):
        house.write(number, range(number * 100, number * 100 + 10), series=series)
    await house.back_up()
    for path in house.journal.glob(f"{DEMO}.*"):
        path.unlink()
    async with house.store() as store:
        await store.write(
            [(f"DELETE FROM {table} WHERE run LIKE 'demo.%'", ()) for table in ("scans", "journal_marks", "accounting")]
        )
    before = await house.state()
    assert len(before[0]) == 10
    house.damage()
    assert await house.state() == before


async def test_demo_scans_that_are_there_do_come_back(house: House) -> None:
    house.write(1, range(10))
    house.write(1, range(100, 110), series=DEMO)
    await house.back_up()
    before = await house.state()
    assert len(before[0]) == 20
    house.damage()
    assert await house.state() == before


async def test_whole_addresses_cut_since_the_backup_move_no_scan(house: House) -> None:
    """[privacy] address = "full": compressing makes lines longer or shorter behind the backup's mark."""

    def lines(numbers: range) -> list[bytes]:
        return [scan_line(scan(number, address=f"203.0.113.{number % 200}")) for number in numbers]

    write_segment(house.journal, lines(range(40)))
    await house.back_up()
    write_segment(house.journal, lines(range(100)))
    house.write(2, range(100, 110))
    before = await house.state()
    house.compress()
    assert b"203.0.113.7" not in gzip.decompress(next(house.journal.glob("*.gz")).read_bytes())
    house.damage()
    assert await house.state() == before


async def test_a_backup_that_cannot_be_put_back_for_now_is_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room is no reason to begin with an empty store."""
    house.write(1, range(10))
    house.write(2, range(10, 20))
    before = await house.state()
    house.compress()
    make_old(house.journal)
    await house.back_up()
    house.damage()
    monkeypatch.setattr("analytics.backup.SPARE_BYTES", 10**18)
    with pytest.raises(StoreError, match="no room"):
        house.open()
    monkeypatch.undo()
    assert await house.state() == before


# Doctor


def only_backup(config: Config, now: datetime) -> list[tuple[str, str]]:
    return [(found.state, found.says) for found in check.check_backup(config, now)]


async def test_doctor_says_how_old_the_newest_verified_backup_is(house: House) -> None:
    config = Config(data=Data(dir=str(house.folder)))
    assert [state for state, _ in only_backup(config, NOW)] == ["ok"]  # nothing to save yet
    house.write(1, range(10))
    await house.back_up(NOW)
    for hours, state in ((1, "ok"), (35, "ok"), (37, "warn"), (24 * 8, "fail")):
        [(shown, says)] = only_backup(config, NOW + timedelta(hours=hours))
        assert (shown, "the newest verified one, 20261121T184000Z" in says) == (state, True)
    flip(house.backups / "20261121T184000Z" / "scans.parquet")
    verify(get_backup(house.backups / "20261121T184000Z"))
    said = {"at": NOW.isoformat(), "problem": "there is no room"}
    (house.backups / "last-attempt.json").write_text(json.dumps(said))
    house.damage()
    await house.state()
    found = only_backup(config, NOW)
    assert [state for state, _ in found] == ["fail", "warn", "ok", "warn"]
    assert "there is no room" in found[0][1]
    assert "is damaged: scans.parquet was changed" in found[1][1]
    assert "a broken scan store was set aside and rebuilt" in found[3][1]


# The real service


@pytest.fixture
def waymark(tmp_path: Path) -> Running:
    return Running(tmp_path)


def is_up(waymark: Running) -> Any:
    try:
        return waymark.get("/accounting")
    except Exception:
        return None


def wait_for_scans(waymark: Running, scans: int) -> None:
    wait_for(lambda: (told := is_up(waymark)) and told["stored"] == scans and told["exact"], f"{scans} scans", 60)


def scan_often(waymark: Running, times: int) -> None:
    for _ in range(times):
        assert waymark.scan("/poster").status == 302


def a_poster(waymark: Running) -> None:
    waymark.cli("code", "add", "https://example.com/", "--slug", "poster")
    wait_for(lambda: waymark.scan("/poster", method="HEAD").status == 302, "the poster being live")


slow_and_ci = [pytest.mark.slow, pytest.mark.ci, pytest.mark.together]


@pytest.mark.parametrize(
    "where", ["running", pytest.param("header", marks=slow_and_ci), pytest.param("middle", marks=slow_and_ci)]
)
def test_the_service_rebuilds_a_broken_store_by_itself(waymark: Running, where: str) -> None:
    store = waymark.data / "scans.duckdb"
    with waymark:
        a_poster(waymark)
        scan_often(waymark, 60)
        wait_for_scans(waymark, 61)
        made = waymark.back_up()
        assert (made["rows"]["scans"], made["control_database"]) == (61, True)
        assert waymark.get("/status")["backup"]["newest_verified_at"] == made["made_at"]
        scan_often(waymark, 30)
        wait_for_scans(waymark, 91)
    size = store.stat().st_size
    begin = {"header": 0, "middle": 12288, "running": block_of_scans(store)}[where]
    length = {"header": 8192, "middle": size - 12288, "running": 4096}[where]
    with store.open("r+b") as file:
        file.seek(begin)
        file.write(os.urandom(length))
    with waymark:
        wait_for(lambda: "has been put back from the backup" in waymark.log.read_text(), "the rebuild")
        wait_for_scans(waymark, 91)
        scan_often(waymark, 10)
        wait_for_scans(waymark, 101)
    assert ("the private side starts anew to rebuild it" in waymark.log.read_text()) == (where == "running")
    assert len(list(waymark.data.glob("scans.duckdb.broken-*"))) == 1


def block_of_scans(path: Path) -> int:
    """Where rows lie that nobody needs for opening the file: the start goes well, and damage shows later."""
    with duckdb.connect(str(path), read_only=True) as store:
        block = store.execute(
            "SELECT min(block_id) FROM pragma_storage_info('scans') WHERE persistent AND block_id >= 0"
        ).fetchone()
        size = store.execute("SELECT block_size FROM pragma_database_size()").fetchone()
    assert block is not None
    assert size is not None
    return 12288 + int(block[0]) * int(size[0]) + 1000


class Shell:
    """The command line in this process: a new one for each command takes a second."""

    def __init__(self, waymark: Running, said: pytest.CaptureFixture[str]) -> None:
        self._config, self._said = str(waymark.config), said

    def __call__(self, *words: str) -> Any:
        assert run([*words, "--config", self._config, "--json"]) == 0
        return json.loads(self._said.readouterr().out)

    def refused(self, code: int, *words: str) -> str:
        assert run([*words, "--config", self._config]) == code
        return self._said.readouterr().err


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_the_command_line_backs_up_verifies_and_restores(
    waymark: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = Shell(waymark, capsys)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    waymark.data.mkdir()
    assert "nothing to save" in shell.refused(3, "backup")
    assert "there is no backup" in shell.refused(3, "verify")
    with waymark:
        a_poster(waymark)
        scan_often(waymark, 20)
        wait_for_scans(waymark, 21)
        first = shell("backup", "--to", str(tmp_path / "usb"))
        assert Path(first["copy"]).parent == tmp_path / "usb"
        assert shell("verify")["name"] == first["name"]
        assert "in use by process" in shell.refused(1, "restore", first["name"], "--yes")
        waymark.cli("code", "add", "https://example.com/2", "--slug", "later")
        scan_often(waymark, 10)
        wait_for_scans(waymark, 31)
    assert "add --yes" in shell.refused(2, "restore", first["name"])
    assert "there is no backup 'x'" in shell.refused(3, "restore", "x", "--yes")
    assert shell("backup")["rows"]["scans"] == 31
    assert shell("verify", first["copy"])["rows"]["scans"] == 21
    done = shell("restore", first["copy"], "--yes")
    assert (done["scans"], done["control_database"]) == (21, True)
    assert done["warnings"][0].startswith("1 code made since")
    assert "later" in done["warnings"][0]
    checks = list(check_control_database(load_config(str(waymark.config))))
    assert checks[0].says.startswith("SQLite in WAL mode, sound")
    with waymark:
        wait_for_scans(waymark, 31)  # the journal has the others
        assert [code["code"] for code in waymark.get("/codes")["codes"]] == ["poster"]
        assert waymark.scan("/later").status == 404
        waymark.cli("code", "add", "https://example.com/3", "--slug", "newest")
        assert ids_of(waymark) == {"poster": 1, "newest": 3}  # 2 was the lost one's
    for path in Path(done["set_aside"]).iterdir():  # the way back
        path.replace(waymark.data / path.name)
    assert ids_of(waymark) == {"poster": 1, "later": 2}
    flip(Path(first["copy"]) / "scans.parquet")
    assert "is damaged" in shell.refused(1, "verify", first["copy"])
    assert "Nothing was changed" in shell.refused(1, "restore", first["copy"], "--yes")
    assert ids_of(waymark) == {"poster": 1, "later": 2}


def ids_of(waymark: Running) -> dict[str, int]:
    with closing(sqlite3.connect(waymark.data / "waymark.db")) as database:
        return dict(database.execute("SELECT code, id FROM codes").fetchall())


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_what_only_the_backup_holds_survives_a_killed_and_broken_store(waymark: Running) -> None:
    """Judged by the client's own list of ids: each acknowledged scan is there exactly once."""
    with waymark:
        add_codes(waymark)
        with OpenLoop(waymark.public_port, 300) as client:
            client.wait_for_more(1500)
            waymark.stop()
            waymark.start()  # a segment that is closed
            client.wait_for_more(600)
            wait_for(lambda: (waymark.data / "journal").glob("*.gz") and _packed(waymark), "a compressed segment", 120)
            make_old(waymark.data / "journal")
            for path in (waymark.data / "journal").glob("*.jsonl"):
                os.utime(path)
            waymark.back_up()
            assert not _packed(waymark)  # only the backup has these scans now
            client.wait_for_more(900)
            os.kill(get_pid(waymark, "waymark.private"), 9)
            store = waymark.data / "scans.duckdb"
            content = bytearray(store.read_bytes())
            content[: len(content) // 2] = os.urandom(len(content) // 2)
            store.write_bytes(content)
            wait_for(lambda: "has been put back from the backup" in waymark.log.read_text(), "the rebuild", 60)
            client.wait_for_more(300)
        assert client.ledger.wrong == []
        assert_nothing_lost(waymark, client.ledger, "broken store, backup, pruned journal")


def _packed(waymark: Running) -> list[Path]:
    return list((waymark.data / "journal").glob("*.gz"))
