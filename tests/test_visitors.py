"""Visitor ids: the same for a device on one UTC day whatever the worker, unlinkable between days, salts destroyed."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redirector.visitors import Visitors
from tests.children import child
from tests.conftest import Clock
from tests.scan_samples import micros

PHONE = ("203.0.113.9", "Mozilla/5.0 (iPhone)")


def opened(path: Path, now: datetime) -> Visitors:
    visitors = Visitors(path)
    visitors.refresh(now)
    return visitors


def salts_in(path: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads(path.read_text())
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "visitor-salts.json"


def test_all_workers_give_one_person_one_id(path: Path, clock: Clock) -> None:
    first, second = opened(path, clock()), opened(path, clock())
    ids = {visitors.visitor_id(*PHONE, micros(clock())) for visitors in (first, second)}
    assert len(ids) == 1
    assert len(ids.pop()) == 16


def test_processes_that_start_at_once_agree(path: Path, clock: Clock) -> None:
    """They race for writing the first salt; only one may win."""
    with ExitStack() as stack:
        started = [stack.enter_context(child("visitor_id", path, clock().isoformat())) for _ in range(5)]
        said = {process.communicate(timeout=60)[0] for process in started}
    assert len(said) == 1
    assert said == {opened(path, clock()).visitor_id(*PHONE, micros(clock())).encode()}


def test_workers_that_refresh_at_the_same_moment_agree(tmp_path: Path, clock: Clock) -> None:
    """At midnight they all do."""
    workers = [Visitors(tmp_path / "salts.json") for _ in range(6)]
    barrier = threading.Barrier(len(workers))

    def refresh(visitors: Visitors) -> None:
        barrier.wait()
        visitors.refresh(clock())

    for _ in range(20):
        clock.advance(days=1)
        with ThreadPoolExecutor(len(workers)) as pool:
            list(pool.map(refresh, workers))
        assert len({visitors.visitor_id(*PHONE, micros(clock())) for visitors in workers}) == 1


def test_another_day_another_id(path: Path, clock: Clock) -> None:
    visitors = opened(path, clock())
    today = visitors.visitor_id(*PHONE, micros(clock()))
    assert visitors.visitor_id(*PHONE, micros(clock.advance(hours=5, minutes=19, seconds=59))) == today  # 23:59:59
    assert visitors.visitor_id(*PHONE, micros(clock.advance(seconds=1))) != today


def test_another_device_another_id(path: Path, clock: Clock) -> None:
    visitors, now = opened(path, clock()), micros(clock())
    people = [PHONE, ("203.0.113.10", PHONE[1]), (PHONE[0], "Mozilla/5.0 (Linux; Android 14)"), ("", "")]
    assert len({visitors.visitor_id(*person, now) for person in people}) == len(people)


def test_another_installation_another_id(tmp_path: Path, clock: Clock) -> None:
    ids = {opened(tmp_path / name, clock()).visitor_id(*PHONE, micros(clock())) for name in ("a.json", "b.json")}
    assert len(ids) == 2


def test_the_salts_are_for_their_owner_alone(path: Path, clock: Clock) -> None:
    opened(path, clock())
    assert path.stat().st_mode & 0o777 == 0o600
    assert {entry.name for entry in path.parent.iterdir()} == {path.name, "visitor-salts.lock"}


def test_salts_are_destroyed_48_hours_after_their_day_began(path: Path, clock: Clock) -> None:
    visitors = opened(path, clock())
    visitors.visitor_id(*PHONE, micros(clock()))
    first_day = clock().date().isoformat()
    first_salt = salts_in(path)[first_day]
    visitors.refresh(clock.advance(days=1))
    assert first_day in salts_in(path)
    the_end = datetime(2026, 11, 23, tzinfo=UTC)
    visitors.refresh(the_end - timedelta(seconds=1))
    assert first_day in salts_in(path)
    visitors.refresh(the_end)
    assert first_day not in salts_in(path)
    assert first_salt not in path.read_text()
    assert first_day not in visitors._salts
    assert visitors._keyed.digest() == blake2b().digest()  # no hash with the salt in it is left either


def test_a_worker_that_slept_forgets_old_salts_too(path: Path, clock: Clock) -> None:
    """Another worker rewrote the file meanwhile; the one that wakes takes the new salt, not one of its own."""
    sleeper, other = opened(path, clock()), opened(path, clock())
    clock.advance(days=3)
    other.refresh(clock())
    sleeper.refresh(clock())
    assert sleeper._salts == other._salts
    assert list(sleeper._salts) == [clock().date().isoformat()]


def test_a_folder_that_cannot_be_written_still_gives_ids(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "blocked").write_text("a file where a folder should be")
    visitors = opened(tmp_path / "blocked" / "salts.json", clock())
    today = visitors.visitor_id(*PHONE, micros(clock()))
    assert today == visitors.visitor_id(*PHONE, micros(clock()))
    clock.advance(days=3)
    visitors.refresh(clock())
    assert list(visitors._salts) == [clock().date().isoformat()]
    assert visitors.visitor_id(*PHONE, micros(clock())) != today


DAMAGED = [
    ("empty", b""),
    ("cut off", b'{"2026-11-21": "00112'),
    ("not JSON", b"\x00\xff garbage"),
    ("a list", b"[1, 2]"),
    ("a number as salt", b'{"2026-11-21": 5}'),
    ("no salt", b'{"2026-11-21": null}'),
    ("an empty salt", b'{"2026-11-21": ""}'),
    ("a short salt", b'{"2026-11-21": "00ff"}'),
    ("an overlong salt", b'{"2026-11-21": "' + b"00" * 100 + b'"}'),
    ("no hex", b'{"2026-11-21": "' + b"zz" * 32 + b'"}'),
    ("no date", b'{"yesterday": "' + b"00" * 32 + b'"}'),
]


@pytest.mark.parametrize("content", [case[1] for case in DAMAGED], ids=[case[0] for case in DAMAGED])
def test_a_damaged_file_is_replaced(path: Path, clock: Clock, content: bytes) -> None:
    path.write_bytes(content)
    visitors = opened(path, clock())
    assert len(bytes.fromhex(salts_in(path)["2026-11-21"])) == 32
    assert visitors.visitor_id(*PHONE, micros(clock())) == opened(path, clock()).visitor_id(*PHONE, micros(clock()))


def test_the_file_is_read_again_after_a_restart(path: Path, clock: Clock) -> None:
    before = opened(path, clock()).visitor_id(*PHONE, micros(clock()))
    clock.advance(hours=1)
    assert opened(path, clock()).visitor_id(*PHONE, micros(clock())) == before


@given(address=st.text(), user_agent=st.text(st.characters(codec=None)))
@settings(max_examples=50)
def test_any_text_gives_an_id(tmp_path_factory: pytest.TempPathFactory, address: str, user_agent: str) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    visitors = opened(tmp_path_factory.getbasetemp() / "salts-of-any-text.json", now)
    assert int(visitors.visitor_id(address, user_agent, micros(now)), 16) < 2**64
