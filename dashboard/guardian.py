"""Looks at destinations after each change and from time to time: alerts after three failures, falls back where allowed.

Never stands between a change and its effect: what it finds is written down beside the code.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.checks import ALERT_AFTER, DestinationCheck, Finding, check_url, destinations_of, find_check, verdict
from codes.domains import list_domains
from codes.errors import NotFound
from codes.outbound import Outbound
from codes.register import NOT_OF_JOBS, Code, get_code_by_id
from codes.versions import Content, Version, add_versions, list_versions, next_version, origin_of, restoring
from database.changes import changes_after, last_seq
from database.engine import Database, to_its_end
from database.schema import audit, codes, destination_checks

log = logging.getLogger(__name__)

NAME: Final = "guardian"
LOOK_EVERY_S: Final = 0.5
AT_ONCE: Final = 8  # codes looked at
AT_ONE_SITE: Final = 2
REMEMBER: Final = timedelta(seconds=30)  # a thousand codes with one destination are one question
AFTER_FAILURE: Final = (timedelta(minutes=1), timedelta(minutes=5))  # then as usual
NEW: Final = timedelta(minutes=10)
MAX_CANDIDATES: Final = 5
CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class _Due:
    code_id: int
    version: int


class Guardian:
    """``recheck`` is about how long a destination that answers is left alone."""

    def __init__(
        self,
        database: Database,
        outbound: Outbound,
        own_hosts: frozenset[str],
        *,
        enabled: bool,
        recheck: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.enabled = enabled
        self._database = database
        self._outbound = outbound
        self._own_hosts = own_hosts
        self._recheck = recheck
        self._now = now
        self._seq: int | None = None
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._sites: Counter[str] = Counter()
        self._recent: dict[str, tuple[datetime, Finding]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while self.enabled:
                await to_its_end(self.notice_changes())
                await to_its_end(self.start_due())
                await asyncio.sleep(LOOK_EVERY_S)
            await asyncio.Event().wait()
        finally:
            for task in list(self._busy.values()):
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def settle(self) -> None:
        """Everything that is due now, to its end."""
        await self.notice_changes()
        busy = True
        while busy:
            busy = bool(self._busy)  # asked first: what is due may be passed over for a look that ends meanwhile
            busy = bool(await self.start_due()) or busy
            await asyncio.gather(*self._busy.values())

    async def notice_changes(self) -> None:
        """Puts changed codes in line, those just changed at once; the first time all that nobody has looked at."""
        async with self._database.reading() as connection:
            newest = await last_seq(connection)
            if newest == self._seq:
                return
            changes = None if self._seq is None else await changes_after(connection, self._seq, limit=1_000_000)
            changed = None if changes is None else list({one.ref_id for one in changes if one.kind == "code"})
            found = await self._unknown(connection, changed)
        for start in range(0, len(found), CHUNK):
            async with self._database.transaction() as connection:
                await _put_in_line(connection, found[start : start + CHUNK])
        self._seq = newest

    async def start_due(self) -> int:
        """How many were begun; each writes down what it found by itself."""
        room = AT_ONCE - len(self._busy)
        if room <= 0:
            return 0
        started = 0
        async with self._database.reading() as connection:
            for due in await _due(connection, self._now(), AT_ONCE * 8):
                if due.code_id in self._busy or started == room:
                    continue
                code = await _find_code(connection, due.code_id)
                if code is None or code.version != due.version or self._is_crowded(code.content):
                    continue
                self._start(code)
                started += 1
        return started

    async def check_now(self, code: Code) -> DestinationCheck:
        """Because somebody asks: fresh, and counted like any other look."""
        async with self._database.transaction() as connection:
            known = await find_check(connection, code.id)
            if known is None or known.version != code.version:
                await _put_in_line(connection, [(code.id, code.version, self._now())])
        self._recent.clear()
        await self._check(code)
        async with self._database.reading() as connection:
            check = await find_check(connection, code.id)
        assert check is not None
        return check

    async def _unknown(
        self, connection: AsyncConnection, changed: Sequence[int] | None
    ) -> list[tuple[int, int, datetime]]:
        """(code, version, when to look): those whose version in force nobody has looked at."""
        checks, now = destination_checks, self._now()
        query = (
            select(codes.c.id, codes.c.version, codes.c.updated_at)
            .join(checks, checks.c.code_id == codes.c.id, isouter=True)
            .where(_watched(), or_(checks.c.code_id.is_(None), checks.c.version != codes.c.version))
        )
        found: list[tuple[int, int, datetime]] = []
        for part in [None] if changed is None else [changed[i : i + CHUNK] for i in range(0, len(changed), CHUNK)]:
            rows = await connection.execute(query if part is None else query.where(codes.c.id.in_(part)))
            for row in rows:
                late = timedelta() if now - row.updated_at < NEW or changed is not None else self._recheck
                found.append((row.id, row.version, now + late * random.random()))  # noqa: S311  spreads the load
        return found

    def _is_crowded(self, content: Content) -> bool:
        return any(self._sites[_site(url)] >= AT_ONE_SITE for url in destinations_of(content))

    def _start(self, code: Code) -> None:
        sites = [_site(url) for url in destinations_of(code.content)]
        self._sites.update(sites)
        task = asyncio.create_task(self._check(code))
        self._busy[code.id] = task

        def done(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()):
                log.error("looking at %s/%s failed: %r", code.domain, code.code, error)
            self._busy.pop(code.id, None)
            self._sites.subtract(sites)
            self._sites += Counter()  # drops what is down to zero

        task.add_done_callback(done)

    async def _check(self, code: Code) -> None:
        finding = await self._look_at(code.content)
        failed = await to_its_end(self._note(code, finding))
        if failed is not None and failed.guard == "fallback":
            await self._fall_back(failed, finding)

    async def _note(self, code: Code, finding: Finding) -> Code | None:
        """The code when it has failed often enough; None when it has not, or was changed meanwhile: the new version is in
        line already, or will be."""
        async with self._database.transaction() as connection:
            current = await _find_code(connection, code.id)
            known = await find_check(connection, code.id)
            if current is None or known is None or not current.version == known.version == code.version:
                return None
            values = self._noted(known, finding)
            query = update(destination_checks).where(destination_checks.c.code_id == code.id)
            await connection.execute(query.values(values))
            await _note_turns(connection, current, known, values, self._now())
        return current if values["failures"] >= ALERT_AFTER else None

    async def _look_at(self, content: Content) -> Finding:
        async with self._database.reading() as connection:
            own = self._own_hosts | {domain.host for domain in await list_domains(connection)}
        now = self._now()
        self._recent = {url: entry for url, entry in self._recent.items() if now - entry[0] < REMEMBER}
        findings = {}
        for url in destinations_of(content):
            known = self._recent.get(url)
            if known is None:
                known = self._recent[url] = (now, await check_url(url, self._outbound, own))
            findings[url] = known[1]
        return verdict(findings)

    def _noted(self, known: DestinationCheck, finding: Finding) -> dict[str, Any]:
        now, later = self._now(), random.uniform(0.8, 1.2)  # noqa: S311  jitter, so that sites are not asked in step
        values: dict[str, Any] = {"checked_at": now, "status": finding.status, "problem": finding.problem}
        if not finding.failed:
            good = known.version if finding.problem is None else known.good_version
            values |= {"failures": 0, "alerted_at": None, "good_version": good}
            return {**values, "next_at": now + self._recheck * later}
        failures = known.failures + 1
        wait = AFTER_FAILURE[failures - 1] if failures <= len(AFTER_FAILURE) else self._recheck
        alerted = known.alerted_at or (now if failures >= ALERT_AFTER else None)
        values |= {"failures": failures, "alerted_at": alerted, "good_version": known.good_version}
        return {**values, "next_at": now + min(wait, self._recheck) * later}

    async def _fall_back(self, code: Code, finding: Finding) -> None:
        """To the newest earlier version that answers now: if nothing does, the trouble is likely on our side."""
        async with self._database.reading() as connection:
            known = await find_check(connection, code.id)
            history = await list_versions(connection, code.id)
        for version in _candidates(history, code, known.good_version if known else None):
            looked = await self._look_at(version.content)
            if looked.problem is None:
                await self._bring_back(code, version, history, finding)
                return

    async def _bring_back(self, code: Code, good: Version, history: Sequence[Version], finding: Finding) -> None:
        reason = f"version {code.version} failed {ALERT_AFTER} times: {finding.problem}"[:500]
        async with self._database.transaction() as connection:
            current = await _find_code(connection, code.id)
            if current is None or current.version != code.version or current.guard != "fallback":
                return
            origin = origin_of({version.number: version for version in history}, good.number)
            added = next_version(code.version + 1, good.content, "guard", NAME, reason, self._now())
            await add_versions(connection, {code.id: restoring(added, origin)}, {code.id: f"{code.domain}/{code.code}"})
            await _put_in_line(connection, [(code.id, added.number, self._now() + self._recheck)])
            row = {"checked_at": self._now(), "good_version": added.number}
            query = update(destination_checks).where(destination_checks.c.code_id == code.id)
            await connection.execute(query.values(row))


def _candidates(history: Sequence[Version], code: Code, good_version: int | None) -> list[Version]:
    """Other contents than the one in force, each once: the one last seen to answer first, then the newer ones."""
    order = sorted(history, key=lambda version: (version.number != good_version, -version.number))
    found: list[Version] = []
    for version in order:
        if destinations_of(version.content) and version.content not in [code.content, *(one.content for one in found)]:
            found.append(version)
    return found[:MAX_CANDIDATES]


async def _find_code(connection: AsyncConnection, code_id: int) -> Code | None:
    try:
        return await get_code_by_id(connection, code_id)
    except NotFound:
        return None  # a demo code that was removed


def _watched() -> Any:
    return NOT_OF_JOBS & codes.c.archived_at.is_(None) & codes.c.demo.is_(False) & (codes.c.guard != "off")


async def _due(connection: AsyncConnection, now: datetime, limit: int) -> list[_Due]:
    """Those never looked at come first."""
    checks = destination_checks
    query = (
        select(checks.c.code_id, checks.c.version)
        .join(codes, codes.c.id == checks.c.code_id)
        .where(_watched(), checks.c.next_at <= now, checks.c.version == codes.c.version)
        .order_by(checks.c.checked_at.is_not(None), checks.c.next_at)
        .limit(limit)
    )
    return [_Due(row.code_id, row.version) for row in await connection.execute(query)]


async def _put_in_line(connection: AsyncConnection, found: Sequence[tuple[int, int, datetime]]) -> None:
    """A new version begins anew: no failures, no alert; what answered last stays known."""
    checks, ids = destination_checks, [code_id for code_id, _version, _at in found]
    rows = await connection.execute(select(checks.c.code_id).where(checks.c.code_id.in_(ids)))
    known = set(rows.scalars())
    existing = await connection.execute(select(codes.c.id).where(codes.c.id.in_(ids)))
    alive = set(existing.scalars())
    fresh = {"checked_at": None, "status": None, "problem": None, "failures": 0, "alerted_at": None}
    new = [
        {"code_id": code_id, "version": version, "next_at": at, "good_version": None, **fresh}
        for code_id, version, at in found
        if code_id in alive and code_id not in known
    ]
    if new:
        await connection.execute(insert(checks), new)
    for code_id, version, at in found:
        if code_id in known:
            query = update(checks).where(checks.c.code_id == code_id, checks.c.version != version)
            await connection.execute(query.values(version=version, next_at=at, **fresh))


async def _note_turns(
    connection: AsyncConnection, code: Code, known: DestinationCheck, values: dict[str, Any], now: datetime
) -> None:
    """For the audit log: the moment an alert begins, and the moment it ends."""
    if (known.alerted_at is None) == (values["alerted_at"] is None):
        return
    action = "code.alert" if values["alerted_at"] else "code.alert-over"
    subject = f"{code.domain}/{code.code}" + (f": {values['problem']}" if values["alerted_at"] else "")
    await connection.execute(insert(audit).values(at=now, who=NAME, action=action, subject=subject[:300]))


def _site(url: str) -> str:
    return urlsplit(url).netloc
