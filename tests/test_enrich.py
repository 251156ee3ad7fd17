"""From a journaled scan to a stored row: device, verdict, place, network, referrer; and what Sec-GPC leaves out."""

import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings

from analytics.enrich import Enricher
from analytics.enricher import LIVE_ROWS, EnrichmentProcess
from analytics.frames import read_frame, write_frame
from analytics.tables import COLUMNS
from geo.places import Places
from geo.refresh import update
from redirector.records import Scan, stats_line
from tests.geo_samples import nested, write_database
from tests.scan_samples import scan, scan_lines, write_segment
from tests.store_samples import agent_reader, install_places
from tests.test_records import SCANS


@pytest.fixture(scope="module")
def geo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_places(tmp_path_factory.mktemp("places") / "geo")


@pytest.fixture
def enricher(geo: Path) -> Enricher:
    return Enricher(agent_reader(), Places(geo))


def test_a_phone_in_munich(enricher: Enricher) -> None:
    row = enricher.to_row(
        scan(1, referrer="https://www.News.example/a", query={"utm_source": "poster"}, visitor="00000000000000ff")
    )
    expected = {
        "id": f"{1:024x}", "code_id": 1, "version": 1, "counted": True, "uncounted_reason": None, "bot_reason": None,
        "device": "mobile", "os": "iOS", "os_version": "17.5", "browser": "Mobile Safari", "browser_version": "17",
        "app": None, "country": "DE", "region": "Bavaria", "city": "Munich", "latitude": 48.1, "longitude": 11.6,
        "asn": 3320, "network": "Deutsche Telekom AG", "datacenter": False, "relay": False,
        "referrer": "https://www.News.example/a", "referrer_host": "news.example", "language": "de",
        "query": {"utm_source": "poster"}, "gpc": False, "visitor": 255, "host": "w.example", "prefix": None, "demo": False,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected


def test_a_row_has_what_the_store_takes(enricher: Enricher) -> None:
    from_the_batch_file = {"at_us" if name == "scanned_at" else name for name in COLUMNS} - {"run"}
    assert set(enricher.to_row(scan(1))) == from_the_batch_file


def test_gpc_leaves_out_city_coordinates_and_visitor(enricher: Enricher) -> None:
    row = enricher.to_row(scan(1, gpc=True, visitor="", user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS) Mobile"))
    assert [row[name] for name in ("country", "region", "gpc")] == ["DE", "Bavaria", True]
    assert [row[name] for name in ("city", "latitude", "longitude", "visitor")] == [None] * 4
    assert (row["device"], row["os"], row["bot_reason"]) == ("mobile", "iOS", None)


# (plain words, changes, fields)
ROWS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("HEAD", {"uncounted": "head"}, {"counted": False, "uncounted_reason": "head", "bot_reason": "head"}),
    ("prefetch of a bot", {"uncounted": "prefetch", "user_agent": "curl/8.5"}, {"counted": False, "bot_reason": "prefetch"}),
    ("a library", {"user_agent": "curl/8.5.0"}, {"counted": True, "bot_reason": "library"}),
    ("no user agent", {"user_agent": ""}, {"counted": True, "bot_reason": "empty"}),
    ("a data centre is a mark, no verdict", {"address": "198.51.100.0/24"}, {"datacenter": True, "bot_reason": None}),
    ("a relay is a mark, no verdict", {"address": "2001:db8:1::/48"}, {"relay": True, "bot_reason": None, "asn": 36183}),
    ("a country alone", {"address": "2001:db8:2::/48"}, {"country": "US", "region": None, "city": None, "latitude": None}),
    ("the middle of the range counts", {"address": "192.0.2.0/24"}, {"country": None, "city": None}),
    ("a whole address", {"address": "192.0.2.9"}, {"country": "FR", "city": "Grenoble"}),
    ("no place", {"address": "192.168.0.0/24"}, {"country": None, "asn": None, "network": None, "datacenter": False}),
    ("no address", {"address": ""}, {"country": None, "asn": None}),
    ("nonsense for an address", {"address": "203.0.113.0/999"}, {"country": None, "asn": None}),
    ("direct", {"referrer": ""}, {"referrer": None, "referrer_host": None}),
    ("a referrer with a port", {"referrer": "http://news.example:8080/a"}, {"referrer_host": "news.example"}),
    ("IPv6 referrer", {"referrer": "http://[2001:db8::9]/a"}, {"referrer_host": "2001:db8::9"}),
    ("a damaged referrer", {"referrer": "http://[half/a"}, {"referrer": "http://[half/a", "referrer_host": None}),
    ("no language, no host", {"language": "", "host": ""}, {"language": None, "host": None}),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "fields"), [case[1:] for case in ROWS], ids=[case[0] for case in ROWS])
