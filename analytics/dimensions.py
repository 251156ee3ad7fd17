"""Keeps the scan store's copies of codes and versions true by following the control database's change feed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.store import ScanStore
from codes.codes import Code, codes_by_id
from codes.groups import groups_by_code
from database.changes import changes_after, last_seq
from database.engine import Database
from database.schema import codes, versions

CHUNK: Final = 2_000
_VERSION_COLUMNS: Final = (
    "code_id", "number", "destination", "made_at", "who", "action", "restores", "reason", "rules",
)  # fmt: skip
UNMARKED: Final = 1_000  # changes that concern no code are not worth a write each


class Dimensions:
    """``follow`` is called by its owner a few times a second; it says whether anything changed."""

    def __init__(self, store: ScanStore, database: Database) -> None:
        self._store = store
        self._database = database
        self._seq: int | None = None
        self._marked = -1  # what of it the store knows

    async def follow(self) -> bool:
        async with self._database.reading() as connection:
            if self._seq is None:
                self._seq = self._marked = await self._stored_seq()
            newest = await last_seq(connection)
            if newest == self._seq:
                return False
            changed = await self._changed_ids(connection, newest)
            if not changed and newest - self._marked < UNMARKED:  # what is published of scans comes each second
                self._seq = newest
                return False
            for start in range(0, len(changed), CHUNK):
                await self._copy(connection, changed[start : start + CHUNK])
        await self._store.write(
            [("DELETE FROM dimension_mark", ()), ("INSERT INTO dimension_mark VALUES (?)", [newest])]
        )
        self._seq = self._marked = newest
        return bool(changed)

    async def _stored_seq(self) -> int:
        rows = await self._store.query("SELECT seq FROM dimension_mark")
        return int(rows[0][0]) if rows else -1

    async def _changed_ids(self, connection: AsyncConnection, newest: int) -> list[int]:
        """Every code after a pruned feed, a first start or an exchanged database; else what the feed names."""
        assert self._seq is not None
        changes = await changes_after(connection, self._seq, limit=1_000_000) if 0 <= self._seq <= newest else None
        if changes is None or any(change.kind == "domain" for change in changes):
            return list((await connection.execute(select(codes.c.id))).scalars())
        return list({change.ref_id for change in changes if change.kind == "code"})

    async def _copy(self, connection: AsyncConnection, code_ids: Sequence[int]) -> None:
        found = await codes_by_id(connection, code_ids)
        groups = await groups_by_code(connection, found)
        tags = {code.id: [*code.tags, *groups[code.id]] for code in found}
        rows = await connection.execute(
            select(versions).where(versions.c.code_id.in_(code_ids)).order_by(versions.c.code_id, versions.c.number)
        )
        statements: list[tuple[str, Sequence[Any]]] = [
            ("DELETE FROM codes WHERE code_id IN (SELECT unnest(?))", [list(code_ids)]),
            ("DELETE FROM versions WHERE code_id IN (SELECT unnest(?))", [list(code_ids)]),
        ]
        if found:
            statements.append(("INSERT INTO codes SELECT " + ", ".join(["unnest(?)"] * 6), _columns(found, tags)))
        all_versions = [_version(row) for row in rows]
        if all_versions:
            columns = [list(column) for column in zip(*all_versions, strict=True)]
            names = ", ".join(_VERSION_COLUMNS)
            unnested = ", ".join(["unnest(?)"] * (len(_VERSION_COLUMNS) - 1))
            lists = "unnest(?::VARCHAR[][])"  # of rules: many versions have none, which says nothing of its type
            statements.append((f"INSERT INTO versions ({names}) SELECT {unnested}, {lists}", columns))
        async with self._store.settling:
            statements.append(await self._without_tallies(code_ids, tags))
            await self._store.write(statements)  # at once: reports never miss a code that changes

    async def _without_tallies(
        self, code_ids: Sequence[int], after: Mapping[int, Sequence[str]]
    ) -> tuple[str, Sequence[Any]]:
        """Takes away the tallies of tags and groups that a scanned code gets or loses; they are made anew in the background."""
        within = "WHERE code_id IN (SELECT unnest(?))"
        scanned = await self._store.query(f"SELECT DISTINCT code_id FROM scans {within}", [list(code_ids)])
        before = dict(await self._store.query(f"SELECT code_id, tags FROM codes {within}", [list(code_ids)]))
        changed = {tag for (code_id,) in scanned for tag in {*before.get(code_id, ())} ^ {*after.get(code_id, ())}}
        self._store.past_changes += bool(changed)
        return ("DELETE FROM tally_scopes WHERE tag IN (SELECT unnest(?))", [sorted(changed)])


def _columns(found: Sequence[Code], tags: Mapping[int, list[str]]) -> list[list[Any]]:
    return [
        [code.id for code in found],
        [_shown_code(code) for code in found],
        ["" if code.kind == "job" else code.short_url for code in found],
        [code.name for code in found],
        [tags[code.id] for code in found],
        [code.demo for code in found],
    ]


def _shown_code(code: Code) -> str:
    """A job's code is its customer's secret: whoever may look at scans sees the shop's reference."""
    return f"job:{code.name}" if code.kind == "job" else code.code


def _version(row: Row[Any]) -> tuple[Any, ...]:
    names = [rule["name"] for rule in row.rules or ()]
    at = _naive(row.created_at)
    return row.code_id, row.number, row.destination, at, row.created_by, row.action, row.restores, row.reason, names


def _naive(at: datetime) -> datetime:
    return at.replace(tzinfo=None)
