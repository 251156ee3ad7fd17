"""Nothing of a job leaves the house but what its customer may read: a full installation, searched byte by byte.

Each field of each job holds another word, and so does whatever staff write: internal stage names and keys, reasons of moves,
names of who did it, templates, outgoing events, other jobs. Every public answer, what is written on disk of scans, logs, and
what is told of scans on the private side is searched for them: plain, in capitals, percent-encoded, in base64, compressed, in
UTF-16, beside the pixels of pictures.

What is allowed, and nothing else:
- a job's own page says its item and its reference; its public note where the shop shows notes, and its own token;
- its calendar says its item and its own token;
- a scan's redirect says the token that was scanned, in another form, and an answer to what was typed repeats what was typed;
- on the private side, scans of a job are told apart by its reference ("job:R-1042"); the scan store knows who made it.
"""

import base64
import gzip
import http.client
import json
import re
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import httpx2
import pytest

from database.schema import job_details, job_kinds, job_moves, jobs, message_templates, outgoing_events, users
from jobs.languages import LANGUAGES
from jobs.register import DETAILS
from jobs.status_style import SCRIPT_PATH
from tests.canaries import MARK, Canaries
from tests.leak_samples import Filling, Tracked, logo_with, photo_with
from tests.running import IPHONE, Running, wait_for
from tests.status_samples import in_database

SETTINGS = '[proxy]\ntrusted = ["127.0.0.1"]\n[privacy]\naddress = "full"\nkeep_prefix_days = 30\n'
PREVIEWS = ("WhatsApp/2.24.20.89 A", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "TelegramBot")
PARTS = ("photo.jpg", "logo.png", "calendar.ics", "history", "job_details", "photo.jpg/x")
NOBODYS_WORDS = frozenset(  # chosen from lists of ours, or a code's own
    f"{table}.{column}"
    for table, columns in {
        "jobs": ("language",),
        "job_moves": ("action",),
        "outgoing_events": ("event",),
        "message_templates": ("event", "channel", "language"),
        "users": ("password_hash", "role"),
    }.items()
    for column in columns
)


class Seen:
    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    @property
    def parts(self) -> tuple[bytes, bytes]:
        return str(self.headers).encode(), self.body


