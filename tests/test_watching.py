"""Counts and visitors on their way: store -> control database -> worker, each scan once, whatever dies in between."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from analytics.store import ScanStore
from analytics.watching import Watching
from codes.codes import Code, CodeChange, change_code
from database.engine import Database
from redirector.journal import Journal
from redirector.lookup import all_routes
from redirector.needs import needs_of
from redirector.records import Scan, scan_line
from redirector.routes import Route
from redirector.tails import is_consumed
from redirector.watched import Watched
from tests.conftest import AddCode, both_databases
from tests.running import IPHONE
from tests.store_samples import ingest_journal
from tests.test_codes import POLICY

pytestmark = pytest.mark.anyio

FIRST = [{"name": "First", "when": [{"scans": {"below": 5}}], "to": "https://a.example/"}]
VISITS = [{"name": "Back", "when": [{"visitor": "returning"}], "to": "https://a.example/"}]
BOT = "Googlebot/2.1 (+http://www.google.com/bot.html)"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ScanStore]:
    opened = ScanStore.open(tmp_path / "scans.duckdb", memory_mb=256)
    yield opened
    opened.close()


class Worker:
    """The part of a public worker that remembers, with a journal of its own."""

    def __init__(self, folder: Path, series: str = "public-0") -> None:
        self.journal = Journal(folder, series)
        self.journal.open()
        self.watched = Watched(self.journal, lambda: None)
        self.number = 0

    def scan(self, code: Code, visitor: str = "a" * 16, *, noted: bool = True, **fields: Any) -> None:
        self.number += 1
        scan = Scan(
            **{
                "id": f"{self.number:024x}", "at_us": time.time_ns() // 1000, "code_id": code.id, "version": 1, "rule": None,
                "variant": None, "uncounted": None, "address": "203.0.113.0/24", "user_agent": IPHONE, "referrer": "",
                "language": "", "visitor": visitor, **fields,
            }
        )  # fmt: skip
        self.journal.append_scan(scan_line(scan))
        if noted and is_consumed(scan):
            self.watched.note(code.id, scan.visitor or None, by_bot=False)

    async def follow(self, db: Database, *, news: bool = True) -> None:
        async with db.reading() as connection:
            self.watched.keep(await all_routes(connection))
        await self.watched.follow(db, news=news)


async def ingest(store: ScanStore, folder: Path) -> None:
    await ingest_journal(store, folder / "journal", folder / "geo")


@both_databases
async def test_a_count_is_published_once_per_scan(
    db: Database, add_code: AddCode, store: ScanStore, tmp_path: Path
) -> None:
    code = await add_code(slug="first", rules=FIRST)
    worker, watching = Worker(tmp_path / "journal"), Watching(store, db, tmp_path / "journal")
    await watching.step()
    await worker.follow(db)
    assert worker.watched.count(code.id) == 0
    for _ in range(3):
        worker.scan(code)
    assert worker.watched.count(code.id) == 3  # its own count at once
    other = Worker(tmp_path / "journal", "public-1")
    await other.follow(db)
    assert other.watched.count(code.id) == 3  # read behind the marks, nothing is published yet
    await ingest(store, tmp_path)
    watching._published_at = 0
    await watching.step()
    for one in (worker, other):
        await one.follow(db)
        assert one.watched.count(code.id) == 3


@both_databases
async def test_whoever_starts_anew_knows_every_scan_once(
    db: Database, add_code: AddCode, store: ScanStore, tmp_path: Path
) -> None:
    code = await add_code(slug="first", rules=FIRST)
    watching = Watching(store, db, tmp_path / "journal")
    await watching.step()
    total = 0
    for run in range(4):  # runs that were killed: their journals stay as they are
        worker = Worker(tmp_path / "journal")
        await worker.follow(db)
        assert worker.watched.count(code.id) == total
        for _ in range(run + 2):
            worker.scan(code)
        total += run + 2
        if run % 2:
            await ingest(store, tmp_path)
            watching = Watching(store, db, tmp_path / "journal") if run == 3 else watching
            watching._published_at = 0
            await watching.step()
            await worker.follow(db)
        assert worker.watched.count(code.id) == total
        worker.journal.close()


async def test_only_people_who_were_let_through_count(
    db: Database, add_code: AddCode, store: ScanStore, tmp_path: Path
) -> None:
    """The worker, the tail of the journal, and the store agree on what a scan is."""
    code = await add_code(slug="first", rules=FIRST)
    worker, watching = Worker(tmp_path / "journal"), Watching(store, db, tmp_path / "journal")
    await watching.step()
    await worker.follow(db)
    for fields in (
        {},
        {"rule": "First", "variant": "A"},
        {"rule": "In", "uncounted": "password"},
        {"uncounted": "head"},
        {"uncounted": "prefetch"},
        {"user_agent": BOT},
        {"user_agent": ""},
        {"rule": "-password"},
        {"rule": "-paused"},
        {"rule": "-ended"},
        {"gpc": True, "visitor": ""},
    ):
        worker.scan(code, **fields)
    assert worker.watched.count(code.id) == 4
    behind = Worker(tmp_path / "journal", "public-1")
    await behind.follow(db)
    assert behind.watched.count(code.id) == 4
    await ingest(store, tmp_path)
    fresh = Watching(store, db, tmp_path / "journal")
    await fresh.step()
    after = Worker(tmp_path / "journal", "public-2")
    await after.follow(db)
    assert after.watched.count(code.id) == 4


async def test_a_code_that_is_watched_later_has_its_scans_before(
    db: Database, add_code: AddCode, store: ScanStore, tmp_path: Path
) -> None:
    code = await add_code(slug="later")
    worker, watching = Worker(tmp_path / "journal"), Watching(store, db, tmp_path / "journal")
    await watching.step()
    await worker.follow(db)
    for _ in range(3):
        worker.scan(code, noted=False)
    await ingest(store, tmp_path)
    worker.scan(code, noted=False)
    assert worker.watched.count(code.id) is None
    await change_code(db, "later", CodeChange(options={"max_scans": 9}), who="ops", policy=POLICY)
    await watching.step()
    await worker.follow(db)
    worker.scan(code)
    assert worker.watched.count(code.id) == 5
    await change_code(db, "later", CodeChange(options={}), who="ops", policy=POLICY)
    await watching.step()
    await worker.follow(db)
    assert worker.watched.count(code.id) is None
    async with db.reading() as connection:
        assert (await connection.exec_driver_sql("SELECT count(*) FROM scan_counts")).scalar() == 0


async def test_rows_that_are_removed_make_it_count_anew(
    db: Database, add_code: AddCode, store: ScanStore, tmp_path: Path
) -> None:
    code, other = await add_code(slug="first", rules=FIRST), await add_code(slug="other")
    worker, watching = Worker(tmp_path / "journal"), Watching(store, db, tmp_path / "journal")
    for one in (code, other, code, other, code):
        worker.scan(one, noted=False)
    await ingest(store, tmp_path)
    await watching.step()
    await store.write([("DELETE FROM scans WHERE code_id = ?", [other.id])])
    worker.scan(code, noted=False)
    await ingest(store, tmp_path)
    watching._published_at = 0
    await watching.step()
    await worker.follow(db)
    assert worker.watched.count(code.id) == 4


async def test_visitors_are_told_to_other_workers_and_forgotten_with_their_salt(
    db: Database, add_code: AddCode, store: ScanStore, tmp_path: Path
) -> None:
    code = await add_code(slug="visits", rules=VISITS)
    one, other = (Worker(tmp_path / "journal", f"public-{number}") for number in range(2))
    watching = Watching(store, db, tmp_path / "journal")
    await watching.step()
    for worker in (one, other):
        await worker.follow(db)
    old_us = time.time_ns() // 1000 - 50 * 3600 * 1_000_000
    one.scan(code, "1" * 16)
    one.scan(code, "2" * 16, at_us=old_us)
    assert one.watched.is_seen(code.id, ["1" * 16, None]) is True
    assert other.watched.is_seen(code.id, ["1" * 16]) is False
    await ingest(store, tmp_path)
    watching._published_at = 0
    await watching.step()
    await other.follow(db)
    assert other.watched.is_seen(code.id, ["1" * 16]) is True
    assert other.watched.is_seen(code.id, ["2" * 16]) is False


async def test_who_cannot_ask_does_not_wait(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "journal")
    worker.watched.can_load = False
    route = Route(1, 1, "x", False, 1, "https://a.example/", options=None)
    from codes.options import read_options

    limited = route._replace(options=read_options({"max_scans": 3}, None))
    async with asyncio.timeout(1):
        await worker.watched.ready(limited, needs_of(limited))
    assert worker.watched.count(1) is None


async def test_scans_that_come_before_the_count_is_known_are_counted_once(
    db: Database, add_code: AddCode, store: ScanStore, tmp_path: Path
) -> None:
    code = await add_code(slug="first", rules=FIRST)
    worker, watching = Worker(tmp_path / "journal"), Watching(store, db, tmp_path / "journal")
    await worker.follow(db)  # nothing is published yet
    for _ in range(3):
        worker.scan(code)
    assert worker.watched.count(code.id) is None
    await ingest(store, tmp_path)
    worker.scan(code)
    await watching.step()
    await worker.follow(db)
    assert worker.watched.count(code.id) == 4
