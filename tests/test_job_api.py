"""Jobs, shops and kinds over the API: idempotent puts, revisions, private fields, histories, tracking, wiping."""

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from dashboard.guard import HEADERS
from jobs.register import DETAILS
from tests.conftest import config_in, local_owner, running_app
from tests.running import wait_for
from tests.symbols import read_symbols
from waymark.commands.job import PRIVATE
from waymark.config import Config

API = "/api/v1"
CANARY = "Canary"
SECRET = {name: f"{CANARY} {name}" for name in DETAILS}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return config_in(tmp_path_factory.mktemp("jobs") / "data")


@pytest.fixture(scope="module")
def ops(installation: Config) -> Iterator[TestClient]:
    """Asked by an editor."""
    with running_app(installation) as client:
        client.headers.update(token(client, installation, "editor"))
        yield client


@pytest.fixture(scope="module")
def viewer(ops: TestClient, installation: Config) -> dict[str, str]:
    return token(ops, installation, "viewer")


def token(client: TestClient, installation: Config, role: str) -> dict[str, str]:
    asked = {"name": f"the {role}", "role": role}
    made = client.post(f"{API}/tokens", json=asked, headers=local_owner(installation)).json()["token"]
    return {"Authorization": f"Bearer {made}"}


def put(client: TestClient, reference: str, status: int = 201, /, **fields: Any) -> dict[str, Any]:
    answer = client.put(f"{API}/jobs/{reference}", json=fields)
    assert answer.status_code == status, answer.text
    made: dict[str, Any] = answer.json()
    return made


def picture(width: int = 3000, height: int = 200, kind: str = "JPEG", **more: Any) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((width, height), 90).convert("RGB").save(out, kind, **more)
    return out.getvalue()


def test_a_job_needs_nothing_but_its_reference(ops: TestClient) -> None:
    made = put(ops, "R-1")
    assert made["status_url"] == f"https://w.example/j/{made['token']}"
    assert made["short_url"] == f"https://w.example/{made['token']}"
    expected = ("R-1", "repair", "w.example", "intake", "waiting", 1)
    assert tuple(made[name] for name in ("reference", "kind", "shop", "stage", "phase", "revision")) == expected
    again = ops.put(f"{API}/jobs/R-1", json={})
    assert (again.status_code, again.json(), again.headers["etag"]) == (200, made, '"1"')


def test_what_somebody_else_changed_is_not_overwritten(ops: TestClient) -> None:
    put(ops, "R-2", item="Bicycle")
    moved = ops.post(f"{API}/jobs/R-2/advance", headers={"If-Match": '"1"'})
    assert (moved.status_code, moved.headers["etag"]) == (200, '"2"')
    for method, path, body in [
        ("PUT", "", {"item": "Clock"}),
        ("POST", "/advance", None),
        ("POST", "/move", {"stage": "ready"}),
        ("DELETE", "/photo", None),
        ("DELETE", "", None),
    ]:
        answer = ops.request(method, f"{API}/jobs/R-2{path}", json=body, headers={"If-Match": '"1"'})
        assert answer.status_code == 412, (method, path)
        assert "at revision 2, not 1" in answer.json()["detail"]
        assert answer.headers["content-type"] == "application/problem+json"
    assert ops.get(f"{API}/jobs/R-2").json()["item"] == "Bicycle"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"custmer_name": "x"}, "Did you mean 'customer_name'?"),
        ({"token": "x"}, "there is no field 'token'"),
        ({"stage": "redy"}, "Did you mean 'ready'?"),
        ({"kind": "repairs"}, "Did you mean repair?"),
        ({"due_at": "tomorrow"}, "due_at"),
        ({"due_at": "0001-01-01T00:00:00+14:00"}, "years 2000 to 2200"),
        ({"due_at": "24.12.2026 18:00"}, "write it as 2026-12-24T18:00"),
        ({"at": "2026-11-20"}, "has no time"),
        ({"at": "2199-01-01T10:00:00Z"}, "in the future"),
        ({"language": "xx"}, "en, es, fr, ar"),
        ({"item": "x" * 201}, "up to 200"),
        ({"passcode": "x" * 1001}, "passcode"),
    ],
)
def test_what_cannot_be_is_said(ops: TestClient, body: dict[str, str], said: str) -> None:
    answer = ops.put(f"{API}/jobs/R-3", json=body)
    assert answer.status_code in (404, 422)
    assert said in answer.json()["detail"]
    assert ops.get(f"{API}/jobs/R-3").status_code == 404


