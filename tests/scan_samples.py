"""Scans and journal segments made for tests, and the ingestion of a journal without the enrichment process in between."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import orjson

from analytics.agents import AgentReader
from analytics.enrich import Enricher, Row
from analytics.enricher import EnrichmentProcess
from analytics.segments import next_chunk
from analytics.store import ScanStore
from codes.domains import ensure_default_domain
from database.engine import Database, sqlite_url
from database.migrate import migrate
from geo.places import Places
from geo.refresh import update
from redirector.journal import segment_name
from redirector.records import Scan, scan_line
from tests.conftest import SHORT_URL
from tests.geo_samples import nested, network, write_database

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
START = datetime(2026, 11, 21, 18, 40, tzinfo=UTC)
_SAMPLE = Scan(
    id="",
    at_us=0,
    code_id=1,
    version=1,
    rule=None,
    variant=None,
    uncounted=None,
    address="203.0.113.0/24",
    user_agent=IPHONE,
    referrer="",
    language="de",
    visitor="00000000000000aa",
    host="w.example",
)


def micros(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def scan(number: int, at: datetime = START, **changes: object) -> Scan:
    """The scan with this number; its id is made of it."""
    fields = {"id": f"{number:024x}", "at_us": micros(at) + number, **changes}
    return replace(_SAMPLE, **fields)  # type: ignore[arg-type]


def write_segment(
    folder: Path, lines: Sequence[bytes], *, series: str = "public-0", started_ms: int = 1, number: int = 1
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / segment_name(series, started_ms, number)
    path.write_bytes(b"".join(lines))
    return path


def scan_lines(numbers: Sequence[int]) -> list[bytes]:
    return [scan_line(scan(number)) for number in numbers]


PLACES = {
    "203.0.113.0/24": nested("Munich"),
    "198.51.100.0/24": nested("Lyon", "Auvergne-Rhône-Alpes", "FR"),
    "192.0.2.0/25": nested("Grenoble", "Auvergne-Rhône-Alpes", "FR"),
    "2001:db8:1::/48": nested("Nuremberg"),
    "2001:db8:2::/48": {"country": {"iso_code": "US"}},
}
NETWORKS = {
    "203.0.113.0/24": network(3320, "Deutsche Telekom AG"),
    "198.51.100.0/24": network(16276, "OVH SAS"),
    "2001:db8:1::/48": network(36183, "Akamai Technologies, Inc."),
}


def install_places(folder: Path) -> Path:
    """A place folder with both databases, as `waymark geo update` leaves it."""
    made = folder.parent / "made.mmdb"
    for records, name in ((PLACES, "DBIP-City-Lite"), (NETWORKS, "DBIP-ASN-Lite (compat=GeoLite2-ASN)")):
        update(folder, str(write_database(made, records, name)))
    return folder


@cache
def agent_reader() -> AgentReader:
    """One for all tests: it takes a third of a second to build."""
    return AgentReader()


async def ingest_journal(store: ScanStore, journal: Path, geo: Path, *, keep_prefix: bool = False) -> list[Row]:
    """Everything unread, without a child process; the rows that went into the store."""
    process = EnrichmentProcess(
        journal, store.batch_file, Enricher(agent_reader(), Places(geo), keep_prefix=keep_prefix), 20_000
    )
    rows: list[Row] = []
    while True:
        marks, finished = await store.marks()
        if next_chunk(journal, marks, finished, 1) is None:
            return rows
        batch = process.answer(marks, finished)
        rows += [orjson.loads(line) for line in store.batch_file.read_bytes().splitlines()]
        await store.append(batch)


async def migrated_database(folder: Path) -> Database:
    """The control database in this folder, with the default short domain w.example; for tests with loops of their own."""
    database = await Database.open(sqlite_url(folder / "waymark.db"))
    await migrate(database)
    async with database.transaction() as connection:
        await ensure_default_domain(connection, SHORT_URL)
    return database
