"""Keeps the route table true: fills it from the database or the snapshot, follows the change feed, reads on a miss."""

import asyncio
import gc
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, Select, and_, case, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import fold
from codes.domains import list_domains
from codes.options import NO_OPTIONS, with_utm_defaults
from codes.register import JOB_DESTINATION
from codes.versions import content_from
from database.changes import changes_after, last_seq
from database.engine import Database, DatabaseError, identity_of, sqlite_file
from database.schema import campaigns, codes, domains, versions
from jobs.status_sources import PAGES
from redirector.job_memory import JobMemory, Question
from redirector.misses import MissLimit, Pace, SharedReads, TooManyMisses
from redirector.routes import DomainName, Route, RouteTable
from redirector.snapshot import SnapshotError, read_snapshot
from redirector.watched import Watched

log = logging.getLogger(__name__)

POLL_S: Final = 0.1
CHUNK: Final = 2_000  # codes read at a time: between two chunks requests are answered
FOLLOWED: Final = 100  # the same of changes, which come amid many requests
SETTLED_S: Final = 1.0  # another database file must have been there for so long: it may still be being copied


class Unavailable(Exception):  # noqa: N818
    """Nobody can say now whether this code exists: the table is not complete and the database does not answer."""


class Lookup:
    """Owns the read-only connections of one public worker: the follower's, and those that misses share."""

    def __init__(self, url: str, snapshot: Path, limit: MissLimit | None = None) -> None:
        self.table = RouteTable()
        self.database_ok = False
        self.watched: Watched | None = None
        self.jobs = JobMemory(partial(self._ask, SharedReads(2)))  # while these read, the others gather for the next
        self.can_answer = asyncio.Event()  # set once a known code can be found, in memory or in the database
        self._url = url
        self._snapshot = snapshot
        self._limit = MissLimit() if limit is None else limit
        self._refusals = Pace()
        self._database: Database | None = None
        self._for_misses: Database | None = None  # a flood of them never holds up the follower
        self._reads: SharedReads[Route | None] = SharedReads()
        self._part_reads: SharedReads[Any] = SharedReads()  # turns of their own: they are of codes that exist
        self._file: tuple[Path, tuple[int, int] | None] | None = None  # SQLite's, and which one it is
        self._other_file_since: float | None = None
        self._must_reload = False
        self._filling: asyncio.Task[None] | None = None
        self._complaint = ""
        self._scans_told = True  # the private side has published something about scans

    async def find(self, host: str, text: str, network: str = "") -> Route | None:
        """Memory first; a miss reads the database once. Raises Unavailable, TooManyMisses."""
        found = await self.find_first(host, (text,), network)
        return found[1] if found else None

    async def find_first(self, host: str, spellings: Sequence[str], network: str = "") -> tuple[str, Route] | None:
        """The first spelling that is a code. All of them together are one miss of the ``network`` that asks."""
        table = self.table
        domain = table.domain_for(host)
        if domain is None:
            raise Unavailable
        allowed: bool | None = None
        missed = False
        try:
            for text in spellings:
                route = table.find(domain.id, text)
                if route is None and not table.is_unknown(domain.id, text):
                    if allowed is None:
                        allowed = self._limit.take(network)
                    # Of a code created just now the feed tells in a moment; until the table is whole, only the database can.
                    if allowed or not table.complete:
                        route = await self._read(domain.id, text, network)
                if route is not None:
                    return text, route
            missed = True
        finally:
            if allowed and not missed:
                self._limit.give_back(network)
        if allowed is False:
            await self._refusals.keep()
            raise TooManyMisses(self._limit.retry_after_s(network))
        return None

    def not_found_url(self, host: str) -> str | None:
        """Where unknown codes of this Host header's domain are sent; None for our own page."""
        domain = self.table.domain_for(host)
        return domain.not_found_url if domain else None

    async def ask(self, key: object, network: str, question: Question) -> Any:
        """What is too large to remember. Raises Unavailable."""
        return await self._ask(self._part_reads, key, network, question)

    async def run(self) -> None:
        """Until cancelled: connect, load, follow; on any database trouble serve from memory and try again."""
        while True:
            try:
                await self._open()
                while not self._is_replaced():
                    if self._must_reload or not (self.table.complete and await self._follow()):
                        await self._load()
                    await self._follow_scans()
                    self._complaint = ""
                    await asyncio.sleep(POLL_S)
                log.warning("another control database file is in place; its codes are loaded")
                self._must_reload = True
                await self.close()
            except (SQLAlchemyError, DatabaseError, OSError) as error:
                if self.table.complete and (self.database_ok or self._must_reload):  # else it is only not there yet
                    self._complain(_reason(error))
                await self.close()
                if not self.can_answer.is_set():
                    await self._load_snapshot()
            await asyncio.sleep(POLL_S)

    async def close(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
        databases = (self._database, self._for_misses)
        self._database, self._for_misses, self.database_ok = None, None, False
        if self.watched is not None:
            self.watched.can_load = False
        for database in databases:
            if database is not None:
                await database.close()

    def _complain(self, reason: str) -> None:
        if reason != self._complaint:
            self._complaint = reason
            log.warning("control database does not answer (%s); serving from memory", reason)

    async def _load_snapshot(self) -> None:
        """When the database is not there at the start."""
        try:
            seq, names, routes = await asyncio.to_thread(read_snapshot, self._snapshot)
        except SnapshotError as error:
            log.debug("no route snapshot: %s", error)
            return
        self.table.set_domains(names)
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
        self._for_misses = await Database.open(self._url, read_only=True)
        async with self._database.reading() as connection:
            path = await sqlite_file(connection)
            self._file, self._other_file_since = (path, identity_of(path)) if path else None, None
            self.table.set_domains(await _domain_names(connection))
        self.database_ok = True
        self.can_answer.set()  # what is not in memory yet is read when asked for

    def _is_replaced(self) -> bool:
        """Whether another SQLite file has taken the place of the one that is open. One that is merely gone is not replaced."""
        if self._file is None:
            return False
        path, opened = self._file
        if identity_of(path) in (None, opened):
            self._other_file_since = None
            return False
        if self._other_file_since is None:
            self._other_file_since = time.monotonic()
        return time.monotonic() - self._other_file_since >= SETTLED_S

    async def _load(self) -> None:
        """Everything, in chunks that let requests through. After a snapshot only what changed since is followed."""
        assert self._database is not None
        if self.watched is not None:
            self.watched.restart()
        async with self._database.reading() as connection:
            seq = await last_seq(connection)
            self.table.set_domains(await _domain_names(connection))
            before, seen = self.table.code_ids(), 0
            while rows := await _routes_above(connection, seen):
                for route in rows:
                    self.table.put(route)
                self._keep(rows)
                before.difference_update([route.code_id for route in rows])
                seen = rows[-1].code_id
                await asyncio.sleep(0)
        if before and not seen and self._must_reload:
            raise DatabaseError("the file now in its place has no codes; restart waymark to begin anew without them")
        for stale in before:
            self._remove(stale)
        self._scans_told = True
        self.jobs.clear()
        self.table.seq = seq
        self.table.complete = True
        self.table.forget_unknown()
        self._must_reload = False
        self._filling = asyncio.create_task(self._fill_jobs())
        gc.freeze()  # routes live long: no collection need walk a million of them
        log.info("%d routes loaded", len(self.table))

    async def _fill_jobs(self) -> None:
        """Beside the follower, which goes on meanwhile."""
        with suppress(Unavailable):  # then they are read when they are asked for
            await self.jobs.fill()

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
            self._scans_told |= any(change.kind == "scans" for change in changes)
            if all(change.kind == "scans" for change in changes):
                self.table.seq = changes[-1].seq
                return True
            code_ids = list({change.ref_id for change in changes if change.kind == "code"})
            current = await _routes_by_id(connection, code_ids)
            if any(change.kind == "domain" for change in changes):
                self.table.set_domains(await _domain_names(connection))
        for code_id in set(code_ids) - {route.code_id for route in current}:
            self._remove(code_id)
        for route in current:
            self.table.put(route)
        self._keep(current)
        self.jobs.apply(changes)
        self.table.forget_unknown()
        self.table.seq = changes[-1].seq
        return True

    async def _follow_scans(self) -> None:
        if self.watched is None or self._database is None:
            return
        news, self._scans_told = self._scans_told, False
        await self.watched.follow(self._database, news=news)

    def _keep(self, routes: Sequence[Route]) -> None:
        if self.watched is not None:
            self.watched.keep(routes)

    def _remove(self, code_id: int) -> None:
        self.table.remove(code_id)
        if self.watched is not None:
            self.watched.forget(code_id)

    async def _read(self, domain_id: int, text: str, network: str) -> Route | None:
        work = partial(self._read_and_remember, domain_id, text)
        try:
            return await self._reads.read((domain_id, text), network, work)
        except TimeoutError:
            if self.table.complete:
                return None
            raise Unavailable from None

    async def _ask(self, reads: SharedReads[Any], key: object, network: str, question: Question) -> Any:
        """By the connections of misses, one reading of a ``key`` at a time. Raises Unavailable."""
        database = self._for_misses
        if database is None:
            raise Unavailable

        async def work() -> Any:
            async with database.reading() as connection:
                return await question(connection)

        try:
            return await reads.read(key, network, work)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise Unavailable from error

    async def _read_and_remember(self, domain_id: int, text: str) -> Route | None:
        table = self.table
        route = table.find(domain_id, text)
        if route is not None or table.is_unknown(domain_id, text):
            return route  # found out while this one waited for its turn
        seq = table.seq
        route = await self._read_one(domain_id, text)
        if table.seq != seq:
            return route  # the feed moved on meanwhile, perhaps past what was just read: not worth remembering
        if route is None:
            table.note_unknown(domain_id, text)
        else:
            table.put(route)
        return route

    async def _read_one(self, domain_id: int, text: str) -> Route | None:
        if self._for_misses is None:
            if self.table.complete:
                return None
            raise Unavailable
        try:
            async with self._for_misses.reading() as connection:
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
    found = await list_domains(connection)
    return [DomainName(domain.id, domain.host, domain.is_default, domain.not_found_url) for domain in found]


def _route_query() -> Select[Any]:
    """Columns in the order of Route's fields, and the campaign's UTM fields."""
    return (
        select(
            codes.c.id,
            codes.c.domain_id,
            case((codes.c.legacy.is_(True), codes.c.code), else_=codes.c.folded),
            codes.c.legacy,
            codes.c.version,
            versions.c.destination,
            versions.c.rules,
            versions.c.options,
            campaigns.c.utm,
        )
        .join(versions, and_(versions.c.code_id == codes.c.id, versions.c.number == codes.c.version))
        .join(domains, domains.c.id == codes.c.domain_id)
        .outerjoin(campaigns, campaigns.c.id == codes.c.campaign_id)
        .where(codes.c.archived_at.is_(None), domains.c.archived_at.is_(None))
    )


async def _routes_above(connection: AsyncConnection, code_id: int) -> list[Route]:
    query = _route_query().where(codes.c.id > code_id).order_by(codes.c.id).limit(CHUNK)
    return [_route(row) for row in await connection.execute(query)]


async def _routes_by_id(connection: AsyncConnection, code_ids: Sequence[int]) -> list[Route]:
    found: list[Route] = []
    for start in range(0, len(code_ids), FOLLOWED):
        query = _route_query().where(codes.c.id.in_(code_ids[start : start + FOLLOWED]))
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
    *fields, rules, options, utm = tuple[Any, ...](row)
    if fields[-1] == JOB_DESTINATION:
        fields[-1] = f"{PAGES}{fields[2]}"  # relative: whatever name the code was scanned under
    if rules is None and options is None and not utm:
        return Route._make((*fields, (), None))
    content = content_from(fields[-1], rules, options)
    merged = with_utm_defaults(content.options, utm or {})
    return Route._make((*fields, content.rules, None if merged == NO_OPTIONS else merged))
