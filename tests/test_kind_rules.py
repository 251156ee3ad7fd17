"""Rules that the slips of all new jobs of a kind start with, over the real ports; undone job by job."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codes.destinations import DestinationPolicy
from codes.errors import Conflict
from codes.job_codes import change_job_rules
from codes.register import get_code_by_id
from codes.rules import read_rules
from database.engine import Database
from jobs.jobs import JobFields, Occasion, put_job
from jobs.kind_rules import count_slips, find_kind_rules, put_kind_rules, undo_kind_rules
from jobs.register import get_job
from tests.conftest import both_databases
from tests.running import IPHONE, Running, wait_for
from tests.test_job_process import ask

REVIEW: dict[str, Any] = {"name": "Done", "when": [{"job": ["done"]}], "to": "https://example.com/review"}
SURVEY: dict[str, Any] = {"name": "Done", "when": [{"job": ["done"]}], "to": "https://example.com/survey"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("kinds")) as process:
        yield process


def leads_to(running: Running, reference: str) -> str:
    token = running.get(f"/jobs/{reference}")["token"]
    return running.scan(f"/{token}", "HEAD", User_Agent=IPHONE).headers["Location"]


def wait_until_it_leads(running: Running, reference: str, to: str) -> None:
    wait_for(lambda: leads_to(running, reference) == to, f"{reference} to lead to {to}")


def test_new_jobs_of_a_kind_start_with_its_rules(running: Running, tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text(json.dumps([REVIEW]))
    running.cli("job", "add", "B-1", "--stage", "picked-up")
    shown = running.cli("kind", "rules", "repair", "--file", str(file))
    assert ("job is done" in shown, "https://example.com/review" in shown) == (True, True)
    running.cli("job", "add", "A-1")
    running.cli("job", "add", "T-1", "--kind", "ticket")
    assert running.cli_json("job", "rules", "A-1") == running.cli_json("kind", "rules", "repair") == [REVIEW]
    assert running.cli_json("job", "rules", "T-1") == running.cli_json("job", "rules", "B-1") == []
    running.cli("job", "deliver", "A-1")
    wait_until_it_leads(running, "A-1", REVIEW["to"])
    assert leads_to(running, "B-1").startswith("/j/")
    running.cli("kind", "rules", "repair", "--to-all", code=2)


def test_all_jobs_there_are_get_them_in_one_step_and_each_is_undone_by_itself(running: Running) -> None:
    for reference in ("C-1", "C-2"):
        running.cli("job", "add", reference, "--kind", "order", "--stage", "collected")
    put = ask(running, "PUT", "/api/v1/kinds/order/rules", {"rules": [SURVEY], "to_all": True, "reason": "Surveys"})
    assert (put.status_code, put.json()["changed_jobs"]) == (200, 2)
    again = ask(running, "PUT", "/api/v1/kinds/order/rules", {"rules": [SURVEY], "to_all": True})
    assert again.json()["changed_jobs"] == 0
    for reference in ("C-1", "C-2"):
        wait_until_it_leads(running, reference, SURVEY["to"])
    assert running.cli_json("job", "rules", "C-1", "--undo") == []
    wait_until_it_leads(running, "C-1", f"/j/{running.get('/jobs/C-1')['token'].lower()}")
    assert leads_to(running, "C-2") == SURVEY["to"]
    assert "nothing to undo" in ask(running, "POST", "/api/v1/jobs/C-1/rules/undo").json()["detail"]
    assert running.cli_json("kind", "rules", "order", "--clear") == []
    assert running.cli_json("job", "rules", "C-2") == [SURVEY]


def test_a_change_is_taken_back_from_the_kind_and_from_all_jobs_that_got_it(running: Running) -> None:
    for reference in ("U-1", "U-2", "U-3"):
        ask(running, "PUT", f"/api/v1/jobs/{reference}", {"kind": "brief"})
        ask(running, "POST", f"/api/v1/jobs/{reference}/deliver")
    ask(running, "PUT", "/api/v1/kinds/brief/rules", {"rules": [SURVEY]})
    ask(running, "PUT", "/api/v1/jobs/U-1/rules", {"rules": [SURVEY]})
    put = ask(running, "PUT", "/api/v1/kinds/brief/rules", {"rules": [REVIEW], "to_all": True})
    assert put.json()["changed_jobs"] == 3
    ask(running, "PUT", "/api/v1/jobs/U-3/rules", {"rules": []})
    for reference in ("U-1", "U-2"):
        wait_until_it_leads(running, reference, REVIEW["to"])
    said = running.cli("kind", "rules", "brief", "--undo")
    assert SURVEY["to"] in said
    wait_until_it_leads(running, "U-1", SURVEY["to"])
    wait_until_it_leads(running, "U-2", f"/j/{running.get('/jobs/U-2')['token'].lower()}")
    assert running.cli_json("kind", "rules", "brief") == [SURVEY]
    assert [running.cli_json("job", "rules", name) for name in ("U-1", "U-2", "U-3")] == [[SURVEY], [], []]
    assert "nothing to undo" in ask(running, "POST", "/api/v1/kinds/brief/rules/undo").json()["detail"]
    running.cli("kind", "rules", "brief", "--undo", "--clear", code=2)


def test_jobs_that_get_their_code_later_start_with_them_too(running: Running) -> None:
    shop = ask(running, "POST", "/api/v1/shops", {"name": "Late starter"}).json()["id"]
    ask(running, "POST", f"/api/v1/shops/{shop}/tracking", {"tracking": "withdrawn"})
    ask(running, "PUT", "/api/v1/kinds/parcel/rules", {"rules": [REVIEW]})
    assert ask(running, "PUT", "/api/v1/jobs/L-1?shop=Late+starter", {"kind": "parcel"}).json()["token"] is None
    ask(running, "POST", f"/api/v1/shops/{shop}/tracking", {"tracking": "on"})
    wait_for(lambda: running.get("/jobs/L-1", shop="Late starter")["token"], "its code")
    assert running.cli_json("job", "rules", "L-1", "--shop", "Late starter") == [REVIEW]


@pytest.mark.parametrize(
    ("kind", "rules", "status", "says"),
    [
        ("repair", [{"when": [], "to": "javascript:alert(1)"}], 422, "http"),
        ("repair", [{"when": [{"job": ["finished"]}], "to": "https://example.com"}], 422, "in-progress"),
        ("repairs", [REVIEW], 404, "Did you mean repair?"),
    ],
)
def test_rules_that_cannot_be_are_refused_and_change_nothing(
    running: Running, kind: str, rules: list[dict[str, Any]], status: int, says: str
) -> None:
    refused = ask(running, "PUT", f"/api/v1/kinds/{kind}/rules", {"rules": rules, "to_all": True})
    assert (refused.status_code, says in refused.text) == (status, True), refused.text
    assert running.cli_json("kind", "rules", "repair") == [REVIEW]


def test_a_kind_that_is_reset_starts_without_rules_again(running: Running) -> None:
    ask(running, "PUT", "/api/v1/kinds/brief/rules", {"rules": [REVIEW]})
    running.cli("kind", "reset", "brief")
    assert running.cli_json("kind", "rules", "brief") == []


@pytest.mark.anyio
@both_databases
async def test_an_undo_finds_its_own_jobs_and_spares_those_changed_since(db: Database) -> None:
    policy, who = DestinationPolicy(frozenset()), "Ops"
    for reference in ("R-1", "R-2"):
        await put_job(db, reference, JobFields(), Occasion(who))
    _rules, changed = await put_kind_rules(db, "repair", [REVIEW], who=who, policy=policy, to_all=True)
    assert changed == 2
    async with db.reading() as connection:
        kept, job = await find_kind_rules(connection, "repair"), await get_job(connection, "R-2")
        assert (await count_slips(connection, "repair"), kept.before) == ((2, 0), ())
    assert job.code_id is not None
    await change_job_rules(db, job.code_id, "R-2", [SURVEY], who=who, policy=policy)
    with pytest.raises(Conflict, match="somebody has changed"):
        await undo_kind_rules(db, "repair", who=who, expected_version="none")
    assert await undo_kind_rules(db, "repair", who=who, expected_version=kept.version) == ((), 1)
    with pytest.raises(Conflict, match="nothing to undo"):
        await undo_kind_rules(db, "repair", who=who)
    with pytest.raises(Conflict, match="somebody has changed"):
        await put_kind_rules(db, "repair", [], who=who, policy=policy, expected_version=kept.version)
    async with db.reading() as connection:
        left = [
            (await get_code_by_id(connection, (await get_job(connection, name)).code_id or 0)).rules
            for name in ("R-1", "R-2")
        ]
    assert left == [(), read_rules([SURVEY], None)]
