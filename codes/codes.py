"""Codes and their versions: create, find, retarget, undo. Every change of the destination is a new, immutable version."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, Select, and_, case, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import check_slug, fold, new_code
from codes.destinations import DestinationPolicy, check_destination
from codes.domains import get_domain, list_domains
from codes.errors import Conflict, NotFound
from codes.names import clean_tags, is_plain, plain_text
from database.changes import record_changes
from database.engine import Database
from database.schema import audit, code_tags, codes, domains, versions

GENERATE_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Code:
    id: int
    domain: str
    scheme: str
    code: str
    legacy: bool
    kind: str
    name: str
    tags: tuple[str, ...]
    version: int
    destination: str
    printed: bool
    demo: bool
    created_at: datetime
    created_by: str
    updated_at: datetime

    @property
    def short_url(self) -> str:
        return f"{self.scheme}://{self.domain}/{self.code}"


@dataclass(frozen=True, slots=True)
class Version:
    number: int
    destination: str
    action: str
    restores: int | None
    reason: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class NewCode:
    destination: str
    slug: str | None = None
    domain: str | None = None
    name: str = ""
    tags: tuple[str, ...] = ()
    demo: bool = False


@dataclass(frozen=True, slots=True)
class CodeChange:
    """None leaves a field as it is. ``expected_version`` guards against overwriting somebody else's change."""

    destination: str | None = None
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
    for _attempt in range(1 if slug else GENERATE_ATTEMPTS):
        text = slug or new_code()
        try:
            async with database.transaction() as connection:
                destination = await _checked_destination(connection, new.destination, policy)
                domain = await get_domain(connection, new.domain)
                await _refuse_collision(connection, domain.id, domain.host, text)
                values = _code_values(new, domain.id, text, who, at or datetime.now(UTC))
                code_id = await _insert_code(connection, values, destination, tags)
                await _write_audit(connection, who, "code.create", f"{domain.host}/{text}")
                return await get_code_by_id(connection, code_id)
        except Conflict:
            if slug:
                raise
        except IntegrityError as error:  # PostgreSQL lets two writers get this far
            if slug:
                raise Conflict(f"the code {slug!r} was taken at this moment. Choose another slug.") from error
    raise Conflict("no free code was found in five tries; try again.")


async def find_code(connection: AsyncConnection, text: str, domain: str | None = None) -> Code | None:
    """Lookup as a scan does it: the exact spelling first (legacy codes), then folded.

    Without a domain the default one is searched, then the others, so that codes printed under an older name are found.
    """
    if not is_plain(text) or not is_plain(domain or ""):
        return None
    exact, folded = codes.c.code == text, and_(codes.c.folded == fold(text), codes.c.legacy.is_(False))
    order = (domains.c.is_default.desc(), domains.c.id, case((exact, 0), else_=1))
    query = code_query().where(or_(exact, folded)).order_by(*order).limit(1)
    if domain is not None:
        query = query.where(domains.c.host == domain.lower())
    row = (await connection.execute(query)).first()
    return (await with_tags(connection, [row]))[0] if row else None


async def get_code(connection: AsyncConnection, text: str, domain: str | None = None) -> Code:
    found = await find_code(connection, text, domain)
    if found is None:
        place = f" on {domain}" if domain else ""
        raise NotFound(f"there is no code {text!r}{place}. `waymark code list` shows the codes there are.")
    return found


async def get_code_by_id(connection: AsyncConnection, code_id: int) -> Code:
    row = (await connection.execute(code_query().where(codes.c.id == code_id))).first()
    if row is None:
        raise NotFound(f"there is no code with id {code_id}.")
    return (await with_tags(connection, [row]))[0]


async def codes_by_id(connection: AsyncConnection, code_ids: Sequence[int]) -> list[Code]:
    """Those that exist, in no particular order."""
    rows = await connection.execute(code_query().where(codes.c.id.in_(code_ids)))
    return await with_tags(connection, rows.all())


async def list_versions(connection: AsyncConnection, code_id: int) -> list[Version]:
    """Newest first."""
    rows = await connection.execute(
        select(versions).where(versions.c.code_id == code_id).order_by(versions.c.number.desc())
    )
    return [_version(row) for row in rows]


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
    """All of it or nothing. Another destination makes a new version; the same one does not.

    Raises CodeError, DestinationError, NotFound, or Conflict when ``expected_version`` is no longer in force.
    """
    async with database.transaction() as connection:
        code = await get_code(connection, text, domain)
        _refuse_stale(code, change.expected_version)
        if change.destination is not None:
            checked = await _checked_destination(connection, change.destination, policy)
            if checked != code.destination:
                code = await _add_version(
                    connection, code, Version(0, checked, "retarget", None, change.reason, _now(at), who)
                )
        if (change.name, change.tags, change.printed) != (None, None, None):
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
        _refuse_stale(code, expected_version)
        history = {version.number: version for version in await list_versions(connection, code.id)}
        base = _origin(history, code.version)
        if base == 1:
            raise Conflict(f"code {code.code} is already back at its first destination; there is nothing to undo.")
        origin = _origin(history, base - 1)
        version = Version(0, history[origin].destination, "undo", origin, reason, _now(None), who)
        return await _add_version(connection, code, version)


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


def _refuse_stale(code: Code, expected_version: int | None) -> None:
    if expected_version is not None and expected_version != code.version:
        raise Conflict(
            f"code {code.code} is at version {code.version}, not {expected_version}: somebody changed it meanwhile. "
            "Look at its history, then try again."
        )


