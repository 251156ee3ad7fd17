"""The list of codes: search, order, pages. Reads only."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.names import plain_text
from codes.register import Code, code_query, with_tags
from database.schema import code_tags, codes, versions

SORTS: Final[dict[str, Any]] = {
    "created": codes.c.created_at,
    "updated": codes.c.updated_at,
    "code": codes.c.folded,
    "name": func.lower(codes.c.name),
    "destination": versions.c.destination,
}


async def list_codes(
    connection: AsyncConnection,
    *,
    search: str = "",
    sort: str = "created",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
) -> tuple[list[Code], int]:
    """A page of codes and how many match in all. ``search`` looks in code, name, tags and the destination in force."""
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
    words = plain_text(search).lower().split()
    # Joining a hundred thousand codes with their versions takes a third of a second: only when it is asked about them.
    joined = words or sort == "destination"
    query = code_query().with_only_columns(codes.c.id, maintain_column_froms=True) if joined else select(codes.c.id)
    return query.where(codes.c.archived_at.is_(None), *(_has_word(word) for word in words))


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
