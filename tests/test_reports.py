"""Every report is recounted in plain Python from the rows that went into the store, zone by zone, filter by filter."""

import asyncio
import bisect
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from babel import Locale

from analytics import reports as reports_module
from analytics import settling
from analytics.dimensions import Dimensions
from analytics.periods import INTERVALS, Interval, interval_starts, period_for
from analytics.reports import NO_NETWORKS, NO_PLACES, Bots, Filter, Reports, Split
from analytics.store import ScanStore
from codes.batches import BatchChange, create_batch
from codes.campaigns import create_campaign
from codes.codes import CodeChange, NewCode, change_code, create_code, retarget
from codes.destinations import DestinationPolicy
from codes.groups import get_groups
from codes.placements import PlacementFields, create_placement
from geo.places import Places
from redirector.records import scan_line
from tests.scan_samples import IPHONE, scan, write_segment
from tests.store_samples import ingest_journal, install_places, migrated_database

pytestmark = pytest.mark.anyio

Row = dict[str, Any]
Place = tuple[str | None, ...]
POLICY = DestinationPolicy(frozenset({"w.example"}))
NAMED = {
    "campaign": {"campaign": "spring"},
    "venue": {"placement": "Café"},
    "spot": {"placement": "Café / Door"},
    "other spot": {"placement": "café / bar"},
    "batch": {"batch": "May"},
}
CHANGED = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)

# Around every change of the clock in the zones below, and three ordinary days.
DAYS = [
    "2026-03-08", "2026-03-29", "2026-04-04", "2026-04-05", "2026-10-03", "2026-10-04", "2026-10-25", "2026-11-01",
    "2026-11-19", "2026-11-20", "2026-11-21",
]  # fmt: skip
ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"]
AGENTS = [
    IPHONE,
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
    "Instagram 341.0.3.26.98 (iPhone14,5; iOS 17_5; en_US; en; scale=3.00; 1170x2532; 618023787)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.5.0",
    "",
]
ADDRESSES = [
    "203.0.113.0/24",
    "198.51.100.0/24",
    "192.0.2.9",
    "2001:db8:1::/48",
    "2001:db8:2::/48",
    "192.168.1.0/24",
    "",
]
DECIDED: list[dict[str, str]] = [
    {},
    {"rule": "Lunch"},
    {"rule": "-paused"},
    {"rule": "Test", "variant": "A"},
    {"rule": "Test", "variant": "B"},
    {"rule": "Other test", "variant": "A"},
]
REFERRERS = ["", "", "https://news.example/a", "https://www.news.example/b", "https://social.example/"]


@dataclass
class World:
    """A store with about 3,000 scans of four codes, and the rows as they were before the store had them."""

    reports: Reports
    store: ScanStore
    rows: list[Row]
    codes: dict[int, str]
    tags: dict[int, tuple[str, ...]]
    groups: dict[int, tuple[str, ...]]
    named: dict[str, tuple[str, ...]]  # what a filter by campaign, placement or batch is made of

    def chosen(self, asked: Filter, bots: Bots | None = None) -> list[Row]:
        start, end = (round(at.timestamp() * 1_000_000) for at in (asked.period.start, asked.period.end))
        keeps: dict[Bots, Callable[[Row], bool]] = {
            "exclude": lambda row: row["bot_reason"] is None,
            "only": lambda row: row["bot_reason"] is not None,
            "include": lambda row: True,
        }
        return [
            row
            for row in self.rows
            if row["counted"]
            and start <= row["at_us"] < end
            and keeps[bots or asked.bots](row)
            and (asked.code_ids is None or row["code_id"] in asked.code_ids)
            and (asked.tag is None or asked.tag in self.tags[row["code_id"]])
            and set(asked.groups) <= set(self.groups[row["code_id"]])
        ]


def random_scans(code_ids: list[int], count: int) -> list[bytes]:
    chance = random.Random(20261121)
    moments = sorted(
        datetime.fromisoformat(chance.choice(DAYS)).replace(tzinfo=UTC)
        + timedelta(microseconds=chance.randrange(86_400_000_000))
        for _ in range(count)
    )
    lines = []
    for number, at in enumerate(moments):
        gpc = chance.random() < 0.05
        made = scan(
            number,
            at,
            code_id=chance.choice(code_ids),
            version=chance.randint(1, 2),
            **chance.choice(DECIDED),
            uncounted=chance.choice([None] * 18 + ["head", "prefetch"]),
            address=chance.choice(ADDRESSES),
            user_agent=chance.choice(AGENTS),
            referrer=chance.choice(REFERRERS),
            visitor="" if gpc else f"{at.toordinal():08x}{chance.randrange(200):08x}",
            gpc=gpc,
        )
        lines.append(scan_line(made))
    return lines


