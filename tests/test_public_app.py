"""The public side as a phone meets it: the answer, the one journal line it leaves, and what it never says."""

import asyncio
import base64
import hashlib
import http.client
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.testclient import TestClient

from analytics.segments import list_segments, next_chunk
from codes.codes import NewCode, create_code, retarget
from codes.destinations import DestinationPolicy
from database.engine import sqlite_url
from jobs.languages import LANGUAGES
from redirector.app import PublicSettings, create_public_app
from redirector.facts import ProxyTrust, networks_from
from redirector.journal import JournalError
from redirector.records import Erased, Scan, Stats, View, parse_line
from tests.children import ROOT
from tests.running import IPHONE, wait_for
from tests.store_samples import migrated_database
from waymark.sockets import bound_socket

PHONE = "203.0.113.9"
POLICY = DestinationPolicy(frozenset({"w.example"}))


def settings_for(folder: Path, **changes: Any) -> PublicSettings:
    settings = PublicSettings(
        worker=0,
        database_url=sqlite_url(folder / "waymark.db", read_only=True),
        data_dir=folder,
        trust=ProxyTrust(networks_from(["10.0.0.0/8"]), "x-forwarded-for"),
        query_keys=frozenset({"table"}),
        full_address=False,
        durability="process",
        flush_ms=50,
        segment_bytes=64 * 1024 * 1024,
        spill_lines=100_000,
    )
    return replace(settings, **changes)


async def _fill(folder: Path, destinations: dict[str, str]) -> None:
    database = await migrated_database(folder)
    for slug, destination in destinations.items():
        await create_code(database, NewCode(destination, slug=slug), who="ops", policy=POLICY)
    await database.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A control database to copy: making one takes longer than most tests here."""
    folder = tmp_path_factory.mktemp("filled")
    destinations = {"spring": "https://example.com/spring?a=1#top", "two-words": "https://example.com/two"}
    asyncio.run(_fill(folder, destinations))
    return folder / "waymark.db"


@pytest.fixture
def data(tmp_path: Path, filled: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "waymark.db").write_bytes(filled.read_bytes())
    return folder


@contextmanager
def answering(settings: PublicSettings, *, ready: bool = True) -> Iterator[TestClient]:
    app = create_public_app(settings)
    with TestClient(app, base_url="https://w.example", client=(PHONE, 50_000), follow_redirects=False) as client:
        if ready:
            wait_for(lambda: client.get("/-/ready").json()["routes"] == "complete", "the routes")
        yield client


@pytest.fixture
def client(data: Path) -> Iterator[TestClient]:
    with answering(settings_for(data)) as fresh:
        yield fresh


class Shared(NamedTuple):
    client: TestClient
    data: Path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, filled: Path) -> Iterator[Shared]:
    """One worker for all questions whose answer leaves no scan behind, or that only look at the answer."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "waymark.db").write_bytes(filled.read_bytes())
    with answering(settings_for(folder)) as client:
        yield Shared(client, folder)


@pytest.fixture
def asked(shared: Shared) -> Iterator[TestClient]:
    """The shared worker; whatever it was asked, no scan came of it."""
    before = scans(shared.data)
    yield shared.client
    assert scans(shared.data) == before


def records(data: Path) -> list[Erased | Scan | Stats | View]:
    folder = data / "journal"
    contents = [(folder / segment.name).read_bytes() for segment in list_segments(folder)]
    return [parse_line(line) for content in contents for line in content.splitlines()]


def scans(data: Path) -> list[Scan]:
    return [record for record in records(data) if isinstance(record, Scan)]


def last_stats(data: Path) -> dict[str, Any]:
    return [record.counters for record in records(data) if isinstance(record, Stats)][-1]


# A scan


