"""API v1 over the real app: who may ask what, what every refusal looks like, codes from creation to undo."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from PIL import Image
from starlette.testclient import TestClient

from dashboard.guard import HEADERS
from tests.conftest import config_in, local_owner, running_app
from tests.symbols import read_symbols
from waymark.config import Config

API = "/api/v1"
ROLES = ("viewer", "editor", "owner")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return config_in(tmp_path_factory.mktemp("api") / "data")


@pytest.fixture(scope="module")
def app(installation: Config) -> Iterator[TestClient]:
    """One running app for the whole module; nobody is signed in."""
    with running_app(installation) as client:
        yield client


@pytest.fixture(scope="module")
def bearers(app: TestClient, installation: Config) -> dict[str, dict[str, str]]:
    """Headers by role, and those of the local owner."""
    local = local_owner(installation)
    made = {"nobody": {}, "unknown": {"Authorization": "Bearer wm_" + "0" * 40}, "local": local}
    for role in ROLES:
        token = app.post(f"{API}/tokens", json={"name": f"the {role}", "role": role}, headers=local).json()["token"]
        made[role] = {"Authorization": f"Bearer {token}"}
    return made


@pytest.fixture
def ops(app: TestClient, bearers: dict[str, dict[str, str]]) -> Iterator[TestClient]:
    """The app, asked by an editor."""
    app.headers.update(bearers["editor"])
    yield app
    del app.headers["Authorization"]


def create(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post(f"{API}/codes", json={"destination": "https://example.com/", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def check_problem(answer: Any, status: int) -> dict[str, Any]:
    """RFC 9457, and the same security headers as every other answer."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["type"] == "about:blank"
    assert body["title"]
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    return body