class Phone:
    """Each request from another network, so that no limit comes between; header names with _ for -."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._numbers = count(1)

    def close(self) -> None:
        self._connection.close()

    def ask(self, path: str, method: str = "GET", **headers: str) -> Seen:
        number = next(self._numbers)
        sent = {"User-Agent": IPHONE, "X-Forwarded-For": f"20.{number >> 8 & 255}.{number & 255}.1"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, headers=sent)
        return Seen(self._connection.getresponse())


@dataclass(frozen=True, slots=True)
class House:
    """``leaked`` asks and says what an answer has too much."""

    running: Running
    canaries: Canaries
    tracked: list[Tracked]
    phone: Phone

    def leaked(self, seen: Seen, allowed: frozenset[str] = frozenset(), sent: str = "") -> list[str]:
        known = allowed | self.canaries.found(sent.encode())
        return [word for part in seen.parts for word in self.canaries.leaked(part, known)]

    def one(self, name: str) -> Tracked:
        return next(tracked for tracked in self.tracked if tracked.name == name)

    def api(self, method: str, path: str, content: bytes | None = None) -> httpx2.Response:
        url = f"http://127.0.0.1:{self.running.private_port}{path}"
        return httpx2.request(method, url, content=content, headers=self.owner, trust_env=False, timeout=60)

    @property
    def owner(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {(self.running.data / 'owner.token').read_text()}"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    canaries = Canaries()
    with Running(tmp_path_factory.mktemp("leaks"), SETTINGS) as running:
        phone = Phone(running.public_port)
        house = House(running, canaries, _filled(running, canaries), phone)
        _send_pictures(house)
        _make_owner(house)
        last, late = house.tracked[-1], house.one("late")
        wait_for(lambda: phone.ask(last.path).status == last.says, "the last job on the public side")
        wait_for(lambda: b"photo.jpg" in phone.ask(late.path).body, "the photo")
        yield house
        phone.close()


def _filled(running: Running, canaries: Canaries) -> list[Tracked]:
    async def fill(database: Any) -> list[Tracked]:
        filling = Filling(canaries, database)
        await filling.fill()
        return filling.tracked

    return in_database(running.data, fill)


def _send_pictures(house: House) -> None:
    """By the way that shops send them: the files tell of themselves."""
    photo, logo = photo_with(house.canaries.word("in a photo")), logo_with(house.canaries.word("in a logo"))
    assert house.canaries.leaked(photo) == ["in a photo"]
    assert house.canaries.leaked(logo) == ["in a logo"]
    for name in ("late", "late and hidden", "frozen", "withdrawn"):
        tracked = house.one(name)
        path = f"/api/v1/jobs/{tracked.job.reference}/photo?shop={tracked.shop}"
        assert house.api("PUT", path, photo).status_code == 200
    for shop_id in {tracked.job.shop_id for tracked in house.tracked}:
        assert house.api("PUT", f"/api/v1/shops/{shop_id}/logo", logo).status_code == 200


def _make_owner(house: House) -> None:
    word = house.canaries.word
    with httpx2.Client(base_url=house.running.dashboard_url, trust_env=False, timeout=30) as browser:
        path = "/" + house.api("POST", "/api/v1/owner/link").json()["url"].split("/", 3)[3]
        [csrf] = re.findall(r'name="csrf" value="([^"]+)"', browser.get(path).text)
        secret = word("password")
        form = {"csrf": csrf, "name": word("owner"), "email": f"{word('mail')}@example.org"}
        assert browser.post(path, data=form | {"password": secret, "password_again": secret}).status_code == 303


@pytest.mark.parametrize(
    "written",
    [
        str.encode,
        lambda word: word.upper().encode(),
        lambda word: "".join(f"%{ord(letter):02X}" for letter in word).encode(),
        lambda word: "".join(f"&#x{ord(letter):x};" for letter in word).encode(),
        lambda word: word.encode("utf-16"),
        lambda word: b"\0" + word.encode("utf-16-be"),
        photo_with,
        logo_with,
    ],
)
def test_a_word_is_known_again_however_it_is_written(written: Callable[[str], bytes]) -> None:
    canaries = Canaries()
    word = canaries.word("serial")
    assert canaries.leaked(written(word)) == ["serial"]
    assert canaries.leaked(written(word), {word}) == []
    assert canaries.leaked(written("harmless words")) == []


@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_a_word_is_known_again_in_base64_and_in_compressed_bytes(before: str) -> None:
    canaries = Canaries()
    text = (before + canaries.word("serial")).encode()
    for encoded in (base64.b64encode(text), base64.urlsafe_b64encode(text), base64.b64encode(text.upper())):
        assert canaries.leaked(b'{"a":"' + encoded + b'"}') == ["in base64"]
    assert canaries.leaked(text.hex().encode()) == ["in hex"]
    assert canaries.leaked(gzip.compress(text)) == ["serial"]


def test_nothing_in_the_database_was_left_empty(house: House) -> None:
    tables = (jobs, job_details, job_moves, job_kinds, message_templates, outgoing_events, users)
    with closing(sqlite3.connect(house.running.data / "waymark.db")) as connection:
        connection.row_factory = sqlite3.Row
        rows = {
            table.name: [dict(row) for row in connection.execute(f"SELECT * FROM {table.name}")] for table in tables
        }
    for table in tables:
        texts = [column.name for column in table.c if column.type.python_type in (str, dict)]
        said = {name: json.dumps([row[name] for row in rows[table.name]]).encode() for name in texts}
        empty = {f"{table.name}.{name}" for name, text in said.items() if not house.canaries.found(text)}
        assert empty <= NOBODYS_WORDS, table.name
    details = [row[name] for row in rows["job_details"] for name in DETAILS]
    assert len(set(details)) == len(details) > 400
    assert {tracked.says for tracked in house.tracked} == {200, 404, 410}


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_say_what_is_allowed_and_nothing_else(house: House, language: str) -> None:
    for tracked in house.tracked:
        own = tracked.shown | {tracked.token}
        for path, headers in (
            (f"{tracked.path}?hl={language}", {}),
            (tracked.path, {"Accept_Language": language, "Accept_Encoding": "gzip"}),
            (f"{tracked.path}/?hl={language}", {"Accept_Encoding": "identity"}),
        ):
            page = house.phone.ask(path, **headers)
            assert page.status == tracked.says, tracked.name
            allowed = own if page.status == 200 else frozenset[str]()
            assert house.leaked(page, allowed) == [], (tracked.name, path)


def test_pages_say_what_they_are_there_to_say(house: House) -> None:
    """So that the search is known to look where there is something to find."""
    late, hidden = house.one("late"), house.one("late and hidden")
    page = house.phone.ask(late.path, Accept_Encoding="gzip")
    assert page.headers["content-encoding"] == "gzip"
    assert house.canaries.found(page.body) == late.shown | {late.token}
    assert len(late.shown) == 3
    assert house.canaries.found(house.phone.ask(hidden.path).body) >= hidden.shown
    assert len(hidden.shown) == 2


def test_what_belongs_to_pages_says_no_more(house: House) -> None:
    for tracked in house.tracked:
        for part in PARTS:
            answer = house.phone.ask(f"{tracked.path}/{part}")
            is_calendar = part == "calendar.ics" and answer.status == 200
            allowed = {tracked.token, house.canaries.word(tracked.name, "item")} if is_calendar else set[str]()
            assert house.leaked(answer, frozenset(allowed)) == [], (tracked.name, part)
            shows = tracked.name == "late" and part == "photo.jpg"
            assert not part.startswith("photo") or (answer.status == 200) == shows, (tracked.name, part)
    feed = house.phone.ask(house.one("late").path + "/calendar.ics?hl=ar")
    assert house.canaries.word("late", "item").encode() in feed.body


def test_other_methods_and_questions_for_news_say_no_more(house: House) -> None:
    for tracked in house.tracked:
        for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            assert house.leaked(house.phone.ask(tracked.path, method)) == [], (tracked.name, method)
        tag = house.phone.ask(tracked.path).headers["etag"]
        if tag is not None:
            poll = house.phone.ask(tracked.path, If_None_Match=tag, Waymark_Poll="1")
            assert (poll.status, poll.body, house.leaked(poll)) == (304, b"", [])


def test_scans_and_cards_say_nothing_of_the_job(house: House) -> None:
    for tracked in house.tracked:
        scan = house.phone.ask(f"/{tracked.token}")
        assert house.leaked(scan, frozenset({tracked.token})) == [], tracked.name
        for agent in PREVIEWS:
            card = house.phone.ask(tracked.path, User_Agent=agent)
            assert house.leaked(card) == [], (tracked.name, agent)


def test_nothing_but_its_token_finds_a_job(house: House) -> None:
    """References, telephone numbers, serials: whatever somebody may know of it, typed wherever one can type."""
    unknown = house.phone.ask("/j/unknown").body
    for name in ("late", "withdrawn", "repair at diagnosis"):
        tracked = house.one(name)
        known = [tracked.job.reference, str(tracked.job.id), *(house.canaries.word(name, key) for key in DETAILS)]
        for word in (*known, *(f"job:{word}" for word in known[:2])):
            for path in (f"/?c={quote(word)}", f"/{quote(word)}", f"/j/{quote(word)}", f"/{quote(word.upper())}"):
                answer = house.phone.ask(path)
                assert answer.status == 404, path
                assert house.leaked(answer, sent=path) == []
            assert house.phone.ask(f"/j/{quote(word)}").body == unknown


def test_errors_and_addresses_of_our_own_say_nothing(house: House) -> None:
    late, token = house.one("late"), house.one("deleted").token
    asked = {
        404: ("/j/", f"/j/{token}", f"/j/{late.token}x", f"/j/{late.token}/../{late.token}x", "/j/%00", "/api/v1/jobs"),
        200: ("/", "/?hl=ar", "/-/health", "/-/ready", "/robots.txt", SCRIPT_PATH),
    }
    for status, paths in asked.items():
        for path in paths:
            answer = house.phone.ask(path)
            assert answer.status == status, path
            assert house.leaked(answer) == [], path
    assert house.phone.ask("/favicon.ico").status == 404
    limited = [house.phone.ask(f"/j/{number:016}", X_Forwarded_For="30.1.1.1") for number in range(80)]
    assert {answer.status for answer in limited} == {404, 429}
    assert [word for answer in limited for word in house.leaked(answer)] == []
    for method in ("POST", "PUT"):
        assert house.phone.ask(late.path, method).status == 405
    for raw in (b"GET  /j/%b HTTP/9\r\n\r\n", b"G\0T /j/%b\r\n\r\n", b"GET /j/%b HTTP/1.1\r\nA: " + b"a" * 99_999):
        said = _answer_to(house.running.public_port, raw.replace(b"%b", late.token.encode()))
        assert house.canaries.leaked(said) == [], said
        assert b" 400 " in said or b" 431 " in said or not said


def _answer_to(port: int, raw: bytes) -> bytes:
    """Of what is no request at all."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        try:
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionResetError:
            return b""


