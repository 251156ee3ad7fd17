"""No scan is lost while the disk cannot sync, another program holds the scan store, the private side is away, or all is killed.

Judged as in test_truth.py: by the client's list and the store's rows. Run with ``-s`` to see the counts.
"""

import os
import random
import re
import signal
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.disks import full, needs_root, small_disk
from tests.preloads import FailingSync
from tests.running import Running, wait_for
from tests.truth import (
    OpenLoop,
    add_codes,
    assert_all_redirected,
    assert_nothing_lost,
    descendant,
    get_pid,
    judge,
    memory_mb,
    random_pause,
    recover,
    served,
    waiting_holder,
)
from waymark.checks.network import Asked
from waymark.doctor import diagnose

slow, ci, together = pytest.mark.slow, pytest.mark.ci, pytest.mark.together
slow_and_ci = [slow, ci]
beside_others = [slow, ci, together]
PUBLIC, PRIVATE, ENRICHER = "waymark.public", "waymark.private", "analytics.enricher"
GROWTH_MB = 16  # what a worker may grow by under load during a fault that makes nothing wait in memory


@pytest.fixture
def waymark(tmp_path: Path) -> Running:
    return Running(tmp_path)


@pytest.mark.parametrize("durability", ["process", "power"])
@pytest.mark.parametrize("where", ["journal", "."])
@pytest.mark.parametrize("seconds", [pytest.param(4, marks=beside_others), pytest.param(60, marks=slow)])
def test_a_disk_that_cannot_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, where: str, seconds: int
) -> None:
    """The journal's alone, and that of all data: writes are taken, every sync answers with an error."""
    what = f"no sync under {where} for {seconds} s, {durability} mode"
    waymark = Running(tmp_path, f'[journal]\ndurability = "{durability}"\n')
    disk = FailingSync(tmp_path, monkeypatch)
    with waymark:
        add_codes(waymark)
        with OpenLoop(waymark.public_port, 300) as client:
            client.wait_for_more(300)
            before_mb = memory_mb(get_pid(waymark, PUBLIC))
            with disk.below(waymark.data / where):
                for _ in range(seconds):
                    client.wait_for_more(300)
            assert "Input/output error" in waymark.log.read_text()
            recover(waymark, client, what)
            grown_mb = memory_mb(get_pid(waymark, PUBLIC)) - before_mb
            client.wait_for_more(300)
        assert_all_redirected(client.ledger)
        assert_nothing_lost(waymark, client.ledger, f"{what} (worker grew by {grown_mb:.1f} MB)")
        assert grown_mb < GROWTH_MB


@pytest.mark.parametrize("seconds", [pytest.param(6, marks=beside_others), pytest.param(60, marks=slow)])
def test_a_scan_store_that_another_program_has_taken(waymark: Running, seconds: int) -> None:
    """While the private side was away for a moment; it takes it back as soon as it is free."""
    store = waymark.data / "scans.duckdb"
    with waymark:
        add_codes(waymark)
        with OpenLoop(waymark.public_port, 300) as client:
            client.wait_for_more(300)
            with waiting_holder(store) as wait_until_held:
                os.kill(get_pid(waymark, PRIVATE), signal.SIGKILL)
                wait_until_held()
                for _ in range(seconds):
                    client.wait_for_more(300)
                wait_for(lambda: "Conflicting lock is held" in waymark.log.read_text(), "the lock being noticed")
                assert "stop it" in waymark.log.read_text()
            recover(waymark, client, f"scan store taken for {seconds} s")
            client.wait_for_more(300)
        assert_all_redirected(client.ledger)
        assert_nothing_lost(waymark, client.ledger, f"scan store taken for {seconds} s")


@slow
@ci
@together
def test_a_start_while_another_program_holds_the_scan_store(waymark: Running) -> None:
    with waymark:
        add_codes(waymark)
    with ExitStack() as holding:
        wait_until_held = holding.enter_context(waiting_holder(waymark.data / "scans.duckdb"))
        wait_until_held()
        with waymark, OpenLoop(waymark.public_port, 300) as client:
            client.wait_for_more(1500)
            said = waymark.log.read_text()
            holding.close()
            assert "Conflicting lock is held" in said
            recover(waymark, client, "start with the scan store taken")
            client.wait_for_more(300)
    assert_all_redirected(client.ledger)
    assert_nothing_lost(waymark, client.ledger, "start with the scan store taken")


