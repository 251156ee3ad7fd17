"""The dashboard as a browser meets it: first owner, signing in and out, roles, forms, and what every page carries."""

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from dashboard import signing
from dashboard.guard import CONTENT_SECURITY_POLICY, HEADERS
from dashboard.limits import MAX_FAILURES
from dashboard.show import find_assets
from tests.conftest import config_in, local_owner, running_app
from waymark.config import Config, Private, Proxy

PASSWORD = "correct horse battery"
PAGES = [
    "/",
    "/codes",
    "/codes/new",
    "/codes/spring",
    "/codes/spring/qr",
    "/static-code",
    "/labels",
    "/stickers",
    "/job-times",
    "/kinds",
    "/kinds/repair/rules",
    "/events",
    "/tokens",
    "/places",
    "/docs",
]
FORMS = [
    "/labels",
    "/labels/1/end",
    "/stickers",
    "/stickers/1/end",
    "/static-code",
    "/codes",
    "/codes/spring/retarget",
    "/codes/spring/undo",
    "/codes/spring/edit",
    "/kinds",
    "/kinds/repair",
    "/kinds/repair/reset",
    "/kinds/repair/rules",
    "/kinds/repair/rules/undo",
    "/tokens",
    "/tokens/ci/revoke",
]
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module", autouse=True)
def web_build() -> None:
    if find_assets() is None:
        missing = "the web assets are not built: npm ci && npm run build"
        if os.environ.get("WAYMARK_REQUIRE_ALL") == "1":
            pytest.fail(missing)
        pytest.skip(missing)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return config_in(tmp_path_factory.mktemp("pages") / "data")


@pytest.fixture(scope="module")
def running(installation: Config) -> Iterator[TestClient]:
    """One running app for the module, with an owner, a code and a token."""
    with running_app(installation) as app:
        app.headers.update(BROWSER)
        local = local_owner(installation)
        set_up(app, app.post("/api/v1/owner/link", headers=local).json()["url"])
        spring = {"destination": "https://example.com/", "slug": "spring", "name": "Spring poster"}
        assert app.post("/api/v1/codes", json=spring, headers=local).status_code == 201
        assert app.post("/api/v1/tokens", json={"name": "ci"}, headers=local).status_code == 201
        yield app


@pytest.fixture
def browser(running: TestClient) -> Iterator[TestClient]:
    """Nobody signed in."""
    running.cookies.clear()
    yield running
    running.cookies.clear()


class Person:
    """Somebody signed in, with the session's CSRF token."""

    def __init__(self, browser: TestClient, installation: Config, role: str) -> None:
        self.csrf = sign_in_as(browser, installation, role)
        self.browser = browser

    def get(self, path: str, **more: Any) -> Response:
        return self.browser.get(path, **more)

    def send(self, path: str, **fields: str) -> Response:
        return self.browser.post(path, data={"csrf": self.csrf, **fields})


def sign_in_as(browser: TestClient, installation: Config, role: str) -> str:
    """A user of this role and a session, as the server would have written them."""
    now, token, csrf = datetime.now(UTC), f"session-of-{role}", f"csrf-of-{role}"
    with closing(sqlite3.connect(installation.data_dir / "waymark.db", timeout=10)) as connection, connection:
        connection.execute(
            "INSERT OR IGNORE INTO users (email, name, password_hash, role, created_at) VALUES (?, ?, '', ?, ?)",
            (f"{role}@example.org", f"the {role}", role, now.isoformat(" ")),
        )
        connection.execute(
            "INSERT OR REPLACE INTO sessions (token_hash, user_id, csrf, created_at, expires_at) "
            "SELECT ?, id, ?, ?, ? FROM users WHERE email = ?",
            (
                hashlib.sha256(token.encode()).hexdigest(),
                csrf,
                now.isoformat(" "),
                (now + timedelta(hours=1)).replace(tzinfo=None).isoformat(" "),
                f"{role}@example.org",
            ),
        )
    browser.cookies.set("waymark_session", token)
    return csrf


@pytest.fixture
def owner(browser: TestClient, installation: Config) -> Person:
    return Person(browser, installation, "owner")