def test_a_scan_is_answered_with_an_uncached_302(client: TestClient, data: Path) -> None:
    answer = client.get("/SPRING", headers={"User-Agent": IPHONE, "Accept-Language": "de-DE,de;q=0.9"})
    assert answer.status_code == 302
    assert answer.headers["location"] == "https://example.com/spring?a=1#top"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.content == b""
    [scan] = scans(data)
    assert (scan.version, scan.rule, scan.variant, scan.uncounted) == (1, None, None, None)
    assert (scan.address, scan.user_agent, scan.language, scan.host) == ("203.0.113.0/24", IPHONE, "de-de", "w.example")
    assert (scan.referrer, scan.query, scan.gpc, scan.demo) == ("", {}, False, False)
    assert re.fullmatch(r"[0-9a-f]{24}", scan.id)
    assert re.fullmatch(r"[0-9a-f]{16}", scan.visitor)
    assert scan.id[:12] == f"{scan.at_us // 1000:012x}"


def test_head_gets_the_same_answer_and_is_not_counted(client: TestClient, data: Path) -> None:
    got, asked = client.get("/spring"), client.head("/spring")
    assert (asked.status_code, asked.headers) == (got.status_code, got.headers)
    assert [scan.uncounted for scan in scans(data)] == [None, "head"]


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X-Purpose": "preview"}, {"X-Moz": "prefetch"}],
    ids=lambda headers: next(iter(headers)),
)
def test_a_prefetch_gets_the_same_answer_and_is_not_counted(
    client: TestClient, data: Path, headers: dict[str, str]
) -> None:
    assert client.get("/spring", headers=headers).headers["location"] == "https://example.com/spring?a=1#top"
    assert [scan.uncounted for scan in scans(data)] == ["prefetch"]


def test_what_is_kept_of_a_request(client: TestClient, data: Path) -> None:
    client.get(
        "/spring?utm_source=poster&table=7&email=anna%40example.com",
        headers={"Referer": "https://anna:secret@news.example/a?session=1#b", "Host": "W.Example:443"},
    )
    [scan] = scans(data)
    assert scan.query == {"utm_source": "poster", "table": "7"}
    assert (scan.referrer, scan.host) == ("https://news.example/a", "w.example:443")
    written = b"".join(path.read_bytes() for path in (data / "journal").glob("*.jsonl"))
    for secret in (b"anna", b"secret", b"session", PHONE.encode()):
        assert secret not in written


def test_gpc_leaves_no_visitor_and_no_raw_user_agent(client: TestClient, data: Path) -> None:
    client.get("/spring", headers={"Sec-GPC": "1", "User-Agent": IPHONE})
    client.get("/spring", headers={"Sec-GPC": "0", "User-Agent": IPHONE})
    with_gpc, without = scans(data)
    assert (with_gpc.gpc, with_gpc.visitor, with_gpc.uncounted) == (True, "", None)
    assert with_gpc.user_agent == "Mozilla/5.0 (iPhone; CPU iPhone OS) Mobile"
    assert (without.gpc, without.user_agent) == (False, IPHONE)
    assert without.visitor


def test_one_phone_is_one_visitor_two_phones_are_two(client: TestClient, data: Path) -> None:
    for agent in (IPHONE, IPHONE, "another phone"):
        client.get("/spring", headers={"User-Agent": agent})
    first, again, other = scans(data)
    assert first.visitor == again.visitor != other.visitor
    assert len({first.id, again.id, other.id}) == 3
    assert first.id < again.id < other.id


def test_a_phone_behind_a_trusted_proxy(data: Path) -> None:
    app = create_public_app(settings_for(data))
    with TestClient(app, base_url="https://w.example", client=("10.0.0.1", 1), follow_redirects=False) as client:
        client.get("/spring", headers={"X-Forwarded-For": "192.0.2.66, 198.51.100.7"})
    assert [scan.address for scan in scans(data)] == ["198.51.100.0/24"]


def test_nobody_else_can_say_where_a_scan_came_from(client: TestClient, data: Path) -> None:
    client.get("/spring", headers={"X-Forwarded-For": "198.51.100.7", "Forwarded": "for=198.51.100.7"})
    assert [scan.address for scan in scans(data)] == ["203.0.113.0/24"]


