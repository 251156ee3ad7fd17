"""Bulk changes: every way to choose codes, all or nothing, the digest of a dry run, undo, and the real port."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import insert, update

from codes.bulk import Edit, apply_bulk, list_bulks, plan_bulk, undo_bulk
from codes.codes import CodeChange, change_code
from codes.destinations import DestinationPolicy
from codes.errors import Conflict, NotFound
from codes.register import get_code
from codes.selection import BulkError, Selection, rows_from_csv
from codes.versions import list_versions
from database.engine import Database
from database.schema import campaigns, codes, domains
from tests.conftest import AddCode, Clock, both_databases
from tests.running import Running, wait_for

pytestmark = pytest.mark.anyio

POLICY = DestinationPolicy(frozenset({"w.example"}))
NEW = Edit("https://example.com/new")


async def apply(db: Database, chosen: Selection, edit: Edit = NEW, **more: Any) -> Any:
    return await apply_bulk(db, chosen, edit, who="anna", policy=POLICY, **more)


async def planned(db: Database, chosen: Selection, edit: Edit = NEW, domain: str | None = None) -> Any:
    async with db.reading() as connection:
        return await plan_bulk(connection, chosen, edit, POLICY, domain)


async def destinations(db: Database, *texts: str) -> list[str]:
    async with db.reading() as connection:
        return [(await get_code(connection, text)).destination for text in texts]


@both_databases
async def test_codes_of_a_tag_change_together_and_others_do_not(db: Database, add_code: AddCode) -> None:
    for slug, tags in (("one", ("spring",)), ("two", ("spring", "x")), ("other", ("springs",))):
        await add_code(slug=slug, tags=tags)
    plan = await planned(db, Selection(tag=" Spring "))
    assert [row.code for row in plan.rows] == ["one", "two"]
    assert await destinations(db, "one") == ["https://example.com/"]  # a plan changes nothing
    bulk, applied = await apply(db, Selection(tag="spring"), reason="sale", digest=plan.digest)
    assert (bulk.count, applied.rows) == (2, plan.rows)
    assert await destinations(db, "one", "two", "other") == [NEW.destination, NEW.destination, "https://example.com/"]
    async with db.reading() as connection:
        newest, _first = await list_versions(connection, (await get_code(connection, "one")).id)
    assert (newest.action, newest.reason, newest.created_by) == ("bulk", "sale", "anna")


async def test_by_search_list_campaign_and_csv(db: Database, add_code: AddCode) -> None:
    made = [await add_code(slug=f"code-{number}", name="Poster" if number < 2 else "") for number in range(4)]
    async with db.transaction() as connection:
        row = {"name": "Summer", "utm": {}, "created_at": made[0].created_at, "created_by": "anna"}
        campaign = (await connection.execute(insert(campaigns).values(row).returning(campaigns.c.id))).scalar_one()
    await change_code(db, "code-3", CodeChange(campaign_id=campaign), who="anna", policy=POLICY)

    async def chosen(selection: Selection, edit: Edit = NEW) -> list[str]:
        return [row.code for row in (await planned(db, selection, edit)).rows]

    assert await chosen(Selection(search="poster")) == ["code-0", "code-1"]
    assert await chosen(Selection(codes=("CODE-2", "c0de-1"))) == ["code-1", "code-2"]
    assert await chosen(Selection(campaign="summer")) == ["code-3"]
    assert await chosen(Selection(campaign=str(campaign))) == ["code-3"]
    rows = rows_from_csv(
        '\ufeffCode,Destination\r\ncode-1,"https://example.com/a,b"\n\n code-2 , https://example.com/2 \n'
    )
    assert rows == (("code-1", "https://example.com/a,b"), ("code-2", "https://example.com/2"))
    await apply(db, Selection(rows=rows), Edit())
    assert await destinations(db, "code-1", "code-2") == ["https://example.com/a,b", "https://example.com/2"]
    with pytest.raises(NotFound):
        await planned(db, Selection(campaign="winter"))


async def test_find_and_replace_reaches_rules_and_fallback(db: Database, add_code: AddCode) -> None:
    rules = [{"name": "night", "when": [], "to": "https://old.example/night?x=1"}]
    await add_code("https://old.example/day", slug="one", rules=rules, options={"fallback": "https://old.example/over"})
    await add_code("https://else.example/", slug="two")
    _bulk, plan = await apply(db, Selection(search="example"), Edit(find="//old.example", replace="//new.example"))
    assert (len(plan.rows), plan.unchanged) == (1, 1)
    async with db.reading() as connection:
        changed = await get_code(connection, "one")
    assert changed.destination == "https://new.example/day"
    assert changed.rules[0].variants[0].destination == "https://new.example/night?x=1"
    assert changed.options.fallback == "https://new.example/over"


async def test_one_bad_destination_or_code_changes_nothing(db: Database, add_code: AddCode) -> None:
    for slug in ("one", "two", "gone"):
        await add_code(slug=slug)
    await change_code(db, "gone", CodeChange(archived=True), who="anna", policy=POLICY)
    rows = (
        ("one", "https://example.com/fine"),
        ("two", "javascript:alert(1)"),
        ("nobody", "https://example.com/"),
        ("gone", "https://example.com/"),
        ("0NE", "https://example.com/again"),
    )
    plan = await planned(db, Selection(rows=rows), Edit())
    assert [row.code for row in plan.rows] == ["one"]
    assert {text for text, _why in plan.problems} == {"two", "nobody", "gone", "0NE"}
    with pytest.raises(BulkError, match="nothing was changed"):
        await apply(db, Selection(rows=rows), Edit())
    assert await destinations(db, "one", "two") == ["https://example.com/"] * 2


@both_databases
async def test_archived_codes_are_left_out_unless_asked_for_and_counted_either_way(
    db: Database, add_code: AddCode
) -> None:
    for slug in ("one", "gone", "lost"):
        await add_code(slug=slug, tags=("spring",))
    for slug in ("gone", "lost"):
        await change_code(db, slug, CodeChange(archived=True), who="anna", policy=POLICY)

    async def seen(chosen: Selection, domain: str | None = None) -> tuple[list[str], int, int]:
        plan = await planned(db, chosen, domain=domain)
        assert [row.code for row in plan.rows if row.archived] == [row.code for row in plan.rows if row.code != "one"]
        return [row.code for row in plan.rows], plan.archived, plan.left_out

    assert await seen(Selection(tag="spring")) == (["one"], 0, 2)
    assert await seen(Selection(tag="spring"), "go.example") == ([], 0, 0)
    assert await seen(Selection(search="tag:spring")) == (["one"], 0, 2)
    assert await seen(Selection(tag="spring", archived=True)) == (["gone", "lost", "one"], 2, 0)
    assert await seen(Selection(search="tag:spring", archived=True)) == (["gone", "lost", "one"], 2, 0)
    assert await seen(Selection(search="tag:spring is:archived")) == (["gone", "lost"], 2, 0)
    assert await seen(Selection(codes=("gone",), archived=True)) == (["gone"], 1, 0)
    shown = await planned(db, Selection(tag="spring"))
    with pytest.raises(Conflict):  # more codes than were shown
        await apply(db, Selection(tag="spring", archived=True), digest=shown.digest)
    await apply(db, Selection(tag="spring", archived=True))
    assert await destinations(db, "gone", "one") == [NEW.destination] * 2
    async with db.reading() as connection:
        assert (await get_code(connection, "gone")).archived_at is not None


async def test_what_changed_between_dry_run_and_apply_is_noticed(db: Database, add_code: AddCode) -> None:
    await add_code(slug="one", tags=("spring",))
    shown = await planned(db, Selection(tag="spring"))
    await change_code(db, "one", CodeChange(destination="https://example.com/mine"), who="bert", policy=POLICY)
    with pytest.raises(Conflict, match="changed since this was shown"):
        await apply(db, Selection(tag="spring"), digest=shown.digest)
    assert await destinations(db, "one") == ["https://example.com/mine"]
    shown = await planned(db, Selection(tag="spring"))
    await add_code(slug="two", tags=("spring",))  # one more code than was shown
    with pytest.raises(Conflict):
        await apply(db, Selection(tag="spring"), digest=shown.digest)


async def test_undo_brings_back_each_code_and_spares_what_others_changed(db: Database, add_code: AddCode) -> None:
    for number in range(3):
        await add_code(f"https://example.com/{number}", slug=f"code-{number}", tags=("all",))
    bulk, _plan = await apply(db, Selection(tag="all"))
    await change_code(db, "code-1", CodeChange(destination="https://example.com/mine"), who="bert", policy=POLICY)
    undone = await undo_bulk(db, bulk.id, who="bert")
    assert undone.skipped == ("code-1",)
    texts = ("code-0", "code-1", "code-2")
    assert await destinations(db, *texts) == [
        "https://example.com/0",
        "https://example.com/mine",
        "https://example.com/2",
    ]
    with pytest.raises(Conflict, match="undone already"):
        await undo_bulk(db, bulk.id, who="bert")
    await undo_bulk(db, undone.bulk.id, who="bert")  # an undo can be undone
    assert await destinations(db, "code-0") == [NEW.destination]
    async with db.reading() as connection:
        assert [entry.undone_by for entry in await list_bulks(connection)][-1] == undone.bulk.id
        version = (await list_versions(connection, (await get_code(connection, "code-2")).id))[1]
    assert (version.action, version.restores) == ("undo", 1)
    with pytest.raises(NotFound):
        await undo_bulk(db, 999, who="bert")


async def test_the_same_again_changes_nothing_and_makes_no_bulk(db: Database, add_code: AddCode) -> None:
    await add_code(slug="one", tags=("spring",))
    await apply(db, Selection(tag="spring"))
    bulk, plan = await apply(db, Selection(tag="spring"))
    assert (bulk, plan.rows, plan.unchanged) == (None, (), 1)
    async with db.reading() as connection:
        assert len(await list_bulks(connection)) == 1


async def test_a_name_on_two_domains_is_the_default_ones_unless_said(
    db: Database, add_code: AddCode, clock: Clock
) -> None:
    async with db.transaction() as connection:
        second = {"host": "s.example", "scheme": "https", "is_default": False, "created_at": clock.now}
        await connection.execute(insert(domains).values(second))
    await add_code(slug="menu")
    await add_code(slug="menu", domain="s.example")
    await add_code(slug="only", domain="s.example")
    plan = await planned(db, Selection(codes=("menu", "only")))
    assert [(row.domain, row.code) for row in plan.rows] == [("s.example", "only"), ("w.example", "menu")]
    plan = await planned(db, Selection(codes=("menu",)), domain="S.example")
    assert [row.domain for row in plan.rows] == ["s.example"]


async def test_a_legacy_code_is_found_in_its_own_spelling_only(db: Database, add_code: AddCode) -> None:
    made = await add_code(slug="abcd")
    async with db.transaction() as connection:
        await connection.execute(update(codes).where(codes.c.id == made.id).values(code="AbCd", legacy=True))
    assert [row.code for row in (await planned(db, Selection(codes=("AbCd",)))).rows] == ["AbCd"]
    both = await planned(db, Selection(codes=("AbCd", "abcd")))
    assert ([row.code for row in both.rows], both.problems) == (["AbCd"], (("abcd", "there is no such code."),))
    assert (await planned(db, Selection(codes=("abcd",)))).problems == (("abcd", "there is no such code."),)


@pytest.mark.parametrize(
    ("chosen", "edit", "says"),
    [
        (Selection(), NEW, "choose the codes by one of"),
        (Selection(tag="a", search="b"), NEW, "choose the codes by one of"),
        (Selection(search=""), NEW, "empty"),
        (Selection(codes=()), NEW, "empty"),
        (Selection(tag="a"), Edit(), "give either"),
        (Selection(tag="a"), Edit("https://example.com/", "x"), "give either"),
        (Selection(tag="a"), Edit(find=""), "give either"),
        (Selection(rows=(("a", "b"),)), NEW, "give either"),
        (Selection(codes=("a", "a")), NEW, "named twice"),
        (Selection(codes=tuple(map(str, range(10_001)))), NEW, "more than 10,000"),
    ],
)
async def test_requests_that_make_no_sense(db: Database, chosen: Selection, edit: Edit, says: str) -> None:
    with pytest.raises(BulkError, match=says):
        await planned(db, chosen, edit)


@pytest.mark.parametrize("text", ["", "code,destination\n", "one\n", "one,a,b\n", "one,\n", 'one,"x\n'])
def test_csv_that_cannot_be_read(text: str) -> None:
    with pytest.raises(BulkError):
        rows_from_csv(text)


def test_every_wrong_line_of_a_csv_is_named() -> None:
    with pytest.raises(BulkError, match="line 2 has 1 field; line 4 has an empty field; line 5 has 3 fields"):
        rows_from_csv("a,https://a.example/\nb\nc,https://c.example/\nd,\ne,f,g\n")
    with pytest.raises(BulkError, match=r"line 10 has 1 field and 5 more\."):
        rows_from_csv("x\n" * 15)


@pytest.fixture(scope="module")
def waymark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("bulk")) as running:
        yield running


def leads_to(waymark: Running, code: str) -> str | None:
    return waymark.scan(f"/{code}").headers["Location"]


@pytest.mark.ci
@pytest.mark.slow
@pytest.mark.together
def test_a_bulk_change_on_the_real_port_dry_run_apply_undo(waymark: Running) -> None:
    for number in range(5):
        waymark.cli("code", "add", f"https://example.com/{number}", "--slug", f"bulk-{number}", "--tag", "sale")
    words = ("code", "bulk", "retarget", "--tag", "sale", "--to", "https://example.com/sale")
    assert "5 codes would change" in waymark.cli(*words)
    shown = waymark.cli_json(*words)
    assert (shown["dry_run"], shown["changed"], leads_to(waymark, "bulk-3")) == (True, 5, "https://example.com/3")
    done = waymark.cli_json(*words, "--yes", "--expect", shown["digest"])
    names = [f"bulk-{number}" for number in range(5)]
    wait_for(lambda: {leads_to(waymark, name) for name in names} == {"https://example.com/sale"}, "it being live")
    assert json.loads(waymark.cli("code", "bulk", "list", "--json"))["bulks"][0]["id"] == done["id"]
    waymark.cli("code", "bulk", "undo", str(done["id"]))
    wait_for(lambda: [leads_to(waymark, name) for name in names][3] == "https://example.com/3", "the undo being live")
    waymark.cli(*words, "--yes", "--expect", "0" * 16, code=4)


@pytest.mark.ci
@pytest.mark.slow
@pytest.mark.together
def test_a_thousand_codes_of_a_csv_change_at_once(waymark: Running, tmp_path: Path) -> None:
    token = (waymark.data / "owner.token").read_text()
    url = f"http://127.0.0.1:{waymark.private_port}/api/v1"
    with httpx2.Client(
        base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, verify=False, timeout=60
    ) as api:
        for number in range(1000):
            body = {"destination": "https://example.com/before", "slug": f"many-{number}"}
            assert api.post("/codes", json=body).status_code == 201
    rows = "".join(f"many-{number},https://example.com/after/{number}\n" for number in range(1000))
    (tmp_path / "many.csv").write_text("code,destination\n" + rows)
    started = time.monotonic()
    done = waymark.cli_json("code", "bulk", "retarget", "--csv", str(tmp_path / "many.csv"), "--yes")
    print(f"a thousand codes through the command line: {time.monotonic() - started:.2f} s")
    assert done["changed"] == 1000

    def all_live() -> bool:
        return all(
            leads_to(waymark, f"many-{number}") == f"https://example.com/after/{number}" for number in range(1000)
        )

    wait_for(all_live, "all thousand being live")
