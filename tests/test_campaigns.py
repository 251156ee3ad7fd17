"""Campaigns, placements and print batches: on both databases, over the API, the pages and the real public port."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from codes.assignments import campaign_id_for, placement_id_for
from codes.batches import BatchChange, codes_in_batch, create_batch, list_batches, update_batch
from codes.campaigns import CampaignChange, create_campaign, list_campaigns, update_campaign
from codes.codes import CodeChange, change_code, get_code
from codes.destinations import DestinationPolicy
from codes.errors import Conflict, NotFound
from codes.money import Money, MoneyError, checked_money, read_money
from codes.search import Narrowing, list_codes, narrowing_in
from database.changes import changes_after, last_seq
from database.engine import Database
from database.schema import audit
from tests.conftest import AddCode, both_databases
from tests.running import IPHONE, Running, wait_for

POLICY = DestinationPolicy(frozenset({"w.example"}))


async def found(db: Database, search: str) -> list[str]:
    async with db.reading() as connection:
        codes, total = await list_codes(connection, search=search)
    assert total == len(codes)
    return sorted(code.code for code in codes)


@pytest.mark.anyio
@both_databases
async def test_other_utm_fields_are_a_change_of_every_code_of_the_campaign(db: Database, add_code: AddCode) -> None:
    spring = await create_campaign(db, " Spring 26 ", who="ops", utm={"source": "poster"}, cost=Money(125_000, "EUR"))
    assert (spring.name, dict(spring.utm), str(spring.cost), spring.codes) == (
        "Spring 26",
        {"source": "poster"},
        "1250.00 EUR",
        0,
    )
    of_it = [await add_code(campaign_id=spring.id) for _ in range(3)]
    other = await add_code()
    async with db.reading() as connection:
        before = await last_seq(connection)
    changed = await update_campaign(db, spring.id, CampaignChange(utm={"source": "flyer", "medium": ""}), who="ops")
    assert (dict(changed.utm), changed.codes, changed.cost) == ({"source": "flyer"}, 3, spring.cost)
    async with db.reading() as connection:
        told = {change.ref_id for change in await changes_after(connection, before) or [] if change.kind == "code"}
        subjects = (await connection.execute(select(audit.c.subject).where(audit.c.action == "campaign.update"))).all()
    assert told == {code.id for code in of_it}
    assert other.id not in told
    assert [row.subject for row in subjects] == ["Spring 26"]


@pytest.mark.anyio
@both_databases
async def test_archived_campaigns_leave_the_list_and_take_no_codes(db: Database, add_code: AddCode) -> None:
    old = await create_campaign(db, "Old", who="ops")
    code = await add_code(campaign_id=old.id)
    await update_campaign(db, old.id, CampaignChange(archived=True), who="ops")
    async with db.reading() as connection:
        assert await list_campaigns(connection) == []
        assert [campaign.name for campaign in await list_campaigns(connection, archived=True)] == ["Old"]
        assert (await get_code(connection, code.code)).campaign == "Old"
        with pytest.raises(Conflict, match="archived"):
            await campaign_id_for(connection, "Old")
        with pytest.raises(NotFound):
            await campaign_id_for(connection, "Never")
    with pytest.raises(Conflict, match="already"):
        await create_campaign(db, "Old", who="ops")
    await update_campaign(db, old.id, CampaignChange(archived=False), who="ops")
    async with db.reading() as connection:
        assert await campaign_id_for(connection, "Old") == old.id


@pytest.mark.anyio
@both_databases
async def test_codes_are_listed_by_campaign_and_state(db: Database, add_code: AddCode) -> None:
    spring = await create_campaign(db, "Spring 26", who="ops")
    await add_code(slug="one", campaign_id=spring.id)
    await add_code(slug="two", campaign_id=spring.id, name="poster")
    await add_code(slug="three")
    assert await found(db, 'campaign:"Spring 26"') == ["one", "two"]
    assert await found(db, 'campaign:"spring 26" poster') == ["two"]
    assert await found(db, "domain:w.example") == ["one", "three", "two"]
    assert await found(db, "domain:other.example") == []
    await change_code(db, "two", CodeChange(archived=True), who="ops", policy=POLICY)
    assert await found(db, "") == ["one", "three"]
    assert await found(db, "is:archived") == ["two"]
    await change_code(db, "one", CodeChange(printed=True), who="ops", policy=POLICY)
    assert await found(db, "is:printed") == ["one"]
    assert narrowing_in('a campaign:"X Y" b is:blue') == (Narrowing(campaign="X Y"), "a b")


@pytest.mark.anyio
@both_databases
async def test_a_code_in_a_print_batch_is_locked_as_printed(db: Database, add_code: AddCode) -> None:
    for slug in ("one", "two", "three"):
        await add_code(slug=slug)
    given = BatchChange("May", date(2026, 5, 1), 500, Money(48_000, "EUR"), codes=("one", "TWO", "one"))
    batch = await create_batch(db, given, who="ops")
    assert (batch.codes, batch.quantity, batch.printed_on) == (2, 500, date(2026, 5, 1))
    assert await found(db, "is:printed") == ["one", "two"]
    batch = await update_batch(db, batch.id, BatchChange(codes=("two", "three"), no_cost=True), who="ops")
    assert (batch.codes, batch.cost) == (3, None)
    async with db.reading() as connection:
        assert [code.code for code in await codes_in_batch(connection, batch.id)] == ["one", "two", "three"]
        assert len(await list_batches(connection)) == 1
    with pytest.raises(NotFound):
        await update_batch(db, batch.id, BatchChange(name="June", codes=("nothing",)), who="ops")
    async with db.reading() as connection:
        assert (await list_batches(connection))[0].name == "May"  # all or nothing
    with pytest.raises(Conflict, match="printed"):
        await change_code(db, "one", CodeChange(archived=True), who="ops", policy=POLICY)
    forced = await change_code(db, "one", CodeChange(archived=True, force=True), who="ops", policy=POLICY)
    assert forced.archived_at is not None
    async with db.reading() as connection:
        assert await placement_id_for(connection, None) is None
        assert await placement_id_for(connection, "") == 0


@pytest.mark.parametrize(
    ("typed", "minor", "shown"),
    [
        ("12.50 EUR", 1250, "12.50 EUR"),
        ("12,5 eur", 1250, "12.50 EUR"),
        ("1000 JPY", 1000, "1000 JPY"),
        ("1.234 KWD", 1234, "1.234 KWD"),
        ("7usd", 700, "7.00 USD"),
    ],
)
def test_amounts_of_money(typed: str, minor: int, shown: str) -> None:
    money = read_money(typed)
    assert money is not None
    assert (money.minor, str(money)) == (minor, shown)
    assert read_money(str(money)) == money


@pytest.mark.parametrize("typed", ["12.505 EUR", "1.5 JPY", "12", "EUR", "-1 EUR", "1 XYZ1", "1 QQQ", "1e3 EUR"])
def test_what_is_no_amount_of_money(typed: str) -> None:
    with pytest.raises(MoneyError):
        read_money(typed)
    assert read_money("  ") is None
    for minor, currency in ((1, None), (None, "EUR"), (-1, "EUR")):
        with pytest.raises(MoneyError):
            checked_money(minor, currency)


def test_campaigns_placements_and_batches_over_the_api(client: TestClient) -> None:
    api = "/api/v1"
    body: dict[str, Any] = {"name": "Spring", "utm": {"source": "poster"}, "cost_minor": 100, "currency": "EUR"}
    made = client.post(f"{api}/campaigns", json=body).json()
    place = {"venue": "Café", "spot": "Door", "zone": "Europe/Paris", "opening_hours": {"mon": [["09:00", "18:00"]]}}
    label = client.post(f"{api}/placements", json=place).json()["label"]
    assert label == "Café / Door"
    code = {"destination": "https://example.com/", "slug": "door", "campaign": "Spring", "placement": label}
    assert client.post(f"{api}/codes", json=code).json()["campaign"] == "Spring"
    listed = client.get(f"{api}/codes", params={"search": 'placement:"café"'}).json()
    assert [entry["placement"] for entry in listed["codes"]] == [label]
    path = f"{api}/campaigns/{made['id']}"
    assert client.patch(path, json={"cost_minor": None, "archived": True}).json()["cost_minor"] is None
    assert client.get(f"{api}/campaigns").json() == {"campaigns": []}
    assert client.post(f"{api}/codes", json={**code, "slug": "another"}).status_code == 409
    assert client.patch(f"{api}/codes/door", json={"campaign": ""}).json()["campaign"] is None
    batch = {"name": "May", "printed_on": "2026-05-01", "quantity": 10, "codes": ["door"]}
    number = client.post(f"{api}/batches", json=batch).json()["id"]
    assert client.get(f"{api}/batches/{number}").json()["members"][0]["code"] == "door"
    assert client.patch(f"{api}/codes/door", json={"archived": True}).status_code == 409
    assert client.patch(f"{api}/codes/door", json={"archived": True, "force": True}).json()["archived_at"]
    taken = client.post(f"{api}/codes", json={"destination": "https://example.com/", "slug": "door"})
    assert taken.status_code == 409
    for wrong in ({"name": ""}, {"name": "x", "cost_minor": 1}, {"name": "x", "utm": {"colour": "red"}}):
        assert client.post(f"{api}/campaigns", json=wrong).status_code == 422, wrong
    assert client.get(f"{api}/campaigns/77").status_code == 404


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_utm_fields_and_archiving_reach_the_public_port_within_a_second(tmp_path: Path) -> None:
    def location(running: Running, path: str) -> str | None:
        return running.scan(path, User_Agent=IPHONE).headers.get("Location")

    with Running(tmp_path) as running:
        running.cli("campaign", "add", "Spring 26", "--utm-source", "poster", "--cost", "12.50 EUR")
        running.cli("placement", "add", "Bar", "Door", "--zone", "Europe/Paris", "--hours", "mon-fri 09:00-18:00")
        running.cli(
            *("code", "add", "https://example.com/a", "--slug", "spring"),
            *("--campaign", "Spring 26", "--placement", "Bar / Door"),
        )
        wait_for(lambda: location(running, "/spring") == "https://example.com/a?utm_source=poster", "the first", 5)
        running.cli("campaign", "update", "Spring 26", "--utm-source", "flyer", "--utm-medium", "print")
        other = "https://example.com/a?utm_source=flyer&utm_medium=print"
        wait_for(lambda: location(running, "/spring") == other, "the other UTM fields", 1.5)
        assert running.cli_json("code", "list", "--campaign", "spring 26")["total"] == 1
        running.cli("batch", "add", "May", "--quantity", "10", "--code", "spring", "--cost", "5 EUR")
        running.cli("code", "archive", "spring", code=4)
        running.cli("code", "archive", "spring", "--force")
        wait_for(lambda: running.scan("/spring", User_Agent=IPHONE).status == 404, "the archived code", 1.5)
        assert running.cli_json("code", "list")["total"] == 0
        running.cli("code", "add", "https://example.com/b", "--slug", "spring", code=4)
        running.cli("code", "unarchive", "spring")
        wait_for(lambda: location(running, "/spring") == other, "the code brought back", 1.5)
        assert running.cli_json("placement", "show", "Bar / Door")["opening_hours"]["fri"] == [["09:00", "18:00"]]
        assert running.cli_json("batch", "show", "May")["cost_minor"] == 500
        running.cli("campaign", "show", "Nothing", code=3)
