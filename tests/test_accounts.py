"""Owners, sessions, tokens and one-time links on a real database; guessing is slowed down."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from codes.errors import Conflict, NotFound
from dashboard.accounts import AccountError, Accounts, User
from database.engine import Database
from database.schema import api_tokens, audit, owner_links, sessions, users
from tests.conftest import both_databases

pytestmark = pytest.mark.anyio
PASSWORD = "correct horse battery"


@pytest.fixture
def accounts(db: Database) -> Accounts:
    quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    return Accounts(db, quick)


async def set_up(accounts: Accounts, email: str = "Owner@Example.org ", password: str = PASSWORD) -> User:
    token, _purpose = await accounts.create_owner_link()
    return await accounts.use_setup_link(token, email=email, name="Olga", password=password)


async def rows(db: Database, table: Any) -> list[Any]:
    async with db.reading() as connection:
        return list((await connection.execute(select(table))).all())


async def age(db: Database, table: Any, by: timedelta) -> None:
    """As if the rows had been written earlier."""
    [row] = await rows(db, table)
    changed = {column: getattr(row, column) - by for column in ("created_at", "expires_at")}
    async with db.transaction() as connection:
        await connection.execute(update(table).values(changed))


@both_databases
async def test_the_first_owner_comes_through_a_setup_link(db: Database, accounts: Accounts) -> None:
    assert not await accounts.owner_exists()
    token, purpose = await accounts.create_owner_link()
    assert purpose == "setup"
    found = await accounts.find_owner_link(token)
    assert found is not None
    assert found.purpose == "setup"
    user = await accounts.use_setup_link(token, email="Owner@Example.org ", name=" Olga ", password=PASSWORD)
    assert (user.email, user.name, user.role) == ("owner@example.org", "Olga", "owner")
    assert await accounts.owner_exists()
    assert await accounts.check_password("OWNER@example.org", PASSWORD) == user


async def test_a_setup_link_works_once(accounts: Accounts) -> None:
    token, _purpose = await accounts.create_owner_link()
    await accounts.use_setup_link(token, email="a@example.org", name="A", password=PASSWORD)
    assert await accounts.find_owner_link(token) is None
    with pytest.raises(NotFound, match="`waymark owner reset`"):
        await accounts.use_setup_link(token, email="b@example.org", name="B", password=PASSWORD)


@both_databases
async def test_a_setup_link_that_somebody_else_is_just_using_makes_no_second_owner(
    db: Database, accounts: Accounts
) -> None:
    token, _purpose = await accounts.create_owner_link()
    async with db.transaction() as connection:  # the other one, not yet at the end
        await connection.execute(owner_links.delete())
        late = asyncio.create_task(accounts.use_setup_link(token, email="b@example.org", name="B", password=PASSWORD))
        await asyncio.sleep(0.3)  # it has read the link, or waits for the lock
        assert not late.done()
    with pytest.raises(NotFound):
        await late
    assert await rows(db, users) == []


@both_databases
async def test_a_link_lives_for_an_hour(db: Database, accounts: Accounts) -> None:
    token, _purpose = await accounts.create_owner_link()
    await age(db, owner_links, timedelta(minutes=59))
    assert await accounts.find_owner_link(token) is not None
    await age(db, owner_links, timedelta(minutes=1))
    assert await accounts.find_owner_link(token) is None
    with pytest.raises(NotFound):
        await accounts.use_setup_link(token, email="a@example.org", name="A", password=PASSWORD)
    assert not await accounts.owner_exists()


async def test_a_new_link_replaces_the_one_before(accounts: Accounts) -> None:
    first, _purpose = await accounts.create_owner_link()
    second, _purpose = await accounts.create_owner_link()
    assert await accounts.find_owner_link(first) is None
    assert await accounts.find_owner_link(second) is not None


async def test_a_setup_link_is_dead_once_an_owner_exists(db: Database, accounts: Accounts) -> None:
    """Also one that was never used: somebody may have read it in a terminal's history."""
    await set_up(accounts)
    async with db.transaction() as connection:
        await connection.execute(owner_links.delete())
    token, purpose = await accounts.create_owner_link()
    assert purpose == "reset"
    async with db.transaction() as connection:
        await connection.execute(update(owner_links).values(purpose="setup"))
    assert await accounts.find_owner_link(token) is None
    with pytest.raises(NotFound):
        await accounts.use_setup_link(token, email="b@example.org", name="B", password=PASSWORD)


