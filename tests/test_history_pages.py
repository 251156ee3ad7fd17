"""The pages of a code's history and of bulk changes, as a browser meets them; checks switched on, against a real site."""

import html
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from dashboard.show import find_assets
from tests.conftest import config_in, local_owner, running_app
from tests.test_outbound import Site, serving
from tests.test_pages import BROWSER, Person, hidden, set_up
from waymark.config import Config, OutboundSettings

API = "/api/v1"


@pytest.fixture(scope="module", autouse=True)
def web_build() -> None:
    if find_assets() is None:
        pytest.skip("the web assets are not built: npm ci && npm run build")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Config:
    config = config_in(tmp_path_factory.mktemp("history") / "data")
    return replace(config, outbound=OutboundSettings(allow=("127.0.0.1",), check_destinations=True))


@pytest.fixture(scope="module")
def running(installation: Config) -> Iterator[TestClient]:
    with running_app(installation) as app:
        app.headers.update(BROWSER)
        set_up(app, app.post(f"{API}/owner/link", headers=local_owner(installation)).json()["url"])
        yield app


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serving() as server:
        yield server


@pytest.fixture
def editor(running: TestClient, installation: Config) -> Iterator[Person]:
    running.cookies.clear()
    yield Person(running, installation, "editor")
    running.cookies.clear()


@pytest.fixture
def api(running: TestClient, installation: Config) -> Any:
    def ask(method: str, path: str, body: Any = None) -> Any:
        answer = running.request(method, API + path, json=body, headers=local_owner(installation))
        assert answer.status_code < 300, answer.text
        return answer.json()

    return ask


def add(api: Any, site: Site, slug: str, **fields: Any) -> str:
    api("POST", "/codes", {"destination": site.url(f"/{slug}/1"), "slug": slug, **fields})
    return slug


def text_of(answer: Any) -> str:
    return html.unescape(answer.text)


def test_every_version_is_shown_with_what_it_changed_and_can_be_brought_back(
    editor: Person, api: Any, site: Site
) -> None:
    code = add(api, site, "trail")
    api("PATCH", f"/codes/{code}", {"destination": site.url("/trail/2"), "reason": "better"})
    api("PATCH", f"/codes/{code}", {"destination": site.url("/trail/3")})
    page = editor.get(f"/codes/{code}/history")
    assert page.status_code == 200
    assert f'<del><span class="vh">was </span>{site.url("/trail/1")}</del>' in text_of(page)
    assert f'<ins><span class="vh">now </span>{site.url("/trail/2")}</ins>' in text_of(page)
    assert "better" in page.text
    assert "/codes/trail/history" in editor.get("/codes/trail").text
    answer = editor.send(f"/codes/{code}/rollback", version="1", expected="3")
    assert (answer.status_code, answer.headers["location"]) == (303, "/codes/trail/history")
    assert api("GET", f"/codes/{code}")["destination"] == site.url("/trail/1")
    assert "Rolled back" in editor.get(f"/codes/{code}/history").text
    stale = editor.send(f"/codes/{code}/rollback", version="2", expected="3")
    assert stale.status_code == 409
    assert "somebody changed it meanwhile" in stale.text