# method, path as documented, least role, status for those who may, body
ROUTES: list[tuple[str, str, str, int | None, Any]] = [
    ("POST", "/codes", "editor", 201, {"destination": "https://example.com/"}),
    ("GET", "/codes", "viewer", 200, None),
    ("GET", "/codes/{code}", "viewer", 200, None),
    ("PATCH", "/codes/{code}", "editor", 200, {"name": "x"}),
    ("GET", "/codes/{code}/versions", "viewer", 200, None),
    ("POST", "/codes/{code}/undo", "editor", 409, None),
    ("POST", "/codes/{code}/rollback", "editor", 404, {"version": 9}),
    ("POST", "/codes/{code}/simulate", "viewer", 200, {"device": "mobile"}),
    ("POST", "/codes/{code}/schedule", "editor", 422, {"at": "2031-01-01T00:00"}),
    ("GET", "/codes/{code}/schedule", "viewer", 200, None),
    ("GET", "/schedule", "viewer", 200, None),
    ("DELETE", "/schedule/{schedule_id}", "editor", 404, None),
    ("GET", "/codes/{code}/check", "viewer", 200, None),
    ("POST", "/codes/{code}/check", "editor", 409, None),  # looks at destinations are switched off in tests
    ("GET", "/alerts", "viewer", 200, None),
    ("POST", "/bulk", "editor", 200, {"search": "matrix", "destination": "https://example.com/"}),
    ("GET", "/bulk", "viewer", 200, None),
    ("GET", "/bulk/{bulk_id}", "viewer", 404, None),
    ("POST", "/bulk/{bulk_id}/undo", "editor", 404, None),
    ("GET", "/codes/{code}/qr.{kind}", "viewer", 200, None),
    ("POST", "/codes/{code}/qr", "viewer", 200, {"format": "png"}),
    ("POST", "/qr/static", "editor", 200, {"target": "https://example.com/"}),
    ("GET", "/qr/advice", "viewer", 422, None),  # from which distance?
    ("GET", "/sheets/stocks", "viewer", 200, None),
    ("GET", "/sheets/calibration", "viewer", 422, None),  # of which stock?
    ("POST", "/sheets", "editor", 201, {"codes": ["matrix"], "stock": "dymo-99010"}),
    ("POST", "/sheets/preview", "editor", 200, {"codes": ["matrix"], "stock": "dymo-99010"}),
    ("GET", "/sheets", "viewer", 200, None),
    ("GET", "/sheets/{number}", "viewer", 404, None),
    ("GET", "/sheets/{number}/file", "viewer", 404, None),
    ("DELETE", "/sheets/{number}", "editor", 404, None),
    ("POST", "/campaigns", "editor", 422, {"name": ""}),
    ("GET", "/campaigns", "viewer", 200, None),
    ("GET", "/campaigns/{campaign_id}", "viewer", 404, None),
    ("PATCH", "/campaigns/{campaign_id}", "editor", 404, {"name": "x"}),
    ("POST", "/placements", "editor", 422, {"venue": "", "spot": "", "zone": ""}),
    ("GET", "/placements", "viewer", 200, None),
    ("GET", "/placements/{placement_id}", "viewer", 404, None),
    ("PATCH", "/placements/{placement_id}", "editor", 404, {"venue": "x"}),
    ("POST", "/batches", "editor", 422, {"name": "", "printed_on": "2026-05-01", "quantity": 1}),
    ("GET", "/batches", "viewer", 200, None),
    ("GET", "/batches/{batch_id}", "viewer", 404, None),
    ("PATCH", "/batches/{batch_id}", "editor", 404, {"name": "x"}),
    ("POST", "/domains", "owner", 409, {"address": "https://w.example"}),
    ("GET", "/domains", "viewer", 200, None),
    ("GET", "/domains/{host}", "viewer", 200, None),
    ("PATCH", "/domains/{host}", "editor", 200, {"not_found_url": ""}),
    ("POST", "/imports", "editor", 422, None),
    ("GET", "/imports", "editor", 200, None),
    ("GET", "/imports/{import_id}", "editor", 404, None),
    ("POST", "/imports/{import_id}/run", "editor", 404, None),
    ("GET", "/imports/{import_id}/errors.csv", "editor", 404, None),
    ("DELETE", "/imports/{import_id}", "editor", 404, None),
    ("GET", "/export/codes.{kind}", "owner", None, None),  # tests/test_export.py
    ("GET", "/export/map/{kind}", "viewer", None, None),
    ("PUT", "/jobs/{reference}", "editor", 404, {"kind": "nothing such"}),
    ("GET", "/jobs/{reference}", "viewer", 404, None),
    ("GET", "/jobs", "viewer", 200, None),
    ("DELETE", "/jobs/{reference}", "editor", 404, None),
    ("POST", "/jobs/{reference}/{direction}", "editor", 404, None),
    ("POST", "/jobs/{reference}/move", "editor", 404, {"stage": "ready"}),
    ("POST", "/jobs/batch", "editor", 200, {"entries": []}),
    ("GET", "/jobs/export.ndjson", "owner", 200, None),
    ("GET", "/jobs/{reference}/history", "viewer", 404, None),
    ("GET", "/jobs/{reference}/history.{kind}", "editor", 422, None),  # svg is none
    ("PUT", "/jobs/{reference}/photo", "editor", 422, None),
    ("GET", "/jobs/{reference}/photo", "editor", 404, None),
    ("DELETE", "/jobs/{reference}/photo", "editor", 404, None),
    ("GET", "/jobs/{reference}/qr.{kind}", "editor", 404, None),
    ("GET", "/jobs/{reference}/rules", "editor", 404, None),
    ("PUT", "/jobs/{reference}/rules", "editor", 404, {"rules": []}),
    ("POST", "/jobs/{reference}/rules/undo", "editor", 404, None),
    ("GET", "/kinds/{kind}/rules", "viewer", 404, None),
    ("PUT", "/kinds/{kind}/rules", "editor", 404, {"rules": []}),
    ("POST", "/kinds/{kind}/rules/undo", "editor", 404, None),
    ("GET", "/jobs/{reference}/messages", "editor", 404, None),
    ("GET", "/jobs/{reference}/slip.{kind}", "editor", 422, None),  # svg is none
    ("POST", "/sticker-sheets", "editor", 404, {"references": ["R-404"]}),
    ("GET", "/sticker-sheets", "editor", 200, None),
    ("GET", "/sticker-sheets/{number}", "editor", 404, None),
    ("GET", "/sticker-sheets/{number}/file", "editor", 404, None),
    ("DELETE", "/sticker-sheets/{number}", "editor", 404, None),
    ("POST", "/messages/preview", "viewer", 200, {"text": "{item}: {stage}"}),
    ("GET", "/shops/{shop_id}/templates", "viewer", 404, None),
    ("GET", "/shops/{shop_id}/templates/{event}/{channel}/{language}", "viewer", 404, None),
    ("PUT", "/shops/{shop_id}/templates/{event}/{channel}/{language}", "editor", 404, {"text": "{item}"}),
    ("DELETE", "/shops/{shop_id}/templates/{event}/{channel}/{language}", "editor", 404, None),
    ("GET", "/reports/stages", "viewer", 200, None),
    ("GET", "/events", "viewer", 200, None),
    ("GET", "/shops", "viewer", 200, None),
    ("POST", "/shops", "editor", 422, {"name": ""}),
    ("GET", "/shops/{shop_id}", "viewer", 404, None),
    ("PATCH", "/shops/{shop_id}", "editor", 404, {"name": "x"}),
    ("PUT", "/shops/{shop_id}/logo", "editor", 422, None),
    ("GET", "/shops/{shop_id}/logo", "viewer", 404, None),
    ("DELETE", "/shops/{shop_id}/logo", "editor", 404, None),
    ("POST", "/shops/{shop_id}/tracking", "editor", 404, {"tracking": "on"}),
    ("POST", "/shops/{shop_id}/wipe", "owner", 404, {}),
    ("GET", "/kinds", "viewer", 200, None),
    ("GET", "/kinds/{kind}", "viewer", 404, None),
    ("PUT", "/kinds/{kind}", "editor", 422, {"name": "x", "stages": []}),
    ("DELETE", "/kinds/{kind}", "editor", 404, None),
    ("GET", "/reports/timeseries", "viewer", 200, None),
    ("GET", "/reports/{name}", "viewer", 200, None),
    ("GET", "/scans", "viewer", 200, None),
    ("GET", "/live", "viewer", None, None),  # never ends
    ("POST", "/tokens", "owner", 409, {"name": "the viewer"}),
    ("GET", "/tokens", "owner", 200, None),
    ("DELETE", "/tokens/{name}", "owner", 404, None),
    ("GET", "/owner", "owner", 200, None),
    ("POST", "/owner/link", "local", 201, None),
    ("GET", "/places", "viewer", 200, None),
    ("GET", "/status", "viewer", 200, None),
    ("GET", "/accounting", "viewer", 200, None),
    ("POST", "/backups", "owner", 201, None),
    ("GET", "/backups", "owner", 200, None),
    ("POST", "/demo", "owner", None, None),  # a quarter of a year of scans
    ("DELETE", "/demo", "owner", None, None),
]
ORGANISED = {
    "reference": "R-404",
    "direction": "advance",
    "event": "ready",
    "channel": "sms",
    "language": "en",
    "shop_id": 99,
    "campaign_id": 99,
    "placement_id": 99,
    "batch_id": 99,
    "import_id": 99,
    "host": "w.example",
}
ASKING = ("nobody", "unknown", *ROLES, "local")


