"""The list of single scans: its JSON, its pages while scans arrive, and the same JSON for the live feed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from analytics.dimensions import Dimensions
from analytics.periods import period_for
from analytics.reports import Filter
from analytics.scans import MAX_LIMIT, CursorError, Scans
from analytics.store import ScanStore
from codes.codes import Code, retarget
from codes.destinations import DestinationPolicy
from database.engine import Database
from redirector.records import Scan, scan_line
from tests.conftest import AddCode
from tests.scan_samples import scan, write_segment
from tests.store_samples import ingest_journal, install_places

pytestmark = pytest.mark.anyio

EVERYTHING = Filter(period_for("2026-11-01", "2026-11-30"), bots="include")
POLICY = DestinationPolicy(frozenset({"w.example"}))


@dataclass
class Listing:
    """The list over a store that scans can be put into."""

    scans: Scans
    store: ScanStore
    code: Code
    journal: Path
    geo: Path
    segments: int = 0

    async def put(self, *scans: Scan) -> list[dict[str, Any]]:
        """Journals and ingests these; the rows as the live feed would get them."""
        self.segments += 1
        lines = [scan_line(replace(entry, code_id=self.code.id)) for entry in scans]
        write_segment(self.journal, lines, number=self.segments)
        return await ingest_journal(self.store, self.journal, self.geo)

    async def pages(self, limit: int, asked: Filter = EVERYTHING) -> AsyncIterator[list[int]]:
        cursor = None
        while True:
            page, cursor = await self.scans.list_scans(asked, cursor=cursor, limit=limit)
            assert len(page) == limit or cursor is None
            yield [int(entry["id"], 16) for entry in page]
            if cursor is None:
                return


@pytest.fixture(scope="module")
def geo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_places(tmp_path_factory.mktemp("places") / "geo")


@pytest.fixture
async def listing(db: Database, add_code: AddCode, geo: Path, tmp_path: Path) -> AsyncIterator[Listing]:
    code = await add_code("https://example.com/1", slug="spring", name="Spring poster", tags=("poster",))
    store = ScanStore.open(tmp_path / "scans.duckdb")
    await Dimensions(store, db).follow()
    yield Listing(Scans(store), store, code, tmp_path / "journal", geo)
    store.close()


FULL = {
    "id": f"{1:024x}",
    "at": "2026-11-21T18:40:00.000001Z",
    "code": "spring",
    "short_url": "https://w.example/spring",
    "code_name": "Spring poster",
    "version": 1,
    "destination": "https://example.com/1",
    "rule": None,
    "variant": None,
    "counted": True,
    "uncounted_reason": None,
    "bot": False,
    "bot_reason": None,
    "datacenter": False,
    "relay": False,
    "device": "mobile",
    "os": "iOS",
    "os_version": "17.5",
    "browser": "Mobile Safari",
    "browser_version": "17",
    "app": None,
    "country": "DE",
    "region": "Bavaria",
    "city": "Munich",
    "latitude": 48.1,
    "longitude": 11.6,
    "asn": 3320,
    "network": "Deutsche Telekom AG",
    "referrer": "https://news.example/a",
    "language": "de",
    "query": {"utm_source": "poster", "utm_nul": "\0"},
    "gpc": False,
    "visitor": "00000000000000aa",
    "demo": False,
}


async def test_one_scan_as_json(listing: Listing) -> None:
    rows = await listing.put(scan(1, referrer="https://news.example/a", query=FULL["query"]))
    [shown], following = await listing.scans.list_scans(EVERYTHING)
    assert shown == FULL
    assert following is None
    assert await listing.scans.describe(rows) == [FULL]


UNUSUAL: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("HEAD", {"uncounted": "head"}, {"counted": False, "uncounted_reason": "head", "bot": True, "bot_reason": "head"}),
    ("a library", {"user_agent": "curl/8.5.0"}, {"counted": True, "bot": True, "bot_reason": "library"}),
    ("Sec-GPC", {"gpc": True, "visitor": ""}, {"gpc": True, "visitor": None, "city": None, "latitude": None, "country": "DE"}),
    ("nothing known", {"address": "", "language": ""}, {"country": None, "asn": None, "language": None, "query": {}}),
    ("the highest visitor id", {"visitor": "f" * 16}, {"visitor": "f" * 16}),
    ("a version not copied yet", {"version": 9}, {"version": 9, "destination": None, "code_name": "Spring poster"}),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "fields"), [case[1:] for case in UNUSUAL], ids=[case[0] for case in UNUSUAL])
async def test_unusual_scans_as_json(listing: Listing, changes: dict[str, Any], fields: dict[str, Any]) -> None:
    rows = await listing.put(scan(1, **changes))
    [listed], _ = await listing.scans.list_scans(EVERYTHING)
    [live] = await listing.scans.describe(rows)
    assert listed == live
    assert set(listed) == set(FULL)
    assert {name: listed[name] for name in fields} == fields


async def test_a_code_that_the_store_does_not_know_yet(listing: Listing) -> None:
    await listing.store.write([("DELETE FROM codes", ())])
    rows = await listing.put(scan(1))
    [listed], _ = await listing.scans.list_scans(EVERYTHING)
    [live] = await listing.scans.describe(rows)
    assert (listed["code"], listed["short_url"], listed["code_name"]) == (None, None, None)
    assert (live["code"], live["short_url"], live["code_name"]) == (None, None, None)


async def test_each_scan_shows_the_destination_it_got(listing: Listing, db: Database) -> None:
    await retarget(db, "spring", "https://example.com/2", who="ops", policy=POLICY)
    await Dimensions(listing.store, db).follow()
    await listing.put(scan(1, version=1), scan(2, version=2))
    shown, _ = await listing.scans.list_scans(EVERYTHING)
    assert [entry["destination"] for entry in shown] == ["https://example.com/2", "https://example.com/1"]


@pytest.mark.parametrize("limit", [1, 7, 100, 5_000])
async def test_pages_hold_every_scan_once_newest_first(listing: Listing, limit: int) -> None:
    await listing.put(*(scan(number) for number in range(50)))
    pages = [page async for page in listing.pages(limit)]
    assert [number for page in pages for number in page] == list(reversed(range(50)))
    assert all(len(page) == limit for page in pages[:-1])


async def test_more_than_the_largest_page(listing: Listing) -> None:
    await listing.put(*(scan(number) for number in range(MAX_LIMIT + 5)))
    page, cursor = await listing.scans.list_scans(EVERYTHING, limit=10 * MAX_LIMIT)
    assert (len(page), cursor is None) == (MAX_LIMIT, False)
    rest, cursor = await listing.scans.list_scans(EVERYTHING, limit=10 * MAX_LIMIT, cursor=cursor)
    assert (len(rest), cursor) == (5, None)


async def test_pages_stay_right_while_scans_arrive(listing: Listing) -> None:
    """New ones belong in front of the first page; late ones of another worker may or may not be seen, never twice."""
    await listing.put(*(scan(number) for number in range(100, 160)))
    seen: list[int] = []
    arriving = iter(range(1_000, 2_000))
    async for page in listing.pages(7):
        seen += page
        await listing.put(scan(next(arriving)), scan(next(arriving)), scan(seen[-1] + 500, at_us=_at(seen[-1])))
    assert [number for number in seen if number < 500] == list(reversed(range(100, 160)))
    assert len(seen) == len(set(seen))


def _at(number: int) -> int:
    return scan(number).at_us


async def test_scans_of_the_same_microsecond_are_told_apart(listing: Listing) -> None:
    at_us = scan(1).at_us
    await listing.put(*(scan(number, at_us=at_us) for number in range(20)))
    assert [number async for page in listing.pages(3) for number in page] == list(reversed(range(20)))


async def test_what_is_left_out_only_when_asked(listing: Listing) -> None:
    await listing.put(scan(1), scan(2, uncounted="head"), scan(3, user_agent="curl/8.5.0"))

    async def ids(asked: Filter, *, counted_only: bool = False) -> list[int]:
        page, _ = await listing.scans.list_scans(asked, counted_only=counted_only)
        return [int(entry["id"], 16) for entry in page]

    assert await ids(EVERYTHING) == [3, 2, 1]
    assert await ids(EVERYTHING, counted_only=True) == [3, 1]
    assert await ids(replace(EVERYTHING, bots="exclude")) == [1]
    assert await ids(replace(EVERYTHING, bots="only")) == [3, 2]
    assert await ids(replace(EVERYTHING, code_ids=(listing.code.id,))) == [3, 2, 1]
    assert await ids(replace(EVERYTHING, code_ids=(listing.code.id + 1,))) == []
    assert await ids(replace(EVERYTHING, tag="poster")) == [3, 2, 1]
    assert await ids(replace(EVERYTHING, tag="flyer")) == []
    assert await ids(replace(EVERYTHING, period=period_for("2026-11-22", "2026-11-23"))) == []


async def test_an_empty_list(listing: Listing) -> None:
    assert await listing.scans.list_scans(EVERYTHING) == ([], None)
    assert await listing.scans.describe([]) == []


OTHERS = ["x", "-", "12", "12-", "-abc", "²-abc", "٣-abc", "1.5-abc", "-5-abc", "9" * 18 + "-abc", " 1-abc", "'; DROP"]


async def test_a_cursor_of_somebody_else_is_refused(listing: Listing) -> None:
    for cursor in OTHERS:
        with pytest.raises(CursorError, match="is no cursor of this list"):
            await listing.scans.list_scans(EVERYTHING, cursor=cursor)