def test_a_change_is_planned_shown_and_cancelled(editor: Person, api: Any, site: Site) -> None:
    code = add(api, site, "plan")
    local = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
    fields = {"destination": site.url("/later"), "at": local, "zone": "Asia/Kolkata", "reason": "festival"}
    assert editor.send(f"/codes/{code}/schedule", **fields).status_code == 303
    [planned] = api("GET", f"/codes/{code}/schedule")["scheduled"]
    expected = datetime.fromisoformat(f"{local}+05:30").astimezone(UTC)
    assert datetime.fromisoformat(planned["starts_at"]) == expected
    assert "festival" in editor.get(f"/codes/{code}/history").text
    assert site.url("/later") in editor.get(f"/codes/{code}").text
    refused = editor.send(f"/codes/{code}/schedule", **fields)
    assert refused.status_code == 409
    assert f"overlaps with planned change {planned['id']}" in text_of(refused)
    assert 'value="festival"' in refused.text  # what was typed is kept
    assert editor.send(f"/codes/{code}/schedule/{planned['id']}/cancel").status_code == 303
    assert api("GET", f"/codes/{code}/schedule")["scheduled"] == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"destination": "javascript:x", "at": ""}, "javascript"),
        ({"destination": "https://example.com/", "at": "2001-01-01T00:00"}, "has passed already"),
        ({"destination": "https://example.com/", "at": "2031-01-01T00:00", "zone": "Mars/X"}, "no time zone"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_in_words(
    editor: Person, api: Any, site: Site, fields: dict[str, str], says: str
) -> None:
    add_once(api, site, "refused")
    answer = editor.send("/codes/refused/schedule", **fields)
    assert answer.status_code == 422
    assert says in text_of(answer)


def add_once(api: Any, site: Site, slug: str) -> None:
    if not api("GET", f"/codes?search={slug}")["total"]:
        add(api, site, slug)


def test_the_check_of_the_destination_is_shown_and_its_guard_chosen(editor: Person, api: Any, site: Site) -> None:
    code = add(api, site, "guarded")
    assert editor.send(f"/codes/{code}/check").status_code == 303
    assert "Answers 200" in editor.get(f"/codes/{code}/history").text
    assert "Answers 200" in editor.get(f"/codes/{code}").text
    assert editor.send(f"/codes/{code}/guard", guard="fallback").status_code == 303
    assert api("GET", f"/codes/{code}")["guard"] == "fallback"
    assert editor.send(f"/codes/{code}/guard", guard="sometimes").status_code == 422
    assert editor.send(f"/codes/{code}/guard", guard="alert").status_code == 303
    api("PATCH", f"/codes/{code}", {"destination": site.url("/gone")})
    for _ in range(3):
        editor.send(f"/codes/{code}/check")
    overview = editor.get("/")
    assert "does not work" in overview.text
    assert f"/codes/{code}/history" in overview.text
    editor.send(f"/codes/{code}/guard", guard="off")
    assert "does not work" not in editor.get("/").text


def test_a_saved_change_is_looked_at_without_anybody_asking(api: Any, site: Site) -> None:
    code = add(api, site, "unasked")
    deadline = time.monotonic() + 20
    while api("GET", f"/codes/{code}/check")["state"] != "fine" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert api("GET", f"/codes/{code}/check")["status"] == 200


def test_a_bulk_change_is_shown_first_then_done_then_undone(editor: Person, api: Any, site: Site) -> None:
    for number in range(3):
        add(api, site, f"many-{number}", tags=["many"])
    fields = {"way": "tag", "named": "many", "destination": site.url("/sale"), "reason": "sale"}
    shown = editor.send("/bulk", **fields)
    assert shown.status_code == 200
    assert "3 codes would change" in shown.text
    assert api("GET", "/codes/many-1")["version"] == 1
    done = editor.send("/bulk", **fields, digest=hidden(shown, "digest"))
    assert "3 codes changed" in done.text
    assert api("GET", "/codes/many-1")["destination"] == site.url("/sale")
    stale = editor.send("/bulk", **fields, digest=hidden(shown, "digest"))
    assert stale.status_code == 422
    assert "changed since this was shown" in stale.text
    [bulk] = [one for one in api("GET", "/bulk")["bulks"] if one["reason"] == "sale"]
    assert editor.send(f"/bulk/{bulk['id']}/undo").status_code == 303
    assert api("GET", "/codes/many-1")["destination"] == site.url("/many-1/1")
    assert editor.send(f"/bulk/{bulk['id']}/undo").status_code == 409


def test_a_csv_with_a_mistake_is_shown_with_its_problem_and_cannot_be_applied(
    editor: Person, api: Any, site: Site
) -> None:
    add(api, site, "listed")
    listed = "code,destination\nlisted,https://example.com/new\nnobody,https://example.com/\n"
    shown = editor.send("/bulk", way="csv", listed=listed)
    assert "there is no such code" in shown.text
    assert 'name="digest"' not in shown.text
    assert editor.send("/bulk", way="csv", listed="one two three").status_code == 422
    assert (
        editor.send("/bulk", way="codes", listed="listed", find="127.0.0.1", replace="example.com").status_code == 200
    )


def test_viewers_see_it_but_change_nothing(running: TestClient, installation: Config, api: Any, site: Site) -> None:
    add_once(api, site, "seen")
    running.cookies.clear()
    viewer = Person(running, installation, "viewer")
    page = viewer.get("/codes/seen/history")
    assert page.status_code == 200
    assert "<form" not in page.text.split("<main")[1].split("</main>")[0]
    assert "<form" not in viewer.get("/bulk").text.split("<main")[1].split("</main>")[0]
    for path in ("rollback", "schedule", "schedule/1/cancel", "guard", "check"):
        assert viewer.send(f"/codes/seen/{path}").status_code == 403, path
    for path in ("/bulk", "/bulk/1/undo"):
        assert viewer.send(path).status_code == 403
    running.cookies.clear()
    assert running.get("/codes/seen/history").status_code == 303
    assert running.get("/bulk").status_code == 303


def test_what_is_not_there_is_said_so(editor: Person, api: Any, site: Site) -> None:
    add_once(api, site, "here")
    assert editor.get("/codes/nobody/history").status_code == 404
    assert editor.send("/codes/here/schedule/999/cancel").status_code == 404
    assert editor.send("/bulk/999/undo").status_code == 404
    assert editor.browser.post("/codes/here/guard", data={"guard": "off", "csrf": "x"}).status_code == 403
