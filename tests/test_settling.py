"""Tallies: made for days at rest, given up with every change of their scans, and never other than the scans themselves."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from analytics import settling
from analytics.dimensions import Dimensions
from analytics.periods import period_for
from analytics.reports import Filter, Reports
from analytics.settling import settle_store
from analytics.store import ScanStore
from codes.codes import CodeChange, NewCode, change_code, create_code
from codes.destinations import DestinationPolicy
from geo.places import Places
from redirector.records import scan_line
from tests.scan_samples import IPHONE, scan, write_segment
from tests.store_samples import ingest_journal, install_places, migrated_database

pytestmark = pytest.mark.anyio

CARDS = (
    *("timeseries", "summary", "devices", "hours", "regions", "referrers", "networks"),
    *("versions", "rules", "variants", "codes"),
)
POLICY = DestinationPolicy(frozenset({"w.example"}))
START = datetime(2026, 3, 1, tzinfo=UTC)
CURL = "curl/8.5.0"
SPRING = Filter(period_for("2026-02-20", "2026-06-10", "UTC"))


@pytest.fixture(autouse=True)
def every_code_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "LARGE_SCANS", 20)
    monkeypatch.setattr(settling, "BUSY_SCANS", 60)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ScanStore]:
    """120 scans of three codes, a scan of one in the morning and one in the afternoon, March to May 2026."""
    install_places(tmp_path / "geo")
    opened = ScanStore.open(tmp_path / "scans.duckdb")
    await arrive(opened, tmp_path, scans_of(range(120)))
    yield opened
    opened.close()


def scans_of(numbers: Iterable[int], **changes: Any) -> list[bytes]:
    """Two scans a day; every third visitor comes twice on that day, every fourth of those with another code."""
    lines = []
    for number in numbers:
        day, afternoon = divmod(number, 2)
        again = afternoon and day % 3 == 0
        made = {
            "code_id": 1 + (day + (day % 4 == 0 and afternoon)) % 3,
            "visitor": f"{day:08x}{0 if again else afternoon:08x}",
            "address": "203.0.113.0/24" if day % 2 else "198.51.100.0/24",
            "user_agent": CURL if day % 7 == 6 else IPHONE,
        }
        at = START + timedelta(days=day, hours=9 + 6 * afternoon)
        lines.append(scan_line(scan(number, at, **{**made, **changes})))
    return lines


async def arrive(store: ScanStore, folder: Path, lines: list[bytes], number: int = 1) -> None:
    write_segment(folder / f"journal-{number}", lines)
    await store.write([("DELETE FROM journal_marks", ())])  # every journal here has a segment of the same name
    await ingest_journal(store, folder / f"journal-{number}", folder / "geo")


async def answers(store: ScanStore, asked: Filter) -> dict[str, Any]:
    found = await Reports(store, Places(store.path.parent / "geo")).several(asked, CARDS)
    for row in found["regions"]["countries"], found["networks"]["networks"]:
        row.sort(key=str)
    return found


def filters() -> list[Filter]:
    odd = period_for("2026-03-10T07:20:00", "2026-05-20T17:05:00", "Asia/Kolkata")
    chosen = [SPRING, replace(SPRING, period=odd), replace(SPRING, period=period_for("2026-04-10", "2026-04-12"))]
    codes = [None, (1,), (2,), (1, 3), ()]
    return [
        replace(asked, code_ids=ids, bots=bots, tag=tag)
        for asked in chosen
        for ids in codes
        for bots in ("exclude", "include", "only")
        for tag in (None, "poster")
    ]


async def all_answers(store: ScanStore) -> list[dict[str, Any]]:
    return [await answers(store, asked) for asked in filters()]


async def settled_days(store: ScanStore) -> int:
    [(days,)] = await store.query("SELECT count(*) FROM settled WHERE unit = 'day'")
    return int(days)


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
async def test_tallies_say_what_the_scans_say(store: ScanStore) -> None:
    await store.write(
        [("INSERT INTO codes SELECT n, 'code-' || n, '', '', ['poster'], false FROM range(1, 3) AS t(n)", ())]
    )
    before = await all_answers(store)
    assert await settled_days(store) == 0
    assert await settle_store(store)
    assert await settled_days(store) > 100
    months = await store.query("SELECT first_day FROM settled WHERE unit = 'month'")
    assert len(months) >= 3
    scopes = await store.query("SELECT unit, code_id, tag FROM tally_scopes ORDER BY ALL")
    assert ("day", None, "poster") in scopes
    assert ("month", 3, None) in scopes
    assert await all_answers(store) == before
    # What nothing but tallies can answer: the scans are gone behind the store's back.
    await store.write([("DELETE FROM main.scans", ())])
    assert (await answers(store, SPRING))["devices"] == before[0]["devices"]


async def test_a_late_scan_is_in_the_next_report(store: ScanStore, tmp_path: Path) -> None:
    await settle_store(store)
    days = await settled_days(store)
    before = await answers(store, SPRING)
    late = scans_of([20], visitor=f"{10:08x}{0:08x}", code_id=2, user_agent=IPHONE)  # of somebody known on that day
    await arrive(store, tmp_path, late, number=2)
    assert await settled_days(store) == days - 1
    counted = await answers(store, SPRING)
    assert counted["devices"]["total"]["scans"] == before["devices"]["total"]["scans"] + 1
    assert counted["devices"]["total"]["visitors"] == before["devices"]["total"]["visitors"]
    await settle_store(store)
    assert await settled_days(store) == days
    assert await answers(store, SPRING) == counted


async def test_deleted_scans_are_in_no_report(store: ScanStore) -> None:
    await settle_store(store)
    await store.write([("DELETE FROM scans WHERE code_id = ?", [1])])
    assert await settled_days(store) == 0
    gone = await answers(store, replace(SPRING, code_ids=(1,), bots="include"))
    assert gone["summary"]["total"] == {"scans": 0, "visitors": 0}
    left = await answers(store, SPRING)
    await settle_store(store)
    assert await answers(store, SPRING) == left


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
async def test_who_is_both_a_person_and_a_bot_is_one_visitor(store: ScanStore, tmp_path: Path) -> None:
    same = {"visitor": "00000000000000ff", "code_id": 1}
    lines = [*scans_of([200], **same, user_agent=CURL), *scans_of([201], **same, user_agent=IPHONE)]
    await arrive(store, tmp_path, lines, number=2)
    asked = Filter(period_for("2026-06-01", "2026-06-30"), bots="include")
    assert (await answers(store, asked))["devices"]["total"] == {"scans": 2, "visitors": 1}
    before = await all_answers(store)
    await settle_store(store)
    assert (await answers(store, asked))["devices"]["total"] == {"scans": 2, "visitors": 1}
    for bots in ("exclude", "only"):
        assert (await answers(store, replace(asked, bots=bots)))["devices"]["total"] == {"scans": 1, "visitors": 1}
    assert await all_answers(store) == before


async def test_one_id_on_two_days_is_two_visitors(store: ScanStore, tmp_path: Path) -> None:
    lines = [*scans_of([200], visitor="00000000000000ff"), *scans_of([202], visitor="00000000000000ff")]
    await arrive(store, tmp_path, lines, number=2)
    asked = Filter(period_for("2026-06-01", "2026-06-30"), bots="include")
    for _ in ("from the scans", "from tallies"):
        assert (await answers(store, asked))["devices"]["total"] == {"scans": 2, "visitors": 2}
        await settle_store(store)


async def test_today_and_busy_days_are_waited_for(store: ScanStore, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    await arrive(store, tmp_path, [scan_line(scan(1, now))], number=2)
    assert not await settle_store(store, quiet_s=600)
    assert await store.query("SELECT DISTINCT scans FROM settled WHERE unit = 'day'") == [(0,)]  # nothing to wait for
    assert await settle_store(store)
    today = int(now.timestamp()) // 86_400
    assert await store.query("SELECT count(*) FROM settled WHERE end_day > ?", [today]) == [(0,)]


async def test_a_change_by_somebody_who_knows_nothing_of_tallies_is_found(store: ScanStore) -> None:
    await settle_store(store)
    path = store.path
    store.close()
    with duckdb.connect(str(path)) as stranger:
        stranger.execute("DELETE FROM scans WHERE scanned_at < TIMESTAMP '2026-03-11'")
    opened = ScanStore.open(path)
    try:
        await settle_store(opened)
        assert (await answers(opened, replace(SPRING, bots="include")))["summary"]["total"]["scans"] == 100
    finally:
        opened.close()


async def test_tags_of_scanned_codes_can_change(tmp_path: Path) -> None:
    install_places(tmp_path / "geo")
    store, db = ScanStore.open(tmp_path / "scans.duckdb"), await migrated_database(tmp_path)
    for number, tags in enumerate((("poster",), ("poster",), ()), 1):
        await create_code(
            db, NewCode("https://example.com/", slug=f"code-{number}", tags=tags), who="ops", policy=POLICY
        )
    dimensions = Dimensions(store, db)
    await dimensions.follow()
    await arrive(store, tmp_path, scans_of(range(120)))
    await settle_store(store)
    reports, poster = Reports(store, Places(tmp_path / "geo")), replace(SPRING, tag="poster", bots="include")
    by_code = {1: 41, 2: 41, 3: 38}
    by_code = {
        code: (await reports.total(replace(SPRING, code_ids=(code,), bots="include")))["scans"] for code in by_code
    }
    assert (await reports.total(poster))["scans"] == by_code[1] + by_code[2]
    await change_code(db, "code-1", CodeChange(tags=("flyer",)), who="ops", policy=POLICY)
    await change_code(db, "code-3", CodeChange(tags=("poster",)), who="ops", policy=POLICY)
    await dimensions.follow()
    for _ in ("at once", "with new tallies"):
        assert (await reports.total(poster))["scans"] == by_code[2] + by_code[3]
        assert (await reports.total(replace(poster, tag="flyer")))["scans"] == by_code[1]
        await settle_store(store)
    assert await store.query("SELECT count(*) FROM tally_scopes WHERE tag IS NOT NULL AND ready") == [(3,)]
    store.close()
    await db.close()