@pytest.mark.parametrize("reference", ["batch", "export.ndjson", "%20R", "a" * 81])
def test_a_reference_that_cannot_be_one_is_refused(ops: TestClient, reference: str) -> None:
    assert ops.put(f"{API}/jobs/{reference}", json={}).status_code == 422


def test_private_fields_and_links_are_for_staff(ops: TestClient, viewer: dict[str, str]) -> None:
    assert set(DETAILS) == set(PRIVATE)
    made = put(ops, "R-4", item="Bicycle", **SECRET)
    assert {name: made[name] for name in DETAILS} == SECRET
    ops.post(f"{API}/jobs/R-4/advance", json={"reason": f"{CANARY} said so"})
    seen = [
        ops.get(f"{API}/jobs{path}", headers=viewer)
        for path in ("/R-4", "", "?search=bicy", "/R-4/history", "?search=canary")
    ]
    for answer in seen:
        assert answer.status_code == 200
        assert CANARY not in answer.text
        assert made["token"] not in answer.text
    assert seen[2].json()["jobs"][0]["reference"] == "R-4"
    assert seen[4].json()["jobs"] == []  # nor does the search look into them
    assert [job["reference"] for job in ops.get(f"{API}/jobs?search=canary").json()["jobs"]] == ["R-4"]


def test_a_left_out_field_stays_and_a_null_date_goes(ops: TestClient) -> None:
    due = "2031-01-07T10:00:00"
    made = put(ops, "R-5", item="Clock", due_at=due, customer_name="Jo")
    assert (made["due_at"], made["eta_at"]) == (f"{due}Z", f"{due}Z")
    assert put(ops, "R-5", 200, item="Watch")["due_at"] == f"{due}Z"
    gone = put(ops, "R-5", 200, due_at=None)
    assert (gone["due_at"], gone["item"], gone["customer_name"]) == (None, "Watch", "Jo")


def test_jobs_are_listed_page_by_page(ops: TestClient) -> None:
    for number in range(5):
        put(ops, f"P-{number}", kind="parcel")
    ops.post(f"{API}/jobs/P-4/deliver")
    asked: dict[str, str | int] = {"kind": "parcel", "limit": 2}
    first = ops.get(f"{API}/jobs", params=asked).json()
    second = ops.get(f"{API}/jobs", params={**asked, "cursor": first["next"]}).json()
    third = ops.get(f"{API}/jobs", params={**asked, "cursor": second["next"]}).json()
    pages = [[job["reference"] for job in page["jobs"]] for page in (first, second, third)]
    assert (pages, third["next"]) == ([["P-4", "P-3"], ["P-2", "P-1"], ["P-0"]], None)
    assert len(ops.get(f"{API}/jobs", params={"kind": "parcel", "open": True}).json()["jobs"]) == 4
    assert len(ops.get(f"{API}/jobs", params={"stage": ["delivered"]}).json()["jobs"]) == 1


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"kind": "repiar"}, 404, "there is no kind of job 'repiar'. Did you mean repair? There are repair, order,"),
        (
            {"kind": "repair", "stage": ["ready", "reday"]},
            422,
            "repair jobs have no stage 'reday'. Did you mean 'ready'?",
        ),
        ({"stage": ["packng"]}, 422, "jobs have no stage 'packng'. Did you mean 'packing'? There are intake,"),
        ({"kind": "repair", "stage": ["packing"]}, 422, "repair jobs have no stage 'packing'."),
    ],
)
def test_kinds_and_stages_that_there_are_none_of_are_not_looked_for(
    ops: TestClient, asked: dict[str, Any], status: int, said: str
) -> None:
    for answer in (ops.get(f"{API}/jobs", params=asked), ops.post(f"{API}/sticker-sheets", json=asked)):
        assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text
    if "stage" not in asked:
        assert ops.get(f"{API}/reports/stages", params=asked).json()["detail"].startswith(said)


def test_jobs_whose_kind_is_gone_are_found_by_it(ops: TestClient, installation: Config) -> None:
    stages = ops.get(f"{API}/kinds/ticket").json()["stages"]
    ops.put(f"{API}/kinds/passing", json={"name": "Passing", "stages": stages}).raise_for_status()
    put(ops, "GONE-1", kind="passing")
    with closing(sqlite3.connect(installation.data_dir / "waymark.db", timeout=30)) as database, database:
        database.execute("DELETE FROM job_kinds WHERE kind = 'passing'")
    found = ops.get(f"{API}/jobs", params={"kind": "passing", "stage": stages[0]["key"]}).json()["jobs"]
    assert [job["reference"] for job in found] == ["GONE-1"]
    ops.delete(f"{API}/jobs/GONE-1").raise_for_status()