def expected_status(asking: str, least: str, allowed: int | None) -> int | None:
    if asking in ("nobody", "unknown"):
        return 401
    return allowed if ASKING.index(asking) >= ASKING.index(least) else 403


@pytest.mark.parametrize("asking", ASKING)
@pytest.mark.parametrize(("method", "path", "least", "allowed", "body"), ROUTES, ids=lambda value: str(value)[:40])
def test_who_may_ask_what(
    app: TestClient,
    bearers: dict[str, dict[str, str]],
    asking: str,
    method: str,
    path: str,
    least: str,
    allowed: int | None,
    body: Any,
    paths: dict[str, dict[str, Any]],
    matrix: str,
) -> None:
    expected = expected_status(asking, least, allowed)
    if expected is None or path not in paths:
        return
    address = API + path.format(
        code=matrix, kind="svg", name="devices", schedule_id=9, bulk_id=9, number=99_999, **ORGANISED
    )
    answer = app.request(method, address, json=body, headers=bearers[asking])
    assert answer.status_code == expected, answer.text
    if expected >= 400:
        check_problem(answer, expected)
    if expected == 401:
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.fixture(scope="module")
def matrix(app: TestClient, bearers: dict[str, dict[str, str]]) -> str:
    """A code to ask about."""
    new = {"destination": "https://example.com/", "slug": "matrix"}
    assert app.post(f"{API}/codes", json=new, headers=bearers["editor"]).status_code == 201
    return "matrix"