@pytest.mark.parametrize("seconds", [pytest.param(8, marks=beside_others), pytest.param(150, marks=slow)])
def test_a_public_side_alone_and_a_private_side_that_comes_later(waymark: Running, seconds: int) -> None:
    """A supervisor each, as on two services: the journal waits on disk, not in memory."""
    with waymark:
        add_codes(waymark)
    with served(waymark, "public") as public, OpenLoop(waymark.public_port, 500) as client:
        client.wait_for_more(500)
        worker = wait_for(lambda: descendant(public, PUBLIC), "a worker")
        before_mb = memory_mb(worker)
        for _ in range(seconds):
            client.wait_for_more(500)
        grown_mb = memory_mb(worker) - before_mb
        told = {check.topic: check.says for check in diagnose(str(waymark.config), Asked.parse("127.0.0.1", []))}
        waiting = re.match(
            r"(?:about )?([\d,]+) scans wait in the journal \(.* MB\), the oldest of .* of disk are free",
            told["backlog"],
        )
        assert waiting, told
        assert int(waiting[1].replace(",", "")) == pytest.approx(500 * seconds, rel=0.5)
        with served(waymark, "private"):
            recover(waymark, client, f"private side away for {seconds} s")
            wait_for(lambda: waymark.get("/accounting")["waiting"]["scans"] < 500, "hardly any scan waiting")
            client.wait_for_more(500)
    assert_all_redirected(client.ledger)
    assert_nothing_lost(waymark, client.ledger, f"private side away for {seconds} s (worker grew by {grown_mb:.1f} MB)")
    assert grown_mb < GROWTH_MB


@pytest.mark.parametrize("kills", [pytest.param(3, marks=slow_and_ci), pytest.param(25, marks=slow)])
def test_kill_9_of_everything_at_once(waymark: Running, kills: int) -> None:
    """As when memory runs out, or a container ends: nobody drains. Started again each time, as a service manager does."""
    generator = random.Random(kills)
    with waymark:
        add_codes(waymark)
        with OpenLoop(waymark.public_port, 1000) as client:
            for _ in range(kills):
                client.wait_for_more(300)
                random_pause(generator, 0, 1.5)
                assert waymark.process is not None
                pids = [waymark.process.pid, *(get_pid(waymark, module) for module in (PUBLIC, PRIVATE, ENRICHER))]
                for pid in pids:
                    with suppress(ProcessLookupError):  # a child that ends when its owner has ended
                        os.kill(pid, signal.SIGKILL)
                waymark.process.wait()
                waymark.start()
            client.wait_for_more(300)
        assert client.ledger.wrong == []
        assert_nothing_lost(waymark, client.ledger, f"{kills} kills of everything")


@needs_root
@slow
@ci
@together
def test_the_journal_leaves_some_of_the_disk_to_others(tmp_path: Path) -> None:
    """Before nothing is left: codes are still made, and what the journal may not take is counted."""
    waymark = Running(tmp_path, "[journal]\nreserve_mb = 40\nspill_lines = 1000\n")
    with small_disk(waymark.data, 96), waymark:
        add_codes(waymark)
        with OpenLoop(waymark.public_port, 300) as client:
            client.wait_for_more(300)
            with full(waymark.data, left_mb=30):
                wait_for(lambda: waymark.scan("/-/ready").status == 503, "the journal taking no more")
                before = newest_segment_bytes(waymark)
                client.wait_for_more(2000)  # twice of what may wait in memory
                add_codes(waymark, {"made-meanwhile": "https://example.org/new"})
                assert newest_segment_bytes(waymark) == before
            recover(waymark, client, "disk down to its reserve")
            client.wait_for_more(300)
        assert_all_redirected(client.ledger)
        verdict = judge(waymark, client.ledger, "disk down to its reserve")
        assert verdict.exact
        assert (verdict.doubled, verdict.unknown) == ([], [])
        # The HEAD requests for the new code have no id to be missed by
        assert list(verdict.counted_loss) == ["disk_reserve"]
        assert 0 <= verdict.counted_loss["disk_reserve"] - len(verdict.lost) < 20
        assert len(verdict.lost) > 800


def newest_segment_bytes(waymark: Running) -> int:
    return max((waymark.data / "journal").glob("*.jsonl")).stat().st_size