def test_a_photo_loses_all_but_its_pixels(ops: TestClient) -> None:
    put(ops, "R-6")
    exif = Image.Exif()
    exif[0x010E] = CANARY
    exif[0x0112] = 6  # taken with the camera turned
    sent = picture(2400, 1200, exif=exif)
    assert CANARY.encode() in sent
    assert ops.put(f"{API}/jobs/R-6/photo", content=sent).json()["has_photo"] is True
    kept = ops.get(f"{API}/jobs/R-6/photo")
    assert kept.headers["content-type"] == "image/jpeg"
    shown = Image.open(io.BytesIO(kept.content))
    assert (max(shown.size) <= 1200, shown.width < shown.height, dict(shown.getexif())) == (True, True, {})
    assert len(kept.content) <= 200_000
    assert CANARY.encode() not in kept.content
    assert ops.put(f"{API}/jobs/R-6/photo", content=b"no picture").status_code == 422
    assert ops.delete(f"{API}/jobs/R-6/photo").json()["has_photo"] is False
    assert ops.get(f"{API}/jobs/R-6/photo").status_code == 404


def test_a_photo_may_be_larger_than_other_bodies_but_not_too_large(ops: TestClient) -> None:
    put(ops, "R-7")
    large = picture(1600, 1000, "PNG")
    assert len(large) > 1_000_000
    assert ops.put(f"{API}/jobs/R-7/photo", content=large).status_code == 200
    assert ops.put(f"{API}/jobs/R-7/photo", content=bytes(15_000_001)).status_code == 413


@pytest.mark.parametrize("kind", ["svg", "png", "pdf", "eps", "zpl"])
def test_the_symbol_of_the_slip_holds_the_short_link(ops: TestClient, kind: str) -> None:
    made = ops.put(f"{API}/jobs/R-8", json={}).json()
    answer = ops.get(f"{API}/jobs/R-8/qr.{kind}")
    assert answer.status_code == 200
    if kind == "png":
        [found] = read_symbols(Image.open(io.BytesIO(answer.content)))
        assert found.text.lower() == made["short_url"].lower()


def test_the_history_tells_times_and_promises(ops: TestClient) -> None:
    put(ops, "R-9", customer_name="محمد علي", item="=1+1", due_at="2031-01-01T00:00:00Z")
    ops.post(f"{API}/jobs/R-9/advance", json={"reason": "-2 screws"})
    ops.post(f"{API}/jobs/R-9/move", json={"stage": "ready"})
    told = ops.get(f"{API}/jobs/R-9/history").json()
    assert [stay["stage"] for stay in told["stays"]] == ["intake", "diagnosis", "ready"]
    assert [move["action"] for move in told["moves"]] == ["create", "advance", "skip"]
    assert (told["kept"], told["promised_at"]) == (True, "2031-01-01T00:00:00Z")
    assert told["finished_at"] == told["stays"][2]["since"]
    text = ops.get(f"{API}/jobs/R-9/history.csv").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["to_stage"] for row in rows] == ["intake", "diagnosis", "ready"]
    assert rows[1]["reason"] == "'-2 screws"  # no formula for a spreadsheet
    printed = ops.get(f"{API}/jobs/R-9/history.pdf")
    assert printed.headers["content-type"] == "application/pdf"
    assert printed.content.startswith(b"%PDF")
    report = ops.get(f"{API}/reports/stages?kind=repair").json()
    [repair] = report["kinds"]
    assert {"intake", "diagnosis"} <= {stage["stage"] for stage in repair["stages"]}
    assert repair["kept"] >= 1


def test_catching_up_gives_each_entry_its_verdict(ops: TestClient) -> None:
    entries = [
        {"op": "put", "reference": "B-1", "item": "Bicycle", "id": "1", "at": "2026-01-02T10:00:00Z"},
        {"op": "advance", "reference": "B-1", "id": "2", "at": "2026-01-02T11:00:00Z"},
        {"op": "advance", "reference": "B-1"},
        {"op": "advance", "reference": "B-404", "id": "4"},
        {"op": "move", "reference": "B-1", "stage": "ready"},
        {"op": "fly", "reference": "B-1"},
        {"op": "put", "reference": "B-1", "itm": "Clock"},
        {"op": "deliver", "reference": "B-1", "item": "Clock"},
        {},
    ]
    told = ops.post(f"{API}/jobs/batch", json={"entries": entries}).json()
    results = [(one["status"], one["result"]) for one in told["verdicts"]]
    done = [(201, "created"), (200, "moved"), (422, "refused"), (404, "refused"), (200, "moved")]
    assert results == [*done, *[(422, "refused")] * 4]
    assert told["verdicts"][0]["status_url"]
    assert "Did you mean 'item'?" in told["verdicts"][6]["problem"]
    assert (told["done"], told["seen"], told["refused"]) == (3, 0, 6)
    again = ops.post(f"{API}/jobs/batch", json={"entries": entries[:2]}).json()
    assert [(one["result"], one["seen"]) for one in again["verdicts"]] == [("created", True), ("moved", True)]
    moves = ops.get(f"{API}/jobs/B-1/history").json()["moves"]
    assert [move["action"] for move in moves] == ["create", "advance", "skip"]
    assert moves[1]["at"] == "2026-01-02T11:00:00Z"
    too_many = ops.post(f"{API}/jobs/batch", json={"entries": [{}] * 1001})
    assert too_many.status_code == 422