def test_rows(enricher: Enricher, changes: dict[str, Any], fields: dict[str, Any]) -> None:
    row = enricher.to_row(scan(1, **changes))
    assert {name: row[name] for name in fields} == fields


def test_the_prefix_is_kept_only_when_asked_for(geo: Path) -> None:
    keeping = Enricher(agent_reader(), Places(geo), keep_prefix=True)
    assert keeping.to_row(scan(1))["prefix"] == "203.0.113.0/24"
    assert keeping.to_row(scan(1, address="203.0.113.9"))["prefix"] == "203.0.113.0/24"


def test_a_swapped_place_database_is_taken_up(tmp_path: Path) -> None:
    geo = install_places(tmp_path / "geo")
    enricher = Enricher(agent_reader(), Places(geo))
    assert enricher.to_row(scan(1))["city"] == "Munich"
    newer = write_database(tmp_path / "newer.mmdb", {"203.0.113.0/24": nested("Augsburg")}, "DBIP-City-Lite")
    update(geo, str(newer))
    assert enricher.to_row(scan(1))["city"] == "Munich"
    enricher.refresh_places()
    assert enricher.to_row(scan(1))["city"] == "Augsburg"


def test_without_place_databases_everything_else_is_known(tmp_path: Path) -> None:
    row = Enricher(agent_reader(), Places(tmp_path / "none")).to_row(scan(1))
    assert (row["device"], row["country"], row["asn"]) == ("mobile", None, None)


@given(SCANS)
@example(scan(1, referrer="http://[half/a"))
@settings(max_examples=150, deadline=None)
def test_every_record_that_was_accepted_becomes_a_row(geo: Path, scan: Scan) -> None:
    """One that cannot be enriched would hold up all behind it for ever."""
    row = Enricher(agent_reader(), Places(geo)).to_row(scan)
    assert orjson.loads(orjson.dumps(row))["id"] == scan.id


# The process around it


@pytest.fixture
def process(geo: Path, tmp_path: Path, enricher: Enricher) -> EnrichmentProcess:
    return EnrichmentProcess(tmp_path / "journal", tmp_path / "batch.ndjson", enricher, max_lines=1_000)


def test_a_batch_says_where_it_ends_and_what_was_in_it(process: EnrichmentProcess) -> None:
    first, second, third = scan_lines([1, 2, 3])
    stats = stats_line(7, {"answered": 2})
    path = write_segment(process.journal, [first, b"damage\n", second, stats, third])
    batch = process.answer({}, set())
    assert batch == {
        "segment": path.name,
        "run": "public-0.0000000000001",
        "offset": path.stat().st_size,
        "scans": 3,
        "corrupt": [[len(first), "damage"]],
        "torn_bytes": 0,
        "done": False,
        "stats": [7, {"answered": 2}],
        "scans_before_stats": 2,
        "corrupt_before_stats": 1,
        "days": [20778],
        "views": [],
        "latest": [orjson.loads(line) for line in process.batch_file.read_bytes().splitlines()],
    }
    assert [row["id"] for row in batch["latest"]] == [f"{number:024x}" for number in (1, 2, 3)]


def test_the_live_feed_gets_the_latest_of_a_large_batch(process: EnrichmentProcess) -> None:
    write_segment(process.journal, scan_lines(range(LIVE_ROWS + 50)))
    batch = process.answer({}, set())
    assert [int(row["id"], 16) for row in batch["latest"]] == list(range(50, LIVE_ROWS + 50))


def test_a_long_corrupt_line_is_shortened(process: EnrichmentProcess) -> None:
    write_segment(process.journal, [b"\xff" * 100_000 + b"\n"])
    [[offset, line]] = process.answer({}, set())["corrupt"]
    assert (offset, line) == (0, "\ufffd" * 4096)


def test_nothing_new_is_an_empty_answer(process: EnrichmentProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics.enricher.ANSWER_WITHIN_S", 0.0)
    assert process.answer({}, set()) == {}


def test_frames_come_back_and_an_end_is_noticed() -> None:
    stream = io.BytesIO()
    messages: list[Any] = [{}, {"marks": {"a": 1}, "text": "é\n\0"}, [1, None]]
    for message in messages:
        write_frame(stream, message)
    stream.seek(0)
    assert [read_frame(stream) for _ in messages] == messages
    with pytest.raises(EOFError):
        read_frame(stream)
    with pytest.raises(EOFError):
        read_frame(io.BytesIO(b"\x00\x00"))