async def built(folder: Path) -> World:
    tags = [("poster", "spring"), ("poster",), ("flyer",), ()]
    db = await migrated_database(folder)
    spring = await create_campaign(db, "Spring", who="ops")
    door, bar = [
        await create_placement(db, PlacementFields(venue="Café", spot=spot, zone="Europe/Paris"), who="ops")
        for spot in ("Door", "Bar")
    ]
    campaigns, places = [spring.id, spring.id, None, None], [door.id, bar.id, door.id, None]
    codes = []
    for number in range(4):
        new = NewCode(
            f"https://example.com/{number}",
            slug=f"code-{number}",
            tags=tags[number],
            campaign_id=campaigns[number],
            placement_id=places[number],
        )
        codes.append(await create_code(db, new, who="ops", policy=POLICY))
        await retarget(
            db, f"code-{number}", "https://example.com/new", who="ops", policy=POLICY, at=CHANGED, reason="new season"
        )
    may = BatchChange("May", date(2026, 5, 1), 100, codes=("code-0", "code-3"))
    await create_batch(db, may, who="ops")
    store = ScanStore.open(folder / "scans.duckdb")
    await Dimensions(store, db).follow()
    async with db.reading() as connection:
        named = {text: await get_groups(connection, **asked) for text, asked in NAMED.items()}
    await db.close()
    spring_group, café, door_group, bar_group, printed = (named[text][0] for text in NAMED)
    groups = [
        (spring_group, café, door_group, printed),
        (spring_group, café, bar_group),
        (café, door_group),
        (printed,),
    ]
    write_segment(folder / "journal", random_scans([code.id for code in codes], 3_000))
    geo = install_places(folder / "geo")
    rows = await ingest_journal(store, folder / "journal", geo)
    return World(
        Reports(store, Places(geo)),
        store,
        rows,
        {code.id: code.code for code in codes},
        {code.id: tags[number] for number, code in enumerate(codes)},
        {code.id: groups[number] for number, code in enumerate(codes)},
        named,
    )