def test_a_shop_is_changed_and_its_jobs_wiped(ops: TestClient, installation: Config) -> None:
    owner = local_owner(installation)
    shop = ops.post(f"{API}/shops", json={"name": "Fix It"}).json()
    address = f"{API}/shops/{shop['id']}"
    hours = {"mon": [["09:00", "18:00"]]}
    changed = ops.patch(address, json={"phone": "+49 30 1234", "opening_hours": hours, "zone": "Europe/Berlin"}).json()
    assert (changed["phone"], changed["opening_hours"], changed["zone"]) == ("+49 30 1234", hours, "Europe/Berlin")
    assert ops.patch(address, json={"opening_hours": None}).json()["opening_hours"] is None
    assert "Did you mean 'phone'?" in ops.patch(address, json={"phon": "1"}).json()["detail"]
    assert ops.put(f"{address}/logo", content=picture(300, 300, "PNG")).json()["has_logo"]
    assert ops.get(f"{address}/logo").content.startswith(b"\x89PNG")
    assert not ops.delete(f"{address}/logo").json()["has_logo"]
    for number in range(3):
        assert ops.put(f"{API}/jobs/W-{number}?shop=Fix It", json={"due_at": "2031-07-01T12:00"}).status_code == 201
    assert ops.get(f"{API}/jobs/W-0?shop=Fix It").json()["due_at"] == "2031-07-01T10:00:00Z"  # the shop's noon
    exported = ops.get(f"{API}/jobs/export.ndjson?shop=Fix It", headers=owner).text.splitlines()
    assert [json.loads(line)["reference"] for line in exported] == ["W-2", "W-1", "W-0"]
    counted = ops.post(f"{address}/wipe", json={}, headers=owner).json()
    assert (counted["jobs"], counted["begun"]) == (3, False)
    assert ops.post(f"{address}/wipe", json={"confirm": "fix it"}, headers=owner).status_code == 409
    assert ops.get(address).json()["jobs"] == 3
    assert ops.post(f"{address}/wipe", json={"confirm": "Fix It"}, headers=owner).json()["begun"]
    wait_for(lambda: ops.get(address).json()["work"]["state"] == "done", "the end of the wipe")
    assert ops.get(address).json()["jobs"] == 0
    assert ops.get(f"{API}/jobs?shop=Fix It").json()["jobs"] == []


def test_switched_on_every_job_gets_its_code(ops: TestClient) -> None:
    shop = ops.post(f"{API}/shops", json={"name": "Clocks"}).json()
    address = f"{API}/shops/{shop['id']}"
    ops.post(f"{address}/tracking", json={"tracking": "withdrawn"})
    entries = [{"op": "put", "reference": f"C-{number}", "shop": "Clocks"} for number in range(250)]
    told = ops.post(f"{API}/jobs/batch", json={"entries": entries}).json()
    assert (told["done"], told["verdicts"][0]["token"]) == (250, None)
    assert ops.get(f"{API}/jobs/C-1/qr.svg?shop=Clocks").status_code == 409
    begun = ops.post(f"{address}/tracking", json={"tracking": "on"}).json()
    assert begun["work"]["total"] == 250
    wait_for(lambda: ops.get(address).json()["work"]["state"] == "done", "codes for all jobs")
    done = ops.get(address).json()
    assert (done["without_code"], done["work"]["done"]) == (0, 250)
    assert ops.get(f"{API}/jobs/C-249?shop=Clocks").json()["token"]