def test_what_is_told_of_scans_names_jobs_by_their_reference_only(house: House, tmp_path: Path) -> None:
    references = frozenset(tracked.job.reference for tracked in house.tracked)
    told_of = ("late", "late and hidden", "frozen")
    with _live(house) as told:
        for name in told_of:
            elsewhere = f"{house.running.short_url}{house.one('withdrawn').path}?q={MARK}0000000000"
            house.phone.ask(f"/{house.one(name).token}", Referer=elsewhere)
        feed = [next(told)]
        while not all(house.one(name).job.reference in "".join(feed) for name in told_of):
            feed.append(next(told))
    wait_for(lambda: len(house.running.all_scans()) >= 3, "the scans in the store")
    said = {"live": "\n".join(feed).encode()}
    for path in ("/scans", *(f"/reports/{name}" for name in REPORTS), "/status", "/accounting", "/codes", "/alerts"):
        said[path] = house.api("GET", f"/api/v1{path}").content
    for kind in ("codes.csv", "codes.ndjson", "map/nginx", "map/_redirects"):
        said[kind] = house.api("GET", f"/api/v1/export/{kind}").content
    house.running.cli("export", str(tmp_path / "exported.ndjson"))
    said["command"] = (tmp_path / "exported.ndjson").read_bytes()
    service = house.api("GET", "/api/v1/reports/stages")  # tells of stages, by whatever name staff have for them
    private = {house.canaries.word(tracked.name, key) for tracked in house.tracked for key in DETAILS}
    assert (service.status_code, house.canaries.found(service.content) & private) == (200, set())
    assert house.canaries.found(said["live"]) >= {house.one("late").job.reference}
    for name, data in said.items():
        assert house.canaries.leaked(data, references) == [], name


