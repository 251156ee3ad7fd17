"""Codes as they are kept: find and read them. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import ColumnElement, Row, Select, and_, case, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import fold
from codes.errors import NotFound
from codes.names import is_plain
from codes.options import Options
from codes.placements import placement_label
from codes.rules import Rule
from codes.versions import Content, content_from
from database.schema import campaigns, code_tags, codes, domains, placements, versions

# Of a path, as they are (RFC 3986); what imported codes hold beside them is percent-encoded.
PATH_SAFE: Final = "/~!$&'()*+,;=:@"
JOB_DESTINATION: Final = "job:"
"""Where a job's code points: to the page of its own job, at /j/ and the code itself."""


NOT_OF_JOBS: Final = codes.c.kind != "job"
"""For whatever lists, changes, exports or prints codes: a job's code is its customer's secret, and its job's alone."""


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
    content: Content
    campaign_id: int | None
    placement_id: int | None
    guard: str
    printed: bool
    demo: bool
    created_at: datetime
    created_by: str
    updated_at: datetime
    archived_at: datetime | None
    campaign: str | None = None  # by name
    placement: str | None = None  # venue / spot
    on_default: bool = True  # of the short domains: where a code is looked for first

    @property
    def destination(self) -> str:
        return self.content.destination

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.content.rules

    @property
    def options(self) -> Options:
        return self.content.options

    @property
    def short_url(self) -> str:
        return short_url(self.scheme, self.domain, self.code)


def short_url(scheme: str, host: str, code: str) -> str:
    return f"{scheme}://{host}/{quote(code, safe=PATH_SAFE)}"


async def find_code(connection: AsyncConnection, text: str, domain: str | None = None) -> Code | None:
    """Lookup as a scan does it: the exact spelling first (legacy codes), then folded.

    Without a domain the default one is searched, then the others, so that codes printed under an older name are found.
    """
    if not is_plain(text) or not is_plain(domain or ""):
        return None
    exact, folded = codes.c.code == text, and_(codes.c.folded == fold(text), codes.c.legacy.is_(False))
    order = (domains.c.is_default.desc(), domains.c.id, case((exact, 0), else_=1))
    query = code_query().where(spelled(exact, folded)).order_by(*order).limit(1)
    if domain is not None:
        query = query.where(domains.c.host == domain.lower())
    row = (await connection.execute(query)).first()
    return (await with_tags(connection, [row]))[0] if row else None


def spelled(exact: ColumnElement[bool], folded: ColumnElement[bool]) -> ColumnElement[bool]:
    """Either of them. Asked in one OR, or without naming the domains, SQLite would read through all codes."""
    of_any = codes.c.domain_id.in_(select(domains.c.id))
    return codes.c.id.in_(union_all(*(select(codes.c.id).where(of_any, way) for way in (exact, folded))))


async def get_code(connection: AsyncConnection, text: str, domain: str | None = None) -> Code:
    found = await find_code(connection, text, domain)
    if found is None or found.kind == "job":
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


def code_query() -> Select[Any]:
    return (
        select(
            codes,
            domains.c.host,
            domains.c.scheme,
            domains.c.is_default,
            versions.c.destination,
            versions.c.rules,
            versions.c.options,
            campaigns.c.name.label("campaign_name"),
            placements.c.venue,
            placements.c.spot,
        )
        .join(domains, domains.c.id == codes.c.domain_id)
        .join(versions, and_(versions.c.code_id == codes.c.id, versions.c.number == codes.c.version))
        .outerjoin(campaigns, campaigns.c.id == codes.c.campaign_id)
        .outerjoin(placements, placements.c.id == codes.c.placement_id)
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
        content=content_from(row.destination, row.rules, row.options),
        campaign_id=row.campaign_id,
        placement_id=row.placement_id,
        guard=row.guard,
        printed=row.printed,
        demo=row.demo,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
        archived_at=row.archived_at,
        campaign=row.campaign_name,
        placement=None if row.venue is None else placement_label(row.venue, row.spot),
        on_default=row.is_default,
    )
