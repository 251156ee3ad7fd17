"""Short domains: which hosts this installation answers for, and which one new codes get."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.destinations import DestinationError, DestinationPolicy, check_destination
from codes.errors import Archived, Conflict, NotFound
from codes.hosts import parse_host, split_port
from database.audit import write_audit
from database.changes import record_changes
from database.engine import Database
from database.schema import codes, domains


@dataclass(frozen=True, slots=True)
class Domain:
    id: int
    host: str
    scheme: str
    is_default: bool
    not_found_url: str | None = None
    archived_at: datetime | None = None

    def short_url(self, code: str) -> str:
        return f"{self.scheme}://{self.host}/{code}"


@dataclass(frozen=True, slots=True)
class DomainChange:
    """None leaves a field as it is; a ``not_found_url`` of "" is our own page."""

    not_found_url: str | None = None
    archived: bool | None = None
    force: bool = False  # archive although codes on it are printed


async def add_domain(
    database: Database, address: str, *, who: str, policy: DestinationPolicy, not_found_url: str = ""
) -> Domain:
    """One more beside the default: ``address`` is https://HOST, or a bare host. Raises DestinationError, Conflict."""
    scheme, host = address_parts(address if "://" in address else f"https://{address}")
    async with database.transaction() as connection:
        if await find_domain(connection, host) is not None:
            raise Conflict(f"{host} is one of the short domains already. `waymark domain list` shows them.")
        target = await _checked_target(connection, not_found_url, policy, also=host)
        values = {"host": host, "scheme": scheme, "is_default": False, "not_found_url": target}
        await connection.execute(insert(domains).values(**values, created_at=datetime.now(UTC)))
        return await _changed(connection, host, who, "domain.create")


async def update_domain(
    database: Database, host: str, change: DomainChange, *, who: str, policy: DestinationPolicy
) -> Domain:
    """Raises NotFound, DestinationError, or Conflict when it cannot be archived."""
    async with database.transaction() as connection:
        domain = await find_domain(connection, host)
        if domain is None:
            raise await _unknown(connection, host)
        values: dict[str, Any] = {}
        if change.not_found_url is not None:
            values["not_found_url"] = await _checked_target(connection, change.not_found_url, policy)
        if change.archived is not None and change.archived != (domain.archived_at is not None):
            if change.archived:
                await _refuse_archiving(connection, domain, force=change.force)
            values["archived_at"] = datetime.now(UTC) if change.archived else None
        if not values:
            return domain
        await connection.execute(update(domains).where(domains.c.id == domain.id).values(values))
        if "archived_at" in values:
            ids = list((await connection.execute(select(codes.c.id).where(codes.c.domain_id == domain.id))).scalars())
            if ids:
                await record_changes(connection, "code", ids)
        return await _changed(connection, domain.host, who, "domain.update")


async def ensure_default_domain(connection: AsyncConnection, base_url: str) -> Domain:
    """Makes the configured short address the default domain. Earlier ones stay: their codes are printed."""
    scheme, host = address_parts(base_url)
    found = await find_domain(connection, host)
    if found and found.is_default and found.scheme == scheme and found.archived_at is None:
        return found
    await connection.execute(update(domains).values(is_default=False))
    if found is None:
        result = await connection.execute(
            insert(domains)
            .values(host=host, scheme=scheme, is_default=True, created_at=datetime.now(UTC))
            .returning(domains.c.id)
        )
        domain_id = int(result.scalar_one())
    else:
        domain_id = found.id
        await connection.execute(
            update(domains).where(domains.c.id == domain_id).values(scheme=scheme, is_default=True, archived_at=None)
        )
    await record_changes(connection, "domain", [domain_id])
    made = Domain(domain_id, host, scheme, True)
    return made if found is None else replace(found, scheme=scheme, is_default=True, archived_at=None)


async def list_domains(connection: AsyncConnection, *, archived: bool = True) -> list[Domain]:
    """The default first. Archived ones are ours, too: no destination may lead there."""
    query = select(domains).order_by(domains.c.is_default.desc(), domains.c.host)
    if not archived:
        query = query.where(domains.c.archived_at.is_(None))
    return [_domain(row) for row in await connection.execute(query)]


async def count_codes_by_domain(connection: AsyncConnection) -> dict[int, int]:
    """Codes that are not archived, by the domain's id."""
    query = select(codes.c.domain_id, func.count()).where(codes.c.archived_at.is_(None)).group_by(codes.c.domain_id)
    return {row[0]: row[1] for row in await connection.execute(query)}


async def find_domain(connection: AsyncConnection, host: str) -> Domain | None:
    row = (await connection.execute(select(domains).where(domains.c.host == host.lower()))).first()
    return _domain(row) if row else None


async def get_domain(connection: AsyncConnection, host: str | None) -> Domain:
    """For new codes: the named domain, or the default one when ``host`` is None. Raises NotFound, Conflict (archived)."""
    for domain in await list_domains(connection):
        if domain.is_default if host is None else domain.host == host.lower():
            if domain.archived_at is not None:
                raise Archived(f"the short domain {domain.host} is archived: bring it back before it gets new codes.")
            return domain
    raise await _unknown(connection, host)


async def _unknown(connection: AsyncConnection, host: str | None) -> NotFound:
    names = ", ".join(domain.host for domain in await list_domains(connection)) or "none yet"
    return NotFound(f"no short domain {host!r} is set up here; known: {names}.")


async def _changed(connection: AsyncConnection, host: str, who: str, action: str) -> Domain:
    domain = await find_domain(connection, host)
    assert domain is not None
    await record_changes(connection, "domain", [domain.id])
    await write_audit(connection, who, action, host)
    return domain


async def _checked_target(
    connection: AsyncConnection, url: str, policy: DestinationPolicy, also: str = ""
) -> str | None:
    """None for our own page. Never one of our own domains: an unknown code there would come back for ever."""
    if not url.strip():
        return None
    own = {domain.host for domain in await list_domains(connection)} | ({also} if also else set())
    return check_destination(url, replace(policy, own_hosts=policy.own_hosts | own))


async def _refuse_archiving(connection: AsyncConnection, domain: Domain, *, force: bool) -> None:
    if domain.is_default:
        raise Conflict(
            f"{domain.host} is the default short domain; [public] base_url in the settings names another one."
        )
    printed = select(func.count()).where(
        codes.c.domain_id == domain.id, codes.c.printed.is_(True), codes.c.archived_at.is_(None)
    )
    count = (await connection.execute(printed)).scalar_one()
    if count and not force:
        raise Conflict(
            f"{count:,} printed codes are on {domain.host}: archived, none of them would be answered. Force it if every "
            "print is gone."
        )


def _domain(row: Row[Any]) -> Domain:
    return Domain(row.id, row.host, row.scheme, row.is_default, row.not_found_url, row.archived_at)


def address_parts(base_url: str) -> tuple[str, str]:
    """The host in the one spelling that browsers send: lower-case A-labels, the port unless it is the scheme's own."""
    parts = urlsplit(base_url)
    own_port = {"http": 80, "https": 443}
    if (
        parts.scheme not in own_port
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise DestinationError(
            "host", f"{base_url[:200]!r} is no short domain: write it as https://HOST, without a path."
        )
    name, port = split_port(parts.netloc)
    host = parse_host(name).text
    return parts.scheme, host if port in (None, own_port[parts.scheme]) else f"{host}:{port}"