@pytest.fixture(scope="module", params=["from the scans", "from tallies"])
def world(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[World]:
    """Only to be read: all tests share it."""
    shared = asyncio.run(built(tmp_path_factory.mktemp("world")))
    if request.param == "from tallies":
        asyncio.run(settled(shared.store))
    yield shared
    shared.store.close()


async def settled(store: ScanStore) -> None:
    """As the background work leaves it, with every code and tag large enough for tallies of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling, "LARGE_SCANS", 100)
        patch.setattr(settling, "BUSY_SCANS", 900)
        patch.setattr(settling, "CHUNK_SCANS", 500)
        assert await settling.settle_store(store)


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Reports]:
    store = ScanStore.open(tmp_path / "empty.duckdb")
    yield Reports(store, Places(tmp_path / "no-geo"))
    store.close()


def whole(tz: str = "UTC", **changes: Any) -> Filter:
    return replace(Filter(period_for("2026-03-01", "2026-11-30", tz)), **changes)


def counts(rows: Iterable[Row]) -> dict[str, int]:
    chosen = list(rows)
    return {"scans": len(chosen), "visitors": len({row["visitor"] for row in chosen} - {None})}


def local(row: Row, tz: str) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row["at_us"])).astimezone(ZoneInfo(tz))


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, dict[str, int]]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return {name: counts(group) for name, group in groups.items()}


def descending(entries: list[dict[str, Any]]) -> bool:
    scans = [entry["scans"] for entry in entries]
    return scans == sorted(scans, reverse=True)


async def test_the_sample_is_worth_counting(world: World) -> None:
    """Otherwise the recounts below would prove little."""
    assert len(world.rows) == 3_000
    assert {row["country"] for row in world.rows} == {"DE", "FR", "US", None}
    assert {row["uncounted_reason"] for row in world.rows} == {"head", "prefetch", None}
    assert {"library", "ua", "empty", None} <= {row["bot_reason"] for row in world.rows}
    assert 500 < len(world.chosen(whole())) < 2_500


# A week or two around the changes for the finer intervals: MAX_POINTS.
SPANS: dict[Interval, list[tuple[str, str]]] = {
    "15min": [("2026-03-27", "2026-04-06"), ("2026-10-02", "2026-10-05"), ("2026-10-24", "2026-11-02")],
    "hour": [("2026-03-01", "2026-04-30"), ("2026-09-25", "2026-11-25")],
    "day": [("2026-03-01", "2026-11-30")],
    "week": [("2026-03-04", "2026-11-30")],
    "month": [("2026-03-15", "2026-11-20")],
}


@pytest.mark.parametrize("tz", ZONES)
async def test_timeseries(world: World, tz: str) -> None:
    for interval in INTERVALS:
        for start, end in SPANS[interval]:
            asked = Filter(period_for(start, end, tz))
            report = await world.reports.timeseries(asked, interval)
            assert report["interval"] == interval
            points = report["points"]
            starts = [datetime.fromisoformat(point["at"]) for point in points]
            assert starts == interval_starts(asked.period, interval)
            assert all(at.utcoffset() == at.astimezone(ZoneInfo(tz)).utcoffset() for at in starts)
            rows = world.chosen(asked)
            assert len(rows) > 20
            expected = grouped(rows, lambda row: bisect.bisect_right(starts, local(row, "UTC")) - 1)  # noqa: B023
            nothing = {"scans": 0, "visitors": 0}
            assert [{"scans": p["scans"], "visitors": p["visitors"]} for p in points] == [
                expected.get(index, nothing) for index in range(len(points))
            ]
            assert sum(point["scans"] for point in points) == report["total"]["scans"] == len(rows)


@pytest.mark.parametrize("tz", ZONES)
async def test_days_are_those_of_the_zone(world: World, tz: str) -> None:
    report = await world.reports.timeseries(whole(tz), "day")
    by_day = {point["at"][:10]: point["scans"] for point in report["points"] if point["scans"]}
    assert by_day == dict(Counter(local(row, tz).date().isoformat() for row in world.chosen(whole(tz))))


@pytest.mark.parametrize("tz", [*ZONES, "Asia/Kathmandu", "Pacific/Chatham"])
async def test_hours(world: World, tz: str) -> None:
    report = await world.reports.hours(whole(tz))
    cells = [[0] * 24 for _ in range(7)]
    for row in world.chosen(whole(tz)):
        at = local(row, tz)
        cells[at.weekday()][at.hour] += 1
    assert report["cells"] == cells


@pytest.mark.parametrize("bots", ["exclude", "include", "only"])
async def test_devices(world: World, bots: Bots) -> None:
    asked = whole(bots=bots)
    report = await world.reports.devices(asked)
    for key, column in {"devices": "device", "os": "os", "browsers": "browser", "apps": "app"}.items():
        ranking = report[key]
        expected = grouped(world.chosen(asked), lambda row: row[column])  # noqa: B023
        assert {entry.pop("name"): entry for entry in list(map(dict, ranking))} == expected
        assert descending(ranking)
    assert report["total"] == counts(world.chosen(asked))


async def test_regions(world: World) -> None:
    report = await world.reports.regions(whole())
    rows = world.chosen(whole())
    found: dict[Place, dict[str, int]] = {}
    coordinates: dict[Place, tuple[float | None, float | None]] = {}
    assert descending(report["countries"])
    for country in report["countries"]:
        code = country["country"]
        assert country["name"] == (Locale("en").territories[code] if code else None)
        found[(code,)] = {key: country[key] for key in ("scans", "visitors")}
        assert country["scans"] == sum(region["scans"] for region in country["regions"])
        assert descending(country["regions"])
        for region in country["regions"]:
            found[code, region["region"]] = {key: region[key] for key in ("scans", "visitors")}
            assert region["scans"] == sum(city["scans"] for city in region["cities"])
            assert descending(region["cities"])
            for city in region["cities"]:
                place = (code, region["region"], city["city"])
                found[place] = {key: city[key] for key in ("scans", "visitors")}
                coordinates[place] = (city["latitude"], city["longitude"])
    names = ("country", "region", "city")
    expected: dict[Place, dict[str, int]] = {}
    for depth in (1, 2, 3):
        expected |= grouped(rows, lambda row: tuple(row[name] for name in names[:depth]))  # noqa: B023
    assert found == expected
    assert coordinates["DE", "Bavaria", "Munich"] == (48.1, 11.6)
    assert coordinates["DE", "Bavaria", None] == (None, None)  # Sec-GPC: no city, no coordinates
    assert (report["available"], report["remedy"]) == (True, None)
    assert [entry["url"] for entry in report["attribution"]] == ["https://db-ip.com"]


async def test_referrers(world: World) -> None:
    report = await world.reports.referrers(whole())
    expected = grouped(world.chosen(whole()), lambda row: row["referrer_host"])
    assert set(expected) == {None, "news.example", "social.example"}
    assert {
        entry["referrer"]: {"scans": entry["scans"], "visitors": entry["visitors"]} for entry in report["referrers"]
    } == expected
    assert descending(report["referrers"])


async def test_networks(world: World) -> None:
    report = await world.reports.networks(whole())
    expected = grouped(world.chosen(whole()), lambda row: (row["asn"], row["network"]))
    assert {
        (entry["asn"], entry["network"]): {"scans": entry["scans"], "visitors": entry["visitors"]}
        for entry in report["networks"]
    } == expected
    assert descending(report["networks"])
    assert (report["available"], report["remedy"]) == (True, None)


async def test_versions(world: World) -> None:
    report = await world.reports.versions(whole("Europe/Berlin"))
    rows = world.chosen(whole())
    expected = grouped(rows, lambda row: (world.codes[row["code_id"]], row["version"]))
    found = report["versions"]
    assert [(entry["code"], -entry["version"]) for entry in found] == sorted(
        (entry["code"], -entry["version"]) for entry in found
    )
    assert {(e["code"], e["version"]): {"scans": e["scans"], "visitors": e["visitors"]} for e in found} == expected
    for entry in found:
        own = [
            local(r, "Europe/Berlin")
            for r in rows
            if (world.codes[r["code_id"]], r["version"]) == (entry["code"], entry["version"])
        ]
        assert (entry["first_at"], entry["last_at"]) == (min(own).isoformat(), max(own).isoformat())
        number = entry["code"].rpartition("-")[2]
        assert entry["destination"] == (
            "https://example.com/new" if entry["version"] == 2 else f"https://example.com/{number}"
        )


async def test_codes(world: World) -> None:
    report = await world.reports.codes(whole())
    expected = grouped(world.chosen(whole()), lambda row: world.codes[row["code_id"]])
    assert {
        entry["code"]: {"scans": entry["scans"], "visitors": entry["visitors"]} for entry in report["codes"]
    } == expected
    assert {entry["short_url"] for entry in report["codes"]} == {
        f"https://w.example/{code}" for code in world.codes.values()
    }
    assert descending(report["codes"])
    by_id = await world.reports.scans_by_code(whole())
    assert by_id == dict(Counter(row["code_id"] for row in world.chosen(whole())))


async def test_summary(world: World) -> None:
    asked = whole()
    report = await world.reports.summary(asked)
    bots = world.chosen(asked, "only")
    assert report["total"] == counts(world.chosen(asked))
    assert report["codes"] == 4
    assert report["bots"]["scans"] == len(bots)
    assert {entry["reason"]: entry["scans"] for entry in report["bots"]["reasons"]} == dict(
        Counter(row["bot_reason"] for row in bots)
    )
    assert descending(report["bots"]["reasons"])


class Case(NamedTuple):
    name: str
    codes: tuple[int, ...] | None = None  # by position
    tag: str | None = None
    bots: Bots = "exclude"
    groups: tuple[str, ...] = ()  # by name


FILTERS = [
    Case("everything", bots="include"),
    Case("bots only", bots="only"),
    Case("one code", codes=(0,)),
    Case("two codes and their bots", codes=(1, 3), bots="include"),
    Case("no code at all", codes=()),
    Case("a tag of two codes", tag="poster"),
    Case("a tag and a code with it", tag="poster", codes=(0,)),
    Case("a tag and a code without it", tag="poster", codes=(2,)),
    Case("an unknown tag", tag="nowhere"),
    Case("a campaign", groups=("campaign",)),
    Case("a venue with its spots and bots", groups=("venue",), bots="include"),
    Case("a spot", groups=("spot",)),
    Case("a print batch and its bots alone", groups=("batch",), bots="only"),
    Case("a campaign at a spot", groups=("campaign", "other spot")),
    Case("a campaign, a tag and a code", groups=("campaign",), tag="spring", codes=(0,)),
]


@pytest.mark.parametrize("case", FILTERS, ids=[case.name for case in FILTERS])
async def test_every_report_honours_the_filter(world: World, case: Case) -> None:
    ids = None if case.codes is None else tuple(list(world.codes)[position] for position in case.codes)
    groups = tuple(group for name in case.groups for group in world.named[name])
    asked = whole(code_ids=ids, tag=case.tag, bots=case.bots, groups=groups)
    rows, reports = world.chosen(asked), world.reports
    expected = counts(rows)
    if case.tag != "nowhere" and case.codes not in ((), (2,)):
        assert expected["scans"] > 50
    series = await reports.timeseries(asked)
    devices, hours, regions = await reports.devices(asked), await reports.hours(asked), await reports.regions(asked)
    referrers, networks = await reports.referrers(asked), await reports.networks(asked)
    versions, codes, summary = await reports.versions(asked), await reports.codes(asked), await reports.summary(asked)
    for report in (series, devices, hours, regions, referrers, networks, versions, codes, summary):
        assert report["total"] == expected
        assert (report["from"], report["to"], report["tz"]) == (
            "2026-03-01T00:00:00+00:00",
            "2026-12-01T00:00:00+00:00",
            "UTC",
        )
    listed = [
        series["points"], devices["devices"], devices["os"], devices["browsers"], devices["apps"], regions["countries"],
        referrers["referrers"], networks["networks"], versions["versions"], codes["codes"],
    ]  # fmt: skip
    assert [sum(entry["scans"] for entry in entries) for entries in listed] == [expected["scans"]] * len(listed)
    assert sum(map(sum, hours["cells"])) == expected["scans"]
    assert summary["codes"] == len({row["code_id"] for row in rows})
    assert summary["bots"]["scans"] == len(world.chosen(asked, "only"))


def part_of(row: Row, split: Split) -> Any:
    """What a part of a split says of itself, from one of its rows."""
    if split == "version":
        return row["version"]
    if split == "rule":
        return row["rule"]
    return (row["rule"], row["variant"]) if row["variant"] else (None, None)


def says(entry: dict[str, Any], split: Split) -> Any:
    return (entry["rule"], entry["variant"]) if split == "variant" else entry[split]


SPLITS: list[Split] = ["version", "rule", "variant"]


# Each split and each filter in every run; their other pairs with the slow tests.
USUAL = {("one code", "version"), ("a campaign", "rule"), ("bots only", "variant")}
SLOW = [pytest.mark.slow, pytest.mark.ci, pytest.mark.together]
SPLIT_CASES = [
    pytest.param(name, split, marks=[] if name == "everything" or (name, split) in USUAL else SLOW)
    for name in ("everything", "one code", "a campaign", "bots only")
    for split in SPLITS
]


@pytest.mark.parametrize(("name", "split"), SPLIT_CASES)
async def test_every_report_splits(world: World, name: str, split: Split) -> None:
    """Part by part against the rows; and as a whole it says what it says without a split."""
    case = next(case for case in FILTERS if case.name == name) if name != "everything" else Case("everything")
    ids = None if case.codes is None else tuple(list(world.codes)[position] for position in case.codes)
    groups = tuple(group for named in case.groups for group in world.named[named])
    asked = whole("Asia/Kolkata", code_ids=ids, bots=case.bots, groups=groups)
    rows = world.chosen(asked)
    expected = grouped(rows, lambda row: part_of(row, split))
    assert len(expected) > 1
    undivided = await world.reports.several(asked, CARDS)
    for card in CARDS:
        report = await world.reports.split(card, asked, split)
        parts = report.pop("parts")
        assert report.pop("split") == split
        assert report == undivided[card]
        assert {says(part, split): part["total"] for part in parts} == expected, card
        assert [part["total"]["scans"] for part in parts] == sorted(
            (part["total"]["scans"] for part in parts), reverse=True
        )
        for part in parts:
            own = [row for row in rows if part_of(row, split) == says(part, split)]
            assert inside(card, part) == inside_of(card, own, asked, world), (card, part["label"])


CARDS = (
    *("timeseries", "summary", "devices", "hours", "regions", "referrers", "networks"),
    *("versions", "rules", "variants", "codes"),
)


def inside(card: str, part: dict[str, Any]) -> Any:
    """One figure of the card that has to be its own in each part."""
    match card:
        case "timeseries":
            return {point["at"][:10]: point["scans"] for point in part["points"] if point["scans"]}
        case "summary":
            return part["codes"]
        case "hours":
            return part["cells"]
        case "devices":
            return {entry["name"]: entry["visitors"] for entry in part["os"]}
    entries = part["countries" if card == "regions" else card]
    return sorted((entry["scans"], entry["visitors"]) for entry in entries)


def inside_of(card: str, rows: list[Row], asked: Filter, world: World) -> Any:
    zone = asked.period.tz.key
    match card:
        case "timeseries":
            weeks = interval_starts(asked.period, "week")
            at = [weeks[bisect.bisect_right(weeks, local(row, zone)) - 1] for row in rows]
            return dict(Counter(start.astimezone(asked.period.tz).date().isoformat() for start in at))
        case "summary":
            return len({row["code_id"] for row in rows})
        case "hours":
            cells = [[0] * 24 for _ in range(7)]
            for row in rows:
                cells[local(row, zone).weekday()][local(row, zone).hour] += 1
            return cells
        case "devices":
            return {name: each["visitors"] for name, each in grouped(rows, lambda row: row["os"]).items()}
    keys: dict[str, Callable[[Row], Any]] = {
        "regions": lambda row: row["country"],
        "referrers": lambda row: row["referrer_host"],
        "networks": lambda row: (row["asn"], row["network"]),
        "versions": lambda row: (row["code_id"], row["version"]),
        "rules": lambda row: row["rule"],
        "variants": lambda row: (row["rule"], row["variant"]),
        "codes": lambda row: row["code_id"],
    }
    chosen = [row for row in rows if row["variant"]] if card == "variants" else rows
    return sorted((each["scans"], each["visitors"]) for each in grouped(chosen, keys[card]).values())


async def test_rules_and_variants(world: World) -> None:
    rows = world.chosen(whole())
    rules = (await world.reports.rules(whole()))["rules"]
    assert {entry["rule"]: {"scans": entry["scans"], "visitors": entry["visitors"]} for entry in rules} == grouped(
        rows, lambda row: row["rule"]
    )
    labels = {entry["rule"]: entry["label"] for entry in rules}
    own = {name: name for name in ("Lunch", "Test", "Other test")}
    assert labels == {None: "Default target", "-paused": "Paused"} | own
    variants = (await world.reports.variants(whole()))["variants"]
    expected = grouped((row for row in rows if row["variant"]), lambda row: f"{row['rule']}: {row['variant']}")
    assert {e["label"]: {"scans": e["scans"], "visitors": e["visitors"]} for e in variants} == expected
    assert descending(rules)
    assert descending(variants)


async def test_many_parts_are_shown_with_all_others_as_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports_module, "MAX_PARTS", 3)
    report = await world.reports.split("devices", whole(), "rule")
    *named, others = report["parts"]
    assert len(named) == 2
    assert others["label"] == "All others"
    rest = [row for row in world.chosen(whole()) if row["rule"] not in {part["rule"] for part in named}]
    assert others["total"] == counts(rest)
    assert inside("devices", others) == inside_of("devices", rest, whole(), world)
    assert sum(part["total"]["scans"] for part in report["parts"]) == report["total"]["scans"]


async def test_the_period_is_exact_to_the_microsecond(world: World) -> None:
    rows = sorted(world.chosen(whole(bots="include")), key=lambda row: row["at_us"])
    first, last = local(rows[100], "UTC"), local(rows[200], "UTC")
    asked = replace(whole(bots="include"), period=period_for(first.isoformat(), last.isoformat()))
    assert (await world.reports.total(asked))["scans"] == 100  # the first included, the last not
    series = await world.reports.timeseries(asked, "15min")
    assert sum(point["scans"] for point in series["points"]) == 100


async def test_changes_are_marked_when_codes_were_named(world: World) -> None:
    [code_id, *_] = world.codes
    asked = whole("Europe/Berlin", code_ids=(code_id,))
    report = await world.reports.timeseries(asked)
    mark = {
        "at": "2026-11-20T13:30:00+01:00",
        "code": "code-0",
        "version": 2,
        "destination": "https://example.com/new",
        "action": "retarget",
        "restores": None,
        "who": "ops",
        "reason": "new season",
    }
    assert report["changes"] == [mark]
    assert (await world.reports.timeseries(whole()))["changes"] == []
    earlier = replace(asked, period=period_for("2026-03-01", "2026-03-31"))
    assert (await world.reports.timeseries(earlier))["changes"] == []


async def test_tags_and_names_follow_the_control_database(tmp_path: Path) -> None:
    world, db = await built(tmp_path), await migrated_database(tmp_path)
    dimensions = Dimensions(world.store, db)
    assert not await dimensions.follow()  # it goes on where another one stopped
    change = CodeChange(tags=("poster", "autumn"), name="Autumn poster")
    await change_code(db, "code-3", change, who="ops", policy=POLICY)
    assert await dimensions.follow()
    assert not await dimensions.follow()
    code_id = next(number for number, code in world.codes.items() if code == "code-3")
    world.tags[code_id] = ("poster", "autumn")
    asked = whole(tag="autumn")
    assert (await world.reports.total(asked)) == counts(world.chosen(asked))
    [entry] = (await world.reports.codes(asked))["codes"]
    assert entry["name"] == "Autumn poster"
    # An exchanged database: the store remembers a position in the feed that this one has not reached yet.
    await world.store.write([("UPDATE dimension_mark SET seq = 1000000", ()), ("DELETE FROM codes", ())])
    assert await Dimensions(world.store, db).follow()
    assert len((await world.reports.codes(whole()))["codes"]) == 4
    world.store.close()
    await db.close()


async def test_reports_never_miss_a_code_while_it_changes(tmp_path: Path) -> None:
    world, db = await built(tmp_path), await migrated_database(tmp_path)
    seen: set[tuple[int, int]] = set()

    async def look() -> None:
        while not done.is_set():
            [counted] = await world.store.query("SELECT (SELECT count(*) FROM codes), (SELECT count(*) FROM versions)")
            seen.add(counted)

    done = asyncio.Event()
    looking = asyncio.create_task(look())
    for _ in range(40):
        await world.store.write([("UPDATE dimension_mark SET seq = 1000000", ())])
        assert await Dimensions(world.store, db).follow()
    done.set()
    await looking
    assert seen == {(4, 8)}
    world.store.close()
    await db.close()


async def test_an_empty_store_answers_every_question(empty: Reports) -> None:
    asked = Filter(period_for("2026-11-20", "2026-11-21"))
    series = await empty.timeseries(asked)
    assert (series["interval"], len(series["points"])) == ("hour", 48)
    assert {point["scans"] for point in series["points"]} == {0}
    assert (await empty.devices(asked))["devices"] == []
    assert (await empty.hours(asked))["cells"] == [[0] * 24] * 7
    regions, networks = await empty.regions(asked), await empty.networks(asked)
    assert (regions["countries"], regions["available"], regions["remedy"]) == ([], False, NO_PLACES)
    assert (networks["networks"], networks["available"], networks["remedy"]) == ([], False, NO_NETWORKS)
    assert (await empty.referrers(asked))["referrers"] == []
    assert (await empty.versions(asked))["versions"] == []
    assert (await empty.codes(asked))["codes"] == []
    summary = await empty.summary(asked)
    assert (summary["total"], summary["codes"]) == ({"scans": 0, "visitors": 0}, 0)
    assert summary["bots"] == {"scans": 0, "reasons": []}
    assert await empty.scans_by_code(asked) == {}


async def test_one_scan(tmp_path: Path) -> None:
    """Without a place database: an unknown place must not look like a result."""
    store = ScanStore.open(tmp_path / "one.duckdb")
    write_segment(tmp_path / "journal", [scan_line(scan(1))])
    await ingest_journal(store, tmp_path / "journal", tmp_path / "no-geo")
    reports, asked = Reports(store, Places(tmp_path / "no-geo")), Filter(period_for("2026-11-21", "2026-11-21"))
    one = {"scans": 1, "visitors": 1}
    assert (await reports.summary(asked))["total"] == one
    assert (await reports.devices(asked))["devices"] == [{"name": "mobile", **one}]
    assert (await reports.hours(asked))["cells"][5][18] == 1
    assert (await reports.referrers(asked))["referrers"] == [{"referrer": None, **one}]
    networks = await reports.networks(asked)
    assert (networks["networks"], networks["available"], networks["remedy"]) == ([], False, NO_NETWORKS)
    assert not (await reports.regions(asked))["available"]
    store.close()