@pytest.fixture
def editor(browser: TestClient, installation: Config) -> Person:
    return Person(browser, installation, "editor")


@pytest.fixture
def viewer(browser: TestClient, installation: Config) -> Person:
    return Person(browser, installation, "viewer")


def hidden(page: Response, name: str = "csrf") -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found is not None, page.text[:2000]
    return found[1]


def set_up(browser: TestClient, url: str, **fields: str) -> Response:
    path = "/" + url.split("/", 3)[3]
    page = browser.get(path)
    assert page.status_code == 200
    form = {"name": "Olga", "email": "olga@example.org", "password": PASSWORD, "password_again": PASSWORD, **fields}
    return browser.post(path, data={"csrf": hidden(page), **form})


def log_in(browser: TestClient, email: str = "olga@example.org", password: str = PASSWORD, **fields: str) -> Response:
    page = browser.get("/login")
    return browser.post("/login", data={"csrf": hidden(page), "email": email, "password": password, **fields})


def cookie(response: Response, name: str) -> str:
    [found] = [header for header in response.headers.get_list("set-cookie") if header.startswith(f"{name}=")]
    return found


@pytest.mark.parametrize("path", PAGES)
def test_who_is_not_signed_in_is_sent_to_the_login_and_back(browser: TestClient, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 303
    following = "" if path == "/" else f"?next={quote(path, safe='')}"
    assert answer.headers["location"] == f"/login{following}"
    assert "spring" not in answer.text.lower()


@pytest.mark.parametrize("path", FORMS)
def test_a_form_from_nobody_is_sent_to_the_login(browser: TestClient, path: str) -> None:
    answer = browser.post(path, data={"csrf": "x", "destination": "https://evil.example/"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


@pytest.mark.parametrize("path", PAGES)
def test_a_bearer_token_opens_no_page(browser: TestClient, installation: Config, path: str) -> None:
    assert browser.get(path, headers=local_owner(installation)).status_code == 303


def test_the_query_comes_back_after_the_login(browser: TestClient) -> None:
    answer = browser.get("/codes?q=poster&page=2")
    assert answer.headers["location"] == "/login?next=%2Fcodes%3Fq%3Dposter%26page%3D2"
    login = browser.get(answer.headers["location"])
    assert hidden(login, "next") == "/codes?q=poster&amp;page=2"
    done = log_in(browser, next="/codes?q=poster&page=2")
    assert (done.status_code, done.headers["location"]) == (303, "/codes?q=poster&page=2")


@pytest.mark.parametrize(
    "next_path",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/\t/evil.example",
        "\n//evil.example",
        " //evil.example",
        "codes",
        "/codes\r\nSet-Cookie: x=y",
    ],
)
def test_another_site_is_no_place_to_go_after_the_login(next_path: str) -> None:
    assert signing._own_path(next_path) == ""


def test_nobody_is_sent_to_another_site_after_the_login(browser: TestClient) -> None:
    assert 'name="next"' not in browser.get("/login?next=//evil.example").text
    done = log_in(browser, next="//evil.example")
    assert (done.status_code, done.headers["location"]) == (303, "/")


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: TestClient) -> None:
    set_cookie = cookie(log_in(browser), "waymark_session").lower()
    for part in ("httponly", "samesite=lax", "path=/", "max-age=1209600"):
        assert part in set_cookie
    assert "domain=" not in set_cookie
    assert "secure" not in set_cookie  # the dashboard is on http://localhost here
    browser.cookies.clear()
    form_cookie = cookie(browser.get("/login"), "waymark_form").lower()
    assert "httponly" in form_cookie
    assert "samesite=strict" in form_cookie


def test_behind_https_every_cookie_is_for_https_alone(config: Config) -> None:
    secure = replace(config, private=Private(base_url="https://dash.example"))
    with running_app(secure) as app:
        app.base_url = "https://dash.example"
        app.headers.update(BROWSER)
        url = app.post("/api/v1/owner/link", headers=local_owner(secure)).json()["url"]
        assert url.startswith("https://dash.example/setup/")
        done = set_up(app, url)
        assert "; secure" in cookie(done, "waymark_session").lower()
        app.cookies.clear()
        assert "; secure" in cookie(app.get("/login"), "waymark_form").lower()


def test_the_first_owner_is_made_once_and_signed_in_at_once(config: Config) -> None:
    with running_app(config) as app:
        app.headers.update(BROWSER)
        assert "There is no account yet" in app.get("/login").text
        url = app.post("/api/v1/owner/link", headers=local_owner(config)).json()["url"]
        assert set_up(app, url, password_again="another").status_code == 422
        short = set_up(app, url, password="short", password_again="short")
        assert short.status_code == 422
        assert "at least 10" in short.text
        assert PASSWORD not in set_up(app, url, email="no address").text
        done = set_up(app, url)
        assert (done.status_code, done.headers["location"]) == (303, "/")
        assert app.get("/codes/new").status_code == 200
        used = app.get("/" + url.split("/", 3)[3])
        assert used.status_code == 410
        assert "waymark owner reset" in used.text
        assert "There is no account yet" not in app.get("/login", follow_redirects=True).text


def test_a_reset_link_changes_the_password_and_ends_every_session(config: Config) -> None:
    with running_app(config) as app:
        app.headers.update(BROWSER)
        local = local_owner(config)
        set_up(app, app.post("/api/v1/owner/link", headers=local).json()["url"])
        old = app.cookies["waymark_session"]
        made = app.post("/api/v1/owner/link", headers=local).json()
        assert made["purpose"] == "reset"
        new = "another good password"
        assert set_up(app, made["url"], password=new, password_again=new).status_code == 303
        app.cookies.clear()
        app.cookies.set("waymark_session", old)
        assert app.get("/codes").status_code == 303
        app.cookies.clear()
        assert log_in(app).status_code == 401
        assert log_in(app, password=new).status_code == 303


def test_wrong_and_unknown_look_the_same(browser: TestClient) -> None:
    wrong = log_in(browser, password="wrong password")
    unknown = log_in(browser, email="nobody@example.org")
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    sentence = "E-mail and password do not fit together."
    assert sentence in wrong.text
    assert sentence in unknown.text
    assert "wrong password" not in wrong.text


def test_guessing_is_slowed_down(config: Config) -> None:
    with running_app(config) as app:
        app.headers.update(BROWSER)
        set_up(app, app.post("/api/v1/owner/link", headers=local_owner(config)).json()["url"])
        app.cookies.clear()
        guesses = [log_in(app, password=f"guess number {number}").status_code for number in range(MAX_FAILURES + 1)]
        assert guesses == [401] * MAX_FAILURES + [429]
        right = log_in(app)
        assert right.status_code == 429
        assert "Wait 15 minutes" in right.text


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_behind_a_trusted_proxy_one_guesser_does_not_lock_the_others_out(config: Config) -> None:
    with running_app(replace(config, proxy=Proxy(trusted=("127.0.0.1",)))) as app:
        app.headers.update({**BROWSER, "X-Forwarded-For": "203.0.113.9"})
        set_up(app, app.post("/api/v1/owner/link", headers=local_owner(config)).json()["url"])
        app.cookies.clear()
        for number in range(MAX_FAILURES):
            log_in(app, email=f"nobody-{number}@example.org")
        assert log_in(app).status_code == 429
        app.headers["X-Forwarded-For"] = "198.51.100.7"
        assert log_in(app).status_code == 303


def test_a_login_form_from_another_site_signs_nobody_in(browser: TestClient) -> None:
    page = browser.get("/login")
    fields = {"email": "olga@example.org", "password": PASSWORD}
    assert browser.post("/login", data=fields).status_code == 403
    assert browser.post("/login", data={**fields, "csrf": "x" * 32}).status_code == 403
    evil = {"Origin": "https://evil.example"}
    assert browser.post("/login", data={**fields, "csrf": hidden(page)}, headers=evil).status_code == 403
    odd = {"Origin": "http://["}
    assert browser.post("/login", data={**fields, "csrf": hidden(page)}, headers=odd).status_code == 403
    own = {"Origin": "http://localhost:8081"}
    assert browser.post("/login", data={**fields, "csrf": hidden(page)}, headers=own).status_code == 303


@pytest.mark.parametrize("planted", ["x", '"\\777"', "a b", "é" * 32, '"><script>'])
def test_a_planted_form_cookie_is_not_taken_over(browser: TestClient, planted: str) -> None:
    sent = f"waymark_form={planted}".encode("latin-1")
    answer = browser.get("/login", headers=[(b"cookie", sent), (b"accept", b"text/html")])
    assert answer.status_code == 200
    assert re.fullmatch(r"[\w-]{32}", hidden(answer))


def test_signing_out_ends_the_session_on_the_server(browser: TestClient) -> None:
    log_in(browser)
    session = browser.cookies["waymark_session"]
    assert browser.post("/logout", data={"csrf": "x"}).status_code == 403
    csrf = hidden(browser.get("/codes"))
    done = browser.post("/logout", data={"csrf": csrf})
    assert (done.status_code, done.headers["location"]) == (303, "/login")
    browser.cookies.clear()
    browser.cookies.set("waymark_session", session)
    assert browser.get("/codes").status_code == 303


@pytest.mark.parametrize("path", [*PAGES, "/codes/nothing", "/nothing"])
def test_every_page_carries_the_security_headers_and_no_inline_code(owner: Person, path: str) -> None:
    page = owner.get(path)
    assert page.status_code == (404 if "nothing" in path else 200)
    assert page.headers["content-type"].startswith("text/html")
    assert {name: page.headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert re.search(r"<script(?![^>]*\bsrc=)[^>]*>\s*\S", without_data(page.text)) is None
    assert re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page.text) is None
    assert [src for src in re.findall(r'(?:src|href)="([^"]+)"', page.text) if src.startswith(("http:", "//"))] == []


def without_data(html: str) -> str:
    """JSON for our scripts is data: no browser runs it."""
    return re.sub(r'<script[^>]*type="application/json"[^>]*>.*?</script>', "", html, flags=re.DOTALL)


@pytest.mark.parametrize("path", ["/login", "/setup/unknown"])
def test_pages_before_the_login_carry_the_security_headers(browser: TestClient, path: str) -> None:
    page = browser.get(path)
    assert {name: page.headers[name] for name in HEADERS} == HEADERS


def test_built_files_are_kept_by_browsers_for_ever(browser: TestClient) -> None:
    page = browser.get("/login").text
    paths = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert paths
    for path in paths:
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    for path in ("/static/", "/static/../pages.py", "/static/%2e%2e/%2e%2e/pages.py"):
        assert browser.get(path).status_code == 404


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        ("viewer", "/", 200),
        ("viewer", "/codes", 200),
        ("viewer", "/codes/spring", 200),
        ("viewer", "/codes/new", 403),
        ("viewer", "/places", 200),
        ("viewer", "/docs", 200),
        ("viewer", "/tokens", 403),
        ("editor", "/codes/new", 200),
        ("editor", "/tokens", 403),
        ("owner", "/tokens", 200),
    ],
)
def test_which_role_sees_which_page(
    browser: TestClient, installation: Config, role: str, path: str, status: int
) -> None:
    assert Person(browser, installation, role).get(path).status_code == status