@pytest.mark.parametrize(("gpc", "written"), [("0", PHONE), ("1", "203.0.113.0/24")])
def test_whole_addresses_only_when_asked_for_and_never_with_gpc(data: Path, gpc: str, written: str) -> None:
    with answering(settings_for(data, full_address=True)) as client:
        client.get("/spring", headers={"Sec-GPC": gpc})
    assert [scan.address for scan in scans(data)] == [written]


# Paths


@pytest.mark.parametrize(
    "path",
    ["/spring", "/SPRING", "/Spr1ng", "/SPRlNG", "/spring/", "/%53pring", "/spring%2F", "/spring?", "/spring?x=1&x=2"],
)
def test_spellings_of_one_code(shared: Shared, path: str) -> None:
    before = len(scans(shared.data))
    answer = shared.client.get(path)
    assert answer.headers["location"] == "https://example.com/spring?a=1#top"
    assert len(scans(shared.data)) == before + 1


UNKNOWN = [
    "/unknown",
    "https://w.example//spring",
    "/spring%20",
    "/spring%00",
    "/%ff%fe",
    "/spring/more",
    "/a",
    "/j/token",
    "/-/other",
    "/.well-known/acme",
    "/wp-login.php",
    "/" + "x" * 256,
    "/" + "x" * 5_000,
    "/%F0%9F%98%80",
    "/..%2f..%2fetc%2fpasswd",
    "/'%20OR%201=1--",
]


@pytest.mark.parametrize("path", UNKNOWN, ids=[path[:24] for path in UNKNOWN])
def test_unknown_paths_get_a_helpful_page_and_leave_no_scan(asked: TestClient, path: str) -> None:
    answer = asked.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "We don&#x27;t know this code" in answer.text
    assert "name=c" in answer.text


