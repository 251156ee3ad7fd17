"""Codes: create, find, change, undo. Every change of where a code's scans go is a new, immutable version."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import check_slug, fold, new_code
from codes.destinations import DestinationPolicy, check_destination
from codes.domains import get_domain, list_domains
from codes.errors import Archived, Conflict, NotFound
from codes.names import clean_tags, plain_text
from codes.options import read_options
from codes.passwords import with_hashed_password
from codes.register import Code, codes_by_id, find_code, get_code, get_code_by_id
from codes.rules import read_rules
from codes.versions import (
    Content,
    add_versions,
    earlier_step,
    list_versions,
    next_version,
    origin_of,
    restoring,
    version_values,
)
from database.changes import record_changes
from database.engine import Database
from database.schema import audit, code_tags, codes, versions

__all__ = [
    "Code",
    "CodeChange",
    "NewCode",
    "change_code",
    "checked_content",
    "code_values",
    "codes_by_id",
    "create_code",
    "delete_demo_codes",
    "find_code",
    "get_code",
    "get_code_by_id",
    "insert_code",
    "refuse_collision",
    "refuse_stale",
    "retarget",
    "rollback",
    "undo",
    "without_loops",
]

GENERATE_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class NewCode:
    destination: str
    slug: str | None = None
    domain: str | None = None
    name: str = ""
    tags: tuple[str, ...] = ()
    rules: Any = None  # JSON, as in codes.rules
    options: Any = None  # JSON, as in codes.options; with ``password`` in plain
    campaign_id: int | None = None
    placement_id: int | None = None
    demo: bool = False


@dataclass(frozen=True, slots=True)
class CodeChange:
    """None leaves a field as it is. ``expected_version`` guards against overwriting somebody else's change."""

    destination: str | None = None
    rules: Any = None  # JSON: all rules there shall be; [] takes them away
    options: Any = None  # JSON: all options there shall be; {} takes them away
    campaign_id: int | None = None  # 0: none
    placement_id: int | None = None
    guard: str | None = None
    archived: bool | None = None
    force: bool = False  # archive although it is printed
    name: str | None = None
    tags: tuple[str, ...] | None = None
    printed: bool | None = None
    reason: str = ""
    expected_version: int | None = None


async def create_code(
    database: Database, new: NewCode, *, who: str, policy: DestinationPolicy, at: datetime | None = None
) -> Code:
    """Raises CodeError, DestinationError, NotFound (domain) or Conflict (slug taken, also by a look-alike)."""
    tags = clean_tags(new.tags)
    slug = check_slug(new.slug) if new.slug else None
    options = await with_hashed_password(new.options, None)
    for _attempt in range(1 if slug else GENERATE_ATTEMPTS):
        text = slug or new_code()
        try:
            async with database.transaction() as connection:
                content = await checked_content(connection, new.destination, new.rules, options, policy)
                domain = await get_domain(connection, new.domain)
                await refuse_collision(connection, domain.id, domain.host, text)
                values = code_values(new, domain.id, text, who, at or datetime.now(UTC))
                code_id = await insert_code(connection, values, content, tags)
                await _write_audit(connection, who, "code.create", f"{domain.host}/{text}")
                return await get_code_by_id(connection, code_id)
        except Archived:
            raise
        except Conflict:
            if slug:
                raise
        except IntegrityError as error:  # PostgreSQL lets two writers get this far
            if slug:
                raise Conflict(f"the code {slug!r} was taken at this moment. Choose another slug.") from error
    raise Conflict("no free code was found in five tries; try again.")