@pytest.mark.parametrize("path", FORMS)
def test_a_viewer_changes_nothing(viewer: Person, path: str) -> None:
    answer = viewer.send(path, destination="https://evil.example/", name="evil", role="owner")
    assert answer.status_code == 403
    assert "Your role is viewer" in answer.text


@pytest.mark.parametrize("path", ["/tokens", "/tokens/ci/revoke"])
def test_an_editor_makes_and_revokes_no_token(editor: Person, path: str) -> None:
    assert editor.send(path, name="mine", role="owner").status_code == 403


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("csrf", ["", "wrong", "csrf-of-viewer", "é"])
def test_a_form_without_the_sessions_token_changes_nothing(owner: Person, path: str, csrf: str) -> None:
    answer = owner.browser.post(path, data={"csrf": csrf, "destination": "https://evil.example/", "name": "evil"})
    assert answer.status_code == 403
    assert "evil.example" not in owner.get("/codes/spring").text


def test_a_form_from_another_site_changes_nothing_even_with_the_token(owner: Person) -> None:
    fields = {"csrf": owner.csrf, "destination": "https://evil.example/"}
    answer = owner.browser.post("/codes/spring/retarget", data=fields, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


def test_the_session_cookie_writes_over_the_api_only_with_the_csrf_header(owner: Person) -> None:
    body = {"destination": "https://example.com/"}
    assert owner.get("/api/v1/codes").status_code == 200
    assert owner.browser.post("/api/v1/codes", json=body).status_code == 403
    assert owner.browser.post("/api/v1/codes", json=body, headers={"X-CSRF-Token": "wrong"}).status_code == 403
    good = {"X-CSRF-Token": owner.csrf}
    assert owner.browser.post("/api/v1/codes", json=body, headers=good).status_code == 201


def test_a_bad_token_is_not_made_good_by_a_session(owner: Person) -> None:
    assert owner.get("/api/v1/codes", headers={"Authorization": "Bearer wm_wrong"}).status_code == 401


def test_a_code_from_creation_to_undo(editor: Person) -> None:
    made = editor.send("/codes", destination="https://example.com/a", slug="Walk-1", name="Walk", tags="Bar, north,")
    assert (made.status_code, made.headers["location"]) == (303, "/codes/walk-1")
    page = editor.get("/codes/walk-1")
    assert "https://example.com/a" in page.text
    moved = editor.send("/codes/walk-1/retarget", destination="https://example.com/b", reason="sold out", version="1")
    assert moved.status_code == 303
    late = editor.send("/codes/walk-1/retarget", destination="https://example.com/c", version="1")
    assert late.status_code == 409
    assert "somebody changed it meanwhile" in late.text
    assert hidden(late, "version") == "2"
    bad = editor.send("/codes/walk-1/retarget", destination="javascript:alert(1)", version="2")
    assert bad.status_code == 422
    assert 'value="javascript:alert(1)"' in bad.text  # what was typed is not lost
    undo = 'action="/codes/walk-1/undo'
    assert undo not in page.text
    assert undo in editor.get("/codes/walk-1").text
    assert editor.send("/codes/walk-1/undo", version="2").status_code == 303
    assert undo not in editor.get("/codes/walk-1").text  # it is back at its first destination
    assert editor.send("/codes/walk-1/undo", version="3").status_code == 409
    assert editor.send("/codes/walk-1/edit", name="New name", tags="south").status_code == 303
    page = editor.get("/codes/walk-1")
    for part in ("New name", "south", "sold out", "https://example.com/a"):
        assert part in page.text
    assert editor.send("/codes/walk-1/edit", name="x", tags="y" * 61).status_code == 422


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"destination": "javascript:alert(1)"}, "are never allowed"),
        ({"destination": ""}, "The destination is empty"),
        ({"destination": "https://example.com/", "slug": "spring"}, "already exists"),
        ({"destination": "https://example.com/", "slug": "a b"}, "would not print well"),
        ({"destination": "https://example.com/", "domain": "x.example"}, "known: w.example"),
        ({"destination": "https://example.com/", "tags": "x" * 61}, "up to 20 tags"),
    ],
)
def test_a_form_that_cannot_be_used_comes_back_with_the_reason(
    editor: Person, fields: dict[str, str], part: str
) -> None:
    answer = editor.send("/codes", **fields, name="Kept as typed")
    assert answer.status_code == 422
    assert part in answer.text
    assert "Kept as typed" in answer.text


