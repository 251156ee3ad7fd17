"""If-Match and If-None-Match: as RFC 9110 has them, for jobs, kinds and messages' texts."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from codes.alphabet import CodeError
from dashboard.api.preconditions import expected_in
from jobs.expected import Expected, Stale
from jobs.workflows import BUILT_IN, written_stages
from tests.conftest import config_in, local_owner, running_app

API = "/api/v1"
TEXT = f"{API}/shops/1/templates/ready/sms/en"


@pytest.fixture(scope="module")
def ops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    config = config_in(tmp_path_factory.mktemp("preconditions") / "data")
    with running_app(config) as client:
        client.headers.update(local_owner(config))
        assert client.get(f"{API}/shops").status_code == 200  # there always is one
        yield client


def one_of(*versions: str) -> Expected:
    return Expected(frozenset(versions))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, Expected()),
        ("*", Expected(exists=True)),
        (' "3" ', one_of("3")),
        ("3", one_of("3")),
        ('"1", "2" ,"3"', one_of("1", "2", "3")),
        ('"1",, "2"', one_of("1", "", "2")),
        ('"a,b", "c"', one_of("a,b", "c")),
        ('W/"3"', one_of('W/"3"')),
        ('W/"2", "3"', one_of('W/"2"', "3")),
    ],
)
def test_a_list_of_tags_is_read_whole(header: str | None, expected: Expected) -> None:
    assert expected_in(header) == expected


@pytest.mark.parametrize("header", ["yes please", '"3', '3"', '"1" "2"', '*, "3"', 'w/"3"', "'3'"])
def test_what_is_no_list_of_tags_matches_nothing(header: str) -> None:
    with pytest.raises(Stale, match='such as "3"'):
        expected_in(header)


def test_only_what_is_new_is_asked_with_if_none_match() -> None:
    assert expected_in(None, "*") == Expected(absent=True)
    with pytest.raises(CodeError, match="takes \\*"):
        expected_in(None, '"3"')


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("*", 200),
        ('"2"', 200),
        ('"1", "2"', 200),
        ('"1"', 412),
        ('W/"2"', 412),
        ('W/"2", "2"', 200),
        ("", 412),
    ],
)  # fmt: skip
def test_a_job_is_changed_only_at_a_version_that_was_named(ops: TestClient, header: str, status: int) -> None:
    ops.delete(f"{API}/jobs/R-1")
    assert ops.put(f"{API}/jobs/R-1", json={}).status_code == 201
    assert ops.post(f"{API}/jobs/R-1/advance").headers["etag"] == '"2"'
    named = {"If-Match": header}
    assert ops.put(f"{API}/jobs/R-1", json={"item": "Clock"}, headers=named).status_code == status
    if status == 412:
        refused = ops.post(f"{API}/jobs/R-1/advance", headers=named)
        assert (refused.status_code, "at revision 2" in refused.json()["detail"]) == (412, True)
        assert ops.delete(f"{API}/jobs/R-1", headers=named).status_code == 412


def test_a_weak_tag_is_told_to_be_one(ops: TestClient) -> None:
    ops.put(f"{API}/jobs/R-2", json={})
    told = ops.put(f"{API}/jobs/R-2", json={"item": "x"}, headers={"If-Match": 'W/"1"'}).json()["detail"]
    assert 'W/"1" is none. Send "1"' in told


def test_several_lines_are_one_list(ops: TestClient) -> None:
    ops.put(f"{API}/jobs/R-3", json={})
    lines = [("If-Match", '"7"'), ("If-Match", '"1"')]
    assert ops.put(f"{API}/jobs/R-3", json={"item": "x"}, headers=lines).status_code == 200


def test_a_job_that_there_is_not_matches_nothing(ops: TestClient) -> None:
    for header in ("*", '"1"'):
        refused = ops.put(f"{API}/jobs/R-9", json={}, headers={"If-Match": header})
        assert (refused.status_code, "does not exist" in refused.json()["detail"]) == (412, True)
        assert ops.post(f"{API}/jobs/R-9/advance", headers={"If-Match": header}).status_code == 404
    assert ops.get(f"{API}/jobs/R-9").status_code == 404


def test_a_job_is_made_only_if_there_is_none(ops: TestClient) -> None:
    new = {"If-None-Match": "*"}
    assert ops.put(f"{API}/jobs/R-4", json={"item": "Bicycle"}, headers=new).status_code == 201
    again = ops.put(f"{API}/jobs/R-4", json={"item": "Clock"}, headers=new)
    assert (again.status_code, "exists already" in again.json()["detail"]) == (412, True)
    assert ops.put(f"{API}/jobs/R-4", json={}, headers=new).status_code == 412
    assert ops.get(f"{API}/jobs/R-4").json()["item"] == "Bicycle"
    assert ops.put(f"{API}/jobs/R-4", json={}, headers={"If-None-Match": '"1"'}).status_code == 422


def kind_of(days: int) -> dict[str, Any]:
    return {"name": "Repair", "stages": written_stages(BUILT_IN["repair"].stages), "keep_done_days": days}


def text_of(number: int) -> dict[str, Any]:
    return {"text": f"{{item}} {number}"}


@pytest.mark.parametrize(("address", "body"), [(f"{API}/kinds/repair", kind_of), (TEXT, text_of)])
def test_of_two_who_change_the_same_one_is_told(ops: TestClient, address: str, body: Any) -> None:
    seen = ops.get(address)
    tag = seen.headers["etag"]
    assert tag == f'"{seen.json()["version"]}"'
    first = ops.put(address, json=body(11), headers={"If-Match": tag})
    assert (first.status_code, first.headers["etag"] != tag) == (200, True)
    for refused in (
        ops.put(address, json=body(12), headers={"If-Match": tag}),
        ops.delete(address, headers={"If-Match": tag}),
        ops.put(address, json=body(12), headers={"If-None-Match": "*"}),
    ):
        assert refused.status_code == 412
        assert refused.headers["content-type"] == "application/problem+json"
    assert ops.get(address).headers["etag"] == first.headers["etag"]
    assert ops.put(address, json=body(13), headers={"If-Match": "*"}).status_code == 200
    assert ops.put(address, json=body(14)).status_code == 200
    assert ops.delete(address, headers={"If-Match": ops.get(address).headers["etag"]}).is_success
    assert ops.get(address).headers["etag"] == tag


def test_a_kind_is_made_only_if_there_is_none(ops: TestClient) -> None:
    address, new = f"{API}/kinds/watch", {"If-None-Match": "*"}
    assert ops.put(address, json=kind_of(5), headers={"If-Match": "*"}).status_code == 412
    assert ops.put(address, json=kind_of(5), headers=new).status_code == 200
    assert ops.put(address, json=kind_of(6), headers=new).status_code == 412
    assert ops.get(address).json()["keep_done_days"] == 5