@pytest.fixture(scope="module")
def paths(app: TestClient) -> dict[str, dict[str, Any]]:
    """What the API says of itself."""
    documented = app.get(f"{API}/openapi.json").json()["paths"]
    return {path.removeprefix(API): methods for path, methods in documented.items()}


def test_every_route_is_in_the_table_above(paths: dict[str, dict[str, Any]]) -> None:
    known = {(method, path) for method, path, *_ in ROUTES}
    shown = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert shown - known == set()
    assert known - shown <= {("POST", "/demo"), ("DELETE", "/demo")}


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer ", "Basic d206eA==", "bearer nonsense", "Bearer wm_local_", "Digest x", "\xff"],
)
def test_what_is_no_token_is_nobody(app: TestClient, authorization: str) -> None:
    answer = app.get(f"{API}/codes", headers=[(b"authorization", authorization.encode("latin-1"))])
    check_problem(answer, 401)


def test_the_scheme_of_a_token_may_be_in_any_case(app: TestClient, bearers: dict[str, dict[str, str]]) -> None:
    token = bearers["viewer"]["Authorization"].removeprefix("Bearer ")
    assert app.get(f"{API}/codes", headers={"Authorization": f"bearer  {token}"}).status_code == 200


def test_a_code_from_creation_to_undo(ops: TestClient) -> None:
    made = create(ops, slug="Spring-1", name="Poster", tags=["Bar"])
    assert made["code"] == "spring-1"
    assert made["short_url"] == "https://w.example/spring-1"
    assert (made["version"], made["tags"], made["created_by"]) == (1, ["bar"], "the editor")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", made["created_at"])
    address = f"{API}/codes/spring-1"
    assert ops.get(f"{API}/codes/SPRING-L").json() == made
    changed = ops.patch(address, json={"destination": "https://example.com/b", "version": 1, "reason": "sold out"})
    assert (changed.json()["version"], changed.json()["destination"]) == (2, "https://example.com/b")
    undone = ops.post(f"{address}/undo", json={"reason": "a slip"}).json()
    assert (undone["version"], undone["destination"]) == (3, "https://example.com/")
    history = ops.get(f"{address}/versions").json()
    assert history["code"] == "spring-1"
    assert [(v["version"], v["action"], v["restores"], v["reason"]) for v in history["versions"]] == [
        (3, "undo", 1, "a slip"),
        (2, "retarget", None, "sold out"),
        (1, "create", None, ""),
    ]


def test_a_created_code_says_where_it_is(ops: TestClient) -> None:
    answer = ops.post(f"{API}/codes", json={"destination": "https://example.com/"})
    assert ops.get(answer.headers["location"]).json() == answer.json()