def test_a_reason_stands_at_the_field_it_is_about(editor: Person) -> None:
    """Screen readers find it there, by the field's description."""
    good = {"destination": "https://example.com/"}
    for field, value in (("destination", "javascript:x"), ("slug", "a b"), ("tags", "x" * 61)):
        page = editor.send("/codes", **{**good, field: value}).text
        [about] = re.findall(r'<(?:input|textarea)[^>]*aria-invalid="true"[^>]*>', page)
        assert f'name="{field}"' in about


def test_what_people_type_is_text_not_code(editor: Person) -> None:
    evil = '"><script>alert(1)</script>'
    made = editor.send("/codes", destination="https://example.com/?q=%3Cscript%3E", slug="evil", name=evil, tags=evil)
    assert made.status_code == 303
    for path in ("/codes/evil", "/codes", "/", "/codes?q=" + quote(evil)):
        assert "<script>alert" not in editor.get(path).text
    assert "<script>alert" not in editor.send("/codes", destination=evil, slug=evil, name=evil).text


@pytest.mark.parametrize(
    "path",
    [
        "/codes?page=0",
        "/codes?page=99999999999999999999",
        "/codes?page=" + "9" * 5000,
        "/codes?page=²",
        "/codes?sort=scans&page=3",
        "/codes?sort=password&order=x",
        "/codes?q=%00%25_'\"",
        "/?tz=Mars/Olympus&from=x&to=y&range=z&bots=maybe",
        "/?from=0001-01-01&to=9999-12-31",
        "/?code=nothing",
        "/?code=" + "x" * 5000,
        "/codes/spring?from=2026-01-02&to=2026-01-01",
    ],
)
def test_an_odd_address_still_shows_a_page(viewer: Person, path: str) -> None:
    assert viewer.get(path).status_code == 200