async def change_code(
    database: Database,
    text: str,
    change: CodeChange,
    *,
    who: str,
    policy: DestinationPolicy,
    domain: str | None = None,
    at: datetime | None = None,
) -> Code:
    """All of it or nothing. Other contents make a new version; the same ones do not.

    Raises CodeError, DestinationError, NotFound, or Conflict when ``expected_version`` is no longer in force.
    """
    options = change.options
    if isinstance(options, Mapping) and "password" in options:  # hashing takes its time: outside the transaction
        async with database.reading() as connection:
            kept = (await get_code(connection, text, domain)).options.password_hash
        options = await with_hashed_password(options, kept)
    async with database.transaction() as connection:
        code = await get_code(connection, text, domain)
        refuse_stale(code, change.expected_version)
        if change.archived and code.printed and not change.force:
            raise Conflict(
                f"code {code.code} is printed: archived, it would lead whoever scans it to an error page. Retarget it, or "
                "force it if every print is gone."
            )
        content = await _changed_content(connection, code, replace(change, options=options), policy)
        if content != code.content:
            action = "retarget" if (content.rules, content.options) == (code.rules, code.options) else "rules"
            await _add_version(connection, code, content, action, who, change.reason, at)
        if any(value is not None for value in _described(change)):
            await _describe(connection, code, change, who)
        return await get_code_by_id(connection, code.id)


async def retarget(
    database: Database,
    text: str,
    destination: str,
    *,
    who: str,
    policy: DestinationPolicy,
    domain: str | None = None,
    reason: str = "",
    expected_version: int | None = None,
    at: datetime | None = None,
) -> Code:
    """A new version with another destination; see change_code."""
    change = CodeChange(destination, reason=reason, expected_version=expected_version)
    return await change_code(database, text, change, who=who, policy=policy, domain=domain, at=at)


async def undo(
    database: Database,
    text: str,
    *,
    who: str,
    domain: str | None = None,
    reason: str = "",
    expected_version: int | None = None,
) -> Code:
    """Brings back what was in force before; undoing again goes one further back. Raises Conflict at the first version."""
    async with database.transaction() as connection:
        code = await get_code(connection, text, domain)
        refuse_stale(code, expected_version)
        history = {version.number: version for version in await list_versions(connection, code.id)}
        origin = earlier_step(history, code.version)
        if origin is None:
            raise Conflict(f"code {code.code} is already back at its first destination; there is nothing to undo.")
        return await _add_version(connection, code, history[origin].content, "undo", who, reason, restores=origin)


async def rollback(
    database: Database,
    text: str,
    number: int,
    *,
    who: str,
    domain: str | None = None,
    reason: str = "",
    expected_version: int | None = None,
) -> Code:
    """Brings back any earlier version, as a new one. Raises NotFound, or Conflict when it says what is in force."""
    async with database.transaction() as connection:
        code = await get_code(connection, text, domain)
        refuse_stale(code, expected_version)
        history = {version.number: version for version in await list_versions(connection, code.id)}
        if number not in history:
            raise NotFound(f"code {code.code} has no version {number}; it has 1 to {code.version}.")
        if history[number].content == code.content:
            raise Conflict(f"version {number} of code {code.code} says what is in force already.")
        restores = origin_of(history, number)
        return await _add_version(connection, code, history[number].content, "rollback", who, reason, restores=restores)


async def delete_demo_codes(database: Database) -> int:
    """Only demo codes are ever deleted: they were never printed."""
    async with database.transaction() as connection:
        ids = list((await connection.execute(select(codes.c.id).where(codes.c.demo.is_(True)))).scalars())
        if ids:
            for table in (code_tags, versions):
                await connection.execute(delete(table).where(table.c.code_id.in_(ids)))
            await connection.execute(delete(codes).where(codes.c.id.in_(ids)))
            await record_changes(connection, "code", ids)
        return len(ids)


def refuse_stale(code: Code, expected_version: int | None) -> None:
    if expected_version is not None and expected_version != code.version:
        raise Conflict(
            f"code {code.code} is at version {code.version}, not {expected_version}: somebody changed it meanwhile. "
            "Look at its history, then try again."
        )


def _now(at: datetime | None) -> datetime:
    return at or datetime.now(UTC)


async def checked_content(
    connection: AsyncConnection, destination: str, rules: Any, options: Any, policy: DestinationPolicy
) -> Content:
    """Raises CodeError, DestinationError."""
    policy = await without_loops(connection, policy)
    return Content(check_destination(destination, policy), read_rules(rules, policy), read_options(options, policy))


async def without_loops(connection: AsyncConnection, policy: DestinationPolicy) -> DestinationPolicy:
    """None through any of our short domains, those of old prints among them."""
    own = frozenset(domain.host for domain in await list_domains(connection))
    return replace(policy, own_hosts=policy.own_hosts | own)