def test_a_kind_of_ones_own(ops: TestClient) -> None:
    stages = [
        {"key": "in", "name": "In", "public": {"en": "Received"}, "phase": "waiting", "hours": 1},
        {"key": "out", "name": "Out", "public": {"en": "Done"}, "phase": "done", "hours": None},
    ]
    made = ops.put(f"{API}/kinds/watch", json={"name": "Watch", "stages": stages, "keep_done_days": 30}).json()
    assert (made["stages"], made["keep_done_days"], made["built_in"]) == (stages, 30, False)
    assert put(ops, "K-1", kind="watch")["stage"] == "in"
    assert ops.delete(f"{API}/kinds/watch").status_code == 409
    ops.delete(f"{API}/jobs/K-1")
    assert ops.delete(f"{API}/kinds/watch").status_code == 204
    assert ops.get(f"{API}/kinds/watch").status_code == 404
    repair = ops.get(f"{API}/kinds/repair").json()
    shorter = {"name": "Repair", "stages": repair["stages"], "keep_idle_days": 7}
    assert ops.put(f"{API}/kinds/repair", json=shorter).json()["changed"]
    assert ops.delete(f"{API}/kinds/repair").status_code == 204
    assert ops.get(f"{API}/kinds/repair").json() == repair


def test_refusals_have_the_headers_of_every_other_answer(ops: TestClient) -> None:
    answer = ops.get(f"{API}/jobs/R-404")
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_without_a_shop_the_default_one_is_meant_by_every_request(ops: TestClient) -> None:
    """A deletion that is sent again after a timeout finds nothing, whatever other shops have."""
    ops.post(f"{API}/shops", json={"name": "Next Door"})
    for shop in ("", "?shop=Next Door"):
        assert ops.put(f"{API}/jobs/SAME-1{shop}", json={}).status_code == 201
    assert ops.delete(f"{API}/jobs/SAME-1").status_code == 204
    again = ops.delete(f"{API}/jobs/SAME-1")
    assert (again.status_code, "there is one in 'Next Door': name it" in again.json()["detail"]) == (404, True)
    for method, path in (("GET", ""), ("POST", "/advance"), ("GET", "/history"), ("GET", "/slip.pdf")):
        assert ops.request(method, f"{API}/jobs/SAME-1{path}").status_code == 404
    moved = {"entries": [{"id": "same-1", "op": "advance", "reference": "SAME-1"}]}
    told = ops.post(f"{API}/jobs/batch", json=moved).json()
    assert "Next Door" in str(told), told
    found = ops.get(f"{API}/jobs/SAME-1?shop=Next Door").json()
    assert (found["stage"], found["revision"]) == ("intake", 1)


@pytest.mark.parametrize("field", ["reference", "id"])
def test_half_a_character_in_one_entry_stops_no_other(ops: TestClient, field: str) -> None:
    """As an emoji that was cut in two stands in JSON; it cannot be written into an answer."""
    cut = {"op": "put", "reference": "HALF-2", field: "\ud83d"}
    body = json.dumps({"entries": [{"op": "put", "reference": f"HALF-{field}"}, cut]})
    told = ops.post(f"{API}/jobs/batch", content=body, headers={"Content-Type": "application/json"})
    assert told.status_code == 200, told.text
    assert [one["status"] for one in told.json()["verdicts"]] == [201, 422]


def test_events_are_asked_for_from_where_one_was_also_when_none_is_like_that(ops: TestClient) -> None:
    assert ops.put(f"{API}/jobs/EVENT-1", json={}).status_code == 201
    everything = ops.get(f"{API}/events?limit=1000").json()
    rare = ops.get(f"{API}/events?event=job.late").json()
    assert (rare["events"], rare["next"]) == ([], everything["next"])
    assert ops.get(f"{API}/events?after={rare['next']}").json() == {"events": [], "next": rare["next"]}
    first = ops.get(f"{API}/events?event=job.created&limit=1").json()
    assert first["next"] == first["events"][0]["id"]  # there may be more behind it
    misspelt = ops.get(f"{API}/events?event=job.create")
    assert (misspelt.status_code, "job.created" in misspelt.json()["detail"]) == (422, True)


def test_events_of_a_job_are_found_whatever_its_shop_was_called(ops: TestClient) -> None:
    shop = ops.post(f"{API}/shops", json={"name": "Before"}).json()["id"]
    ops.put(f"{API}/jobs/EVENT-2?shop=Before", json={})
    assert ops.patch(f"{API}/shops/{shop}", json={"name": "After"}).status_code == 200
    ops.post(f"{API}/jobs/EVENT-2/advance?shop=After")
    found = ops.get(f"{API}/events?reference=EVENT-2&shop=After").json()["events"]
    assert [one["event"] for one in found] == ["job.created", "job.moved"]
