"""Short domains: which hosts this installation answers for, and which one new codes get."""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.errors import NotFound
from codes.hosts import parse_host, split_port
from database.changes import record_changes
from database.schema import domains


@dataclass(frozen=True, slots=True)
class Domain:
    id: int
    host: str
    scheme: str
    is_default: bool

    def short_url(self, code: str) -> str:
        return f"{self.scheme}://{self.host}/{code}"


async def ensure_default_domain(connection: AsyncConnection, base_url: str) -> Domain:
    """Makes the configured short address the default domain. Earlier ones stay: their codes are printed."""
    scheme, host = _scheme_and_host(base_url)
    found = await find_domain(connection, host)
    if found and found.is_default and found.scheme == scheme:
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
            update(domains).where(domains.c.id == domain_id).values(scheme=scheme, is_default=True)
        )
    await record_changes(connection, "domain", [domain_id])
    return Domain(domain_id, host, scheme, True)


async def list_domains(connection: AsyncConnection) -> list[Domain]:
    rows = await connection.execute(select(domains).order_by(domains.c.is_default.desc(), domains.c.host))
    return [Domain(row.id, row.host, row.scheme, row.is_default) for row in rows]


async def find_domain(connection: AsyncConnection, host: str) -> Domain | None:
    row = (await connection.execute(select(domains).where(domains.c.host == host.lower()))).first()
    return Domain(row.id, row.host, row.scheme, row.is_default) if row else None


async def get_domain(connection: AsyncConnection, host: str | None) -> Domain:
    """The named domain, or the default one when ``host`` is None."""
    known = await list_domains(connection)
    for domain in known:
        if domain.is_default if host is None else domain.host == host.lower():
            return domain
    names = ", ".join(domain.host for domain in known) or "none yet"
    raise NotFound(f"no short domain {host!r} is set up here; known: {names}.")


def _scheme_and_host(base_url: str) -> tuple[str, str]:
    """The host in the one spelling that browsers send: lower-case A-labels, the port unless it is the scheme's own."""
    parts = urlsplit(base_url)
    name, port = split_port(parts.netloc)
    host = parse_host(name).text
    own_port = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, host if port in (None, own_port) else f"{host}:{port}"
