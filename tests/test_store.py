"""The scan store: a batch and its mark commit together, one owner, clear refusals, no way out to other files."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import given, settings

from analytics.enrich import Enricher
from analytics.enricher import EnrichmentProcess
from analytics.store import SCHEMA_VERSION, ScanStore, StoreBroken, StoreError
from geo.places import Places
from redirector.records import Scan, scan_line, stats_line
from tests.children import ROOT
from tests.scan_samples import scan_lines, write_segment
from tests.store_samples import agent_reader, ingest_journal
from tests.test_records import SCANS

pytestmark = pytest.mark.anyio
RUN = "public-0.0000000000001"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scans.duckdb"


@pytest.fixture
def store(path: Path) -> Iterator[ScanStore]:
    opened = ScanStore.open(path)
    yield opened
    opened.close()


def open_elsewhere(path: Path) -> str:
    """What another process says that opens the same store."""
    program = (
        "import sys; from pathlib import Path; from analytics.store import ScanStore, StoreError\n"
        "try: ScanStore.open(Path(sys.argv[1])); print('opened')\n"
        "except StoreError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def process_for(store: ScanStore, journal: Path) -> EnrichmentProcess:
    enricher = Enricher(agent_reader(), Places(journal / "no-geo"))
    return EnrichmentProcess(journal, store.batch_file, enricher, max_lines=1_000)


async def test_batches_are_appended_behind_one_another(store: ScanStore, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    lines = scan_lines(range(5))
    path = write_segment(journal, lines[:3])
    await ingest_journal(store, journal, tmp_path / "geo")
    assert await store.marks() == ({path.name: path.stat().st_size}, set())
    write_segment(journal, [*lines, b"torn"])
    write_segment(journal, [], number=2)
    await ingest_journal(store, journal, tmp_path / "geo")
    assert await store.query("SELECT id, run FROM scans ORDER BY id") == [(f"{n:024x}", RUN) for n in range(5)]
    _marks, finished = await store.marks()
    assert finished == {path.name}
    assert await store.query("SELECT scans, corrupt, torn_bytes, done FROM journal_marks WHERE done") == [
        (5, 0, 4, True)
    ]


async def test_what_was_written_can_be_read_again(path: Path, tmp_path: Path) -> None:
    store = ScanStore.open(path)
    write_segment(tmp_path / "journal", scan_lines(range(5)))
    await ingest_journal(store, tmp_path / "journal", tmp_path / "geo")
    store.close()
    again = ScanStore.open(path)
    assert await again.query("SELECT count(*) FROM scans") == [(5,)]
    assert await ingest_journal(again, tmp_path / "journal", tmp_path / "geo") == []
    again.close()


async def test_a_batch_that_fails_leaves_no_trace(store: ScanStore, tmp_path: Path) -> None:
    """Rows without their mark would come twice, a mark without its rows would lose them."""
    write_segment(tmp_path / "journal", [*scan_lines(range(5)), b"damage\n", stats_line(7, {"answered": 5})])
    process = process_for(store, tmp_path / "journal")
    batch = process.answer({}, set())
    with pytest.raises(duckdb.Error):
        await store.append({**batch, "offset": "no number"})
    for table in ("scans", "journal_marks", "quarantine", "accounting"):
        assert await store.query(f"SELECT count(*) FROM {table}") == [(0,)]
    await store.append(batch)
    assert await store.query("SELECT count(*) FROM scans") == [(5,)]


async def test_several_statements_are_one_transaction(store: ScanStore) -> None:
    with pytest.raises(duckdb.Error):
        await store.write([("INSERT INTO dimension_mark VALUES (?)", [1]), ("INSERT INTO nowhere VALUES (1)", ())])
    assert await store.query("SELECT * FROM dimension_mark") == []
    await store.write([("INSERT INTO dimension_mark VALUES (?)", [2])])
    assert await store.query("SELECT * FROM dimension_mark") == [(2,)]


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
async def test_readers_never_see_half_a_batch(store: ScanStore, tmp_path: Path) -> None:
    for number in range(1, 30):
        write_segment(tmp_path / "journal", scan_lines(range(number * 100, number * 100 + 50)), number=number)
    writing = asyncio.create_task(ingest_journal(store, tmp_path / "journal", tmp_path / "geo"))
    while not writing.done():
        [(rows, marked)] = await store.query(
            "SELECT (SELECT count(*) FROM scans), (SELECT coalesce(sum(scans), 0) FROM journal_marks)"
        )
        assert rows == marked
    await writing


async def test_the_accounting_row_is_exact(store: ScanStore, tmp_path: Path) -> None:
    """Beside the writer's own counters stands what was read up to the same line, not what came behind it."""
    journal, lines = tmp_path / "journal", scan_lines(range(10))
    first = stats_line(1_000_000, {"answered": 3, "recorded": 3, "pending": 0, "lost": {}})
    second = stats_line(
        2_000_000,
        {"answered": 9, "recorded": 6, "pending": 1, "lost": {"spill_full": 1, "shutdown": 1}, "not_found": 4},
    )
    parts = [[*lines[:3], first, lines[3]], [b"damage\n", lines[4]], [lines[5], second, *lines[6:]]]
    for upto in (1, 2, 3):
        write_segment(journal, [line for part in parts[:upto] for line in part])
        await ingest_journal(store, journal, tmp_path / "geo")
    write_segment(journal, [*scan_lines([99]), stats_line(3_000_000, {"answered": 1})], series="public-1")
    await ingest_journal(store, journal, tmp_path / "geo")
    rows = await store.query(
        "SELECT run, stated_at, answered, recorded, pending, lost, lost_reasons, counters, seen_scans, seen_corrupt "
        "FROM accounting ORDER BY run"
    )
    *numbers, reasons, counters, seen_scans, seen_corrupt = rows[0]
    assert numbers == [RUN, datetime(1970, 1, 1, 0, 0, 2), 9, 6, 1, 2]  # noqa: DTZ001
    assert orjson.loads(reasons) == {"spill_full": 1, "shutdown": 1}
    assert orjson.loads(counters)["not_found"] == 4
    assert (seen_scans, seen_corrupt) == (6, 1)
    assert rows[1][0] == "public-1.0000000000001"
    assert rows[1][-2:] == (1, 0)