async def _changed_content(
    connection: AsyncConnection, code: Code, change: CodeChange, policy: DestinationPolicy
) -> Content:
    """Only what is given is checked: what was allowed once stays."""
    policy = await without_loops(connection, policy)
    return Content(
        code.destination if change.destination is None else check_destination(change.destination, policy),
        code.rules if change.rules is None else read_rules(change.rules, policy),
        code.options if change.options is None else read_options(change.options, policy),
    )


async def refuse_collision(connection: AsyncConnection, domain_id: int, host: str, text: str) -> None:
    # Legacy codes are compared folded too: a new code may not differ from an imported one only in case.
    clash = select(codes.c.code).where(codes.c.domain_id == domain_id, codes.c.folded == fold(text)).limit(1)
    taken = (await connection.execute(clash)).scalar()
    if taken is not None:
        alike = "" if taken.lower() == text.lower() else f", which reads the same as {text!r} when typed (O/0, I/L/1)"
        raise Conflict(f"the code {taken!r} already exists on {host}{alike}. Choose another slug.")


def code_values(new: NewCode, domain_id: int, text: str, who: str, at: datetime) -> dict[str, Any]:
    return {
        "domain_id": domain_id,
        "code": text,
        "folded": fold(text),
        "legacy": False,
        "kind": "campaign",
        "name": plain_text(new.name),
        "version": 1,
        "campaign_id": new.campaign_id,
        "placement_id": new.placement_id,
        "printed": False,
        "demo": new.demo,
        "created_at": at,
        "created_by": who,
        "updated_at": at,
    }


async def insert_code(
    connection: AsyncConnection, values: dict[str, Any], content: Content, tags: tuple[str, ...]
) -> int:
    code_id = int((await connection.execute(insert(codes).values(values).returning(codes.c.id))).scalar_one())
    first = next_version(1, content, "create", values["created_by"], "", values["created_at"])
    await connection.execute(insert(versions).values(code_id=code_id, **version_values(first)))
    await _insert_tags(connection, code_id, tags)
    await record_changes(connection, "code", [code_id])
    return code_id


def _described(change: CodeChange) -> tuple[Any, ...]:
    return (
        change.name,
        change.tags,
        change.printed,
        change.guard,
        change.campaign_id,
        change.placement_id,
        change.archived,
    )


async def _describe(connection: AsyncConnection, code: Code, change: CodeChange, who: str) -> None:
    values: dict[str, Any] = {"updated_at": _now(None)}
    if change.name is not None:
        values["name"] = plain_text(change.name)
    for name in ("printed", "guard"):
        if (value := getattr(change, name)) is not None:
            values[name] = value
    for name in ("campaign_id", "placement_id"):
        if (value := getattr(change, name)) is not None:
            values[name] = value or None
    if change.archived is not None:
        values["archived_at"] = values["updated_at"] if change.archived else None
    await connection.execute(update(codes).where(codes.c.id == code.id).values(values))
    if change.tags is not None:
        await connection.execute(delete(code_tags).where(code_tags.c.code_id == code.id))
        await _insert_tags(connection, code.id, clean_tags(change.tags))
    await record_changes(connection, "code", [code.id])
    await _write_audit(connection, who, "code.update", f"{code.domain}/{code.code}")


async def _insert_tags(connection: AsyncConnection, code_id: int, tags: tuple[str, ...]) -> None:
    if tags:
        await connection.execute(insert(code_tags), [{"code_id": code_id, "tag": tag} for tag in tags])


async def _add_version(
    connection: AsyncConnection,
    code: Code,
    content: Content,
    action: str,
    who: str,
    reason: str,
    at: datetime | None = None,
    restores: int | None = None,
) -> Code:
    version = restoring(next_version(code.version + 1, content, action, who, reason, at), restores)
    await add_versions(connection, {code.id: version}, {code.id: f"{code.domain}/{code.code}"})
    return await get_code_by_id(connection, code.id)


async def _write_audit(connection: AsyncConnection, who: str, action: str, subject: str) -> None:
    await connection.execute(insert(audit).values(at=datetime.now(UTC), who=who, action=action, subject=subject))
