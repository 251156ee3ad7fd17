"""What tests of the scan store start from: place databases, a journal ingested without a child process, a database."""

from functools import cache
from pathlib import Path

import orjson

from analytics.enrich import Enricher, Row
from analytics.enricher import EnrichmentProcess
from analytics.segments import next_chunk
from analytics.store import ScanStore
from database.engine import Database, sqlite_url
from geo.places import Places
from geo.refresh import update
from redirector.agents import AgentReader
from tests.geo_samples import nested, network, write_database
from tests.migrated import place_migrated

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
    path = folder / "waymark.db"
    if not path.exists():
        place_migrated(path)
    return await Database.open(sqlite_url(path))