TITLES = {
    "en": "We don&#x27;t know this code",
    "es": "No conocemos este código",
    "fr": "Nous ne connaissons pas ce code",
    "ar": "لا نعرف هذا الرمز",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_in_the_visitors_language(asked: TestClient, language: str) -> None:
    direction = "rtl" if language == "ar" else "ltr"
    for answer in (
        asked.get("/unknown", headers={"Accept-Language": f"xx, {language}-XX;q=0.9, en;q=0.1"}),
        asked.get(f"/unknown?hl={language}", headers={"Accept-Language": "en"}),
    ):
        assert TITLES[language] in answer.text
        assert f"<html lang={language} dir={direction}>" in answer.text


def test_whoever_reads_none_of_our_languages_gets_english(asked: TestClient) -> None:
    for header in (b"", b"*", b"xx", b"zh-CN,zh", b"\xff", b";;;,,,q=", b"en;q=0", b"," * 5_000):
        answer = asked.get("/unknown", headers=[(b"accept-language", header)])
        assert TITLES["en"] in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/spring", "/spring/", "/", "/-/health", "/robots.txt"])
def test_other_methods_are_refused(asked: TestClient, method: str, path: str) -> None:
    answer = asked.request(method, path)
    assert answer.status_code == 405
    assert {word.strip() for word in answer.headers["allow"].split(",")} == {"GET", "HEAD"}


# Too many unknown codes


LIMITED = {"en": "from your network", "es": "Desde su red", "fr": "depuis votre réseau", "ar": "من شبكتك"}


def test_too_many_unknown_codes_get_a_429_that_helps_and_known_ones_never(data: Path) -> None:
    with answering(settings_for(data, miss_burst=5, misses_per_minute=1)) as client:
        assert [client.get(f"/unknown-{number}").status_code for number in range(7)] == [404] * 5 + [429] * 2
        assert [client.get("/unknown-0").status_code for _ in range(20)] == [404] * 20  # known to be unknown: no guess
        for language, words in LIMITED.items():
            answer = client.get("/guess", headers={"Accept-Language": language})
            assert answer.status_code == 429
            assert 50 < int(answer.headers["retry-after"]) <= 60
            assert words in answer.text
            assert "name=c" in answer.text
            assert 'value="guess"' in answer.text
            assert answer.headers["cache-control"] == "private, no-store"
        assert client.get("/spring").status_code == 302
        assert client.get("/spring", headers={"Cookie": "a=b"}).status_code == 302
        assert client.get("/", params={"c": "two words"}).status_code == 303
    assert (last_stats(data)["not_found"], last_stats(data)["limited"]) == (25, 6)


def test_what_was_typed_is_one_miss_however_many_spellings_it_has(data: Path) -> None:
    with answering(settings_for(data, miss_burst=3, misses_per_minute=1)) as client:
        statuses = [client.get("/", params={"c": f"un known-{number}"}).status_code for number in range(5)]
        assert statuses == [404] * 3 + [429] * 2
        assert client.get("/", params={"c": "two words"}).status_code == 303


def test_every_network_has_a_limit_of_its_own(data: Path) -> None:
    app = create_public_app(settings_for(data, miss_burst=2, misses_per_minute=1))
    with TestClient(app, base_url="https://w.example", client=("10.0.0.1", 1), follow_redirects=False) as client:
        wait_for(lambda: client.get("/-/ready").json()["routes"] == "complete", "the routes")

        def status(address: str, number: int) -> int:
            return client.get(f"/unknown-{number}", headers={"X-Forwarded-For": address}).status_code

        assert [status("198.51.100.7", number) for number in range(3)] == [404, 404, 429]
        assert status("198.51.100.8", 3) == 429  # the same /24
        assert status("198.51.101.7", 4) == 404
        assert status("192.0.2.66, 198.51.100.7", 5) == 429  # what the client says of itself changes nothing
        assert [status(f"2001:db8:1::{number}", number) for number in range(6, 9)] == [404, 404, 429]
        assert status("2001:db8:1:ffff::1", 9) == 429  # the same /48
        assert status("2001:db8:2::1", 10) == 404


# Typed codes


@pytest.mark.parametrize(
    ("typed", "location"),
    [
        ("spring", "/spring"),
        (" SPRING ", "/SPRING"),
        ("spr ing", "/spring"),
        ("https://w.example/spring?x=1", "/spring"),
        ("two words", "/two-words"),
        ("TWO-WORDS", "/TWO-WORDS"),
    ],
)
def test_typed_codes_are_found_in_every_likely_spelling(
    client: TestClient, data: Path, typed: str, location: str
) -> None:
    answer = client.get("/", params={"c": typed})
    assert (answer.status_code, answer.headers["location"]) == (303, location)
    assert answer.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    "typed", ["unknown", "<script>alert(1)</script>", '"onfocus=x', "x" * 2_000, "//evil.example", "😀"]
)
def test_typed_nonsense_gets_the_page_back(asked: TestClient, typed: str) -> None:
    answer = asked.get("/", params={"c": typed})
    assert answer.status_code == 404
    assert "<script>" not in answer.text
    assert '""onfocus' not in answer.text
    assert "location" not in answer.headers


def test_the_start_page_has_a_field_for_a_code(asked: TestClient) -> None:
    for path in ("/", "/?c="):
        answer = asked.get(path)
        assert answer.status_code == 200
        assert "Type your code" in answer.text
    assert "Escriba su código" in asked.get("/?hl=es").text
    assert "<input type=hidden name=hl value=es>" in asked.get("/?hl=es").text  # kept for when nothing is found
    assert asked.head("/").status_code == 200


# What it never says


def test_no_answer_sets_a_cookie_or_names_the_server(shared: Shared) -> None:
    for path in ("/spring", "/unknown", "/", "/?c=spring", "/-/health", "/-/ready", "/robots.txt", "/favicon.ico"):
        headers = shared.client.get(path, headers={"Cookie": "a=b"}).headers
        assert "set-cookie" not in headers
        assert "server" not in headers


@pytest.mark.parametrize("path", ["/unknown", "/", "/?c=unknown", "/-/nothing"])
def test_pages_carry_security_headers(asked: TestClient, path: str) -> None:
    answer = asked.get(path)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "<script" not in answer.text
    assert " style=" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert answer.headers["cache-control"] == "private, no-store"
    assert len(answer.content) < 6_000


