"""Exports, read in one transaction and handed out piece by piece."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.domains import Domain, find_domain, list_domains
from codes.errors import NotFound
from codes.exporting import export_records
from codes.records import csv_head, to_csv, to_line
from codes.register import NOT_OF_JOBS, codes_by_id
from codes.schedule import OPEN
from codes.static_maps import MapCode, MapFormat, head_of, nginx_map, redirects_file
from database.engine import Database
from database.schema import campaigns, codes, scheduled_changes

__all__ = ["MapFormat", "map_lines", "record_lines"]

PIECE_BYTES: Final = 64_000
CHUNK: Final = 500


async def record_lines(database: Database, kind: Literal["csv", "ndjson"]) -> AsyncIterator[bytes]:
    written = to_csv if kind == "csv" else to_line
    piece = bytearray(csv_head() if kind == "csv" else b"")
    async with _one_state(database) as connection:
        async for record in export_records(connection):
            piece += written(record)
            if len(piece) >= PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
    yield bytes(piece)


async def map_lines(database: Database, kind: MapFormat, host: str | None) -> AsyncIterator[bytes]:
    """Of one domain's codes that are not archived. Raises NotFound."""
    async with database.reading() as connection:
        domain = await _domain(connection, host)
    return _map_pieces(database, kind, domain)


async def _map_pieces(database: Database, kind: MapFormat, domain: Domain) -> AsyncIterator[bytes]:
    async with _one_state(database) as connection:
        within = NOT_OF_JOBS, codes.c.domain_id == domain.id, codes.c.archived_at.is_(None)
        ids = list((await connection.execute(select(codes.c.id).where(*within).order_by(codes.c.id))).scalars())
        lower = func.lower(codes.c.code)
        twice = select(lower).where(*within).group_by(lower).having(func.count() > 1)
        same = frozenset((await connection.execute(twice)).scalars())
        utm = {row.id: row.utm for row in await connection.execute(select(campaigns.c.id, campaigns.c.utm))}
        waiting = select(scheduled_changes.c.code_id).where(scheduled_changes.c.state.in_(OPEN))
        planned = set((await connection.execute(waiting)).scalars())
        found: list[MapCode] = []
        for start in range(0, len(ids), CHUNK):
            part = sorted(await codes_by_id(connection, ids[start : start + CHUNK]), key=lambda code: code.id)
            found += [MapCode(code, utm.get(code.campaign_id or 0, {}), code.id in planned) for code in part]
    head = head_of(domain.host, found)
    piece = bytearray()
    for line in nginx_map(head, found, same) if kind == "nginx" else redirects_file(head, found):
        piece += line.encode()
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


async def _domain(connection: AsyncConnection, host: str | None) -> Domain:
    if host is None:
        return next(domain for domain in await list_domains(connection) if domain.is_default)
    domain = await find_domain(connection, host)
    if domain is None:
        raise NotFound(f"no short domain {host[:100]!r} is set up here; `waymark domain list` shows them.")
    return domain


@asynccontextmanager
async def _one_state(database: Database) -> AsyncIterator[AsyncConnection]:
    async with database.reading() as connection:
        if database.dialect == "postgresql":  # SQLite's transactions read one state by themselves
            await connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection
