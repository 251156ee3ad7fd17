"""The demo data: believable by itself, found again in every report, and gone without a trace of it or loss of others."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest

from analytics.demo import add_demo, remove_demo
from analytics.demo_agents import AGENTS, CRAWLERS, HOSTING, PREVIEWS, WAVE_AGENTS
from analytics.demo_people import PLACES, networks_in
from analytics.demo_plan import VENUES, window_until
from analytics.demo_scans import WAVE_REQUESTS, PlacedCode, demo_scans, us, wave_start_us
from analytics.dimensions import Dimensions
from analytics.enrich import Enricher
from analytics.enricher import EnrichmentProcess
from analytics.periods import Period
from analytics.reports import Bots, Filter, Reports
from analytics.segments import list_segments
from analytics.store import ScanStore
from codes.codes import NewCode, create_code, find_code, get_code
from codes.destinations import DestinationPolicy
from codes.errors import Conflict
from codes.search import list_codes
from codes.versions import list_versions
from database.engine import Database
from geo.places import Places
from geo.refresh import update
from redirector.agents import AgentReader
from redirector.bots import bot_reason_for
from redirector.facts import cut_address, trimmed_referrer
from redirector.journal import segment_name
from redirector.records import Scan, parse_line, scan_line
from tests.geo_samples import flat, network, write_database
from tests.store_samples import migrated_database

NOW = datetime(2026, 11, 21, 18, 40, tzinfo=UTC)
WINDOW = window_until(NOW)
POLICY = DestinationPolicy(own_hosts=frozenset({"w.example"}))
BERLIN, MUNICH, PARIS, LONDON = (
    f"demo-{name}" for name in ("cafe-berlin", "poster-munich", "museum-paris", "bar-london")
)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Installation:
    database: Database
    store: ScanStore
    journal: Path
    geo: Path

    async def ingest(self) -> None:
        """What the private process does: batch by batch, then the dimensions."""
        process = EnrichmentProcess(
            self.journal, self.store.batch_file, Enricher(AgentReader(), Places(self.geo)), 20_000
        )
        while True:
            marks, finished = await self.store.marks()
            batch = process.answer(marks, finished)
            if not batch:
                break
            await self.store.append(batch)
        await Dimensions(self.store, self.database).follow()

    async def add(self) -> dict[str, Any]:
        return await add_demo(self.database, self.journal, who="owner", policy=POLICY, now=NOW)

    async def remove(self) -> dict[str, Any]:
        return await remove_demo(self.database, self.store, self.journal)

    async def code_id(self, text: str) -> int:
        async with self.database.reading() as connection:
            return (await get_code(connection, text)).id

    async def scan_ids(self) -> set[str]:
        return {row[0] for row in await self.store.query("SELECT id FROM scans")}

    def write_segment(self, series: str, started_ms: int, scans: list[Scan]) -> None:
        path = self.journal / segment_name(series, started_ms, 1)
        path.write_bytes(b"".join(map(scan_line, scans)))


@asynccontextmanager
async def open_installation(folder: Path) -> AsyncIterator[Installation]:
    (folder / "journal").mkdir(parents=True, exist_ok=True)
    database = await migrated_database(folder)
    store = ScanStore.open(folder / "scans.duckdb")
    try:
        yield Installation(database, store, folder / "journal", folder / "geo")
    finally:
        store.close()
        await database.close()


def within(folder: Path, work: Callable[[Installation], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with open_installation(folder) as installation:
            return await work(installation)

    return asyncio.run(run())


def real_scans(code_id: int, count: int, at: datetime) -> list[Scan]:
    return [
        Scan(
            id=f"{us(at) // 1000 + number:012x}0abc12{number:06x}",
            at_us=us(at) + number * 1000,
            code_id=code_id,
            version=1,
            rule=None,
            variant=None,
            uncounted=None,
            address="203.0.113.0/24",
            user_agent=AGENTS[number % 5].text,
            referrer="",
            language="de",
        )
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """An installation with one real code and its 25 scans, to which the demo was added; all of it ingested."""
    folder = tmp_path_factory.mktemp("filled")
    cities = {net: flat(place, place, country) for place, (country, runs) in PLACES.items() for net in ipv4(runs)}
    hosting = {net: network(24940, "Hetzner Online GmbH") for net in ipv4(HOSTING)}
    update(folder / "geo", str(write_database(folder / "city.mmdb", cities)))
    update(folder / "geo", str(write_database(folder / "asn.mmdb", hosting, "DBIP-ASN-Lite (compat=GeoLite2-ASN)")))

    async def fill(installation: Installation) -> dict[str, Any]:
        new = NewCode("https://shop.example.com/", "spring", name="Spring poster", tags=("spring",))
        code = await create_code(installation.database, new, who="owner", policy=POLICY)
        installation.write_segment("public-0", 1, real_scans(code.id, 25, NOW - timedelta(days=3)))
        added = await installation.add()
        await installation.ingest()
        return added

    return folder, within(folder, fill)


@pytest.fixture
def copied(filled: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    """The same to spoil."""
    return shutil.copytree(filled[0], tmp_path / "copy")


def ipv4(runs: tuple[str, ...]) -> list[str]:
    return [net for run in runs if ":" not in run for net in networks_in(run)]


def placed() -> list[PlacedCode]:
    return [
        PlacedCode(
            venue,
            order,
            "w.example",
            us(WINDOW.moment(venue.launch)),
            us(WINDOW.moment(venue.taken_down) if venue.taken_down else WINDOW.end),
            tuple(us(WINDOW.moment(share)) for share, _, _ in venue.retargets),
        )
        for order, venue in enumerate(VENUES)
    ]


@pytest.fixture(scope="module")
def scans() -> list[Scan]:
    return demo_scans(placed(), WINDOW, seed=7)


def people_at(scans: list[Scan], slug: str) -> list[datetime]:
    """Local times of a venue's counted scans by people."""
    venue = next(order for order, venue in enumerate(VENUES) if venue.slug == slug)
    zone = ZoneInfo(VENUES[venue].zone)
    return [
        datetime.fromtimestamp(scan.at_us / 1_000_000, zone)
        for scan in scans
        if scan.code_id == venue and not scan.uncounted and not bot_reason_for(scan.user_agent)
    ]


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_the_same_seed_and_moment_give_the_same_scans_whatever_the_codes_are_numbered(
    filled: tuple[Path, dict[str, Any]], scans: list[Scan]
) -> None:
    [segment] = (filled[0] / "journal").glob("demo.*")
    written = [parse_line(line) for line in segment.read_bytes().splitlines()]
    first = min(scan.code_id for scan in written if isinstance(scan, Scan))
    assert first > 0
    assert [replace(scan, code_id=scan.code_id - first) for scan in written if isinstance(scan, Scan)] == scans