@pytest.mark.parametrize("path", ["/spring", "/unknown", "/?c=spring", "/"])
def test_no_answer_is_built_from_the_host_header(shared: Shared, path: str) -> None:
    answer = shared.client.get(path, headers={"Host": "evil.example"})
    assert "evil.example" not in answer.text
    assert "evil.example" not in answer.headers.get("location", "")


def test_robots_and_icons(asked: TestClient) -> None:
    assert asked.get("/robots.txt").text == "User-agent: *\nDisallow: /\n"
    assert asked.get("/favicon.ico").status_code == 404
    assert asked.get("/apple-touch-icon.png").status_code == 404


# Health, and what may be missing


def test_health_and_ready(client: TestClient) -> None:
    assert client.get("/-/health").json() == {"status": "ok"}
    ready = client.get("/-/ready")
    assert ready.status_code == 200
    assert ready.json() == {"ready": True, "routes": "complete", "codes": 2, "database": "ok", "journal": "ok"}


def test_without_database_and_snapshot_nobody_is_sent_away_for_good(tmp_path: Path) -> None:
    with answering(settings_for(tmp_path), ready=False) as client:
        answer = client.get("/spring", headers={"Accept-Language": "fr"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
        assert "Un instant" in answer.text
        assert client.get("/?c=spring").status_code == 503
        assert client.get("/-/health").status_code == 200
        ready = client.get("/-/ready")
        assert (ready.status_code, ready.json()["database"]) == (503, "unreachable")
    assert scans(tmp_path) == []
    assert last_stats(tmp_path)["unavailable"] == 1


def test_a_refusing_disk_never_refuses_a_scan(data: Path) -> None:
    (data / "journal").write_text("a file where the folder should be")
    with answering(settings_for(data)) as client:
        assert client.get("/spring").status_code == 302
        ready = client.get("/-/ready")
        assert (ready.status_code, ready.json()["journal"]) == (503, "waiting for the disk")
        (data / "journal").unlink()
        wait_for(lambda: client.get("/-/ready").status_code == 200, "the journal")
    assert len(scans(data)) == 1
    assert last_stats(data)["recorded"] == 1


def test_a_second_worker_of_the_same_number_does_not_start(data: Path) -> None:
    with answering(settings_for(data)) as client:
        with pytest.raises(JournalError, match="already writes"), answering(settings_for(data)):
            pass
        assert client.get("/spring").status_code == 302
    with answering(settings_for(data)), answering(settings_for(data, worker=1)) as second:
        assert second.get("/spring").status_code == 302
    assert len(scans(data)) == 2


def test_power_mode_answers_too(data: Path) -> None:
    with answering(settings_for(data, durability="power")) as client:
        assert client.get("/spring").status_code == 302
        assert len(scans(data)) == 1


def test_the_counters_are_exact_when_it_stops(data: Path) -> None:
    with answering(settings_for(data)) as client:
        for path in ["/spring"] * 5 + ["/unknown", "/?c=unknown", "/a"]:
            client.get(path)
        client.head("/spring")
    expected = {"answered": 6, "recorded": 6, "pending": 0, "lost": {}, "not_found": 3, "unavailable": 0}
    assert {name: last_stats(data)[name] for name in expected} == expected


def test_a_retarget_reaches_a_running_worker(client: TestClient, data: Path) -> None:
    async def change() -> None:
        database = await migrated_database(data)
        await retarget(database, "spring", "https://example.com/later", who="ops", policy=POLICY)
        await database.close()

    client.get("/spring")
    asyncio.run(change())
    wait_for(lambda: client.get("/spring").headers["location"] == "https://example.com/later", "the retarget")
    assert (scans(data)[0].version, scans(data)[-1].version) == (1, 2)


# The real process


class Worker(NamedTuple):
    process: subprocess.Popen[bytes]
    port: int


@contextmanager
def real_worker(data: Path) -> Iterator[Worker]:
    """``python -m waymark.public`` on an inherited socket, as the supervisor starts it."""
    config = data.parent / "config.toml"
    config.write_text(f'[data]\ndir = "{data.name}"\n[public]\nbase_url = "http://w.example"\n')
    with bound_socket("public", "127.0.0.1", 0) as listener:
        command = [sys.executable, "-m", "waymark.public", "--fd", str(listener.fileno()), "--config", str(config)]
        with subprocess.Popen(command, cwd=ROOT, pass_fds=[listener.fileno()]) as process:
            port = listener.getsockname()[1]
            listener.close()
            try:
                wait_for(lambda: status(port, "/-/ready") == 200, "the worker")
                yield Worker(process, port)
            finally:
                process.kill()


def status(port: int, path: str) -> int | None:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status
    except OSError:
        return None


def keep_scanning(port: int, first: int, acknowledged: list[int], *, keep_alive: bool) -> None:
    """Until nobody answers any more; notes each scan that was answered, by a number in its query."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        for number in range(first, first + 1_000_000):
            connection.request("GET", f"/spring?utm_id={number}", headers={"Host": "w.example"})
            answer = connection.getresponse()
            answer.read()
            if answer.status == 302:
                acknowledged.append(number)
            if not keep_alive:
                connection.close()
    except (OSError, http.client.HTTPException):
        return
    finally:
        connection.close()


@contextmanager
def load_on(port: int) -> Iterator[list[int]]:
    acknowledged: list[int] = []
    threads = [
        threading.Thread(
            target=keep_scanning, args=(port, lane * 1_000_000, acknowledged), kwargs={"keep_alive": lane % 2 == 0}
        )
        for lane in range(4)
    ]
    for thread in threads:
        thread.start()
    try:
        yield acknowledged
    finally:
        for thread in threads:
            thread.join(30)


def journaled_numbers(data: Path) -> list[int]:
    """As the reader finds them: whole lines only."""
    found: list[int] = []
    marks: dict[str, int] = {}
    while chunk := next_chunk(data / "journal", marks, set(), 1_000_000):
        assert not chunk.corrupt
        found += [int(scan.query["utm_id"]) for scan in chunk.scans]
        if chunk.done and marks.get(chunk.segment.name) == chunk.offset:
            return found
        marks[chunk.segment.name] = chunk.offset
    return found


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_every_answered_scan_is_in_the_journal_once(data: Path, how: str) -> None:
    """SIGTERM drains and counts exactly; SIGKILL loses nothing that was answered."""
    stop: Callable[[subprocess.Popen[bytes]], None] = getattr(subprocess.Popen, how)
    with real_worker(data) as worker, load_on(worker.port) as acknowledged:
        wait_for(lambda: len(acknowledged) > 300, "some load")
        stop(worker.process)
        worker.process.wait(30)
    found = journaled_numbers(data)
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found)
    assert len(found) - len(acknowledged) <= 4  # one per lane may have been recorded, but not answered in time
    if how == "terminate":
        stats = last_stats(data)
        assert (stats["answered"], stats["recorded"], stats["pending"], stats["lost"]) == (
            len(found),
            len(found),
            0,
            {},
        )
        assert len(acknowledged) == len(found)  # and nobody was cut off


def test_the_real_server_adds_nothing_of_its_own(data: Path) -> None:
    with real_worker(data) as worker, closing(http.client.HTTPConnection("127.0.0.1", worker.port)) as connection:
        connection.request("GET", "/SPRING", headers={"Host": "w.example", "X-Forwarded-For": "198.51.100.7"})
        answer = connection.getresponse()
        assert answer.read() == b""
        assert (answer.status, answer.headers["Location"]) == (302, "https://example.com/spring?a=1#top")
        assert {name.lower() for name in answer.headers} == {"date", "location", "cache-control", "content-length"}
    assert [scan.address for scan in scans(data)] == ["127.0.0.0/24"]
