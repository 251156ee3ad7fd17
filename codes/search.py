"""The list of codes: search, order, pages. Reads only."""

import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.names import plain_text
from codes.register import NOT_OF_JOBS, Code, code_query, with_tags
from database.schema import campaigns, code_tags, codes, domains, placements, versions

SORTS: Final[dict[str, Any]] = {
    "created": codes.c.created_at,
    "updated": codes.c.updated_at,
    "code": codes.c.folded,
    "name": func.lower(codes.c.name),
    "destination": versions.c.destination,
}


# campaign:spring  placement:"Cafe North"  domain:go.example  is:archived  is:printed
_NARROWING: Final = re.compile(r"""(?:^|(?<=\s))(campaign|placement|domain|is|tag):(?:"([^"]*)"|(\S+))""")


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What a search is limited to, each by name; None does not limit. ``archived`` shows those, and only those."""

    campaign: str | None = None
    placement: str | None = None
    domain: str | None = None
    tag: str | None = None
    archived: bool = False
    printed: bool = False


def narrowing_in(search: str) -> tuple[Narrowing, str]:
    """What the text narrows by, as in `campaign:"Spring 26" poster`, and the words that are left."""
    found: dict[str, Any] = {}
    for key, quoted, bare in _NARROWING.findall(search):
        value = quoted or bare
        if key == "is" and value.lower() in ("archived", "printed"):
            found[value.lower()] = True
        elif key != "is" and value.strip():
            found[key] = value.strip()
    return Narrowing(**found), " ".join(_NARROWING.sub(" ", search).split())


async def list_codes(
    connection: AsyncConnection,
    *,
    search: str = "",
    sort: str = "created",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
) -> tuple[list[Code], int]:
    """A page of codes and how many match in all. ``search`` looks in code, name, tags and the destination in force,
    and narrows by what ``narrowing_in`` finds in it."""
    matching = _matching_ids(search, sort)
    order = (SORTS[sort].desc() if descending else SORTS[sort].asc(), codes.c.id)
    page = matching.order_by(*order).limit(limit).offset(offset)
    rows = await connection.execute(code_query().where(codes.c.id.in_(page)).order_by(*order))
    total = (await connection.execute(select(func.count()).select_from(matching.subquery()))).scalar_one()
    return await with_tags(connection, rows.all()), int(total)


async def list_code_ids(connection: AsyncConnection, search: str = "") -> list[int]:
    """All that match, for an order that only the scan store knows."""
    return list((await connection.execute(_matching_ids(search, "created"))).scalars())


def _matching_ids(search: str, sort: str) -> Select[Any]:
    narrowing, rest = narrowing_in(plain_text(search))
    words = rest.lower().split()
    # Joining a hundred thousand codes with their versions takes a third of a second: only when it is asked about them.
    joined = words or sort == "destination"
    query = code_query().with_only_columns(codes.c.id, maintain_column_froms=True) if joined else select(codes.c.id)
    return query.where(*_limits(narrowing), *(_has_word(word) for word in words))


def _limits(narrowing: Narrowing) -> list[ColumnElement[bool]]:
    limits: list[ColumnElement[bool]] = [
        NOT_OF_JOBS,
        codes.c.archived_at.is_not(None) if narrowing.archived else codes.c.archived_at.is_(None),
    ]
    if narrowing.printed:
        limits.append(codes.c.printed.is_(True))
    if narrowing.campaign is not None:
        named = func.lower(campaigns.c.name) == narrowing.campaign.lower()
        limits.append(codes.c.campaign_id.in_(select(campaigns.c.id).where(named)))
    if narrowing.placement is not None:  # a venue, or one spot of it
        venue, _, spot = narrowing.placement.lower().partition(" / ")
        named = func.lower(placements.c.venue) == venue.strip()
        if spot:
            named &= func.lower(placements.c.spot) == spot.strip()
        limits.append(codes.c.placement_id.in_(select(placements.c.id).where(named)))
    if narrowing.domain is not None:
        hosts = select(domains.c.id).where(domains.c.host == narrowing.domain.lower())
        limits.append(codes.c.domain_id.in_(hosts))
    if narrowing.tag is not None:
        limits.append(codes.c.id.in_(select(code_tags.c.code_id).where(code_tags.c.tag == narrowing.tag.lower())))
    return limits


def _has_word(word: str) -> ColumnElement[bool]:
    """Somewhere in what is searched; % and _ are plain characters."""
    pattern = "%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    tagged = select(code_tags.c.code_id).where(code_tags.c.tag.like(pattern, escape="\\"))
    return or_(
        func.lower(codes.c.code).like(pattern, escape="\\"),
        func.lower(codes.c.name).like(pattern, escape="\\"),
        func.lower(versions.c.destination).like(pattern, escape="\\"),
        codes.c.id.in_(tagged),
    )
