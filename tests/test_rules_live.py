"""Rules and options as a phone meets them: the real process, its public port, and what is recorded of it."""

import http.client
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import httpx2
import pytest

from tests.running import INSTAGRAM, IPHONE, PIXEL, Running, wait_for
from tests.store_samples import install_places

DESKTOP = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"
)
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PROXY = '[proxy]\ntrusted = ["127.0.0.0/8"]\nheader = "x-forwarded-for"\n'
MUNICH, LYON, NOWHERE = "203.0.113.9", "198.51.100.9", "192.0.2.200"


@pytest.fixture(scope="module")
def waymark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two workers behind a trusted proxy, with sample places."""
    folder = tmp_path_factory.mktemp("rules")
    install_places(folder / "data" / "geo")
    with Running(folder, PROXY, workers=2) as running:
        yield running


def send(waymark: Running, method: str, path: str, body: Any) -> Any:
    headers = {"Authorization": f"Bearer {(waymark.data / 'owner.token').read_text()}"}
    url = f"http://127.0.0.1:{waymark.private_port}/api/v1{path}"
    answer = httpx2.request(method, url, json=body, headers=headers, trust_env=False, verify=False, timeout=30)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def add(waymark: Running, slug: str, rules: list[dict[str, Any]] | None = None, **options: Any) -> None:
    """Known to every worker when it returns."""
    body = {"destination": "https://example.com/default", "slug": slug, "rules": rules or [], "options": options}
    send(waymark, "POST", "/codes", body)
    settle(waymark)


def change(waymark: Running, slug: str, **fields: Any) -> None:
    send(waymark, "PATCH", f"/codes/{slug}", fields)
    settle(waymark)


def settle(waymark: Running) -> None:
    """Every worker has read what was changed until now: a change made after it is answered by each of them."""
    body = {"destination": to(uuid4().hex), "slug": "settled"}
    if waymark.scan("/settled", "HEAD").status == 404:
        send(waymark, "POST", "/codes", body)
    else:
        send(waymark, "PATCH", "/codes/settled", {"destination": body["destination"]})
    on_every_worker(waymark, lambda: scan(waymark, "settled") == body["destination"], "the last change")


def on_every_worker(waymark: Running, told: Callable[[], bool], what: str) -> None:
    """Each of them alone, while the others are stopped: any may take the next connection."""
    workers = waymark.child_pids("waymark.public")
    for worker in workers:
        others = [pid for pid in workers if pid != worker]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            wait_for(told, f"{what} at worker {worker}")
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)


def scan(waymark: Running, slug: str, agent: str = IPHONE, address: str = MUNICH, **headers: str) -> str:
    """Where it leads, or the status of the page."""
    answer = waymark.scan(f"/{slug}", User_Agent=agent, X_Forwarded_For=address, **headers)
    return answer.headers["Location"] or str(answer.status)


def to(name: str) -> str:
    return f"https://example.com/{name}"


def test_country_city_network_device_language_and_referrer(waymark: Running) -> None:
    add(
        waymark,
        "facts",
        [
            {"name": "App", "when": [{"app": ["instagram"]}], "to": to("app")},
            {
                "name": "Munich",
                "when": [{"city": ["Munich"]}, {"asn": ["3320"]}, {"device": ["mobile"]}],
                "to": to("munich"),
            },
            {"name": "France", "when": [{"country": ["FR"]}, {"not": {"language": ["en"]}}], "to": to("fr")},
            {"name": "News", "when": [{"referrer": ["news.example"]}], "to": to("news")},
            {"name": "Table", "when": [{"query": {"key": "table", "values": ["7"]}}], "to": to("seven")},
        ],
    )
    assert scan(waymark, "facts") == to("munich")
    assert scan(waymark, "facts", INSTAGRAM) == to("app")
    assert scan(waymark, "facts", DESKTOP) == to("default")
    assert scan(waymark, "facts", address=LYON, Accept_Language="fr-FR,fr") == to("fr")
    assert scan(waymark, "facts", address=LYON, Accept_Language="en-GB") == to("default")
    assert scan(waymark, "facts", address=LYON) == to("default")  # no language said: neither it nor its opposite holds
    assert scan(waymark, "facts", DESKTOP, Referer="https://www.news.example/a?b") == to("news")
    assert scan(waymark, "facts?table=7", DESKTOP) == to("seven")
    assert scan(waymark, "facts", "", NOWHERE) == to("default")
    assert scan(waymark, "facts", Sec_GPC="1") == to("default")  # no city is known of who asks for privacy


def rows_of(waymark: Running, slug: str, number: int) -> list[dict[str, Any]]:
    def found() -> list[dict[str, Any]] | None:
        rows = waymark.all_scans(code=slug, bots="include")
        return rows if len(rows) >= number else None

    return wait_for(found, f"{number} scans of {slug} in the store")


def test_rule_variant_and_version_are_recorded(waymark: Running) -> None:
    split = [{"name": "A", "weight": 1, "to": to("a")}, {"name": "B", "weight": 0, "to": to("b")}]
    add(waymark, "recorded", [{"name": "Everyone", "when": [], "split": split}])
    assert scan(waymark, "recorded") == to("a")
    change(waymark, "recorded", rules=[])
    assert scan(waymark, "recorded") == to("default")
    rows = sorted(rows_of(waymark, "recorded", 2), key=lambda row: row["version"])
    assert [(row["version"], row["rule"], row["variant"]) for row in rows] == [(1, "Everyone", "A"), (2, None, None)]


def test_a_retarget_of_rules_is_live_on_every_worker(waymark: Running) -> None:
    add(waymark, "quick", [{"name": "One", "when": [{"device": ["mobile"]}], "to": to("one")}])
    assert {scan(waymark, "quick") for _ in range(20)} == {to("one")}
    send(waymark, "PATCH", "/codes/quick", {"rules": [{"name": "Two", "when": [], "to": to("two")}]})
    on_every_worker(waymark, lambda: scan(waymark, "quick") == to("two"), "the new rules")
    assert set(scan_at_once(waymark, "quick", 40)) == {to("two")}


# Counts


def scan_at_once(waymark: Running, slug: str, scans: int, crowd: int = 8) -> Counter[str]:
    """From many threads; each scan counts by its destination."""
    found: Counter[str] = Counter()
    lock, left = threading.Lock(), iter(range(scans))

    def person() -> None:
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                return
            place = scan(waymark, slug, address=f"203.0.{number % 250}.9")
            with lock:
                found[place] += 1

    people = [threading.Thread(target=person) for _ in range(crowd)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    return found


def wait_for_another(waymark: Running, gone: list[int]) -> None:
    wait_for(lambda: waymark.child_pids("waymark.public") not in ([], gone), "another worker")


FIRST = [{"name": "First", "when": [{"scans": {"below": 100}}], "to": to("gift")}]


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_the_first_hundred_are_exactly_a_hundred_over_kill_and_restart(tmp_path: Path) -> None:
    with Running(tmp_path, PROXY) as waymark:
        add(waymark, "gift", FIRST)
        found = scan_at_once(waymark, "gift", 30)
        for number, kill in enumerate((True, True, False)):
            before = waymark.child_pids("waymark.public")
            if kill:
                os.kill(before[0], signal.SIGKILL)
                wait_for_another(waymark, before)
            else:
                waymark.stop()
                waymark.start()
            assert waymark.scan("/gift", "HEAD", User_Agent=IPHONE).status == 302  # takes no turn
            scan(waymark, "gift", BOT)
            found += scan_at_once(waymark, "gift", 30 + 20 * number)
        assert found == {to("gift"): 100, to("default"): 80}
        assert waymark.get("/accounting")["exact"] in (True, None)


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_counts_survive_a_private_side_that_is_down(tmp_path: Path) -> None:
    """The worker reads behind the published marks itself."""
    with Running(tmp_path, PROXY) as waymark:
        add(waymark, "gift", FIRST)
        found = scan_at_once(waymark, "gift", 60)
        private, public = (waymark.child_pid(f"waymark.{side}") for side in ("private", "public"))
        assert private
        assert public
        os.kill(private, signal.SIGSTOP)
        try:
            os.kill(public, signal.SIGKILL)
            wait_for(lambda: waymark.child_pid("waymark.public") not in (None, public), "another worker")
            found += scan_at_once(waymark, "gift", 60)
        finally:
            os.kill(private, signal.SIGCONT)
        assert found == {to("gift"): 100, to("default"): 20}


def test_a_limit_set_later_counts_the_scans_before_it(waymark: Running) -> None:
    add(waymark, "later")
    for _ in range(5):
        scan(waymark, "later")
    rows_of(waymark, "later", 5)
    change(waymark, "later", options={"max_scans": 5})
    assert waymark.scan("/later", User_Agent=IPHONE).status == 410
    change(waymark, "later", options={"max_scans": 5, "fallback": to("sorry")})
    assert scan(waymark, "later") == to("sorry")
    change(waymark, "later", options={"max_scans": 6})
    assert scan(waymark, "later") == to("default")


# Visitors


def peek_until(waymark: Running, slug: str, place: str, **headers: str) -> None:
    """Every worker leads there by what the others told it: HEAD takes no turn, and makes nobody a visitor."""
    asked = {"User_Agent": IPHONE, "X_Forwarded_For": MUNICH, **headers}

    def leads_there() -> bool:
        return waymark.scan(f"/{slug}", "HEAD", **asked).headers["Location"] == place

    on_every_worker(waymark, leads_there, place)


def test_a_visitor_returns_to_every_worker_and_never_with_gpc(waymark: Running) -> None:
    rules = [
        {"name": "Back", "when": [{"visitor": "returning"}], "to": to("back")},
        {"name": "New", "when": [{"visitor": "first"}], "to": to("new")},
    ]
    add(waymark, "visits", rules)
    assert scan(waymark, "visits") == to("new")
    peek_until(waymark, "visits", to("back"))
    assert {scan(waymark, "visits") for _ in range(12)} == {to("back")}
    assert scan(waymark, "visits", PIXEL) == to("new")
    assert {scan(waymark, "visits", Sec_GPC="1") for _ in range(3)} == {to("default")}


def test_a_split_sticks_to_each_visitor_and_holds_its_weights(waymark: Running) -> None:
    ways = [{"name": "A", "weight": 70, "to": to("a")}, {"name": "B", "weight": 30, "to": to("b")}]
    add(waymark, "split", [{"name": "Test", "when": [], "split": ways}])
    first = {n: scan(waymark, "split", address=f"10.{n}.1.9") for n in range(200)}
    again = {n: scan(waymark, "split", address=f"10.{n}.1.9") for n in range(200)}
    assert first == again
    share = Counter(first.values())[to("a")] / 200
    assert 0.5 < share < 0.9  # 5 sigma around 0.7 is 0.16
    private = Counter(scan(waymark, "split", address="10.1.1.9", Sec_GPC="1") for _ in range(60))
    assert set(private) == {to("a"), to("b")}  # drawn anew each time


def test_the_cookie_makes_a_visitor_known_from_another_network(waymark: Running) -> None:
    add(waymark, "cookie", [{"name": "Back", "when": [{"visitor": "returning"}], "to": to("back")}], remember_days=30)
    answer = waymark.scan("/cookie", User_Agent=IPHONE, X_Forwarded_For=MUNICH)
    given = answer.headers["Set-Cookie"]
    assert re.fullmatch(r"waymark_seen=[0-9a-f]{16}; Path=/cookie; Max-Age=2592000; HttpOnly; SameSite=Lax", given)
    cookie = given.partition(";")[0]
    again = waymark.scan("/cookie", User_Agent=PIXEL, X_Forwarded_For=LYON, Cookie=cookie)
    assert (again.headers["Location"], again.headers["Set-Cookie"]) == (to("back"), None)
    private = waymark.scan("/cookie", User_Agent=PIXEL, X_Forwarded_For=LYON, Cookie=cookie, Sec_GPC="1")
    assert (private.headers["Location"], private.headers["Set-Cookie"]) == (to("default"), None)
    for method, headers in (("HEAD", {}), ("GET", {"Sec_Purpose": "prefetch"}), ("GET", {"Sec_GPC": "1"})):
        assert waymark.scan("/cookie", method, User_Agent=DESKTOP, **headers).headers["Set-Cookie"] is None


def test_no_cookie_where_no_rule_asks_who_it_is(waymark: Running) -> None:
    add(waymark, "nocookie", [{"name": "All", "when": [], "to": to("all")}], remember_days=30)
    assert waymark.scan("/nocookie", User_Agent=IPHONE).headers["Set-Cookie"] is None


# Options


def page(waymark: Running, path: str, method: str = "GET", body: dict[str, str] | None = None, **headers: str) -> Any:
    """(status, headers, text)"""
    with closing(http.client.HTTPConnection("127.0.0.1", waymark.public_port, timeout=10)) as connection:
        sent = {"User-Agent": IPHONE, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, urlencode(body) if body is not None else None, sent)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()


def test_a_paused_code_says_so_in_the_readers_language_and_the_owners_words(waymark: Running) -> None:
    add(waymark, "paused", paused=True)
    for language, words in (("en", "Paused"), ("es", "En pausa"), ("fr", "En pause"), ("ar", "متوقف مؤقتًا")):
        status, headers, text = page(waymark, "/paused", Accept_Language=language)
        assert status == 200
        assert f"<h1>{words}</h1>" in text
        assert f"<html lang={language} dir={'rtl' if language == 'ar' else 'ltr'}>" in text
        assert "<script" not in text
        assert headers["Set-Cookie"] is None
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    change(waymark, "paused", options={"paused": 'Back <b>soon</b> & "fine"'})
    assert "<bdi dir=auto>Back &lt;b&gt;soon&lt;/b&gt; &amp; &quot;fine&quot;</bdi>" in page(waymark, "/paused")[2]
    change(waymark, "paused", options={})
    assert scan(waymark, "paused") == to("default")
    rows = rows_of(waymark, "paused", 6)
    assert Counter((row["rule"], row["counted"]) for row in rows) == {("-paused", True): 5, (None, True): 1}


def test_start_and_expiry_with_and_without_a_fallback(waymark: Running) -> None:
    now = datetime.now(UTC)
    yesterday, tomorrow = ((now + timedelta(days=days)).isoformat() for days in (-1, 1))
    add(waymark, "early", starts_at=tomorrow)
    add(waymark, "over", ends_at=yesterday)
    add(waymark, "open", starts_at=yesterday, ends_at=tomorrow)
    assert (page(waymark, "/early")[0], page(waymark, "/over")[0]) == (200, 410)
    assert "Not open yet" in page(waymark, "/early")[2]
    assert "This is over" in page(waymark, "/over")[2]
    assert scan(waymark, "open") == to("default")
    change(waymark, "over", options={"ends_at": yesterday, "fallback": to("next")})
    assert scan(waymark, "over") == to("next")
    assert {row["rule"] for row in rows_of(waymark, "over", 3)} == {"-ended"}


def test_a_password_is_asked_for_and_the_scan_counted_once(waymark: Running) -> None:
    add(waymark, "secret", [{"name": "In", "when": [], "to": to("inside")}], password="Ünlock me")
    shown = send(waymark, "PATCH", "/codes/secret", {"name": "x"})
    assert shown["options"] == {"password": True}
    status, headers, text = page(waymark, "/secret", Accept_Language="fr")
    assert status == 200
    assert "<form method=post>" in text
    assert "form-action" not in headers["Content-Security-Policy"]
    assert headers["Location"] is None
    assert page(waymark, "/secret?password=%C3%9Cnlock+me")[0] == 200  # in an address it would be in every log
    status, _headers, text = page(waymark, "/secret", "POST", {"password": "wrong"})
    assert status == 403
    assert "That is not the password" in text
    status, headers, text = page(waymark, "/secret", "POST", {"password": "Ünlock me"})
    assert (status, headers["Location"], text) == (303, to("inside"), "")
    rows = rows_of(waymark, "secret", 3)
    assert sorted((row["rule"], row["counted"], row["uncounted_reason"]) for row in rows) == [
        ("-password", True, None),
        ("-password", True, None),
        ("In", False, "password"),
    ]
    assert [row["bot_reason"] for row in rows] == [None] * 3


def test_guessing_is_slowed_down_and_the_right_password_costs_nothing(waymark: Running) -> None:
    add(waymark, "guess", password="right")
    statuses = Counter(
        page(waymark, "/guess", "POST", {"password": f"wrong {n}"}, X_Forwarded_For="198.18.0.7")[0] for n in range(40)
    )
    assert set(statuses) == {403, 429}
    assert 10 <= statuses[403] <= 22  # ten a worker at once, then one in ten seconds
    status, headers, text = page(waymark, "/guess", "POST", {"password": "wrong"}, X_Forwarded_For="198.18.0.8")
    assert (status, int(headers["Retry-After"]) > 0) == (429, True)  # the same network
    assert "Too many tries" in text
    for _ in range(30):
        assert page(waymark, "/guess", "POST", {"password": "right"}, X_Forwarded_For="198.19.0.7")[0] == 303


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 403), (b"password=" + b"x" * 5_000, 403), (b"\xff\xfe", 403), (b"password=a&" * 9, 403), (b"a=b", 403)],
)
def test_odd_forms_are_wrong_passwords(waymark: Running, body: bytes, status: int) -> None:
    change_or_add(waymark)
    with closing(http.client.HTTPConnection("127.0.0.1", waymark.public_port, timeout=10)) as connection:
        connection.request("POST", "/odd", body, {"X-Forwarded-For": f"198.51.{len(body) % 250}.1"})
        assert connection.getresponse().status == status


def change_or_add(waymark: Running) -> None:
    if waymark.scan("/odd").status == 404:
        add(waymark, "odd", password="right")


def test_parameters_are_added_and_nothing_is_overwritten(waymark: Running) -> None:
    body = {
        "destination": "https://example.com/p?utm_source=own&x=1#top",
        "slug": "params",
        "options": {"pass_query": True, "utm": {"source": "poster", "medium": "print ü"}, "scan_id": "sid"},
    }
    send(waymark, "POST", "/codes", body)
    settle(waymark)
    answer = waymark.scan("/params?x=2&table=7&utm_medium=app&sid=forged", User_Agent=IPHONE)
    parts = urlsplit(answer.headers["Location"])
    query = parse_qs(parts.query)
    assert (parts.fragment, query["utm_source"], query["x"], query["table"]) == ("top", ["own"], ["1"], ["7"])
    assert query["utm_medium"] == ["app"]
    answer = waymark.scan("/params", User_Agent=IPHONE)
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["utm_medium"] == ["print ü"]
    [sid] = query["sid"]
    assert sid in {row["id"] for row in rows_of(waymark, "params", 2)}


def test_a_prefetch_sees_the_same_and_takes_no_turn(waymark: Running) -> None:
    add(waymark, "turns", max_scans=2)
    for _ in range(4):
        assert waymark.scan("/turns", "HEAD", User_Agent=IPHONE).headers["Location"] == to("default")
        assert scan(waymark, "turns", Sec_Purpose="prefetch") == to("default")
    rows_of(waymark, "turns", 8)
    first = scan(waymark, "turns")
    assert first == to("default")


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_rules_outlive_the_database(tmp_path: Path) -> None:
    with Running(tmp_path, PROXY) as waymark:
        rules = [
            {"name": "First", "when": [{"scans": {"below": 5}}], "to": to("gift")},
            {"name": "Phones", "when": [{"device": ["mobile"]}], "to": to("phone")},
        ]
        add(waymark, "kept", rules, utm={"source": "wall"})
        wait_for(lambda: b'"kept"' in (waymark.data / "routes.snapshot").read_bytes(), "the snapshot")
    (waymark.data / "waymark.db").rename(tmp_path / "away.db")
    for name in ("waymark.db-wal", "waymark.db-shm"):
        (waymark.data / name).unlink(missing_ok=True)
    with Running(tmp_path, PROXY) as again:
        answer = again.scan("/kept", User_Agent=IPHONE)
        assert answer.headers["Location"] == to("phone") + "?utm_source=wall"  # nobody knows a count: it falls through
        assert again.scan("/kept", User_Agent=DESKTOP).headers["Location"] == to("default") + "?utm_source=wall"


# The simulator and the command line


def test_the_simulator_agrees_with_reality_and_counts_nothing(waymark: Running) -> None:
    rules = [
        {"name": "Insta", "when": [{"app": ["instagram"]}], "to": to("insta")},
        {"name": "Munich", "when": [{"city": ["Munich"]}, {"device": ["mobile"]}], "to": to("munich")},
        {"name": "French", "when": [{"any": [{"country": ["FR"]}, {"language": ["fr"]}]}], "to": to("french")},
        {"name": "Second", "when": [{"scans": {"from": 4}}], "to": to("fifth")},
    ]
    add(waymark, "agrees", rules, utm={"source": "wall"})
    cases: list[tuple[dict[str, str], dict[str, str]]] = [
        (
            {"User_Agent": INSTAGRAM, "X_Forwarded_For": MUNICH},
            {"app": "instagram", "city": "Munich", "device": "mobile"},
        ),
        ({"User_Agent": IPHONE, "X_Forwarded_For": MUNICH}, {"os": "ios", "city": "munich", "device": "mobile"}),
        ({"User_Agent": DESKTOP, "X_Forwarded_For": LYON}, {"country": "FR", "device": "desktop"}),
        ({"User_Agent": DESKTOP, "X_Forwarded_For": NOWHERE, "Accept_Language": "fr-CA"}, {"language": "fr-ca"}),
        ({"User_Agent": DESKTOP, "X_Forwarded_For": NOWHERE}, {"device": "desktop"}),
    ]
    for scans, (headers, facts) in enumerate(cases):
        imagined = send(waymark, "POST", "/codes/agrees/simulate", {**facts, "scans": scans})
        if scans == 4:  # counted over all workers
            peek_until(waymark, "agrees", imagined["destination"], **headers)
        assert waymark.scan("/agrees", **headers).headers["Location"] == imagined["destination"]
        assert [line["held"] for line in imagined["trace"]][-1] is True
    wait_for(lambda: len(waymark.all_scans(code="agrees", counted=True)) == len(cases), "no scan but ours")
    wait_for(lambda: send(waymark, "POST", "/codes/agrees/simulate", {})["rule"] == "Second", "all five counted")


def test_the_simulator_looks_back_in_time_and_through_versions(waymark: Running) -> None:
    dinner = {
        "name": "Dinner",
        "when": [{"time": {"from": "18:00", "until": "23:00", "zone": "Asia/Dubai"}}],
        "to": to("d"),
    }
    add(waymark, "past", [dinner])
    change(waymark, "past", rules=[])
    words = ["code", "simulate", "past", "--device", "mobile", "--os", "ios", "--country", "AE", "--city", "dubai"]
    words += ["--returning", "--zone", "Asia/Dubai"]
    now = waymark.cli_json(*words, "--at", "2026-11-20T20:10")
    assert (now["version"], now["destination"]) == (2, to("default"))
    then = waymark.cli_json(*words, "--at", "2026-11-20T20:10", "--version", "then")
    assert (then["version"], then["destination"], then["rule"]) == (1, to("d"), "Dinner")
    early = waymark.cli_json(*words, "--at", "2026-11-20T17:10", "--version", "1")
    assert early["destination"] == to("default")
    assert early["trace"][0] == {
        "what": "rule Dinner",
        "held": False,
        "why": "time 18:00-23:00, every day, in Asia/Dubai does not hold: it is Fri 2026-11-20 17:10 there",
    }
    assert "no version 9" in waymark_error(waymark, *words, "--version", "9")
    assert f"-> {to('d')}  (version 1, " in waymark.cli(*words, "--at", "2026-11-20T20:10", "--version", "1")
    assert waymark.cli("code", "simulate", "past", "--country", "Germany", code=2) == ""


def waymark_error(waymark: Running, *words: str) -> str:
    """What a refused command says; it ends with 3: not found."""
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "waymark.cli", *words, "--config", str(waymark.config)], capture_output=True, text=True
    )
    assert done.returncode == 3, done.stderr
    return done.stderr


def test_rules_and_options_on_the_command_line(waymark: Running, tmp_path: Path) -> None:
    add(waymark, "typed")
    file = tmp_path / "rules.json"
    file.write_text('[{"name": "Phones", "when": [{"device": ["mobile"]}], "to": "https://example.com/phone"}]')
    assert waymark.cli_json("code", "rules", "typed", "--file", str(file))[0]["name"] == "Phones"
    assert "device is mobile" in waymark.cli("code", "rules", "typed")
    settle(waymark)
    assert scan(waymark, "typed") == to("phone")
    waymark.cli("code", "options", "typed", "--utm-source", "wall", "--max-scans", "9", "--password", "hidden")
    given = waymark.cli_json("code", "options", "typed", "--pause", "--message", "Back soon")
    assert given == {"max_scans": 9, "paused": "Back soon", "utm": {"source": "wall"}, "password": True}
    settle(waymark)
    assert "Back soon" in page(waymark, "/typed")[2]
    waymark.cli("code", "options", "typed", "--resume", "--max-scans", "0", "--utm-source", "")
    settle(waymark)
    assert page(waymark, "/typed", "POST", {"password": "hidden"})[1]["Location"] == to("phone")
    ends = ("code", "options", "typed", "--zone", "Europe/Berlin", "--ends")
    waymark.cli(*ends, "2030-03-31T02:30", code=2)  # the clocks are set forward over it
    assert "2030-03-3" in waymark.cli(*ends, "2030-03-31T03:30")
    waymark.cli("code", "options", "typed", "--clear")
    waymark.cli("code", "rules", "typed", "--clear")
    settle(waymark)
    assert scan(waymark, "typed") == to("default")
    waymark.cli("code", "options", "typed", "--fallback", "javascript:alert(1)", code=2)
    waymark.cli("code", "rules", "typed", "--file", str(file), "--clear", code=2)
