"""No scan is lost or doubled: kills, full and frozen disks, broken databases, a stopped reader; judged by the client's list.

Each test prints what was sent, acknowledged, recorded and counted as lost: run with ``-s`` to see it.
"""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from analytics.store import ScanStore
from tests.disks import frozen, full, needs_root, small_disk
from tests.preloads import ShiftedClock
from tests.running import Running, wait_for
from tests.truth import (
    CODES,
    OpenLoop,
    add_codes,
    assert_all_redirected,
    assert_nothing_lost,
    get_pid,
    judge,
    memory_mb,
    random_pause,
    recover,
    stored_days,
)

slow, ci, together = pytest.mark.slow, pytest.mark.ci, pytest.mark.together
slow_and_ci = [slow, ci]
beside_others = [slow, ci, together]
NO_RESERVE = "[journal]\nreserve_mb = 0\n"
SPILL_GROWTH_MB = 16  # what a worker may grow by while its full spill stays full
PUBLIC, PRIVATE, ENRICHER = "waymark.public", "waymark.private", "analytics.enricher"
KILLS = int(os.environ.get("WAYMARK_KILLS", "100"))
LONGER_THAN_A_CRASH_S = 3.1  # who dies sooner, the supervisor starts again only after a pause


@pytest.fixture
def waymark(tmp_path: Path) -> Running:
    return Running(tmp_path)


def kill(waymark: Running, module: str) -> int:
    pid = get_pid(waymark, module)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: get_pid(waymark, module) != pid, f"another {module}")
    return pid


@pytest.mark.parametrize("kills", [pytest.param(10, marks=slow_and_ci), pytest.param(KILLS, marks=slow)])
def test_kill_9_of_the_public_worker_at_a_thousand_scans_a_second(waymark: Running, kills: int) -> None:
    generator = random.Random(kills)
    with waymark:
        add_codes(waymark)
        with OpenLoop(waymark.public_port, 1000) as client:
            for number in range(kills):
                kill(waymark, PUBLIC)
                if number % 5 == 4:  # and sometimes while it is starting
                    random_pause(generator, 0, 1)
                else:
                    client.wait_for_more(1)
                    random_pause(generator, LONGER_THAN_A_CRASH_S, LONGER_THAN_A_CRASH_S + 0.7)
            client.wait_for_more(100)
        assert client.ledger.wrong == []
        assert len(client.ledger.acknowledged) > 1000 * kills
        assert_nothing_lost(waymark, client.ledger, f"{kills} kills of the public worker")