REPORTS = (
    *("summary", "timeseries", "devices", "hours", "regions", "referrers"),
    *("networks", "versions", "rules", "variants", "codes"),
)


class _live:  # noqa: N801  read as a function
    """The live feed's lines of scans."""

    def __init__(self, house: House) -> None:
        url = f"http://127.0.0.1:{house.running.private_port}/api/v1/live"
        self._stream = httpx2.stream("GET", url, headers=house.owner, trust_env=False, timeout=30)

    def __enter__(self) -> Iterator[str]:
        lines = self._stream.__enter__().iter_lines()
        next(lines)
        return (line for line in lines if line.startswith("data:"))

    def __exit__(self, *_: object) -> None:
        self._stream.__exit__(None, None, None)


def test_journal_scan_store_and_backed_up_scans_hold_nothing(house: House) -> None:
    late = house.one("late")
    for path in (f"/{late.token}?utm_source=slip&ref=x", late.path, f"{late.path}/calendar.ics"):
        house.phone.ask(path, Referer=f"{house.running.short_url}{late.path}")
    kept = _files(house.running.data / "journal", "*")
    lines = b"".join(kept.values())
    assert b'["view"' in lines
    assert b'["scan"' in lines
    for table, data in _files(Path(house.running.cli_json("backup")["folder"]), "**/*.parquet").items():
        with duckdb.connect() as reader:
            kept[table] = data + repr(reader.execute("SELECT * FROM read_parquet(?)", [table]).fetchall()).encode()
    for name, data in kept.items():
        assert house.canaries.leaked(data) == [], name
    who = {house.canaries.word(tracked.name, "who did it") for tracked in house.tracked}
    for name, data in _files(house.running.data, "scans.duckdb*").items():
        assert house.canaries.leaked(data, who | {tracked.job.reference for tracked in house.tracked}) == [], name


def _files(folder: Path, pattern: str) -> dict[str, bytes]:
    found = {str(path): path.read_bytes() for path in folder.glob(pattern) if path.is_file()}
    assert found, f"{folder}/{pattern}"
    return found


def test_logs_hold_nothing_whatever_goes_wrong(house: House) -> None:
    late = house.one("late")
    secret = {key: house.canaries.word("late", key) for key in DETAILS}
    wrong = json.dumps(secret | {"stage": "nowhere"}).encode()
    for body in (wrong, wrong[:-9], json.dumps({"x": secret}).encode()):
        assert house.api("PUT", f"/api/v1/jobs/{late.job.reference}", body).status_code >= 400
    house.running.cli("job", "advance", house.canaries.word("no such job"), code=3)
    for path in (f"/{late.token}", late.path, f"{late.path}/none", f"/?c={late.token}"):
        house.phone.ask(path)
    _answer_to(house.running.public_port, b"GET /j/" + late.token.encode() + b"\0 HTTP/1.1\r\n\r\n")
    log = house.running.log.read_bytes()
    assert b"Ctrl-C" in log
    assert house.canaries.leaked(log) == []
    for child in (*house.running.child_pids("waymark.public"), *house.running.child_pids("waymark.private")):
        told = Path(f"/proc/{child}/cmdline").read_bytes() + Path(f"/proc/{child}/environ").read_bytes()
        assert house.canaries.leaked(told) == []
