"""Short domains beside the default one: unknown codes, archiving, what may be added; placements and opening hours."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from codes.codes import NewCode, create_code
from codes.destinations import DestinationError, DestinationPolicy
from codes.domains import DomainChange, add_domain, find_domain, list_domains, update_domain
from codes.errors import Conflict, NotFound
from codes.opening_hours import HoursError, read_hours, read_typed_hours, typed_hours
from codes.placements import PlacementError, PlacementFields, create_placement, list_placements, update_placement
from database.engine import Database
from redirector.routes import DomainName
from redirector.snapshot import read_snapshot, write_snapshot
from tests.conftest import AddCode, both_databases
from tests.running import IPHONE, Running, wait_for

POLICY = DestinationPolicy(frozenset({"w.example"}))


@pytest.mark.anyio
@both_databases
async def test_domains_are_added_in_one_spelling_and_keep_their_target(db: Database) -> None:
    made = await add_domain(
        db, "HTTPS://Go.Example:443/", who="ops", policy=POLICY, not_found_url="https://Example.com"
    )
    assert (made.host, made.scheme, made.is_default, made.not_found_url) == (
        *("go.example", "https", False),
        "https://example.com",
    )
    with pytest.raises(Conflict, match="already"):
        await add_domain(db, "go.example", who="ops", policy=POLICY)
    for address in ("ftp://x.example", "https://x.example/path", "https://u@x.example", "", "https://"):
        with pytest.raises(DestinationError):
            await add_domain(db, address, who="ops", policy=POLICY)
    for target in ("https://go.example/lost", "https://w.example/", "javascript:1", "nonsense"):
        with pytest.raises(DestinationError):
            await update_domain(db, "go.example", DomainChange(target), who="ops", policy=POLICY)
    cleared = await update_domain(db, "go.example", DomainChange(""), who="ops", policy=POLICY)
    assert cleared.not_found_url is None
    with pytest.raises(NotFound):
        await update_domain(db, "no.example", DomainChange(""), who="ops", policy=POLICY)
    new = NewCode("https://go.example/spring")
    with pytest.raises(DestinationError):  # it is ours now: such a destination would be a loop
        await create_code(db, new, who="ops", policy=POLICY)


@pytest.mark.anyio
@both_databases
async def test_an_archived_domain_takes_no_codes_and_keeps_those_it_has(db: Database, add_code: AddCode) -> None:
    await add_domain(db, "go.example", who="ops", policy=POLICY)
    code = await add_code(domain="go.example")
    with pytest.raises(Conflict, match="default"):
        await update_domain(db, "w.example", DomainChange(archived=True), who="ops", policy=POLICY)
    archived = await update_domain(db, "go.example", DomainChange(archived=True), who="ops", policy=POLICY)
    assert archived.archived_at is not None
    with pytest.raises(Conflict, match="archived"):
        await add_code(domain="go.example")
    async with db.reading() as connection:
        assert [domain.host for domain in await list_domains(connection, archived=False)] == ["w.example"]
        assert await find_domain(connection, "go.example") == archived
    await update_domain(db, "go.example", DomainChange(archived=False), who="ops", policy=POLICY)
    with pytest.raises(Conflict, match="exists"):
        await add_code(domain="go.example", slug=code.code.lower())


def test_the_snapshot_keeps_where_unknown_codes_go(tmp_path: Path) -> None:
    names = [DomainName(1, "w.example", True), DomainName(2, "go.example", False, "https://example.com/")]
    write_snapshot(tmp_path / "routes", 7, names, [])
    assert read_snapshot(tmp_path / "routes") == (7, names, [])


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("mon-fri 09:00-18:00", "mon-fri 09:00-18:00"),
        ("mon 9:00-10:00", "mon 09:00-10:00"),
        ("mon 9:0-10:00", None),
        ("mon-fri 09:00\u201318:00, sat 10 - 14", "mon-fri 09:00-18:00; sat 10:00-14:00"),
        ("Mon \u2212 Fri 9 am-12, 1pm-6.30pm", "mon-fri 09:00-12:00 13:00-18:30"),
        ("sun 12am-6h30; mon 12pm-24", "mon 12:00-24:00; sun 00:00-06:30"),
        ("mon 13pm-15", None),
        ("mon 9am-12am", "mon 09:00-24:00"),
        ("mon 9-25", None),
        ("mon 9", None),
        ("mon 9-12-13", None),
        ("Mon 09:00-12:00 13:00-18:00; sat 10:00-24:00", "mon 09:00-12:00 13:00-18:00; sat 10:00-24:00"),
        ("mon 09:00-18:00; tue 09:00-18:00; thu 09:00-18:00", "mon-tue 09:00-18:00; thu 09:00-18:00"),
        ("mon", None),
        ("fri-mon 09:00-18:00", None),
        ("mon 18:00-09:00", None),
        ("mon 09:00-12:00 11:00-13:00", None),
        ("mon 09:00-10:00; mon 11:00-12:00", None),
        ("day 09:00-10:00", None),
    ],
)
def test_typed_opening_hours(typed: str, shown: str | None) -> None:
    if shown is None:
        with pytest.raises(HoursError):
            read_typed_hours(typed)
        return
    hours = read_typed_hours(typed)
    assert typed_hours(hours) == shown
    assert read_hours(hours) == hours == read_typed_hours(shown)


@pytest.mark.parametrize("given", [[], {"xyz": []}, {"mon": "9-5"}, {"mon": [["09:00"]]}, {"mon": [["09:00", 18]]}])
def test_opening_hours_that_make_no_sense(given: Any) -> None:
    with pytest.raises(HoursError):
        read_hours(given)


@pytest.mark.anyio
@both_databases
async def test_placements(db: Database, add_code: AddCode) -> None:
    hours = {"sat": [], "mon": [["09:00", "18:00"]]}
    given = PlacementFields(" Bar ", "Door", "Europe/Paris", hours, 48.5, -2.25)
    made = await create_placement(db, given, who="ops")
    assert (made.label, made.opening_hours, made.latitude) == ("Bar / Door", {"mon": [["09:00", "18:00"]]}, 48.5)
    await add_code(placement_id=made.id)
    with pytest.raises(Conflict, match="already"):
        await create_placement(db, given, who="ops")
    wrong: list[dict[str, Any]] = [
        *({"zone": "Mars/Base"}, {"venue": "a / b"}, {"latitude": 91.0, "longitude": 0.0}, {"venue": ""}),
        {"latitude": 1.0, "cleared": frozenset({"longitude"})},
    ]
    for fields in wrong:
        with pytest.raises((PlacementError, ValueError)):
            await update_placement(db, made.id, PlacementFields(**fields), who="ops")
    cleared = PlacementFields(cleared=frozenset({"latitude", "longitude", "opening_hours"}))
    changed = await update_placement(db, made.id, cleared, who="ops")
    assert (changed.latitude, changed.opening_hours, changed.codes) == (None, None, 1)
    await update_placement(db, made.id, PlacementFields(archived=True), who="ops")
    async with db.reading() as connection:
        assert await list_placements(connection) == []
        assert len(await list_placements(connection, archived=True)) == 1


def test_domains_over_the_api(client: TestClient) -> None:
    api = "/api/v1/domains"
    assert client.post(api, json={"address": "go.example"}).json()["host"] == "go.example"
    client.post("/api/v1/codes", json={"destination": "https://example.com/", "slug": "one", "domain": "go.example"})
    client.patch("/api/v1/codes/one", params={"domain": "go.example"}, json={"printed": True})
    assert client.get(f"{api}/go.example").json()["codes"] == 1
    assert client.patch(f"{api}/go.example", json={"archived": True}).status_code == 409
    assert client.patch(f"{api}/go.example", json={"archived": True, "force": True}).json()["archived_at"]
    assert [domain["host"] for domain in client.get(api).json()["domains"]] == ["w.example"]
    assert client.get(f"{api}/no.example").status_code == 404
    assert client.post(api, json={"address": "https://go.example/x"}).status_code == 422


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_two_domains_on_the_public_port(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        running.cli("domain", "add", "go.example", "--not-found", "https://example.com/lost")
        running.cli("code", "add", "https://example.com/a", "--slug", "same")
        running.cli("code", "add", "https://example.com/b", "--slug", "same", "--domain", "go.example")

        def asked(path: str, host: str) -> tuple[int, str | None]:
            answer = running.scan(path, Host=host, User_Agent=IPHONE)
            return answer.status, answer.headers.get("Location")

        own = f"localhost:{running.public_port}"
        wait_for(lambda: asked("/same", "go.example")[1] == "https://example.com/b", "the code", 5)
        assert asked("/same", own) == (302, "https://example.com/a")
        assert asked("/nothing", "go.example") == (302, "https://example.com/lost")
        assert asked("/nothing", own) == (404, None)
        assert asked("/?c=nothing", "go.example") == (404, None)  # who types sees the field again
        running.cli("domain", "update", "go.example", "--not-found", "https://example.com/other")
        wait_for(lambda: asked("/nothing", "go.example")[1] == "https://example.com/other", "the other target", 1.5)
        running.cli("domain", "archive", "go.example")
        wait_for(lambda: asked("/same", "go.example") == (302, "https://example.com/other"), "the archived domain", 1.5)
        assert asked("/same", own) == (302, "https://example.com/a")
        running.cli("domain", "archive", "go.example", "--undo")
        wait_for(lambda: asked("/same", "go.example")[1] == "https://example.com/b", "the domain brought back", 1.5)
        scans = wait_for(lambda: found if len(found := running.all_scans()) >= 3 else None, "the scans", 20)
        assert {scan["code"] for scan in scans} == {"same"}  # what is no code leaves no scan


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_a_target_for_unknown_codes_is_behind_the_miss_limit(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        running.stop()
        text = running.config.read_text().replace("[private]", "miss_burst = 5\nmisses_per_minute = 1\n[private]")
        running.config.write_text(text)
        running.start()
        running.cli("domain", "add", "go.example", "--not-found", "https://example.com/lost")
        host = {"Host": "go.example", "User_Agent": IPHONE}
        wait_for(lambda: running.scan("/nothing", **host).status == 302, "the target", 5)
        answers = [running.scan(f"/nothing-{number}", **host).status for number in range(8)]
        assert set(answers) == {302, 429}
        assert answers[-1] == 429