@both_databases
async def test_a_reset_link_sets_a_new_password_once_and_ends_every_session(accounts: Accounts) -> None:
    user = await set_up(accounts)
    session = await accounts.create_session(user)
    token, purpose = await accounts.create_owner_link()
    assert purpose == "reset"
    with pytest.raises(NotFound):  # the other page's link
        await accounts.use_setup_link(token, email="b@example.org", name="B", password=PASSWORD)
    assert await accounts.use_reset_link(token, "another password") == user
    assert await accounts.find_session(session) is None
    assert await accounts.check_password(user.email, PASSWORD) is None
    assert await accounts.check_password(user.email, "another password") == user
    with pytest.raises(NotFound):
        await accounts.use_reset_link(token, "a third password")


async def test_a_refused_password_does_not_use_up_the_link(accounts: Accounts) -> None:
    token, _purpose = await accounts.create_owner_link()
    with pytest.raises(AccountError, match="use at least 10"):
        await accounts.use_setup_link(token, email="a@example.org", name="A", password="short")
    assert await accounts.find_owner_link(token) is not None


async def test_input_for_an_owner_that_cannot_be_used_is_refused(accounts: Accounts) -> None:
    good = {"email": "a@example.org", "name": "A", "password": PASSWORD}
    token, _purpose = await accounts.create_owner_link()
    for field, value in (
        ("email", "a"),
        ("email", "@example.org"),
        ("email", "a@"),
        ("email", "a@b@c"),
        ("email", "a b@example.org"),
        ("email", "a\x00@example.org"),
        ("email", f"{'a' * 250}@example.org"),
        ("name", " "),
        ("name", "a\nb"),
        ("name", "x" * 121),
        ("password", "x" * 9),
        ("password", "x" * 1025),
    ):
        with pytest.raises(AccountError):
            await accounts.use_setup_link(token, **{**good, field: value})
    await accounts.use_setup_link(token, **good)


async def test_passwords_are_kept_as_costly_argon2id_and_secrets_as_digests(db: Database) -> None:
    accounts = Accounts(db)
    user = await set_up(accounts)
    session = await accounts.create_session(user)
    token = await accounts.create_token("ci", "viewer", who="ops")
    link, _purpose = await accounts.create_owner_link()
    [kept] = await rows(db, users)
    cost = re.match(r"\$argon2id\$v=19\$m=(\d+),t=(\d+)", kept.password_hash)
    assert cost is not None
    assert int(cost[1]) * int(cost[2]) >= 3 * 65_536  # RFC 9106, second recommended option
    everything = repr([await rows(db, table) for table in (users, sessions, api_tokens, owner_links, audit)])
    for secret in (PASSWORD, session, token, link):
        assert secret not in everything


WRONG = {
    "wrong": ("owner@example.org", "wrong password"),
    "empty": ("owner@example.org", ""),
    "almost": ("owner@example.org", PASSWORD + " "),
    "unknown name": ("nobody@example.org", PASSWORD),
    "no name": ("", PASSWORD),
    "null character": ("owner@example.org\x00", PASSWORD),
    "very long": ("owner@example.org", "x" * 100_000),
}


@both_databases
async def test_a_wrong_password_signs_nobody_in(accounts: Accounts) -> None:
    await set_up(accounts)
    assert {case: await accounts.check_password(*typed) for case, typed in WRONG.items()} == dict.fromkeys(WRONG)


async def test_a_session_is_found_by_its_token_until_it_ends(accounts: Accounts) -> None:
    user = await set_up(accounts)
    first, second = await accounts.create_session(user), await accounts.create_session(user)
    found, other = await accounts.find_session(first), await accounts.find_session(second)
    assert found is not None
    assert other is not None
    assert found.user == user
    assert found.csrf != other.csrf
    assert await accounts.find_session(first + "x") is None
    await accounts.delete_session(first)
    assert await accounts.find_session(first) is None
    assert await accounts.find_session(second) is not None