async def test_a_corrupt_line_is_in_quarantine_once(store: ScanStore, tmp_path: Path) -> None:
    first, second = scan_lines([1, 2])
    nasty = b'["scan",1,"\x00\xff\xed\xa0\x80 "quoted" \xf0\x9f\x98\x80]\n'
    path = write_segment(tmp_path / "journal", [first, nasty, second, b"\n"])
    await ingest_journal(store, tmp_path / "journal", tmp_path / "geo")
    await ingest_journal(store, tmp_path / "journal", tmp_path / "geo")
    assert await store.query("SELECT * FROM quarantine ORDER BY at_offset") == [
        (path.name, len(first), nasty[:-1].decode(errors="replace")),
        (path.name, len(first + nasty + second), ""),
    ]
    assert await store.query("SELECT count(*) FROM scans") == [(2,)]


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
async def test_every_record_that_was_accepted_can_be_stored(store: ScanStore, tmp_path: Path) -> None:
    """One that the store refuses would hold up all behind it for ever."""
    scans: list[Scan] = []

    @given(SCANS)
    @settings(max_examples=300, database=None)
    def collect(entry: Scan) -> None:
        scans.append(entry)

    collect()
    write_segment(tmp_path / "journal", [scan_line(entry) for entry in scans])
    await ingest_journal(store, tmp_path / "journal", tmp_path / "geo")
    stored = await store.query('SELECT id, epoch_us(scanned_at), code_id, visitor, "query" FROM scans')
    assert [(*row[:4], orjson.loads(row[4]) if row[4] else {}) for row in stored] == [
        (entry.id, entry.at_us, entry.code_id, int(entry.visitor, 16) if entry.visitor else None, entry.query)
        for entry in scans
    ]


# One owner, and what is no store


def test_a_second_process_is_told_who_holds_it(path: Path, store: ScanStore) -> None:
    said = open_elsewhere(path)
    assert str(path) in said
    assert "Conflicting lock" in said
    assert "If another waymark is running on this data folder, stop it." in said


async def test_a_closed_store_is_free_and_whole(path: Path) -> None:
    """Also while the closed object is still around: nothing may depend on the garbage collector."""
    store = ScanStore.open(path)
    await store.write([("INSERT INTO dimension_mark VALUES (?)", [1])])
    await asyncio.gather(*(store.query("SELECT 1") for _ in range(10)))
    store.close()
    assert not path.with_name("scans.duckdb.wal").exists()
    assert open_elsewhere(path) == "opened\n"


BROKEN: list[tuple[str, Any]] = [
    ("a text", lambda whole: b"this is no database\n" * 1_000),
    ("zeros", lambda whole: bytes(len(whole))),
    ("empty", lambda whole: b""),
    ("cut in the header", lambda whole: whole[:5_000]),
    ("cut in half", lambda whole: whole[: len(whole) // 2]),
    ("flipped bytes", lambda whole: bytes(byte ^ (0xFF if index % 97 == 0 else 0) for index, byte in enumerate(whole))),
]


@pytest.mark.parametrize("damage", [case[1] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_file_is_refused_with_the_remedy(path: Path, damage: Any) -> None:
    ScanStore.open(path).close()
    broken = damage(path.read_bytes())
    path.write_bytes(broken)
    with pytest.raises(StoreBroken, match=r"cannot be opened, it is damaged: .* rebuilds it from") as refused:
        ScanStore.open(path)
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == broken
    path.unlink()
    ScanStore.open(path).close()


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file")
    with pytest.raises(StoreError, match="cannot be opened"):
        ScanStore.open(tmp_path / "blocked" / "scans.duckdb")


def test_a_store_of_a_newer_version_is_left_alone(path: Path) -> None:
    ScanStore.open(path).close()
    connection = duckdb.connect(str(path))
    connection.execute("UPDATE store_version SET version = ?", [SCHEMA_VERSION + 1])
    connection.close()
    with pytest.raises(StoreError, match=f"newer Waymark .version {SCHEMA_VERSION + 1}"):
        ScanStore.open(path)
    assert "newer Waymark" in open_elsewhere(path)  # and let go of


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('{outside}')",
        "COPY (SELECT 1) TO '{outside}.copy'",
        "ATTACH '{outside}.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
    ],
)
async def test_statements_reach_no_other_file(store: ScanStore, tmp_path: Path, statement: str) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("secret")
    with pytest.raises(duckdb.Error):
        await store.query(statement.format(outside=outside))
    assert {entry for entry in os.listdir(tmp_path) if "outside" in entry} == {"outside.txt"}  # noqa: PTH208


async def test_a_failed_query_leaves_the_store_usable(store: ScanStore) -> None:
    for _ in range(5):
        with pytest.raises(duckdb.Error):
            await store.query("SELECT * FROM nowhere")
    assert await store.query("SELECT 1") == [(1,)]


async def test_a_store_of_version_1_fetches_its_codes_anew_and_counts_its_days_again(tmp_path: Path) -> None:
    """Its copies of codes lack groups and what versions changed, its tallies lack rules."""
    path = tmp_path / "scans.duckdb"
    ScanStore.open(path).close()
    connection = duckdb.connect(str(path))
    for column in ("action", "restores", "reason", "rules"):
        connection.execute(f"ALTER TABLE versions DROP COLUMN {column}")
    connection.execute("UPDATE store_version SET version = 1")
    connection.execute("INSERT INTO dimension_mark VALUES (7)")
    connection.execute("INSERT INTO settled VALUES ('day', 1, 2, 3, false)")
    connection.close()
    store = ScanStore.open(path)
    assert await store.query("SELECT version FROM store_version") == [(SCHEMA_VERSION,)]
    assert await store.query("SELECT seq FROM dimension_mark") == []
    assert await store.query("SELECT * FROM settled") == []
    assert await store.query("SELECT action, restores, reason, rules FROM versions") == []
    store.close()