@pytest.mark.parametrize("version", ["9" * 5000, "²", "-1", "x", ""])
def test_an_odd_version_in_a_form_is_no_breakdown(editor: Person, version: str) -> None:
    answer = editor.send("/codes/spring/edit", name="Spring poster", tags="", version=version)
    assert answer.status_code == 303
    assert editor.send("/codes/spring/undo", version=version).status_code in (303, 409)


def test_codes_are_searched_and_sorted(viewer: Person) -> None:
    assert "Spring poster" in viewer.get("/codes?q=POSTER").text
    assert "Spring poster" not in viewer.get("/codes?q=nothing-like-it").text
    for sort in ("code", "name", "created", "updated", "destination", "scans"):
        for order in ("asc", "desc"):
            assert viewer.get(f"/codes?sort={sort}&order={order}").status_code == 200


def test_a_new_token_is_shown_once(owner: Person) -> None:
    made = owner.send("/tokens", name="Poster printer", role="editor")
    assert made.status_code == 200
    [token] = set(re.findall(r"wm_[0-9a-f]{40}", made.text))
    assert token not in owner.get("/tokens").text
    owner.browser.cookies.clear()
    bearer = {"Authorization": f"Bearer {token}"}
    assert owner.browser.get("/api/v1/codes", headers=bearer).status_code == 200
    assert owner.browser.get("/api/v1/tokens", headers=bearer).status_code == 403