def test_another_seed_gives_other_scans() -> None:
    one, other = (demo_scans(placed()[:1], WINDOW, seed) for seed in (7, 8))
    assert {scan.at_us for scan in one}.isdisjoint(scan.at_us for scan in other)


def test_a_quarter_of_a_year_of_tens_of_thousands_of_scans(scans: list[Scan]) -> None:
    assert 40_000 <= len(scans) <= 60_000
    assert us(WINDOW.start) <= scans[0].at_us < scans[-1].at_us < us(NOW)
    assert us(NOW) - scans[-1].at_us < 3600 * 1_000_000


@pytest.mark.parametrize(
    ("now", "days", "zone"),
    [
        ("2026-11-21", 92, "Europe/Berlin"),
        ("2026-06-01", 92, "Europe/Berlin"),
        ("2027-01-28", 95, "America/New_York"),
        ("2026-02-20", 117, "America/New_York"),
    ],
)
def test_the_window_takes_in_a_change_of_the_clocks_when_one_is_near(now: str, days: int, zone: str) -> None:
    window = window_until(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert (window.end - window.start).days == days
    ends = [moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in (window.start, window.end)]
    assert ends[0] != ends[1]


def test_the_window_stays_a_quarter_when_no_change_is_near() -> None:
    window = window_until(datetime(2026, 9, 15, 9, tzinfo=UTC))
    assert (window.end - window.start).days == 92


def test_records_look_like_those_of_the_public_side(scans: list[Scan]) -> None:
    assert [scan.id for scan in scans] == sorted({scan.id for scan in scans})
    assert {len(scan.id) for scan in scans} == {24}
    assert all(parse_line(scan_line(scan)) == scan for scan in scans[::50])
    assert {scan.uncounted for scan in scans} == {None, "head", "prefetch"}
    for scan in scans:
        assert scan.demo
        assert scan.address == cut_address(scan.address.partition("/")[0])
        assert scan.referrer == trimmed_referrer(scan.referrer)
        assert len(scan.user_agent) <= 512
        assert len(scan.visitor) == (0 if scan.gpc else 16)


def test_visitors_come_back_within_a_day_and_are_strangers_the_day_after(scans: list[Scan]) -> None:
    days: dict[str, set[int]] = {}
    for scan in scans:
        if scan.visitor:
            days.setdefault(scan.visitor, set()).add(scan.at_us // 86_400_000_000)
    assert {len(seen) for seen in days.values()} == {1}
    assert len(days) < 0.9 * len(scans)


def test_private_people_leave_only_their_platform(scans: list[Scan]) -> None:
    private = {scan.user_agent for scan in scans if scan.gpc}
    assert "Mozilla/5.0 (iPhone; CPU iPhone OS) Mobile" in private
    assert private.isdisjoint(agent.text for agent in AGENTS)


def test_the_agents_are_what_they_stand_for() -> None:
    reader = AgentReader()
    people = [reader.read(agent.text) for agent in AGENTS]
    assert {agent.bot_reason for agent in people} == {None}
    assert {agent.device for agent in people} == {"mobile", "tablet", "desktop"}
    apps = {agent.app for agent in people}
    assert {"Instagram", "Facebook", "TikTok", "WeChat", "LINE", "KakaoTalk", "Naver", "Threads", "Snapchat"} <= apps
    assert {bot_reason_for(agent) for agent, _ in PREVIEWS} == {"preview"}
    assert all(bot_reason_for(agent) for agent in (text for _, text in WAVE_AGENTS))
    assert all(bot_reason_for(agent) for agent, _ in CRAWLERS)


def test_the_museum_is_closed_on_mondays(scans: list[Scan]) -> None:
    # A visitor of Sunday night may look again after midnight.
    assert not [at for at in people_at(scans, PARIS) if at.weekday() == 0 and at.hour > 2]
    weekdays = Counter(at.weekday() for at in people_at(scans, PARIS))
    assert weekdays[6] > weekdays[2]


def test_the_cafe_keeps_its_morning_when_the_clocks_change(scans: list[Scan]) -> None:
    change = datetime(2026, 10, 25, 1, tzinfo=UTC)
    busiest = [
        Counter(at.hour for at in people_at(scans, BERLIN) if (at > change) is after).most_common(1)[0][0]
        for after in (False, True)
    ]
    assert busiest == [8, 8]


def test_the_bar_is_busiest_in_the_night_after_friday_and_saturday(scans: list[Scan]) -> None:
    nights = Counter((at - timedelta(hours=5)).weekday() for at in people_at(scans, LONDON))
    assert [night for night, _ in nights.most_common(2)] == [5, 4]


def test_the_report_of_adding_says_what_was_written(filled: tuple[Path, dict[str, Any]], scans: list[Scan]) -> None:
    assert filled[1] == {
        "codes": len(VENUES),
        "scans": len(scans),
        "from": WINDOW.start.isoformat(),
        "to": NOW.isoformat(),
    }


def test_every_scan_of_the_segment_is_in_the_store_once(filled: tuple[Path, dict[str, Any]]) -> None:
    folder, added = filled

    async def counts(installation: Installation) -> list[tuple[Any, ...]]:
        return await installation.store.query(
            "SELECT (SELECT count(*) FROM scans WHERE demo), (SELECT count(DISTINCT id) FROM scans WHERE demo), "
            "(SELECT sum(scans) FROM journal_marks WHERE run LIKE 'demo.%'), (SELECT count(*) FROM quarantine), "
            "(SELECT count(*) FROM scans WHERE NOT demo)"
        )

    assert within(folder, counts) == [(added["scans"], added["scans"], added["scans"], 0, 25)]


def test_codes_have_names_tags_and_a_past(filled: tuple[Path, dict[str, Any]]) -> None:
    async def look(installation: Installation) -> None:
        async with installation.database.reading() as connection:
            code = await get_code(connection, LONDON)
            versions = await list_versions(connection, code.id)
        assert code.demo
        assert code.tags == ("campaign:late-sessions", "placement:bar mat", "venue:bar-london")
        assert code.created_at < WINDOW.moment(0.2)
        assert [version.number for version in versions] == [3, 2, 1]
        assert versions[0].created_at > versions[1].created_at > versions[2].created_at
        assert versions[0].created_at < NOW

    within(filled[0], look)


def ask(folder: Path, question: Callable[[Reports, Installation], Awaitable[Result]]) -> Result:
    async def asking(installation: Installation) -> Result:
        return await question(Reports(installation.store, Places(installation.geo)), installation)

    return within(folder, asking)


def about(start: datetime, end: datetime, bots: Bots = "exclude", tz: str = "Europe/Berlin", **chosen: Any) -> Filter:
    return Filter(Period(start, end, ZoneInfo(tz)), bots=bots, **chosen)


def test_each_report_has_something_to_show(filled: tuple[Path, dict[str, Any]]) -> None:
    async def question(reports: Reports, installation: Installation) -> None:
        asked = about(WINDOW.start, WINDOW.end, tag="campaign:open-museum")
        hours = await reports.hours(asked)
        assert sum(map(sum, hours["cells"])) == hours["total"]["scans"] > 5_000
        devices = await reports.devices(asked)
        assert {row["name"] for row in devices["devices"]} >= {"mobile", "tablet", "desktop"}
        assert {row["name"] for row in devices["apps"]} >= {"Instagram", "LINE", "WeChat"}
        regions = await reports.regions(asked)
        assert {row["country"] for row in regions["countries"]} >= {"DE", "FR", "JP", "AE", "US", "GB", "BR", "IN"}
        referrers = await reports.referrers(asked)
        assert referrers["referrers"][0]["referrer"] is None
        assert {row["referrer"] for row in referrers["referrers"]} >= {"l.instagram.com", "city-diary.example.org"}
        points = (await reports.timeseries(asked))["points"]
        assert sum(point["scans"] for point in points) == asked_total(hours)

    ask(filled[0], question)


def asked_total(report: dict[str, Any]) -> int:
    return int(report["total"]["scans"])


def test_the_poster_has_no_scan_after_it_was_taken_down(filled: tuple[Path, dict[str, Any]]) -> None:
    taken_down = WINDOW.moment(0.7)

    async def question(reports: Reports, installation: Installation) -> tuple[int, int]:
        chosen = (await installation.code_id(MUNICH),)
        before = about(taken_down - timedelta(days=1), taken_down, "include", code_ids=chosen)
        after = about(taken_down, WINDOW.end, "include", code_ids=chosen)
        return asked_total(await reports.timeseries(before)), asked_total(await reports.timeseries(after))

    before, after = ask(filled[0], question)
    assert before > 20
    assert after == 0


def test_the_bot_wave_is_flagged_and_left_out(filled: tuple[Path, dict[str, Any]], scans: list[Scan]) -> None:
    begin = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=wave_start_us(WINDOW))
    night = (begin, begin + timedelta(hours=3))

    async def question(reports: Reports, installation: Installation) -> tuple[int, int, dict[str, Any]]:
        only = asked_total(await reports.timeseries(about(*night, "only")))
        exclude = asked_total(await reports.timeseries(about(*night)))
        return only, exclude, await reports.networks(about(*night, "only"))

    robots = {*ipv4(HOSTING), *(address for _, address in PREVIEWS + CRAWLERS)}
    counted = [scan for scan in scans if us(night[0]) <= scan.at_us < us(night[1]) and not scan.uncounted]
    people = sum(scan.address not in robots for scan in counted)
    only, exclude, networks = ask(filled[0], question)
    assert (only, exclude) == (len(counted) - people, people)
    assert only >= WAVE_REQUESTS > 10 * people
    assert networks["networks"][0]["network"] == "Hetzner Online GmbH"


def test_scans_are_split_by_the_version_that_was_in_force(filled: tuple[Path, dict[str, Any]]) -> None:
    retargeted = WINDOW.moment(0.46)

    async def question(reports: Reports, installation: Installation) -> tuple[dict[str, Any], dict[str, Any], Any]:
        chosen = (await installation.code_id(BERLIN),)
        asked = about(WINDOW.start, WINDOW.end, "include", code_ids=chosen)
        split = await installation.store.query(
            "SELECT version, max(scanned_at) < ?, min(scanned_at) >= ? FROM scans "
            "WHERE code_id = ? GROUP BY version ORDER BY version",
            [retargeted.replace(tzinfo=None), retargeted.replace(tzinfo=None), chosen[0]],
        )
        return await reports.versions(asked), await reports.timeseries(asked), split

    versions, series, split = ask(filled[0], question)
    assert [row["version"] for row in versions["versions"]] == [2, 1]
    assert sum(row["scans"] for row in versions["versions"]) == asked_total(versions)
    assert [change["version"] for change in series["changes"]] == [2]
    assert split == [(1, True, False), (2, False, True)]


def test_rules_and_a_split_decided_what_they_would_decide(
    filled: tuple[Path, dict[str, Any]], scans: list[Scan]
) -> None:
    since = us(WINDOW.moment(0.55))
    order, madrid = next((order, venue) for order, venue in enumerate(VENUES) if venue.slug == "demo-bar-madrid")
    own = [scan for scan in scans if scan.code_id == order]
    assert all((scan.rule, scan.variant, scan.version) == (None, None, 1) for scan in own if scan.at_us < since)
    ruled = [scan for scan in own if scan.at_us >= since]
    zone = ZoneInfo(madrid.zone)
    for scan in ruled:
        late = 1 <= datetime.fromtimestamp(scan.at_us / 1_000_000, zone).hour < 6
        assert (scan.rule, scan.version) == ("After hours" if late else "Programme trial", 2)
    by_visitor: dict[str, set[str | None]] = {}
    for scan in ruled:
        if scan.rule == "Programme trial" and scan.visitor:
            by_visitor.setdefault(scan.visitor, set()).add(scan.variant)
    assert {len(variants) for variants in by_visitor.values()} == {1}

    async def question(reports: Reports, installation: Installation) -> dict[str, int]:
        chosen = (await installation.code_id("demo-bar-madrid"),)
        asked = about(WINDOW.start, WINDOW.end, "include", code_ids=chosen)
        variants = (await reports.variants(asked))["variants"]
        return {entry["variant"]: entry["scans"] for entry in variants}

    counted = Counter(scan.variant for scan in ruled if scan.variant and not scan.uncounted)
    found = ask(filled[0], question)
    assert found == counted
    assert 0.8 < found["List"] / found["Faces"] < 1.25


def test_adding_twice_is_refused(copied: Path) -> None:
    async def again(installation: Installation) -> None:
        with pytest.raises(Conflict, match="waymark demo remove"):
            await installation.add()

    within(copied, again)
    assert len(list((copied / "journal").glob("demo.*"))) == 1


def test_a_slug_in_the_way_leaves_nothing_behind(tmp_path: Path) -> None:
    """The last of the codes is taken: the ones before it are gone again, and there is no segment."""

    async def blocked(installation: Installation) -> None:
        own = NewCode("https://shop.example.com/", VENUES[-1].slug)
        await create_code(installation.database, own, who="owner", policy=POLICY)
        with pytest.raises(Conflict, match=VENUES[-1].slug):
            await installation.add()
        async with installation.database.reading() as connection:
            found, total = await list_codes(connection)
        assert (total, found[0].demo) == (1, False)

    within(tmp_path, blocked)
    assert list((tmp_path / "journal").iterdir()) == []


def test_an_unwritable_journal_leaves_no_codes_behind(tmp_path: Path) -> None:
    async def blocked(installation: Installation) -> None:
        installation.journal.rmdir()
        installation.journal.write_text("not a folder", encoding="utf-8")
        with pytest.raises(OSError, match="journal"):
            await installation.add()
        async with installation.database.reading() as connection:
            assert (await list_codes(connection))[1] == 0

    within(tmp_path, blocked)


def test_the_segment_is_readable_by_its_owner_only_and_whole(filled: tuple[Path, dict[str, Any]]) -> None:
    [segment] = (filled[0] / "journal").glob("demo.*")
    assert segment.stat().st_mode & 0o777 == 0o600
    assert segment.read_bytes().endswith(b"\n")
    assert segment.name in {found.name for found in list_segments(segment.parent)}


def test_removing_takes_the_demo_and_nothing_else(copied: Path, filled: tuple[Path, dict[str, Any]]) -> None:
    async def story(installation: Installation) -> None:
        real = {scan.id for scan in real_scans(1, 25, NOW - timedelta(days=3))}
        public = [path.read_bytes() for path in sorted(installation.journal.glob("public-*"))]
        unfinished = installation.journal / "demo.0000000000001.000001.tmp"
        unfinished.write_bytes(b"killed while writing")
        removed = await installation.remove()
        assert removed == {"codes": len(VENUES), "scans": filled[1]["scans"], "segments": 1}
        assert await installation.scan_ids() == real
        async with installation.database.reading() as connection:
            found, total = await list_codes(connection)
        assert (total, found[0].code, found[0].tags) == (1, "spring", ("spring",))
        assert not list(installation.journal.glob("demo.*"))
        assert [path.read_bytes() for path in sorted(installation.journal.glob("public-*"))] == public
        await installation.ingest()
        assert await installation.scan_ids() == real
        assert await installation.store.query("SELECT code FROM codes") == [("spring",)]
        assert await installation.store.query("SELECT run FROM journal_marks") == [("public-0.0000000000001",)]

    within(copied, story)


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_a_demo_added_again_is_ingested_again(copied: Path) -> None:
    async def story(installation: Installation) -> None:
        before = await installation.scan_ids()
        await installation.remove()
        await installation.add()
        await installation.ingest()
        assert await installation.scan_ids() == before

    within(copied, story)


def test_removing_twice_or_from_nothing_does_nothing(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        for _ in range(2):
            assert await installation.remove() == {"codes": 0, "scans": 0, "segments": 0}

    within(tmp_path, story)


def test_scans_somebody_made_of_a_demo_code_go_with_it(copied: Path) -> None:
    async def story(installation: Installation) -> None:
        own = real_scans(await installation.code_id(PARIS), 3, NOW)
        installation.write_segment("public-1", 2, own)
        await installation.ingest()
        assert {scan.id for scan in own} <= await installation.scan_ids()
        await installation.remove()
        assert len(await installation.scan_ids()) == 25
        async with installation.database.reading() as connection:
            assert await find_code(connection, PARIS) is None

    within(copied, story)