def test_codes_are_listed_searched_and_paged(ops: TestClient) -> None:
    for number in range(3):
        create(ops, slug=f"listed-{number}", name=f"Listed {number}")
    found = ops.get(f"{API}/codes", params={"search": "listed", "sort": "code", "order": "asc", "limit": 2}).json()
    assert ([code["code"] for code in found["codes"]], found["total"]) == (["listed-0", "listed-1"], 3)
    rest = ops.get(f"{API}/codes", params={"search": "listed", "sort": "code", "order": "asc", "offset": 2}).json()
    assert [code["code"] for code in rest["codes"]] == ["listed-2"]


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        ({"destination": "javascript:alert(1)"}, 422, "javascript:"),
        ({"destination": "https://w.example/loop"}, 422, "w.example"),
        ({"destination": ""}, 422, "empty"),
        ({"destination": "https://example.com/", "slug": "a b"}, 422, "slug"),
        ({"destination": "https://example.com/", "slug": "taken"}, 409, "'taken' already exists"),
        ({"destination": "https://example.com/", "slug": "TAKEN"}, 409, "'taken' already exists"),
        ({"destination": "https://example.com/", "domain": "x.example"}, 404, "known: w.example"),
        ({"destination": "https://example.com/", "tags": ["x" * 61]}, 422, "60 characters"),
        ({"destination": "https://example.com/", "name": "x" * 201}, 422, "name"),
        ({"destination": 7}, 422, "destination"),
        ({"destination": "https://example.com/", "colour": "red"}, 422, "colour"),
        ({"destination": "https://example.com/", "\ud800": "red"}, 422, "unicode"),
        ({"destination": "https://example.com/", "name": "\ud800"}, 422, "name"),
        ({}, 422, "destination"),
        ([], 422, ""),
        (None, 422, ""),
    ],
    ids=lambda value: ascii(value)[:60] if isinstance(value, (dict, list)) else None,
)
def test_a_code_that_cannot_be_created_says_why(ops: TestClient, body: Any, status: int, part: str) -> None:
    ops.post(f"{API}/codes", json={"destination": "https://example.com/", "slug": "taken"})
    before = ops.get(f"{API}/codes").json()["total"]
    sent = ops.post(f"{API}/codes", content=json.dumps(body), headers={"Content-Type": "application/json"})
    problem = check_problem(sent, status)
    assert part in problem.get("detail", "")
    assert ops.get(f"{API}/codes").json()["total"] == before


