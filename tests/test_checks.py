"""Destination checks and the guardian, against real local sites: advisory, three failures, fallback, the real process."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from codes.checks import Finding, check_url, destinations_of, find_check, list_alerts, state_of, verdict
from codes.codes import CodeChange, change_code, delete_demo_codes
from codes.destinations import DestinationPolicy
from codes.outbound import Allowed, Bounds, Outbound
from codes.register import Code, get_code
from codes.rules import Rule, Variant
from codes.versions import Content, list_versions
from dashboard.guardian import Guardian
from database.engine import Database
from database.schema import audit
from tests.conftest import AddCode, Clock, both_databases
from tests.running import Running, wait_for
from tests.test_outbound import Site, serving

pytestmark = pytest.mark.anyio

POLICY = DestinationPolicy(frozenset({"w.example"}))
HOUR = timedelta(hours=1)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as server:
        yield server


@pytest.fixture
def outbound() -> Outbound:
    return Outbound(Allowed.of(["127.0.0.0/8"]), bounds=Bounds(total_s=5))


@pytest.fixture
def guardian(db: Database, outbound: Outbound, clock: Clock) -> Guardian:
    return Guardian(db, outbound, POLICY.own_hosts, enabled=True, recheck=HOUR, now=clock)


@pytest.fixture
def later(guardian: Guardian, clock: Clock) -> Callable[[], Any]:
    """Time enough for whatever is due next, and all of it done."""

    async def passed() -> None:
        clock.advance(hours=2)
        await guardian.settle()

    return passed


async def known(db: Database, code: Code) -> Any:
    async with db.reading() as connection:
        return await find_check(connection, code.id)


async def alerts(db: Database) -> list[tuple[str, bool]]:
    async with db.reading() as connection:
        return [(alert.code, alert.fell_back) for alert in await list_alerts(connection)]


async def now_at(db: Database, code: Code) -> Code:
    async with db.reading() as connection:
        return await get_code(connection, code.code)


async def point(db: Database, code: Code, destination: str) -> None:
    await change_code(db, code.code, CodeChange(destination=destination), who="anna", policy=POLICY)


STATUSES = [
    ("/page", True, 200, None),
    ("/gone", False, 404, "it answers 404: "),
    ("/to-gone", False, 404, "it answers 404 after 1 redirects: "),
    ("/circle", False, None, "redirects in circles"),
    ("/home", False, None, "leads back to our own short domain"),
    ("/app", True, 302, None),
    ("/metadata", None, None, "not a public address"),
]


@pytest.mark.parametrize(("path", "fine", "status", "says"), STATUSES)
async def test_one_look(
    site: Site, outbound: Outbound, path: str, fine: bool | None, status: int | None, says: str | None
) -> None:
    site.redirects |= {"/to-gone": "/gone", "/circle": "/circle", "/home": "https://w.example/X", "/app": "tel:+1"}
    site.redirects["/metadata"] = "http://169.254.169.254/latest/"
    found = await check_url(site.url(path), outbound, POLICY.own_hosts)
    assert found.status == status
    assert found.failed is (fine is False)
    assert found.conclusive is (fine is not None)
    assert says is None if found.problem is None else says is not None and says in found.problem


async def test_a_closed_port_and_an_unknown_name_are_failures(outbound: Outbound) -> None:
    with serving() as closed:
        url = closed.url()
    assert (await check_url(url, outbound, frozenset())).failed
    assert (await check_url("http://no-such-name.invalid/", outbound, frozenset())).failed


def test_every_way_of_a_code_is_looked_at() -> None:
    ways = (Variant("A", 1, "https://a.example/"), Variant("B", 0, "https://b.example/"))
    content = Content("tel:+4912345", (Rule("x", (), ways), Rule("y", (), (Variant(None, 1, "https://c.example/"),))))
    assert destinations_of(content) == ("https://a.example/", "https://c.example/")
    bad, private = Finding(404, "it answers 404"), Finding(None, "private", conclusive=False)
    assert verdict({}).problem is None
    assert verdict({"a": Finding(200), "b": private, "c": bad}) == Finding(404, "c: it answers 404")
    assert verdict({"a": Finding(200), "b": private}) == Finding(None, "b: private", conclusive=False)


@both_databases
async def test_a_code_is_looked_at_after_it_was_saved_and_after_each_change(
    db: Database, add_code: AddCode, guardian: Guardian, site: Site
) -> None:
    code = await add_code(site.url("/page"))
    assert site.asked == []  # saving asks nobody
    await guardian.settle()
    found = await known(db, code)
    assert (found.version, found.status, found.problem, found.good_version) == (1, 200, None, 1)
    assert state_of(found, "alert", 1) == "fine"
    await point(db, code, site.url("/gone"))
    assert state_of(await known(db, code), "alert", 2) == "waiting"
    await guardian.settle()
    found = await known(db, code)
    assert (found.version, found.status, found.failures, found.good_version) == (2, 404, 1, 1)
    assert state_of(found, "alert", 2) == "failing"
    assert await alerts(db) == []


async def test_three_failures_in_a_row_alert_once_and_an_answer_ends_it(
    db: Database, add_code: AddCode, guardian: Guardian, site: Site, later: Any
) -> None:
    code = await add_code(site.url("/gone"))
    await guardian.settle()
    await later()
    assert await alerts(db) == []
    await later()
    assert await alerts(db) == [(code.code, False)]
    assert state_of(await known(db, code), "alert", 1) == "alert"
    await later()
    assert (await now_at(db, code)).version == 1  # nobody allowed a fallback
    site.redirects["/gone"] = "/page"
    await later()
    assert await alerts(db) == []
    async with db.reading() as connection:
        query = select(audit.c.action, audit.c.who).where(audit.c.action.like("code.alert%")).order_by(audit.c.id)
        said = [tuple(row) for row in await connection.execute(query)]
    assert said == [("code.alert", "guardian"), ("code.alert-over", "guardian")]


async def test_two_failures_and_an_answer_begin_anew(
    db: Database, add_code: AddCode, guardian: Guardian, site: Site, later: Any
) -> None:
    code = await add_code(site.url("/gone"))
    await guardian.settle()
    await later()
    site.redirects["/gone"] = "/page"
    await later()
    del site.redirects["/gone"]
    await later()
    await later()
    assert (await known(db, code)).failures == 2
    assert await alerts(db) == []


async def test_it_falls_back_to_the_last_version_that_answers_when_that_is_allowed(
    db: Database, add_code: AddCode, guardian: Guardian, site: Site, later: Any
) -> None:
    code = await add_code(site.url("/page"))
    await change_code(db, code.code, CodeChange(guard="fallback"), who="anna", policy=POLICY)
    await guardian.settle()
    await point(db, code, site.url("/gone"))
    await guardian.settle()
    await later()
    assert (await now_at(db, code)).version == 2
    await later()
    changed = await now_at(db, code)
    assert (changed.version, changed.destination) == (3, site.url("/page"))
    async with db.reading() as connection:
        newest = (await list_versions(connection, code.id))[0]
    assert (newest.action, newest.created_by, newest.restores) == ("guard", "guardian", 1)
    assert "answers 404" in newest.reason
    assert await alerts(db) == [(code.code, True)]
    await later()
    assert (await now_at(db, code)).version == 3
    await point(db, code, site.url("/page?new"))  # somebody has seen to it
    assert await alerts(db) == []


async def test_it_does_not_fall_back_to_what_does_not_answer_either(
    db: Database, add_code: AddCode, guardian: Guardian, site: Site, later: Any
) -> None:
    """All of it silent is most likely our own connection."""
    code = await add_code(site.url("/page"))
    await change_code(db, code.code, CodeChange(guard="fallback"), who="anna", policy=POLICY)
    await guardian.settle()
    await point(db, code, site.url("/gone"))
    site.redirects["/page"] = "/gone"
    for _ in range(4):
        await later()
    assert (await now_at(db, code)).version == 2
    assert await alerts(db) == [(code.code, False)]
    del site.redirects["/page"]
    await later()
    assert (await now_at(db, code)).destination == site.url("/page")


async def test_a_change_during_the_look_is_not_blamed_for_it(
    db: Database, add_code: AddCode, guardian: Guardian, site: Site
) -> None:
    code = await add_code(site.url("/wait"))
    await guardian.notice_changes()
    await guardian.start_due()
    await point(db, code, site.url("/page"))
    await guardian.notice_changes()
    site.gate.set()  # only now the first destination answers, with 404
    await guardian.settle()
    found = await known(db, code)
    assert (found.version, found.failures, found.status) == (2, 0, 200)


async def test_private_addresses_are_not_asked_and_raise_no_alert(
    db: Database, add_code: AddCode, clock: Clock, site: Site
) -> None:
    strict = Guardian(db, Outbound(), POLICY.own_hosts, enabled=True, recheck=HOUR, now=clock)
    code = await add_code(site.url("/page"))
    for _ in range(4):
        await strict.settle()
        clock.advance(hours=2)
    found = await known(db, code)
    assert (site.connections, found.failures, state_of(found, "alert", 1)) == (0, 0, "unknown")
    assert await alerts(db) == []


async def test_what_is_off_archived_or_made_up_is_left_alone(
    db: Database, add_code: AddCode, guardian: Guardian, site: Site, later: Any
) -> None:
    off, archived = await add_code(site.url("/gone")), await add_code(site.url("/gone"))
    await add_code(site.url("/gone"), demo=True)
    await change_code(db, off.code, CodeChange(guard="off"), who="anna", policy=POLICY)
    await change_code(db, archived.code, CodeChange(archived=True), who="anna", policy=POLICY)
    await later()
    assert site.asked == []
    await change_code(db, off.code, CodeChange(guard="alert"), who="anna", policy=POLICY)
    await later()
    assert [path for _host, path in site.asked] == ["/gone"]


async def test_codes_with_one_destination_are_one_question(
    db: Database, add_code: AddCode, guardian: Guardian, site: Site
) -> None:
    made = [await add_code(site.url("/page")) for _ in range(30)]
    await guardian.settle()
    assert {(await known(db, code)).status for code in made} == {200}
    assert len(site.asked) <= 2  # as many as may ask one site at a time


async def test_many_codes_without_a_look_do_not_all_come_at_once(
    db: Database, add_code: AddCode, outbound: Outbound, clock: Clock, site: Site
) -> None:
    made = [await add_code(site.url(f"/{number}")) for number in range(20)]
    clock.now = made[-1].updated_at + timedelta(hours=10)
    starting = Guardian(db, outbound, POLICY.own_hosts, enabled=True, recheck=HOUR, now=clock)
    await starting.notice_changes()
    due = [(await known(db, code)).next_at for code in made]
    assert len(set(due)) == 20
    assert all(clock.now <= at <= clock.now + HOUR for at in due)


async def test_a_look_because_somebody_asks_counts_like_any_other(
    db: Database, add_code: AddCode, guardian: Guardian, site: Site
) -> None:
    code = await add_code(site.url("/gone"))
    assert [(await guardian.check_now(code)).failures for _ in range(3)] == [1, 2, 3]
    assert await alerts(db) == [(code.code, False)]


async def test_a_removed_demo_code_leaves_nothing_behind(db: Database, add_code: AddCode, guardian: Guardian) -> None:
    await add_code(demo=True)
    await delete_demo_codes(db)
    await guardian.settle()
    assert await alerts(db) == []


@pytest.mark.ci
@pytest.mark.slow
@pytest.mark.together
def test_the_guardian_of_the_real_process(tmp_path: Path) -> None:
    """A change is live at once although its destination hangs; three failures later scans go to the last good one."""
    with serving() as site, Running(tmp_path, '[outbound]\nallow = ["127.0.0.1"]\n') as waymark:
        waymark.cli("code", "add", site.url("/page"), "--slug", "menu")
        waymark.cli("code", "guard", "menu", "fallback")
        waymark.cli("code", "add", "mailto:ops@example.com", "--slug", "mail")
        told = "no web address to look at"
        wait_for(lambda: told in waymark.cli("code", "show", "mail"), "what there is to look at")
        shown = wait_for(lambda: checked(waymark, "fine"), "the first look")
        assert shown["status"] == 200
        waymark.cli("code", "retarget", "menu", site.url("/gone"))
        wait_for(lambda: waymark.scan("/menu").headers["Location"] == site.url("/gone"), "the change being live")
        wait_for(lambda: checked(waymark, "failing"), "the second look")
        for _ in range(2):
            look_again(waymark)
        wait_for(lambda: waymark.scan("/menu").headers["Location"] == site.url("/page"), "the fallback", 20)
        [alert] = waymark.get("/alerts")["alerts"]
        assert (alert["code"], alert["fell_back"]) == ("menu", True)
        assert waymark.cli_json("code", "history", "menu")["versions"][0]["action"] == "guard"
        assert "menu" in waymark.cli("doctor", code=0)


def checked(waymark: Running, state: str) -> Any:
    found = waymark.get("/codes/menu/check")
    return found if found["state"] == state else None


def look_again(waymark: Running) -> None:
    """As if the minutes until the next look had passed."""
    before = waymark.get("/codes/menu/check")["failures"]
    with closing(sqlite3.connect(waymark.data / "waymark.db", timeout=10)) as database:
        database.execute("UPDATE destination_checks SET next_at = '2026-01-01 00:00:00.000000'")
        database.commit()
    wait_for(lambda: waymark.get("/codes/menu/check")["failures"] != before, "the next look", 20)