def test_a_token_with_any_name_can_be_revoked_on_its_page(owner: Person) -> None:
    for name in ("a/b", "50% ?#", "größe"):
        assert owner.send("/tokens", name=name, role="viewer").status_code == 200
        page = owner.get("/tokens").text
        address = f"/tokens/{quote(name)}/revoke"
        assert address in page
        assert owner.send(address).status_code == 303
        assert address not in owner.get("/tokens").text


def test_token_names_that_cannot_be_used_come_back_with_the_reason(owner: Person) -> None:
    assert owner.send("/tokens", name="ci", role="viewer").status_code == 409
    assert owner.send("/tokens", name=" ", role="viewer").status_code == 422
    assert owner.send("/tokens", name="root", role="admin").status_code == 422


def test_programs_get_a_problem_document_and_people_a_page(owner: Person) -> None:
    page = owner.get("/codes/nothing")
    assert page.headers["content-type"].startswith("text/html")
    program = owner.get("/codes/nothing", headers={"Accept": "application/json"})
    assert program.headers["content-type"] == "application/problem+json"
    assert owner.get("/api/v1/codes/nothing").headers["content-type"] == "application/problem+json"


def test_a_form_of_more_than_a_megabyte_is_refused(editor: Person) -> None:
    assert editor.send("/codes", destination="x" * 1_000_001).status_code == 413
    assert editor.send("/codes", **{f"field{number}": "x" for number in range(50)}).status_code == 400


def test_the_live_list_needs_no_secret_in_the_page(owner: Person, installation: Config) -> None:
    secrets = [local_owner(installation)["Authorization"].removeprefix("Bearer "), "session-of-owner"]
    for path in PAGES:
        text = owner.get(path).text
        assert [secret for secret in secrets if secret in text] == []
    assert json.loads(owner.get("/api/v1/codes/spring").text)["code"] == "spring"
