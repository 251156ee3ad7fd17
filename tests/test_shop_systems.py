"""What other systems send: dates without times, times without zones, numbers, lists sent twice, history told afterwards."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.conftest import config_in, local_owner, running_app

API = "/api/v1"
BERLIN = {
    "zone": "Europe/Berlin",
    "opening_hours": {"thu": [["09:00", "12:00"], ["13:00", "18:00"]], "fri": [["09:00", "24:00"]]},
    "holidays": [{"from": "2030-12-26"}],
}


@pytest.fixture(scope="module")
def ops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    installation = config_in(tmp_path_factory.mktemp("systems") / "data")
    with running_app(installation) as client:
        client.headers.update(local_owner(installation))
        number = client.get(f"{API}/shops").json()["shops"][0]["id"]
        assert client.patch(f"{API}/shops/{number}", json=BERLIN).status_code == 200
        yield client


def put(client: TestClient, reference: str, **fields: Any) -> dict[str, Any]:
    answer = client.put(f"{API}/jobs/{reference}", json=fields)
    assert answer.status_code in (200, 201), answer.text
    made: dict[str, Any] = answer.json()
    return made


def batch(client: TestClient, *entries: Any) -> list[dict[str, Any]]:
    answer = client.post(f"{API}/jobs/batch", json={"entries": entries})
    assert answer.status_code == 200, answer.text
    verdicts: list[dict[str, Any]] = answer.json()["verdicts"]
    return verdicts


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        pytest.param("2030-12-19", "2030-12-19T17:00:00Z", id="its last closing"),
        pytest.param("2030-12-20", "2030-12-20T22:59:00Z", id="open until midnight: still that day"),
        pytest.param("2030-12-22", "2030-12-22T22:59:00Z", id="a Sunday: that day's end"),
        pytest.param("2030-12-26", "2030-12-26T22:59:00Z", id="a holiday: that day's end"),
    ],
)
def test_a_date_alone_is_promised_until_the_shop_closes(ops: TestClient, date: str, expected: str) -> None:
    assert put(ops, "D-1", due_at=date)["due_at"] == expected
    assert put(ops, "D-1", due_at=date)["due_at"] == expected
    assert put(ops, "D-1", item="Bicycle")["due_at"] == expected


def test_times_without_a_zone_are_the_shops(ops: TestClient) -> None:
    told = put(ops, "Z-1", at="2026-03-02T09:00:00", due_at="2031-07-01 18:00")
    assert (told["stage_at"], told["due_at"]) == ("2026-03-02T08:00:00Z", "2031-07-01T16:00:00Z")
    moved = ops.post(f"{API}/jobs/Z-1/advance", json={"at": "2026-07-02T09:00"}).json()
    assert moved["stage_at"] == "2026-07-02T07:00:00Z"
    [late] = batch(ops, {"op": "advance", "id": "z", "reference": "Z-1", "at": "2026-07-02T10:00"})
    assert late["result"] == "moved"
    assert ops.get(f"{API}/jobs/Z-1").json()["stage_at"] == "2026-07-02T08:00:00Z"


def test_numbers_are_taken_as_they_are_written(ops: TestClient) -> None:
    told = put(ops, "N-1", price=12.5, serial=4711, item=28)
    assert (told["price"], told["serial"], told["item"]) == ("12.5", "4711", "28")
    [made] = batch(ops, {"op": "put", "reference": 1042, "id": 7, "price": 3})
    assert (made["reference"], made["id"], made["result"]) == ("1042", "7", "created")


def test_what_is_no_entry_at_all_is_refused_alone(ops: TestClient) -> None:
    told = batch(ops, 17, {"op": "put", "reference": "E-1"}, None, "put", ["put"])
    assert [one["result"] for one in told] == ["refused", "created", "refused", "refused", "refused"]
    assert all(one["problem"] for one in told if one["result"] == "refused")


def test_a_list_of_moves_put_again_moves_nothing_to_and_fro(ops: TestClient) -> None:
    entries = [
        {"op": "put", "reference": "M-1", "stage": stage, "at": f"2026-03-02T{hour}:00:00Z"}
        for stage, hour in (
            ("intake", "09"),
            ("diagnosis", "10"),
            ("repair", "11"),
            ("diagnosis", "12"),
            ("ready", "13"),
        )
    ]
    first, again = batch(ops, *entries), batch(ops, *entries)
    assert [one["result"] for one in first] == ["created", *["changed"] * 4]
    assert [one["result"] for one in again] == ["unchanged"] * 5
    moves = ops.get(f"{API}/jobs/M-1/history").json()["moves"]
    assert [move["to_stage"] for move in moves] == ["intake", "diagnosis", "repair", "diagnosis", "ready"]
    # A stage without its time says how it is now.
    assert put(ops, "M-1", stage="diagnosis")["stage"] == "diagnosis"


def test_the_service_report_counts_what_happened_then_though_it_was_told_later(ops: TestClient) -> None:
    for number, days in enumerate((1, 2, 4)):
        reference = f"S-{number}"
        batch(
            ops,
            {
                "op": "put",
                "reference": reference,
                "kind": "order",
                "at": "2025-03-03T10:00:00Z",
                "due_at": "2025-03-06",
            },
            {"op": "deliver", "reference": reference, "at": f"2025-03-{3 + days:02}T10:00:00Z"},
        )
    asked = "kind=order&from=2025-03-01&to=2025-03-31"
    [order] = ops.get(f"{API}/reports/stages?{asked}").json()["kinds"]
    assert (order["finished"], order["promised"], order["kept"], order["kept_share"]) == (3, 3, 2, 0.6667)
    [received] = order["stages"]
    # Monday 10:00 to Tuesday, Wednesday, Friday 10:00; opened on Thursday 9 to 12 and 13 to 18, Friday from 9.
    assert (received["stays"], received["median_hours"], received["median_working_hours"]) == (3, 48.0, 0.0)
    assert received["p90_hours"] == pytest.approx(48 + 0.8 * 48)
    assert received["p90_working_hours"] == pytest.approx(0.8 * (8 + 2))  # until 11:00 in Berlin
    assert ops.get(f"{API}/reports/stages?kind=order&from=2025-04-01&to=2025-04-30").json()["kinds"] == []


def test_what_comes_in_finished_keeps_no_promise(ops: TestClient) -> None:
    made = put(ops, "F-1", kind="ticket", stage="solved", due_at="2030-12-19")
    assert (made["phase"], made["due_at"], made["promised_at"]) == ("ready", "2030-12-19T17:00:00Z", None)
    assert put(ops, "F-1", due_at="2030-12-20")["promised_at"] is None
    [ticket] = ops.get(f"{API}/reports/stages?kind=ticket").json()["kinds"]
    assert (ticket["finished"], ticket["promised"], ticket["kept_share"]) == (1, 0, None)
    assert put(ops, "F-1", stage="work")["promised_at"] == "2030-12-20T22:59:00Z"  # taken up again, it is one


def test_a_system_that_asks_now_and_then_is_told_everything_once(ops: TestClient) -> None:
    begun = ops.get(f"{API}/events?limit=1000").json()["next"]
    put(ops, "O-1", customer_name="Canary")
    ops.post(f"{API}/jobs/O-1/advance")
    put(ops, "O-2", kind="order")
    asked, seen = begun, []
    for _ in range(4):
        page = ops.get(f"{API}/events?after={asked}&limit=2").json()
        seen += [(one["event"], one["job"]["reference"], one["job"]["stage"]) for one in page["events"]]
        asked = page["next"]
        assert "Canary" not in str(page)
    assert seen == [
        ("job.created", "O-1", "intake"),
        ("job.moved", "O-1", "diagnosis"),
        ("job.created", "O-2", "received"),
    ]
