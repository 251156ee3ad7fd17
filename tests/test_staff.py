"""Phones of staff: what is signed and for how long, and the way over the public port of the real process to the job's page."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from http.cookies import SimpleCookie
from pathlib import Path

import httpx2
import pytest

from dashboard.job_signals import calls_saved
from jobs.staff import (
    COOKIE,
    COOKIE_LIFE_S,
    KEY_FILE,
    TICKET_LIFE_S,
    ensure_staff_key,
    find_staff_key,
    is_staff_cookie,
    renew_staff_key,
    staff_cookie,
    staff_ticket,
    wish_in,
)
from redirector.staff import Staff
from tests.running import IPHONE, Running, wait_for
from tests.test_pages import PASSWORD, hidden, web_build  # noqa: F401
from tests.test_status import SHOP

NOW = 1_800_000_000.0


def test_the_key_is_made_once_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    assert find_staff_key(tmp_path) is None
    key = ensure_staff_key(tmp_path)
    assert ensure_staff_key(tmp_path) == find_staff_key(tmp_path) == key
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    (tmp_path / KEY_FILE).write_bytes(b"short")
    assert find_staff_key(tmp_path) is None


def test_a_ticket_lives_a_minute_and_a_cookie_ninety_days(tmp_path: Path) -> None:
    key = ensure_staff_key(tmp_path)
    for wish in ("on", "off"):
        ticket = staff_ticket(key, wish, NOW)
        assert wish_in(key, ticket, NOW + TICKET_LIFE_S - 1) == wish
        assert wish_in(key, ticket, NOW + TICKET_LIFE_S) is None
    value = staff_cookie(key, NOW)
    assert is_staff_cookie(key, value, NOW + COOKIE_LIFE_S - 1)
    assert not is_staff_cookie(key, value, NOW + COOKIE_LIFE_S)


def test_nothing_signed_for_one_thing_is_good_for_another(tmp_path: Path) -> None:
    key = ensure_staff_key(tmp_path)
    value, ticket = staff_cookie(key, NOW), staff_ticket(key, "on", NOW)
    assert wish_in(key, value, NOW) is None
    assert not is_staff_cookie(key, ticket, NOW)
    word, until, mac = value.split(".")
    longer = f"{word}.{int(until) + 1}.{mac}"
    for forged in ("", "x", longer, value[:-1], f"{value}0", f"off.{until}.{mac}", value.upper(), f"{value}\n"):
        assert not is_staff_cookie(key, forged, NOW), forged
    renewed = renew_staff_key(tmp_path)
    assert not is_staff_cookie(renewed, value, NOW)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("staff")) as running:
        running.cli("job", "add", "R-1", "--item", "Radio")
        yield running


@pytest.fixture(scope="module")
def token(run: Running) -> str:
    found: str = run.get("/jobs/R-1")["token"]
    wait_for(lambda: run.scan(f"/{found}", user_agent=IPHONE).status == 302, "the code on the public side")
    return found


@pytest.fixture(scope="module")
def member(run: Running) -> Iterator[httpx2.Client]:
    """The owner, signed in at the dashboard."""
    link = re.search(r"http://\S+(/setup/\S+)", run.log.read_text())
    assert link is not None
    with httpx2.Client(base_url=run.dashboard_url, trust_env=False, verify=False, timeout=30) as client:
        form = {"name": "Olga", "email": "o@example.org", "password": PASSWORD, "password_again": PASSWORD}
        answer = client.post(link[1], data={**form, "csrf": hidden(client.get(link[1]))})
        assert answer.status_code == 303, answer.text
        yield client


def made_staff(run: Running, member: httpx2.Client, wish: str = "on") -> str:
    """What the phone sends along to the short domain from then on."""
    csrf = hidden(member.get("/staff"))
    page = member.post("/staff", data={"csrf": csrf, "wish": wish})
    address = page.headers["refresh"].removeprefix("0; url=")
    assert address.startswith(f"{run.short_url}/-/staff/{wish}.")
    assert f'href="{address}"' in page.text
    answer = run.scan(address.removeprefix(run.short_url))
    assert (answer.status, answer.getheader("location")) == (303, f"{run.dashboard_url}/staff?now={wish}")
    assert answer.getheader("cache-control") == "private, no-store"
    header = answer.getheader("set-cookie") or ""
    held = SimpleCookie(header)[COOKIE]
    assert (held["httponly"], held["samesite"].lower(), held["path"]) == (True, "lax", "/")
    assert int(held["max-age"]) == (COOKIE_LIFE_S if wish == "on" else 0)
    assert not held["secure"]  # the short domain of this test is no https
    return f"{COOKIE}={held.value}"


def test_a_phone_of_staff_lands_on_the_job_and_all_others_on_the_customers_page(
    run: Running, token: str, member: httpx2.Client
) -> None:
    cookie = made_staff(run, member)
    for path in (f"/{token}", f"/{token.lower()}", f"/j/{token}"):
        answer = run.scan(path, user_agent=IPHONE, cookie=cookie)
        assert answer.status == 302, path
        place = answer.getheader("location") or ""
        assert place.lower() == f"{run.dashboard_url}/jobs/by-code/{token}".lower()
        landed = member.get(place, follow_redirects=True)
        assert (landed.status_code, landed.url.path) == (200, "/jobs/R-1")
        assert 'name="to" value="diagnosis"' in landed.text
        stranger = httpx2.get(place, headers={"Accept": "text/html"}, trust_env=False, verify=False)
        assert stranger.headers["location"].startswith("/login?next=%2Fjobs%2Fby-code")
    assert run.scan(f"/j/{token}", user_agent=IPHONE).status == 200
    assert run.scan(f"/{token}", user_agent=IPHONE).getheader("location", "").lower() == f"/j/{token}".lower()


def test_other_codes_and_unknown_tokens_do_not_care_about_the_cookie(
    run: Running, token: str, member: httpx2.Client
) -> None:
    cookie = made_staff(run, member)
    run.cli("code", "add", "https://example.com/menu", "--slug", "menu")
    wait_for(lambda: run.scan("/menu").status == 302, "the code on the public side")
    assert run.scan("/menu", cookie=cookie).getheader("location") == "https://example.com/menu"
    assert run.scan("/j/0000000000000000", cookie=cookie).status == 404
    assert run.scan(f"/j/{token}/calendar.ics", cookie=cookie).status == 200


def test_a_scan_by_staff_is_kept_but_not_counted_and_is_no_look_of_the_customer(
    run: Running, token: str, member: httpx2.Client
) -> None:
    cookie = made_staff(run, member)

    def staff_scans() -> list[dict[str, object]]:
        return [scan for scan in run.all_scans(bots="include") if scan["uncounted_reason"] == "staff"]

    before = len(staff_scans())
    assert run.scan(f"/{token}", user_agent=IPHONE, cookie=cookie).status == 302
    found = wait_for(lambda: scans if len(scans := staff_scans()) > before else None, "the scan")
    assert {(scan["counted"], scan["bot_reason"]) for scan in found} == {(False, None)}


def test_a_forged_or_old_ticket_or_cookie_is_nobodys(run: Running, token: str, member: httpx2.Client) -> None:
    key = ensure_staff_key(run.data)
    old = staff_ticket(key, "on", time.time() - TICKET_LIFE_S - 5)
    for ticket in ("x", old, staff_ticket(b"x" * 32, "on", time.time())):
        answer = run.scan(f"/-/staff/{ticket}")
        assert (answer.status, answer.getheader("set-cookie")) == (404, None), ticket
    for value in ("x", staff_cookie(b"x" * 32, time.time()), staff_cookie(key, time.time() - COOKIE_LIFE_S - 5)):
        assert run.scan(f"/j/{token}", cookie=f"{COOKIE}={value}").status == 200


def test_one_phone_ends_it_for_itself_and_the_owner_for_all(run: Running, token: str, member: httpx2.Client) -> None:
    cookie = made_staff(run, member)
    made_staff(run, member, "off")
    assert run.scan(f"/j/{token}", cookie=cookie).status == 302
    csrf = hidden(member.get("/staff"))
    assert member.post("/staff/end-all", data={"csrf": "wrong"}).status_code == 403
    ended = member.post("/staff/end-all", data={"csrf": csrf})
    assert (ended.status_code, ended.headers["location"]) == (303, "/staff?now=ended")
    assert run.scan(f"/j/{token}", cookie=cookie).status == 200
    assert run.scan(f"/j/{token}", cookie=made_staff(run, member)).status == 302


def test_the_board_says_what_was_not_looked_at_and_who_may_call(run: Running, member: httpx2.Client) -> None:
    run.cli("job", "add", "R-2", "--item", "Lamp", "--stage", "ready")
    token = run.get("/jobs/R-2")["token"]

    def signals() -> dict[str, str]:
        page = member.get("/jobs").text
        found = re.findall(r'<h2 id="signal-[0-9]">([^<:]+): [0-9]+</h2>(.*?)</section>', page, re.DOTALL)
        return dict(found)

    assert "R-2" in signals()["Ready, not looked at"]
    wait_for(lambda: run.scan(f"/j/{token}", user_agent=IPHONE).status == 200, "the page on the public side")
    for _ in range(2):
        run.scan(f"/j/{token}", user_agent=IPHONE)
    found = wait_for(
        lambda: seen if "R-2" in (seen := signals()).get("Looked at often today", "") else None, "the looks"
    )
    assert "R-2" not in found.get("Ready, not looked at", "")
    run.cli("shop", "update", "--looks-per-call", "1")
    assert re.search(r"Estimate: about (\d+) calls? saved in 30 days \(\1 occasions? / 1\)\.", member.get("/jobs").text)
    run.cli("shop", "update", "--looks-per-call", "1000")
    assert "Estimate:" not in member.get("/jobs").text
    run.cli("shop", "update", "--looks-per-call", "0", code=2)


def test_the_calls_saved_are_said_to_be_an_estimate() -> None:
    often, rarely = replace(SHOP, looks_per_call=3), replace(SHOP, looks_per_call=10)
    assert calls_saved([(often, 2)]) == ("", "")
    said, assumed = calls_saved([(often, 3)])
    assert said == "Estimate: about 1 call saved in 30 days (3 occasions / 3)."
    assert "an assumption" in assumed
    said, _assumed = calls_saved([(often, 7), (rarely, 21)])
    assert said == "Estimate: about 4 calls saved in 30 days (7 occasions / 3 + 21 occasions / 10)."


def test_on_https_the_cookie_is_for_https_alone(tmp_path: Path) -> None:
    ticket = staff_ticket(ensure_staff_key(tmp_path), "on", time.time())
    answer = Staff(tmp_path, "https://dash.example/", secure=True).answer_ticket(ticket)
    assert answer is not None
    assert answer.headers["location"] == "https://dash.example/staff?now=on"
    assert "; Secure" in answer.headers["set-cookie"]
