"""Codes, versions, domains: on SQLite and PostgreSQL, through the functions every way in uses."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from codes.alphabet import CROCKFORD, CodeError, fold
from codes.codes import (
    Code,
    CodeChange,
    NewCode,
    change_code,
    codes_by_id,
    create_code,
    delete_demo_codes,
    find_code,
    get_code,
    retarget,
    rollback,
    undo,
)
from codes.destinations import DestinationError, DestinationPolicy
from codes.domains import ensure_default_domain, find_domain, get_domain, list_domains
from codes.errors import Conflict, NotFound
from codes.search import SORTS, list_code_ids, list_codes
from codes.versions import list_versions
from database.changes import Change, changes_after, last_seq
from database.engine import Database
from database.schema import audit, code_tags, codes, versions
from tests.conftest import AddCode, both_databases

pytestmark = [pytest.mark.anyio, both_databases]
POLICY = DestinationPolicy(frozenset({"w.example"}))
A, B, C = "https://example.com/a", "https://example.com/b", "https://example.com/c"


async def look_up(db: Database, text: str, domain: str | None = None) -> Code | None:
    async with db.reading() as connection:
        return await find_code(connection, text, domain)


async def go(db: Database, text: str, destination: str, **fields: Any) -> Code:
    return await retarget(db, text, destination, who="ops", policy=POLICY, **fields)


async def edit(db: Database, text: str, **fields: Any) -> Code:
    return await change_code(db, text, CodeChange(**fields), who="ops", policy=POLICY)


async def history(db: Database, code: Code) -> list[tuple[int, str, str, int | None]]:
    async with db.reading() as connection:
        return [(v.number, v.destination, v.action, v.restores) for v in await list_versions(connection, code.id)]


async def count(db: Database, table: Any) -> int:
    async with db.reading() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def import_legacy(db: Database, text: str, destination: str) -> None:
    """A code as an import leaves it: found in its exact spelling only."""
    now = datetime.now(UTC)
    async with db.transaction() as connection:
        domain = await get_domain(connection, None)
        values = {"domain_id": domain.id, "code": text, "folded": fold(text), "legacy": True, "kind": "campaign"}
        more = {"name": "", "version": 1, "printed": True, "demo": False, "created_by": "import"}
        row = await connection.execute(
            insert(codes).values(**values, **more, created_at=now, updated_at=now).returning(codes.c.id)
        )
        version = {"code_id": row.scalar_one(), "number": 1, "destination": destination, "action": "create"}
        await connection.execute(insert(versions).values(**version, reason="", created_at=now, created_by="import"))


async def test_a_code_without_a_slug_gets_ten_random_characters(db: Database, add_code: AddCode) -> None:
    made = [await add_code() for _ in range(5)]
    assert {len(code.code) for code in made} == {10}
    assert set("".join(code.code for code in made)) <= set(CROCKFORD)
    assert len({code.code for code in made}) == 5


async def test_a_created_code_is_what_was_asked_for(db: Database, add_code: AddCode) -> None:
    code = await add_code(
        "HTTPS://Example.COM:443/x", slug="Spring-Sale", name="  Poster\n2026 ", tags=("Bar", "b", "bar")
    )
    found = await look_up(db, "spring-sale")
    assert found == code
    assert (code.code, code.short_url) == ("spring-sale", "https://w.example/spring-sale")
    assert (code.destination, code.version, code.created_by) == ("https://example.com/x", 1, "ops")
    assert (code.name, code.tags, code.printed, code.demo) == ("Poster 2026", ("b", "bar"), False, False)
    assert code.created_at == code.updated_at
    assert code.created_at.tzinfo is UTC
    assert await history(db, code) == [(1, "https://example.com/x", "create", None)]


SAME = ["spring-silo", "SPRING-SILO", "spring-s1l0", "SPRING-SLLO", "Spring-siLo"]


async def test_a_code_is_found_however_it_is_typed(db: Database, add_code: AddCode) -> None:
    code = await add_code(slug="spring-silo")
    assert [await look_up(db, typed) for typed in SAME] == [code] * len(SAME)


async def test_a_slug_that_reads_like_another_code_is_refused(db: Database, add_code: AddCode) -> None:
    await add_code(slug="spring-silo")
    for slug in SAME:
        with pytest.raises(Conflict, match=r"'spring-silo' already exists on w\.example.* Choose another slug"):
            await add_code(slug=slug)
    assert await count(db, codes) == 1


async def test_a_slug_that_cannot_be_used_is_refused(db: Database, add_code: AddCode) -> None:
    for slug in ("ab", "apple-touch-icon", "a b", "favicon.ico", "é-poster", "x" * 65, "a_b_c"):
        with pytest.raises(CodeError):
            await add_code(slug=slug)
    assert await count(db, codes) == 0


async def test_a_bad_destination_creates_nothing(db: Database, add_code: AddCode) -> None:
    for destination in ("javascript:alert(1)", "https://w.example/other", "https://W.EXAMPLE./x", "", "example"):
        with pytest.raises(DestinationError):
            await add_code(destination, slug="spring")
    assert await look_up(db, "spring") is None


async def test_a_code_may_not_point_to_an_older_short_domain_either(db: Database, add_code: AddCode) -> None:
    async with db.transaction() as connection:
        await ensure_default_domain(connection, "https://new.example")
    policy = DestinationPolicy(frozenset({"new.example"}))
    with pytest.raises(DestinationError) as caught:
        await create_code(db, NewCode("https://w.example/spring", slug="spring"), who="ops", policy=policy)
    assert caught.value.reason == "loop"
    await create_code(db, NewCode(A, slug="spring"), who="ops", policy=policy)
    with pytest.raises(DestinationError):
        await retarget(db, "spring", "https://w.example/spring", who="ops", policy=policy)


@pytest.mark.parametrize("tags", [tuple(f"tag {n}" for n in range(21)), ("x" * 61,)], ids=["too many", "too long"])
async def test_tags_beyond_the_limits_are_refused(db: Database, add_code: AddCode, tags: tuple[str, ...]) -> None:
    with pytest.raises(CodeError, match="up to 20 tags of up to 60 characters"):
        await add_code(tags=tags)
    assert await count(db, codes) == 0


async def test_an_unknown_domain_is_refused_with_the_known_ones(db: Database, add_code: AddCode) -> None:
    with pytest.raises(NotFound, match=r"'other\.example'.*known: w\.example"):
        await add_code(domain="other.example")


async def test_what_is_no_code_is_not_found(db: Database, add_code: AddCode) -> None:
    await add_code(slug="spring")
    for text in ("nothing", "", "a\x00b", "\ud800", "%", "x" * 5000):
        assert await look_up(db, text) is None
        assert await look_up(db, "spring", text or "other.example") is None
        async with db.reading() as connection:
            with pytest.raises(NotFound, match="`waymark code list`"):
                await get_code(connection, text)


async def test_an_imported_code_is_found_in_its_exact_spelling_before_our_own(db: Database, add_code: AddCode) -> None:
    own = await add_code(slug="spring")
    await import_legacy(db, "Spring", B)
    legacy = await look_up(db, "Spring")
    assert legacy is not None
    assert (legacy.destination, legacy.legacy) == (B, True)
    assert await look_up(db, "SPRING") == own
    assert await look_up(db, "spring") == own


async def test_an_imported_code_is_not_found_in_another_spelling(db: Database) -> None:
    await import_legacy(db, "aBcDeF", B)
    assert await look_up(db, "abcdef") is None


async def test_a_new_code_may_not_differ_from_an_imported_one_by_case_alone(db: Database, add_code: AddCode) -> None:
    await import_legacy(db, "aBcDeF", B)
    with pytest.raises(Conflict, match="'aBcDeF' already exists"):
        await add_code(slug="abcdef")


async def test_codes_of_an_earlier_domain_are_still_found_after_a_move(db: Database, add_code: AddCode) -> None:
    old = await add_code(slug="spring")
    async with db.transaction() as connection:
        await ensure_default_domain(connection, "https://new.example")
    old = replace(old, on_default=False)
    assert await look_up(db, "spring") == old
    assert old.short_url == "https://w.example/spring"
    new = await add_code(slug="spring")
    assert new.short_url == "https://new.example/spring"
    assert await look_up(db, "SPRING") == new
    assert await look_up(db, "spring", "W.Example") == old


async def test_the_default_domain_comes_first_even_when_an_older_one_has_the_exact_spelling(
    db: Database, add_code: AddCode
) -> None:
    await import_legacy(db, "SPRING", B)
    async with db.transaction() as connection:
        await ensure_default_domain(connection, "https://new.example")
    new = await add_code(slug="spring")
    assert await look_up(db, "SPRING") == new


async def test_a_domain_is_made_default_once_and_followers_are_told(db: Database) -> None:
    async with db.transaction() as connection:
        seq = await last_seq(connection)
        first = await ensure_default_domain(connection, "https://w.example")
        assert await last_seq(connection) == seq
        new = await ensure_default_domain(connection, "http://New.example:8443/")
        again = await ensure_default_domain(connection, "https://w.example")
        assert again.id == first.id
        feed = await changes_after(connection, seq)
        shown = [(domain.host, domain.scheme, domain.is_default) for domain in await list_domains(connection)]
    assert shown == [("w.example", "https", True), ("new.example:8443", "http", False)]
    assert feed is not None
    assert [(change.kind, change.ref_id) for change in feed] == [("domain", new.id), ("domain", first.id)]
    assert first.short_url("X") == "https://w.example/X"


AS_BROWSERS_SEND_IT = {
    "https://W.Example:443": "w.example",
    "http://w.example:80/": "w.example",
    "http://w.example:443": "w.example:443",
    "https://größe.example": "xn--gre-6ka8i.example",
    "http://[::1]:8080": "[::1]:8080",
    "http://localhost:8080": "localhost:8080",
}


async def test_a_domain_is_kept_as_browsers_send_it(db: Database) -> None:
    async with db.transaction() as connection:
        kept = {url: (await ensure_default_domain(connection, url)).host for url in AS_BROWSERS_SEND_IT}
        assert kept == AS_BROWSERS_SEND_IT
        assert await find_domain(connection, "LOCALHOST:8080") is not None


SEARCHED = {
    "spring": ("https://example.com/sale_1", "Spring poster 50% off", ("bar", "north")),
    "summer": ("https://example.com/sale-1", "Été au CAFÉ", ("bar",)),
    "winter": ("https://other.example/50-off", "Back\\slash", ("under_score",)),
}


SEARCHES: list[tuple[str, set[str]]] = [
    ("", {"spring", "summer", "winter"}),
    ("SPRING", {"spring"}),
    ("poster", {"spring"}),
    ("other.example", {"winter"}),
    ("bar", {"spring", "summer"}),
    ("bar poster", {"spring"}),
    ("bar winter", set()),
    ("café", {"summer"}),
    ("ÉTÉ", {"summer"}),
    ("%", {"spring"}),
    ("50%", {"spring"}),
    ("_", {"spring", "winter"}),
    ("sale_1", {"spring"}),
    ("under_score", {"winter"}),
    ("\\", {"winter"}),
    ("'; DROP TABLE codes --", set()),
    ("spring\x00", {"spring"}),
    ("nothing", set()),
]


async def test_search(db: Database, add_code: AddCode) -> None:
    for slug, (destination, name, tags) in SEARCHED.items():
        await add_code(destination, slug=slug, name=name, tags=tags)
    async with db.reading() as connection:
        for search, expected in SEARCHES:
            found, total = await list_codes(connection, search=search)
            assert ({code.code for code in found}, total) == (expected, len(expected)), search
            assert sorted(await list_code_ids(connection, search)) == sorted(code.id for code in found), search


async def test_search_looks_at_the_destination_in_force_only(db: Database, add_code: AddCode) -> None:
    await add_code("https://old.example/", slug="spring")
    await go(db, "spring", "https://new.example/")
    async with db.reading() as connection:
        assert (await list_codes(connection, search="old.example"))[1] == 0
        assert (await list_codes(connection, search="new.example"))[1] == 1


ORDERS = {
    "created": ["bbb", "ccc", "aaa"],
    "updated": ["ccc", "aaa", "bbb"],
    "code": ["aaa", "bbb", "ccc"],
    "name": ["bbb", "ccc", "aaa"],
    "destination": ["aaa", "bbb", "ccc"],
}


async def test_every_order_is_an_order(db: Database, add_code: AddCode) -> None:
    for slug, name in (("bbb", "alpha"), ("ccc", "Beta"), ("aaa", "gamma")):
        await add_code(f"https://example.com/{slug[::-1]}", slug=slug, name=name)
    await edit(db, "bbb", printed=True)
    assert ORDERS.keys() == SORTS.keys()
    async with db.reading() as connection:
        for sort, expected in ORDERS.items():
            for descending in (False, True):
                found, _total = await list_codes(connection, sort=sort, descending=descending)
                assert [code.code for code in found] == (expected[::-1] if descending else expected), sort


async def test_pages_hold_every_code_once(db: Database, add_code: AddCode) -> None:
    same = datetime(2026, 11, 21, tzinfo=UTC)
    for number in range(7):
        await create_code(db, NewCode(A, slug=f"code-{number}"), who="ops", policy=POLICY, at=same)
    seen = []
    async with db.reading() as connection:
        for offset in (0, 3, 6, 9):
            page, total = await list_codes(connection, limit=3, offset=offset)
            assert total == 7
            seen += [code.code for code in page]
    assert sorted(seen) == [f"code-{number}" for number in range(7)]


async def test_codes_by_id_leaves_out_what_does_not_exist(db: Database, add_code: AddCode) -> None:
    made = [await add_code() for _ in range(3)]
    async with db.reading() as connection:
        found = await codes_by_id(connection, [made[0].id, made[2].id, 10_000])
    assert {code.id for code in found} == {made[0].id, made[2].id}


async def test_a_retarget_is_a_new_version(db: Database, add_code: AddCode) -> None:
    code = await add_code(A, slug="spring")
    changed = await go(db, "SPRING", B, reason=" sold\nout ")
    assert (changed.version, changed.destination) == (2, B)
    assert changed.updated_at >= code.updated_at
    assert await history(db, code) == [(2, B, "retarget", None), (1, A, "create", None)]
    async with db.reading() as connection:
        [newest, _first] = await list_versions(connection, code.id)
    assert (newest.reason, newest.created_by) == ("sold out", "ops")


async def test_a_retarget_to_where_it_points_already_changes_nothing(db: Database, add_code: AddCode) -> None:
    code = await add_code(A, slug="spring")
    async with db.reading() as connection:
        seq = await last_seq(connection)
    assert await go(db, "spring", "HTTPS://EXAMPLE.COM/a") == code
    async with db.reading() as connection:
        assert await last_seq(connection) == seq
    assert len(await history(db, code)) == 1


async def test_a_retarget_to_a_bad_destination_changes_nothing(db: Database, add_code: AddCode) -> None:
    code = await add_code(A, slug="spring")
    with pytest.raises(DestinationError):
        await go(db, "spring", "javascript:alert(1)")
    assert await look_up(db, "spring") == code


async def test_a_change_based_on_an_outdated_version_is_refused(db: Database, add_code: AddCode) -> None:
    code = await add_code(A, slug="spring")
    await go(db, "spring", B, expected_version=1)
    for attempt in (
        go(db, "spring", C, expected_version=1),
        edit(db, "spring", name="late", expected_version=1),
        undo(db, "spring", who="ops", expected_version=1),
    ):
        with pytest.raises(Conflict, match="is at version 2, not 1: somebody changed it meanwhile"):
            await attempt
    now = await look_up(db, "spring")
    assert now is not None
    assert (now.version, now.destination, now.name) == (2, B, "")
    assert len(await history(db, code)) == 2


async def test_undo_goes_back_step_by_step_to_the_first_destination(db: Database, add_code: AddCode) -> None:
    code = await add_code(A, slug="spring")
    await go(db, "spring", B)
    await go(db, "spring", C)
    assert (await undo(db, "spring", who="ops")).destination == B
    assert (await undo(db, "spring", who="ops")).destination == A
    with pytest.raises(Conflict, match="already back at its first destination"):
        await undo(db, "spring", who="ops")
    assert await history(db, code) == [
        (5, A, "undo", 1),
        (4, B, "undo", 2),
        (3, C, "retarget", None),
        (2, B, "retarget", None),
        (1, A, "create", None),
    ]


async def test_undo_after_a_retarget_after_an_undo_returns_to_what_was_shown_before(
    db: Database, add_code: AddCode
) -> None:
    await add_code(A, slug="spring")
    await go(db, "spring", B)
    await undo(db, "spring", who="ops")
    await go(db, "spring", C)
    assert (await undo(db, "spring", who="ops")).destination == A
    with pytest.raises(Conflict):
        await undo(db, "spring", who="ops")


async def test_undo_of_a_rollback_brings_back_what_was_there_before_it(db: Database, add_code: AddCode) -> None:
    await add_code(A, slug="spring")
    await go(db, "spring", B)
    await go(db, "spring", C)
    await rollback(db, "spring", 1, who="ops")
    assert [(await undo(db, "spring", who="ops")).destination for _ in range(3)] == [C, B, A]
    with pytest.raises(Conflict):
        await undo(db, "spring", who="ops")


async def test_a_new_code_has_nothing_to_undo(db: Database, add_code: AddCode) -> None:
    code = await add_code(A, slug="spring")
    with pytest.raises(Conflict):
        await undo(db, "spring", who="ops")
    assert await look_up(db, "spring") == code


async def test_versions_stay_as_they_were_written(db: Database, add_code: AddCode) -> None:
    code = await add_code(A, slug="spring")
    async with db.reading() as connection:
        before = await list_versions(connection, code.id)
    await go(db, "spring", B)
    await undo(db, "spring", who="somebody else")
    await edit(db, "spring", name="new name", tags=("t",), printed=True)
    async with db.reading() as connection:
        assert (await list_versions(connection, code.id))[-1:] == before


async def test_an_edit_changes_what_is_named_and_no_version(db: Database, add_code: AddCode) -> None:
    code = await add_code(A, slug="spring", name="Old", tags=("one", "two"))
    renamed = await edit(db, "spring", name=" New ")
    assert (renamed.name, renamed.tags, renamed.version) == ("New", ("one", "two"), 1)
    printed = await edit(db, "spring", printed=True, tags=("Three",))
    assert (printed.name, printed.tags, printed.printed) == ("New", ("three",), True)
    assert (await edit(db, "spring", tags=())).tags == ()
    assert len(await history(db, code)) == 1


async def test_a_change_with_one_bad_part_changes_nothing(db: Database, add_code: AddCode) -> None:
    code = await add_code(A, slug="spring")
    with pytest.raises(CodeError):
        await edit(db, "spring", destination=B, name="new", tags=("x" * 61,))
    assert await look_up(db, "spring") == code
    assert len(await history(db, code)) == 1


async def test_a_change_of_everything_is_one_version_and_one_name(db: Database, add_code: AddCode) -> None:
    await add_code(A, slug="spring")
    changed = await edit(db, "spring", destination=B, name="new", tags=("t",), printed=True, reason="sold out")
    assert (changed.version, changed.destination, changed.name, changed.tags) == (2, B, "new", ("t",))


WRITES = {
    "create": lambda db: create_code(db, NewCode(A, slug="other"), who="ops", policy=POLICY),
    "retarget": lambda db: go(db, "spring", C),
    "undo": lambda db: undo(db, "spring", who="ops"),
    "edit": lambda db: edit(db, "spring", name="new"),
}


@pytest.mark.parametrize("write", list(WRITES))
async def test_every_write_tells_the_followers_and_the_audit_log(db: Database, add_code: AddCode, write: str) -> None:
    await add_code(A, slug="spring")
    await go(db, "spring", B)
    async with db.reading() as connection:
        seq = await last_seq(connection)
    logged = await count(db, audit)
    code = await WRITES[write](db)
    async with db.reading() as connection:
        [change] = await changes_after(connection, seq) or []
        actions = (await connection.execute(select(audit.c.action).order_by(audit.c.id))).scalars().all()
    assert change == Change(change.seq, "code", code.id)
    assert len(actions) == logged + 1
    assert actions[-1] == f"code.{'update' if write == 'edit' else write}"


async def test_a_refused_write_tells_nobody(db: Database, add_code: AddCode) -> None:
    await add_code(A, slug="spring")
    async with db.reading() as connection:
        seq = await last_seq(connection)
    logged = await count(db, audit)
    with pytest.raises(Conflict):
        await add_code(slug="spring")
    with pytest.raises(Conflict):
        await go(db, "spring", B, expected_version=9)
    with pytest.raises(Conflict):
        await undo(db, "spring", who="ops")
    async with db.reading() as connection:
        assert await changes_after(connection, seq) == []
    assert await count(db, audit) == logged


async def test_only_demo_codes_are_deleted(db: Database, add_code: AddCode) -> None:
    kept = await add_code(slug="kept", tags=("t",))
    demo = await add_code(slug="demo-code", tags=("t",), demo=True)
    async with db.reading() as connection:
        seq = await last_seq(connection)
    assert await delete_demo_codes(db) == 1
    assert await delete_demo_codes(db) == 0
    assert await look_up(db, "demo-code") is None
    assert await look_up(db, "kept") == kept
    assert (await count(db, versions), await count(db, code_tags)) == (1, 1)
    async with db.reading() as connection:
        feed = await changes_after(connection, seq)
    assert feed is not None
    assert [change.ref_id for change in feed] == [demo.id]


async def test_an_archived_code_is_not_listed(db: Database, add_code: AddCode) -> None:
    await add_code(slug="spring")
    async with db.transaction() as connection:
        await connection.execute(update(codes).values(archived_at=datetime.now(UTC) - timedelta(days=1)))
    async with db.reading() as connection:
        assert await list_codes(connection) == ([], 0)


async def test_concurrent_retargets_give_versions_without_gap_or_loss(db: Database, add_code: AddCode) -> None:
    """Two people at once: each gets a version of their own or is told that somebody was quicker."""
    code = await add_code(A, slug="spring")
    answers = await asyncio.gather(
        *(go(db, "spring", f"https://example.com/{number}") for number in range(8)), return_exceptions=True
    )
    won = [answer for answer in answers if isinstance(answer, Code)]
    lost = [answer for answer in answers if isinstance(answer, Conflict)]
    assert len(won) + len(lost) == 8, answers
    assert won
    found = await history(db, code)
    assert [number for number, *_ in reversed(found)] == list(range(1, len(won) + 2))
    now = await look_up(db, "spring")
    assert now is not None
    assert (now.version, now.destination) == found[0][:2]
    assert {destination for _, destination, *_ in found} == {A, *(answer.destination for answer in won)}


async def test_concurrent_retargets_of_one_version_have_one_winner(db: Database, add_code: AddCode) -> None:
    code = await add_code(A, slug="spring")
    answers = await asyncio.gather(
        *(go(db, "spring", f"https://example.com/{number}", expected_version=1) for number in range(4)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers].count(Code) == 1, answers
    assert [type(answer) for answer in answers].count(Conflict) == 3, answers
    assert len(await history(db, code)) == 2


async def test_concurrent_creations_of_one_slug_have_one_winner(db: Database, add_code: AddCode) -> None:
    answers = await asyncio.gather(
        *(add_code(slug=slug) for slug in ("spring-1", "SPRING-L", "spring-i", "Spring-1")), return_exceptions=True
    )
    assert [type(answer) for answer in answers].count(Code) == 1, answers
    assert [type(answer) for answer in answers].count(Conflict) == 3, answers
    assert await count(db, codes) == 1