@pytest.mark.parametrize("module", [PRIVATE, ENRICHER])
@pytest.mark.parametrize("kills", [pytest.param(4, marks=slow_and_ci), pytest.param(KILLS // 2, marks=slow)])
def test_kill_9_of_who_ingests(waymark: Running, module: str, kills: int) -> None:
    """At any moment, and with a backlog to read; the public side does not notice."""
    generator = random.Random(kills)
    with waymark:
        add_codes(waymark)
        with OpenLoop(waymark.public_port, 500) as client:
            for _ in range(kills):
                kill(waymark, module)
                random_pause(generator, 0.3, 2.5)
        assert_all_redirected(client.ledger)
        assert_nothing_lost(waymark, client.ledger, f"{kills} kills of {module}")


@needs_root
@slow
@ci
@together
@pytest.mark.parametrize("where", ["journal", "."])
def test_a_full_disk(tmp_path: Path, where: str) -> None:
    """The journal's disk alone, and the whole data folder's: scans wait in memory until there is room again."""
    waymark = Running(tmp_path, NO_RESERVE)
    disk = waymark.data / where
    with small_disk(disk, 96), waymark:
        add_codes(waymark)
        with OpenLoop(waymark.public_port, 300) as client:
            client.wait_for_more(300)
            with full(disk):
                client.wait_for_more(1200)
                assert not is_ready(waymark)
            recover(waymark, client, f"full disk under {where}")
            client.wait_for_more(300)
        assert_all_redirected(client.ledger)
        assert_nothing_lost(waymark, client.ledger, f"full disk under {where}")


@needs_root
@slow
@ci
def test_what_waits_for_a_full_disk_is_bounded_and_the_rest_is_counted(tmp_path: Path) -> None:
    waymark = Running(tmp_path, f"{NO_RESERVE}spill_lines = 1000\n")
    disk = waymark.data / "journal"
    with small_disk(disk, 16), waymark:
        add_codes(waymark)
        with OpenLoop(waymark.public_port, 1000) as client:
            client.wait_for_more(1000)
            with full(disk):
                client.wait_for_more(1500)  # the spill is full from here on
                before_mb = memory_mb(get_pid(waymark, PUBLIC))
                client.wait_for_more(4000)
                grown_mb = memory_mb(get_pid(waymark, PUBLIC)) - before_mb
            recover(waymark, client, "full disk and full spill")
            client.wait_for_more(300)
        assert_all_redirected(client.ledger)
        verdict = judge(waymark, client.ledger, f"full disk and full spill (worker grew by {grown_mb:.1f} MB)")
        assert verdict.exact
        assert (verdict.doubled, verdict.unknown) == ([], [])
        assert verdict.counted_loss == {"spill_full": len(verdict.lost)}
        assert len(verdict.lost) > 4000
        assert grown_mb < SPILL_GROWTH_MB


@needs_root
@slow
@ci
@together
def test_a_data_folder_that_has_become_read_only(waymark: Running) -> None:
    """As a disk with errors becomes."""
    with waymark:
        add_codes(waymark)
        with OpenLoop(waymark.public_port, 300) as client:
            client.wait_for_more(300)
            with frozen(waymark.data):
                client.wait_for_more(600)
                assert not is_ready(waymark)
                client.wait_for_more(300)
            recover(waymark, client, "read-only data folder")
            client.wait_for_more(300)
        assert_all_redirected(client.ledger)
        assert_nothing_lost(waymark, client.ledger, "read-only data folder")


@needs_root
@slow
@ci
@together
def test_a_worker_that_starts_on_a_read_only_data_folder_redirects(waymark: Running) -> None:
    """Two faults at once: what waited in the killed worker's memory is gone, and its count with it. The codes are not."""
    with waymark:
        add_codes(waymark)
        with frozen(waymark.data):
            kill(waymark, PUBLIC)
            for slug, destination in CODES.items():
                assert waymark.scan(f"/{slug}").headers["Location"] == destination
            assert not is_ready(waymark)
        wait_for(lambda: is_ready(waymark), "the journal on disk")
        wait_for(lambda: waymark.get("/accounting")["stored"] == 2 * len(CODES) or None, "the scans in the store")


@pytest.mark.parametrize("seconds", [pytest.param(10, marks=beside_others), pytest.param(60, marks=slow)])
def test_a_locked_control_database(waymark: Running, seconds: int) -> None:
    """Locked against writing by another program: readers go on, also one that starts meanwhile."""
    with waymark:
        add_codes(waymark)
        with OpenLoop(waymark.public_port, 200) as client:
            client.wait_for_more(100)
            with closing(sqlite3.connect(waymark.data / "waymark.db", isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                client.wait_for_more(100 * seconds)
                kill(waymark, PUBLIC)
                client.wait_for_more(100 * seconds)
            recover(waymark, client, f"control database locked for {seconds} s")
            print_and_scan(waymark, "unlocked")
        assert client.ledger.wrong == []
        assert_nothing_lost(waymark, client.ledger, f"control database locked for {seconds} s")


@slow
@ci
@together
def test_a_control_database_deleted_while_running(waymark: Running) -> None:
    """Every code is answered from memory, and from the snapshot by a worker that starts then; put back, it is used again."""
    with waymark:
        add_codes(waymark)
        snapshot = waymark.data / "routes.snapshot"
        wait_for(lambda: snapshot.exists() and b"example.com/2" in snapshot.read_bytes(), "the codes in the snapshot")
        with OpenLoop(waymark.public_port, 200) as client:
            client.wait_for_more(100)
            aside = waymark.folder / "aside"
            aside.mkdir()
            for file in waymark.data.glob("waymark.db*"):
                shutil.copy(file, aside)
                file.unlink()
            client.wait_for_more(200)
            kill(waymark, PUBLIC)
            client.wait_for_more(400)
            kill(waymark, PRIVATE)
            client.wait_for_more(1000)
            for file in aside.iterdir():
                shutil.copy(file, waymark.data)
            recover(waymark, client, "control database deleted")
            print_and_scan(waymark, "back-again")
        assert client.ledger.wrong == []
        assert_nothing_lost(waymark, client.ledger, "control database deleted")


@slow
@ci
@together
def test_nothing_is_acknowledged_that_a_deleted_or_replaced_control_database_would_lose(waymark: Running) -> None:
    """And what the deleted file held is kept: renamed, it is the database again."""
    control, asked = waymark.data / "waymark.db", "https://example.com/two"
    with waymark:
        waymark.cli("code", "add", "https://example.com/one", "--slug", "one")
        for file in waymark.data.glob("waymark.db*"):
            file.unlink()
        waymark.cli("code", "add", asked, "--slug", "two", code=5)
        rescued = wait_for(lambda: next(waymark.data.glob("waymark.db.rescued-*"), None), "the rescued file")
        wait_for(lambda: "all it held is in" in waymark.log.read_text(), "the rescue")
        assert not control.exists()
        shutil.copy(rescued, control)
        wait_for(lambda: "starts anew with it" in waymark.log.read_text(), "another file being taken up")
        wait_for(lambda: is_up(waymark), "the private port", 60)
        waymark.cli("code", "add", asked, "--slug", "two")
        wait_for(lambda: waymark.scan("/two").headers["Location"] == asked, "the code on the public port")
        assert waymark.scan("/one").headers["Location"] == "https://example.com/one"
    with closing(sqlite3.connect(control)) as held:
        assert [row[0] for row in held.execute("SELECT code FROM codes ORDER BY id")] == ["one", "two"]


def is_up(waymark: Running) -> bool:
    try:
        return bool(waymark.get("/status"))
    except (AssertionError, OSError, httpx2.HTTPError):
        return False


@slow
@ci
@together
def test_a_damaged_scan_store_is_set_aside_and_rebuilt_by_itself(waymark: Running) -> None:
    """From the journal alone, as there is no backup yet; once while it runs, once found at a start."""
    with waymark:
        add_codes(waymark)
        with OpenLoop(waymark.public_port, 200) as client:
            client.wait_for_more(600)
            os.kill(get_pid(waymark, PRIVATE), signal.SIGKILL)
            damage(waymark)
            recover(waymark, client, "damaged scan store")
            client.wait_for_more(200)
        waymark.stop()
        damage(waymark)
        waymark.start()
        assert len(list(waymark.data.glob("scans.duckdb.broken-*"))) == 2
        assert "is rebuilt" in waymark.log.read_text()
        assert_all_redirected(client.ledger)
        assert_nothing_lost(waymark, client.ledger, "damaged scan store")


def damage(waymark: Running) -> None:
    store = waymark.data / "scans.duckdb"
    store.with_name("scans.duckdb.wal").unlink(missing_ok=True)
    store.write_bytes(b"not a database" * 1000)


@slow
@ci
@together
def test_codes_redirect_from_a_cold_start_without_the_control_database(waymark: Running) -> None:
    """And what was lost is never replaced by something empty that everybody would believe."""
    with waymark:
        add_codes(waymark)
    files = {file: file.read_bytes() for file in waymark.data.glob("waymark.db*")}
    for file in files:
        file.unlink()
    with waymark, OpenLoop(waymark.public_port, 50) as client:
        client.wait_for_more(50)
        assert "is missing" in waymark.log.read_text()
        for file, content in files.items():
            file.write_bytes(content)
        recover(waymark, client, "cold start without the control database")
        print_and_scan(waymark, "again")
    assert_all_redirected(client.ledger)


def test_an_enrichment_process_that_outlives_its_owner_writes_where_nobody_reads(tmp_path: Path) -> None:
    """It may be amid a batch when the private process is killed and another one has begun to read its own batches."""
    asked = (
        "import sys; from pathlib import Path; from analytics.store import ScanStore; "
        "print(ScanStore.open(Path(sys.argv[1])).batch_file)"
    )
    path = tmp_path / "scans.duckdb"
    done = subprocess.run([sys.executable, "-c", asked, str(path)], capture_output=True, text=True, check=True)
    left_over = Path(done.stdout.strip())
    left_over.write_text("half a row")
    store = ScanStore.open(path)
    store.close()
    assert store.batch_file.parent == left_over.parent
    assert store.batch_file != left_over
    assert not left_over.exists()


@pytest.mark.parametrize("seconds", [pytest.param(5, marks=slow_and_ci), pytest.param(150, marks=slow)])
def test_a_stopped_private_process_catches_up(waymark: Running, seconds: int) -> None:
    with waymark:
        add_codes(waymark)
        with OpenLoop(waymark.public_port, 500) as client:
            client.wait_for_more(100)
            private = get_pid(waymark, PRIVATE)
            os.kill(private, signal.SIGSTOP)
            began, behind = time.monotonic(), len(client.ledger.acknowledged)
            try:
                for _ in range(seconds):
                    client.wait_for_more(500)
            finally:
                os.kill(private, signal.SIGCONT)
            live = (len(client.ledger.acknowledged) - behind) / (time.monotonic() - began)
            goal, began = len(client.ledger.acknowledged), time.monotonic()
            wait_for(lambda: waymark.get("/accounting")["stored"] >= goal or None, "the backlog in the store", 120)
            catching_up = (goal - behind) / (time.monotonic() - began)
            print(
                f"\nbacklog of {goal - behind} scans: live {live:.0f} scans/s, caught up at {catching_up:.0f} scans/s"
            )
        assert_all_redirected(client.ledger)
        assert_nothing_lost(waymark, client.ledger, f"private process stopped for {seconds} s")


@slow
@ci
@together
def test_a_clock_that_jumps_by_days(waymark: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward and far back, in running processes and at the restart of a worker, whose segments must still sort right."""
    clock = ShiftedClock(waymark.folder, monkeypatch)
    with waymark:
        add_codes(waymark)
        with OpenLoop(waymark.public_port, 200) as client:
            for days in (3, -5, 40, 0):
                client.wait_for_more(200)
                clock.jump(days)
                client.wait_for_more(200)
                kill(waymark, PUBLIC)
            client.wait_for_more(200)
        assert client.ledger.wrong == []
        assert_nothing_lost(waymark, client.ledger, "clock jumping by days")
        assert len(stored_days(waymark.data)) >= 4  # the clock did jump


def is_ready(waymark: Running) -> bool:
    return waymark.scan("/-/ready").status == 200


def print_and_scan(waymark: Running, slug: str) -> None:
    """Changes are taken again, and reach the public side."""
    waymark.cli("code", "add", "https://example.org/new", "--slug", slug)
    wait_for(lambda: waymark.scan(f"/{slug}", method="HEAD").status == 302, "a new code being live")