@both_databases
async def test_a_session_ends_after_two_weeks_and_its_row_is_cleared_away(db: Database, accounts: Accounts) -> None:
    user = await set_up(accounts)
    token = await accounts.create_session(user)
    await age(db, sessions, timedelta(days=13, hours=23))
    assert await accounts.find_session(token) is not None
    await age(db, sessions, timedelta(hours=1))
    assert await accounts.find_session(token) is None
    await accounts.create_session(user)
    assert len(await rows(db, sessions)) == 1


@both_databases
async def test_a_token_is_found_with_its_role(accounts: Accounts) -> None:
    made = {
        role: await accounts.create_token(f" CI {role} ", role, who="ops") for role in ("viewer", "editor", "owner")
    }
    assert all(token.startswith("wm_") and len(token) == 43 for token in made.values())
    for role, token in made.items():
        found = await accounts.find_token(token)
        assert found is not None
        assert (found.name, found.role, found.created_by) == (f"ci {role}", role, "ops")
    assert await accounts.find_token(made["owner"] + "0") is None
    assert await accounts.find_token("") is None


@both_databases
async def test_a_token_name_is_given_once_unless_it_is_replaced(accounts: Accounts) -> None:
    first = await accounts.create_token("ci", "owner", who="ops")
    with pytest.raises(Conflict, match="--replace"):
        await accounts.create_token("CI", "viewer", who="ops")
    second = await accounts.create_token("ci", "viewer", who="ops", replace=True)
    assert await accounts.find_token(first) is None
    found = await accounts.find_token(second)
    assert found is not None
    assert found.role == "viewer"
    assert [token.name for token in await accounts.list_tokens()] == ["ci"]


@both_databases
async def test_a_token_name_taken_by_two_at_once_is_given_to_one(accounts: Accounts) -> None:
    answers = await asyncio.gather(
        *(accounts.create_token("ci", "viewer", who="ops") for _ in range(3)), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "Conflict", "str"]


@both_databases
async def test_a_revoked_token_is_gone(accounts: Accounts) -> None:
    token = await accounts.create_token("ci", "owner", who="ops")
    await accounts.revoke_token(" CI ", who="ops")
    assert await accounts.find_token(token) is None
    assert await accounts.list_tokens() == []
    for name in ("ci", "", "c\x00i"):
        with pytest.raises(NotFound, match="`waymark token list`"):
            await accounts.revoke_token(name, who="ops")


async def test_token_names_and_roles_that_cannot_be_used_are_refused(accounts: Accounts) -> None:
    for name in ("", "   ", ".", "..", "a\nb", "x" * 121):
        with pytest.raises(AccountError, match="a name has"):
            await accounts.create_token(name, "viewer", who="ops")
    with pytest.raises(AccountError, match="the role 'admin' is unknown"):
        await accounts.create_token("ci", "admin", who="ops")


@both_databases
async def test_the_last_use_of_a_token_is_kept_to_the_minute(db: Database, accounts: Accounts) -> None:
    token = await accounts.create_token("ci", "viewer", who="ops")
    assert (await accounts.list_tokens())[0].last_used_at is None
    before = datetime.now(UTC)
    await accounts.find_token(token)
    used = (await accounts.list_tokens())[0].last_used_at
    assert used is not None
    assert before <= used <= datetime.now(UTC)
    await accounts.find_token(token)
    assert (await accounts.list_tokens())[0].last_used_at == used
    async with db.transaction() as connection:
        await connection.execute(update(api_tokens).values(last_used_at=used - timedelta(minutes=2)))
    await accounts.find_token(token)
    again = (await accounts.list_tokens())[0].last_used_at
    assert again is not None
    assert again >= used


async def test_who_did_what_is_in_the_audit_log(db: Database, accounts: Accounts) -> None:
    user = await set_up(accounts)
    await accounts.create_session(user)
    await accounts.create_token("ci", "viewer", who="Olga")
    await accounts.revoke_token("ci", who="Olga")
    token, _purpose = await accounts.create_owner_link()
    await accounts.use_reset_link(token, "another password")
    assert [(row.who, row.action) for row in await rows(db, audit)] == [
        ("owner@example.org", "owner.setup"),
        ("owner@example.org", "session.create"),
        ("Olga", "token.create"),
        ("Olga", "token.revoke"),
        ("owner@example.org", "owner.reset"),
    ]