def test_a_field_that_does_not_fit_is_named(ops: TestClient) -> None:
    problem = check_problem(ops.post(f"{API}/codes", json={"slug": 1, "tags": [1]}), 422)
    assert {error["field"] for error in problem["errors"]} == {"destination", "slug", "tags.0"}


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{", "application/json"),
        (b"", "application/json"),
        (b'{"destination": "https://example.com/"}', "text/plain"),
        (b'{"destination": "https://example.com/"}', None),
        (b"\xff\xfe", "application/json"),
        (b'{"destination": NaN}', "application/json"),
        (b"destination=https://example.com/", "application/x-www-form-urlencoded"),
    ],
    ids=["cut", "empty", "wrong type", "no type", "no text", "nan", "form"],
)
def test_a_body_that_is_no_json_is_refused(ops: TestClient, content: bytes, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    said = check_problem(ops.post(f"{API}/codes", content=content, headers=headers), 422)["detail"]
    assert said.split(":")[0] in ("body", "destination")
    assert "dictionary" not in said
    assert ("JSON" in said) == (content not in (b"", b'{"destination": NaN}')), said


def test_a_body_too_deep_to_read_is_refused(ops: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    check_problem(ops.post(f"{API}/codes", content=b"[" * 100_000, headers=headers), 400)


def too_large() -> Iterator[bytes]:
    for _ in range(20):
        yield b" " * 100_000


@pytest.mark.parametrize("way", ["with its length", "in pieces"])
def test_a_body_of_more_than_a_megabyte_is_refused(ops: TestClient, way: str) -> None:
    content: Any = b" " * 1_000_001 if way == "with its length" else too_large()
    answer = ops.post(f"{API}/codes", content=content, headers={"Content-Type": "application/json"})
    check_problem(answer, 413)


def test_an_outdated_version_is_a_conflict_for_every_field(ops: TestClient) -> None:
    create(ops, slug="stale")
    ops.patch(f"{API}/codes/stale", json={"destination": "https://example.com/2"})
    for body in ({"destination": "https://example.com/3"}, {"name": "late"}, {"printed": True}, {}):
        problem = check_problem(ops.patch(f"{API}/codes/stale", json={**body, "version": 1}), 409)
        assert "is at version 2, not 1" in problem["detail"]
    assert ops.get(f"{API}/codes/stale").json()["name"] == ""


def test_a_change_with_one_bad_part_changes_nothing(ops: TestClient) -> None:
    made = create(ops, slug="whole")
    body = {"destination": "https://example.com/other", "name": "new", "tags": ["x" * 61]}
    check_problem(ops.patch(f"{API}/codes/whole", json=body), 422)
    assert ops.get(f"{API}/codes/whole").json() == made


def test_an_empty_change_changes_nothing(ops: TestClient) -> None:
    made = create(ops, slug="same")
    assert ops.patch(f"{API}/codes/same", json={}).json() == made


@pytest.mark.parametrize("text", ["nothing", "%00", "%F0%9F%92%A9", "..%2F..%2Fetc", "a" * 3000, "%27%20OR%201=1"])
@pytest.mark.parametrize("rest", ["", "/versions", "/qr.svg"])
def test_an_unknown_code_is_not_found(ops: TestClient, text: str, rest: str) -> None:
    check_problem(ops.get(f"{API}/codes/{text}{rest}"), 404)


KINDS = {"svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf", "eps": "application/postscript"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_symbol_is_an_image_that_runs_nothing(ops: TestClient, kind: str) -> None:
    create_or_not = ops.post(f"{API}/codes", json={"destination": "https://example.com/", "slug": "symbol"})
    assert create_or_not.status_code in (201, 409)
    answer = ops.get(f"{API}/codes/symbol/qr.{kind}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == KINDS[kind]
    assert answer.headers["content-disposition"] == f'inline; filename="symbol.{kind}"'
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    saved = ops.get(f"{API}/codes/symbol/qr.{kind}", params={"download": ""})
    assert saved.headers["content-disposition"].startswith("attachment;")


def test_a_symbol_leads_to_the_short_address(ops: TestClient) -> None:
    made = create(ops, slug="decoded")
    png = ops.get(f"{API}/codes/decoded/qr.png", params={"dark": "#123456", "error": "q", "module_px": 4}).content
    [found] = read_symbols(Image.open(io.BytesIO(png)))
    assert found.text.lower() == made["short_url"].lower()


@pytest.mark.parametrize(
    "query",
    [
        {"dark": "#fff", "light": "#fff"},
        {"dark": "red; url(x)"},
        {"module_px": "0"},
        {"module_px": "1e9"},
        {"size_mm": "nan"},
        {"size_mm": "inf"},
        {"error": "x"},
        {"dark": "\x00"},
    ],
    ids=str,
)
def test_a_symbol_nobody_could_scan_is_refused(ops: TestClient, query: dict[str, str]) -> None:
    ops.post(f"{API}/codes", json={"destination": "https://example.com/", "slug": "symbol"})
    check_problem(ops.get(f"{API}/codes/symbol/qr.png", params=query), 422)


def test_an_unknown_kind_of_symbol_is_refused(ops: TestClient) -> None:
    check_problem(ops.get(f"{API}/codes/symbol/qr.exe"), 422)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/reports/summary?compaign=Spring", "'compaign' is no parameter of this operation; did you mean 'campaign'?"),
        ("/codes?cursor=1&q=", "there are: "),
        ("/jobs?openn=true", "did you mean 'open'?"),
        ("/tokens?x=1", "there are none here"),
        ("/reports/summary?%3Cscript%3E=1", "'<script>' is no parameter"),
    ],
)
def test_a_misspelt_parameter_is_refused_with_what_there_is(
    app: TestClient, bearers: Any, path: str, says: str
) -> None:
    answer = app.get(f"{API}{path}", headers=bearers["owner"])
    assert (answer.status_code, answer.json()["title"]) == (422, "Unknown parameter")
    assert says in answer.json()["detail"]
    assert app.get(f"{API}{path}").status_code == 401  # to nobody is said what there is


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/reports/devices?from=2026-13-01", 422),
        ("/reports/devices?tz=Mars/Olympus", 422),
        ("/reports/devices?tz=../../etc/passwd", 422),
        ("/reports/devices?from=2026-01-02&to=2026-01-01", 422),
        ("/reports/devices?code=nothing", 404),
        ("/reports/devices?bots=maybe", 422),
        ("/reports/nothing", 422),
        ("/reports/query", 422),
        ("/reports/timeseries?interval=second", 422),
        ("/scans?limit=0", 422),
        ("/scans?limit=1001", 422),
        ("/scans?cursor=nonsense", 422),
        ("/codes?sort=password", 422),
        ("/codes?limit=501", 422),
        ("/codes?offset=-1", 422),
        ("/codes?search=" + "x" * 1001, 422),
        ("/nothing", 404),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(ops: TestClient, path: str, status: int) -> None:
    assert check_problem(ops.get(API + path), status)["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("DELETE", "/codes", "GET, POST"), ("PUT", "/tokens", "GET, POST"), ("DELETE", "/codes/{code}", "GET, PATCH")],
)
def test_a_wrong_method_is_told_the_right_ones(ops: TestClient, method: str, path: str, allow: str) -> None:
    answer = ops.request(method, API + path.format(code=create(ops)["code"]))
    assert allow in check_problem(answer, 405)["detail"]
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8081", 200),
        ("LOCALHOST:9999", 200),
        ("127.0.0.1:8081", 200),
        ("[::1]:8081", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil.example:8081", 421),
        ("w.example", 421),
        ("", 421),
        ("[::1", 421),
        ("localhost@evil.example", 421),
        ("127.0.0.1.nip.example", 421),
        ("localhost, evil.example", 421),
    ],
)
def test_only_our_own_names_are_answered(app: TestClient, host: str, status: int) -> None:
    """Another site can let its name point to this machine; its pages would then speak with us as same-origin."""
    answer = app.get("/-/health", headers={"Host": host})
    assert answer.status_code == status
    if status == 421:
        assert "allowed_hosts" in check_problem(answer, 421)["detail"]


def test_a_second_host_header_is_refused(app: TestClient) -> None:
    answer = app.get("/-/health", headers=[("Host", "localhost"), ("Host", "evil.example")])
    check_problem(answer, 421)


def test_a_token_is_made_shown_once_replaced_and_revoked(app: TestClient, bearers: dict[str, dict[str, str]]) -> None:
    owner = bearers["owner"]
    for name in ("CI / night", "a?b#c", "größe"):
        made = app.post(f"{API}/tokens", json={"name": name, "role": "editor"}, headers=owner)
        assert made.status_code == 201
        assert (made.json()["name"], made.json()["role"]) == (name.lower(), "editor")
        secret = made.json()["token"]
        listed = app.get(f"{API}/tokens", headers=owner)
        assert secret not in listed.text
        assert name.lower() in [token["name"] for token in listed.json()["tokens"]]
        check_problem(app.post(f"{API}/tokens", json={"name": name}, headers=owner), 409)
        replaced = app.post(f"{API}/tokens", json={"name": name, "replace": True}, headers=owner).json()
        assert app.get(f"{API}/codes", headers={"Authorization": f"Bearer {secret}"}).status_code == 401
        bearer = {"Authorization": f"Bearer {replaced['token']}"}
        assert app.get(f"{API}/codes", headers=bearer).status_code == 200
        path = f"{API}/tokens/" + "".join(f"%{byte:02X}" for byte in name.encode())
        assert app.delete(path, headers=owner).status_code == 204
        assert app.get(f"{API}/codes", headers=bearer).status_code == 401
        check_problem(app.delete(path, headers=owner), 404)


def test_a_token_cannot_be_more_than_an_owner(app: TestClient, bearers: dict[str, dict[str, str]]) -> None:
    answer = app.post(f"{API}/tokens", json={"name": "root", "role": "admin"}, headers=bearers["owner"])
    check_problem(answer, 422)


def test_an_owner_link_is_made_on_the_machine_itself(client: TestClient) -> None:
    assert client.get(f"{API}/owner").json() == {"exists": False}
    made = client.post(f"{API}/owner/link").json()
    assert made["purpose"] == "setup"
    assert made["expires_in_s"] == 3600
    assert made["url"].startswith("http://localhost:8081/setup/")


def test_the_local_owner_file_is_for_this_user_and_this_start_only(config: Config) -> None:
    with running_app(config) as first:
        before = local_owner(config)
        assert first.get(f"{API}/codes", headers=before).status_code == 200
        assert (config.data_dir / "owner.token").stat().st_mode & 0o777 == 0o600
    with running_app(config) as second:
        check_problem(second.get(f"{API}/codes", headers=before), 401)
        assert second.get(f"{API}/codes", headers=local_owner(config)).status_code == 200


def test_no_answer_holds_a_setting_that_is_secret(
    app: TestClient, bearers: dict[str, dict[str, str]], installation: Config
) -> None:
    secrets = [headers["Authorization"].removeprefix("Bearer ") for headers in bearers.values() if headers]
    secrets += [str(installation.data_dir), "owner.token", "token_hash", "password_hash"]
    for method, path, _least, allowed, _body in ROUTES:
        if method == "GET" and allowed == 200:
            address = API + path.format(
                code="matrix", kind="svg", name="devices", schedule_id=9, bulk_id=9, number=99_999, **ORGANISED
            )
            answer = app.get(address, headers=bearers["local"])
            assert [secret for secret in secrets if secret in answer.text] == [], address


def test_health_is_for_everybody(app: TestClient) -> None:
    assert app.get("/-/health").json() == {"status": "ok"}


def test_the_live_stream_opens_at_once_and_ends_when_the_client_leaves(
    app: TestClient, bearers: dict[str, dict[str, str]]
) -> None:
    seen: list[Any] = []

    async def listen() -> None:
        left = anyio.Event()
        asked = iter([{"type": "http.request"}])

        async def receive() -> Any:
            for message in asked:
                return message
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            seen.append(message)
            if message.get("body"):
                left.set()

        headers = {"host": "localhost", **{name.lower(): value for name, value in bearers["viewer"].items()}}
        scope = {"type": "http", "method": "GET", "path": f"{API}/live", "query_string": b"", "http_version": "1.1"}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        with anyio.fail_after(10):
            await app.app({**scope, "headers": raw, "state": dict(app.app_state)}, receive, send)

    assert app.portal is not None
    app.portal.call(listen)
    headers = dict(seen[0]["headers"])
    assert (seen[0]["status"], headers[b"content-type"]) == (200, b"text/event-stream; charset=utf-8")
    assert headers[b"cache-control"] == b"no-store"
    assert b"content-encoding" not in headers  # a compressor would hold scans back
    assert b": connected" in seen[1]["body"]
