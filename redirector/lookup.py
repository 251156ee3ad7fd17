"""Keeps the route table true: fills it from the database or the snapshot, follows the change feed, reads on a miss."""

import asyncio
import gc
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, Select, and_, case, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import fold
from codes.domains import list_domains
from database.changes import changes_after, last_seq
from database.engine import Database, DatabaseError
from database.schema import codes, versions
from redirector.routes import DomainName, Route, RouteTable
from redirector.snapshot import SnapshotError, read_snapshot

log = logging.getLogger(__name__)

POLL_S: Final = 0.1
CHUNK: Final = 2_000  # codes read at a time: between two chunks requests are answered


class Unavailable(Exception):  # noqa: N818
    """Nobody can say now whether this code exists: the table is not complete and the database does not answer."""


class Lookup:
    """Owns the read-only connection of one public worker."""

    def __init__(self, url: str, snapshot: Path) -> None:
        self.table = RouteTable()
        self.database_ok = False
        self.can_answer = asyncio.Event()  # set once a known code can be found, in memory or in the database
        self._url = url
        self._snapshot = snapshot
        self._database: Database | None = None

    async def find(self, host: str, text: str) -> Route | None:
        """Memory first; a miss reads the database once. Raises Unavailable."""
        table = self.table
        domain = table.domain_for(host)
        if domain is None:
            raise Unavailable
        route = table.find(domain.id, text)
        if route is not None or table.is_unknown(domain.id, text):
            return route
        seq = table.seq
        route = await self._read_one(domain.id, text)
        if table.seq != seq:
            return route  # the feed moved on meanwhile, perhaps past what was just read: not worth remembering
        if route is None:
            table.note_unknown(domain.id, text)
        else:
            table.put(route)
        return route

    async def run(self) -> None:
        """Until cancelled: connect, load, follow; on any database trouble serve from memory and try again."""
        while True:
            try:
                await self._open()
                while True:
                    if not (self.table.complete and await self._follow()):
                        await self._load()
                    await asyncio.sleep(POLL_S)
            except (SQLAlchemyError, DatabaseError, OSError) as error:
                if self.database_ok and self.table.complete:  # before that it is only not there yet
                    log.warning("control database does not answer (%s); serving from memory", _reason(error))
                await self.close()
                if not self.can_answer.is_set():
                    await self._load_snapshot()
            await asyncio.sleep(POLL_S)

    async def close(self) -> None:
        database, self._database, self.database_ok = self._database, None, False
        if database is not None:
            await database.close()

    async def _load_snapshot(self) -> None:
        """When the database is not there at the start."""
        try:
            seq, domains, routes = await asyncio.to_thread(read_snapshot, self._snapshot)
        except SnapshotError as error:
            log.debug("no route snapshot: %s", error)
            return
        self.table.set_domains(domains)
        for number, route in enumerate(routes):
            self.table.put(route)
            if number % CHUNK == 0:
                await asyncio.sleep(0)
        self.table.seq = seq
        self.table.complete = True
        self.can_answer.set()
        log.info("%d routes from the snapshot", len(self.table))

    async def _open(self) -> None:
        self._database = await Database.open(self._url, read_only=True)
        async with self._database.reading() as connection:
            self.table.set_domains(await _domain_names(connection))
        self.database_ok = True
        self.can_answer.set()  # what is not in memory yet is read when asked for

    async def _load(self) -> None:
        """Everything, in chunks that let requests through. After a snapshot only what changed since is followed."""
        assert self._database is not None
        async with self._database.reading() as connection:
            seq = await last_seq(connection)
            self.table.set_domains(await _domain_names(connection))
            before = self.table.code_ids()
            seen = 0
            while rows := await _routes_above(connection, seen):
                for route in rows:
                    self.table.put(route)
                before.difference_update([route.code_id for route in rows])
                seen = rows[-1].code_id
                await asyncio.sleep(0)
        for stale in before:
            self.table.remove(stale)
        self.table.seq = seq
        self.table.complete = True
        self.table.forget_unknown()
        gc.freeze()  # routes live long: no collection need walk a million of them
        log.info("%d routes loaded", len(self.table))

    async def _follow(self) -> bool:
        """Applies what the feed has; False when this table fell behind the pruned feed and must be loaded anew."""
        assert self._database is not None
        async with self._database.reading() as connection:
            changes = await changes_after(connection, self.table.seq)
            if changes is None or await last_seq(connection) < self.table.seq:
                self.table.complete = False
                return False
            if not changes:
                return True
            code_ids = list({change.ref_id for change in changes if change.kind == "code"})
            current = await _routes_by_id(connection, code_ids)
            if any(change.kind == "domain" for change in changes):
                self.table.set_domains(await _domain_names(connection))
        for code_id in set(code_ids) - {route.code_id for route in current}:
            self.table.remove(code_id)
        for route in current:
            self.table.put(route)
        self.table.forget_unknown()
        self.table.seq = changes[-1].seq
        return True

    async def _read_one(self, domain_id: int, text: str) -> Route | None:
        if self._database is None:
            if self.table.complete:
                return None
            raise Unavailable
        try:
            async with self._database.reading() as connection:
                query = _route_query().where(codes.c.domain_id == domain_id)
                exact = (await connection.execute(query.where(codes.c.code == text, codes.c.legacy.is_(True)))).first()
                row = (
                    exact
                    or (
                        await connection.execute(query.where(codes.c.folded == fold(text), codes.c.legacy.is_(False)))
                    ).first()
                )
        except (SQLAlchemyError, OSError) as error:
            if self.table.complete:
                return None
            raise Unavailable from error
        return _route(row) if row else None


def _reason(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error)


async def _domain_names(connection: AsyncConnection) -> list[DomainName]:
    return [DomainName(domain.id, domain.host, domain.is_default) for domain in await list_domains(connection)]


def _route_query() -> Select[Any]:
    """Columns in the order of Route's fields."""
    return (
        select(
            codes.c.id,
            codes.c.domain_id,
            case((codes.c.legacy.is_(True), codes.c.code), else_=codes.c.folded),
            codes.c.legacy,
            codes.c.version,
            versions.c.destination,
        )
        .join(versions, and_(versions.c.code_id == codes.c.id, versions.c.number == codes.c.version))
        .where(codes.c.archived_at.is_(None))
    )


async def _routes_above(connection: AsyncConnection, code_id: int) -> list[Route]:
    query = _route_query().where(codes.c.id > code_id).order_by(codes.c.id).limit(CHUNK)
    return [_route(row) for row in await connection.execute(query)]


async def _routes_by_id(connection: AsyncConnection, code_ids: Sequence[int]) -> list[Route]:
    found: list[Route] = []
    for start in range(0, len(code_ids), 500):
        query = _route_query().where(codes.c.id.in_(code_ids[start : start + 500]))
        found.extend(_route(row) for row in await connection.execute(query))
    return found


async def all_routes(connection: AsyncConnection) -> list[Route]:
    """For the snapshot: every route, in the order of creation."""
    found: list[Route] = []
    while rows := await _routes_above(connection, found[-1].code_id if found else 0):
        found.extend(rows)
    return found


async def all_domains(connection: AsyncConnection) -> list[DomainName]:
    return await _domain_names(connection)


def _route(row: Row[Any]) -> Route:
    return Route._make(row)
