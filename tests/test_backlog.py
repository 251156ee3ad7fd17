"""What waits in the journal: counted or reckoned, in plain and compressed segments, and what the doctor says of it."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from analytics.backlog import SAMPLE_BYTES, backlog
from analytics.store import ScanStore
from redirector.records import scan_line, stats_line
from tests.scan_samples import START, scan, scan_lines, write_segment
from waymark.checks import Check
from waymark.checks.backlog import backlog_checks, check_backlog
from waymark.config import Config, config_from

HOUR = timedelta(hours=1)


def test_nothing_waits_in_an_empty_or_absent_journal(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        found = backlog(folder, {}, set())
        assert (found.scans, found.waiting_bytes, found.segments, found.oldest_at) == (0, 0, 0, None)
        assert found.counted
        assert found.free_bytes > 0


@pytest.mark.parametrize("read", [0, 1, 4, 5])
def test_what_is_behind_the_mark_waits(tmp_path: Path, read: int) -> None:
    lines = scan_lines(range(5))
    lines.insert(3, stats_line(1, {"answered": 3}))
    path = write_segment(tmp_path, lines)
    offset = sum(map(len, lines[:read]))
    found = backlog(tmp_path, {path.name: offset}, set())
    left = [number for number, line in enumerate(lines) if number >= read and number != 3]
    assert (found.scans, found.counted, found.segments) == (len(left), True, 1)
    assert found.waiting_bytes == path.stat().st_size - offset
    assert found.oldest_at == START + timedelta(microseconds=left[0] - (left[0] > 3))


def test_a_segment_read_to_its_end_does_not_wait_but_takes_disk(tmp_path: Path) -> None:
    done = write_segment(tmp_path, scan_lines(range(5)), number=1)
    write_segment(tmp_path, scan_lines(range(5, 7)), number=2)
    found = backlog(tmp_path, {}, {done.name})
    assert (found.scans, found.segments) == (2, 1)
    assert found.journal_bytes == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_the_oldest_may_be_in_any_segment(tmp_path: Path) -> None:
    for series, number in (("public-0", 7), ("public-1", 3), ("public-2", 9)):
        write_segment(tmp_path, scan_lines([number]), series=series)
    assert backlog(tmp_path, {}, set()).oldest_at == START + timedelta(microseconds=3)


def test_half_a_line_is_no_scan_yet(tmp_path: Path) -> None:
    path = write_segment(tmp_path, [*scan_lines(range(2)), scan_line(scan(2))[:-5]])
    assert backlog(tmp_path, {}, set()).scans == 2
    whole = sum(map(len, scan_lines(range(2))))
    assert backlog(tmp_path, {path.name: whole}, set()).scans == 0


def test_of_much_the_beginning_is_counted_and_the_rest_reckoned(tmp_path: Path) -> None:
    numbers = range(4 * SAMPLE_BYTES // len(scan_lines([0])[0]))
    path = write_segment(tmp_path, scan_lines(numbers))
    found = backlog(tmp_path, {}, set())
    assert not found.counted
    assert found.waiting_bytes == path.stat().st_size
    assert found.scans == pytest.approx(len(numbers), rel=0.01)


@pytest.mark.parametrize("read", [0, 2])
def test_a_compressed_segment_that_a_new_store_has_not_read_waits_too(tmp_path: Path, read: int) -> None:
    lines = scan_lines(range(5))
    path = write_segment(tmp_path, lines)
    offset = sum(map(len, lines[:read]))
    plain = backlog(tmp_path, {path.name: offset}, set())
    path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    packed = backlog(tmp_path, {path.name: offset}, set())
    assert (packed.scans, packed.waiting_bytes, packed.oldest_at) == (5 - read, plain.waiting_bytes, plain.oldest_at)


def test_a_damaged_compressed_segment_stops_nobody(tmp_path: Path) -> None:
    path = write_segment(tmp_path, scan_lines(range(5)))
    path.rename(path.with_suffix(".jsonl.gz"))
    write_segment(tmp_path, scan_lines(range(2)), number=2)
    assert backlog(tmp_path, {}, set()).scans == 2


# What the doctor says


def waiting(**changes: Any) -> dict[str, Any]:
    some = {"scans": 1_800_000, "counted": False, "bytes": 720_000_000, "segments": 11, "oldest_at": START.isoformat()}
    return {**some, "journal_bytes": 800_000_000, "free_bytes": 7_200_000_000, **changes}


@pytest.mark.parametrize(
    ("facts", "later", "state", "says"),
    [
        (
            waiting(scans=0, bytes=0, oldest_at=None),
            HOUR,
            "ok",
            "no scan waits for the scan store; the journal takes 800.0 MB",
        ),
        (waiting(scans=3, counted=True), timedelta(seconds=1), "ok", "3 scans wait in the journal"),
        (
            waiting(),
            HOUR,
            "warn",
            "about 1,800,000 scans wait in the journal (720.0 MB), the oldest of 2026-11-21 18:40:00",
        ),
        (waiting(), HOUR, "warn", "7.2 GB of disk are free, enough for 10 hours like those since"),
        (waiting(oldest_at=None), HOUR, "ok", "scans wait"),
    ],
    ids=["nothing", "just now", "for an hour", "and the disk", "age unknown"],
)
def test_what_the_doctor_says(facts: dict[str, Any], later: timedelta, state: str, says: str) -> None:
    for running in (True, False):
        [check] = backlog_checks(facts, START + later, running=running)
        assert check.state == state
        assert says in check.says
        assert bool(check.remedy) == (state != "ok")
        assert ("waymark serve" in str(check.remedy)) == (state != "ok" and not running)


@pytest.fixture
def stopped(tmp_path: Path) -> Config:
    """Three scans in the journal, the first of them in the store."""
    config = config_from({"data": {"dir": "data"}}, tmp_path / "config.toml")
    config.data_dir.mkdir()
    lines = scan_lines(range(3))
    path = write_segment(config.data_dir / "journal", lines)
    ScanStore.open(config.data_dir / "scans.duckdb").close()
    with duckdb.connect(str(config.data_dir / "scans.duckdb")) as connection:
        connection.execute("INSERT INTO journal_marks VALUES (?, 'run', ?, 1, 0, 0, false)", [path.name, len(lines[0])])
    return config


def said(config: Config) -> list[Check]:
    return list(check_backlog(config, running=False))


def test_the_doctor_of_a_stopped_waymark_reads_store_and_journal(stopped: Config) -> None:
    [check] = said(stopped)
    assert (check.state, check.says.partition(" in ")[0]) == ("warn", "2 scans wait")
    (stopped.data_dir / "scans.duckdb").unlink()
    assert said(stopped)[0].says.startswith("3 scans wait")  # all of it, for a store that is made anew
    (stopped.data_dir / "scans.duckdb").write_bytes(b"not a database" * 1000)
    assert said(stopped) == []  # that is another check's matter


def test_before_the_first_start_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert said(config_from({"data": {"dir": "data"}}, tmp_path / "config.toml")) == []


def test_the_time_is_utc() -> None:
    [check] = backlog_checks(waiting(), datetime(2026, 11, 21, 18, 40, 30, tzinfo=UTC), running=True)
    assert check.state == "ok"