def _now(at: datetime | None) -> datetime:
    return at or datetime.now(UTC)


async def _checked_destination(connection: AsyncConnection, text: str, policy: DestinationPolicy) -> str:
    """No loop through any of our short domains, those of old prints among them."""
    own = frozenset(domain.host for domain in await list_domains(connection))
    return check_destination(text, replace(policy, own_hosts=policy.own_hosts | own))


def _origin(history: dict[int, Version], number: int) -> int:
    """The version a chain of undos leads back to."""
    restores = history[number].restores
    return number if restores is None else restores


def code_query() -> Select[Any]:
    return (
        select(codes, domains.c.host, domains.c.scheme, versions.c.destination)
        .join(domains, domains.c.id == codes.c.domain_id)
        .join(versions, and_(versions.c.code_id == codes.c.id, versions.c.number == codes.c.version))
    )


async def with_tags(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[Code]:
    ids = [row.id for row in rows]
    tags: dict[int, list[str]] = {}
    found = await connection.execute(
        select(code_tags).where(code_tags.c.code_id.in_(ids)).order_by(code_tags.c.code_id, code_tags.c.tag)
    )
    for tag in found:
        tags.setdefault(tag.code_id, []).append(tag.tag)
    return [_code(row, tuple(tags.get(row.id, ()))) for row in rows]


def _code(row: Row[Any], tags: tuple[str, ...]) -> Code:
    return Code(
        id=row.id,
        domain=row.host,
        scheme=row.scheme,
        code=row.code,
        legacy=row.legacy,
        kind=row.kind,
        name=row.name,
        tags=tags,
        version=row.version,
        destination=row.destination,
        printed=row.printed,
        demo=row.demo,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
    )


def _version(row: Row[Any]) -> Version:
    return Version(row.number, row.destination, row.action, row.restores, row.reason, row.created_at, row.created_by)


async def _refuse_collision(connection: AsyncConnection, domain_id: int, host: str, text: str) -> None:
    # Legacy codes are compared folded too: a new code may not differ from an imported one only in case.
    clash = select(codes.c.code).where(codes.c.domain_id == domain_id, codes.c.folded == fold(text)).limit(1)
    taken = (await connection.execute(clash)).scalar()
    if taken is not None:
        alike = "" if taken.lower() == text.lower() else f", which reads the same as {text!r} when typed (O/0, I/L/1)"
        raise Conflict(f"the code {taken!r} already exists on {host}{alike}. Choose another slug.")


def _code_values(new: NewCode, domain_id: int, text: str, who: str, at: datetime) -> dict[str, Any]:
    return {
        "domain_id": domain_id,
        "code": text,
        "folded": fold(text),
        "legacy": False,
        "kind": "campaign",
        "name": plain_text(new.name),
        "version": 1,
        "printed": False,
        "demo": new.demo,
        "created_at": at,
        "created_by": who,
        "updated_at": at,
    }


async def _insert_code(
    connection: AsyncConnection, values: dict[str, Any], destination: str, tags: tuple[str, ...]
) -> int:
    code_id = int((await connection.execute(insert(codes).values(values).returning(codes.c.id))).scalar_one())
    first = Version(1, destination, "create", None, "", values["created_at"], values["created_by"])
    await connection.execute(insert(versions).values(_version_values(code_id, first)))
    await _insert_tags(connection, code_id, tags)
    await record_changes(connection, "code", [code_id])
    return code_id


async def _describe(connection: AsyncConnection, code: Code, change: CodeChange, who: str) -> None:
    values: dict[str, Any] = {"updated_at": _now(None)}
    if change.name is not None:
        values["name"] = plain_text(change.name)
    if change.printed is not None:
        values["printed"] = change.printed
    await connection.execute(update(codes).where(codes.c.id == code.id).values(values))
    if change.tags is not None:
        await connection.execute(delete(code_tags).where(code_tags.c.code_id == code.id))
        await _insert_tags(connection, code.id, clean_tags(change.tags))
    await record_changes(connection, "code", [code.id])
    await _write_audit(connection, who, "code.update", f"{code.domain}/{code.code}")


async def _insert_tags(connection: AsyncConnection, code_id: int, tags: tuple[str, ...]) -> None:
    if tags:
        await connection.execute(insert(code_tags), [{"code_id": code_id, "tag": tag} for tag in tags])


async def _add_version(connection: AsyncConnection, code: Code, version: Version) -> Code:
    numbered = replace(version, number=code.version + 1)
    try:
        await connection.execute(insert(versions).values(_version_values(code.id, numbered)))
    except IntegrityError as error:  # PostgreSQL lets two writers get this far
        raise Conflict(
            f"code {code.code} was changed by somebody else at this moment; look at it, try again."
        ) from error
    await connection.execute(
        update(codes).where(codes.c.id == code.id).values(version=numbered.number, updated_at=numbered.created_at)
    )
    await record_changes(connection, "code", [code.id])
    await _write_audit(connection, version.created_by, f"code.{version.action}", f"{code.domain}/{code.code}")
    return await get_code_by_id(connection, code.id)


def _version_values(code_id: int, version: Version) -> dict[str, Any]:
    return {
        "code_id": code_id,
        "number": version.number,
        "destination": version.destination,
        "action": version.action,
        "restores": version.restores,
        "reason": plain_text(version.reason),
        "created_at": version.created_at,
        "created_by": version.created_by,
    }


async def _write_audit(connection: AsyncConnection, who: str, action: str, subject: str) -> None:
    await connection.execute(insert(audit).values(at=datetime.now(UTC), who=who, action=action, subject=subject))
