"""Keeps the tallies in the background: of days that have come to rest, and of codes and tags that have become large."""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import duckdb

from analytics.store import ScanStore
from analytics.tallies import DAY, DAY_US, Scope, Unit, forget_lost_scopes, mark_settled, settle

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 10.0
QUIET_S: Final = 30.0  # a day whose scans still arrive would have to be counted again and again
CHUNK_SCANS: Final = 200_000  # counted in one transaction; batches wait behind it
LARGE_SCANS: Final = 100_000  # of a code or tag: fewer are counted from the scans themselves just as well
BUSY_SCANS: Final = 300_000  # of a code or tag: months alone would leave too much to count at both ends of a period
UNITS: Final[tuple[Unit, ...]] = ("day", "month")
_INSERT_SCOPE: Final = "INSERT INTO tally_scopes VALUES (?, ?, ?, ?, ?, false)"
Span = tuple[int, int]
_EPOCH: Final = date(1970, 1, 1)


async def keep_settling(store: ScanStore) -> None:
    """Until cancelled. Reports are right without tallies, too, only slower: a failure is logged and tried again."""
    settled_at = (-1, -1)
    while True:
        try:
            state = (store.past_changes, _today())
            if state != settled_at and await settle_store(store, quiet_s=QUIET_S):
                settled_at = state
        except duckdb.Error as error:
            log.error("tallies: %s", str(error).splitlines()[0])
        await asyncio.sleep(LOOK_EVERY_S)


async def settle_store(store: ScanStore, *, quiet_s: float = 0.0) -> bool:
    """Every day before today of which no scan has come for ``quiet_s``. False when some days must still be waited for."""
    await _find_scopes(store)
    await _catch_up(store)
    counts, today = await _scans_by_day(store), _today()
    busy = store.days_changed_since(time.monotonic() - quiet_s) if quiet_s else frozenset()
    for unit in UNITS:
        scopes, settled = await _scopes(store, unit, ready=True), await _settled(store, unit)
        first_day = min([*counts, *(first for first, _ in settled)], default=today)
        spans = {span: sum(counts.get(day, 0) for day in range(*span)) for span in _spans(unit, first_day, today)}
        waiting = {span: n for span, n in spans.items() if settled.get(span) != n and busy.isdisjoint(range(*span))}
        for first, end in _chunks(unit, waiting):
            async with store.settling:
                await store.write([*settle(unit, first, end, scopes), *mark_settled(unit, first, end)])
    return not any(day in busy for day in counts if day < today)


async def _find_scopes(store: ScanStore) -> None:
    """Codes and tags that have become large."""
    by_code = "SELECT code_id, NULL::VARCHAR AS tag, scans FROM counts"
    by_tag = (
        "SELECT NULL, tag, sum(scans) FROM counts JOIN (SELECT code_id, unnest(tags) AS tag FROM codes) USING (code_id) "
        "GROUP BY tag"
    )
    large = await store.query(
        "WITH counts AS (SELECT code_id, count(*) AS scans FROM scans GROUP BY code_id) "
        f"SELECT code_id, tag, scans FROM ({by_code} UNION ALL {by_tag}) AS large ANTI JOIN tally_scopes "
        "ON large.code_id IS NOT DISTINCT FROM tally_scopes.code_id AND large.tag IS NOT DISTINCT FROM tally_scopes.tag "
        f"WHERE scans >= {LARGE_SCANS}"
    )
    if not large:
        return
    [(scope,)] = await store.query("SELECT max(scope) + 1 FROM tally_scopes")
    rows: list[tuple[str, Sequence[Any]]] = []
    for code_id, tag, scans in large:
        days = None
        if scans >= BUSY_SCANS:
            rows.append((_INSERT_SCOPE, [scope, "day", None, code_id, tag]))
            days, scope = scope, scope + 1
        rows.append((_INSERT_SCOPE, [scope, "month", days, code_id, tag]))
        scope += 1
    await store.write([*forget_lost_scopes(), *rows])


async def _catch_up(store: ScanStore) -> None:
    """New scopes get tallies for everything that is settled already."""
    for unit in UNITS:
        scopes = await _scopes(store, unit, ready=False)
        settled = await _settled(store, unit) if scopes else {}
        for first, end in _chunks(unit, settled):
            async with store.settling:
                await store.write(settle(unit, first, end, scopes))
        if scopes:
            numbers = [scope.number for scope in scopes]
            await store.write([("UPDATE tally_scopes SET ready = true WHERE scope IN (SELECT unnest(?))", [numbers])])


async def _scopes(store: ScanStore, unit: Unit, *, ready: bool) -> list[Scope]:
    rows = await store.query("SELECT scope, days FROM tally_scopes WHERE unit = ? AND ready = ?", [unit, ready])
    return [Scope(number, days) for number, days in rows]


async def _settled(store: ScanStore, unit: Unit) -> dict[Span, int]:
    rows = await store.query("SELECT first_day, end_day, scans FROM settled WHERE unit = ?", [unit])
    return {(first, end): scans for first, end, scans in rows}


async def _scans_by_day(store: ScanStore) -> dict[int, int]:
    return dict(await store.query(f"SELECT {DAY} AS day, count(*) FROM scans GROUP BY day"))


def _spans(unit: Unit, first_day: int, end_day: int) -> list[Span]:
    """Days, or months that have ended; those without scans, too."""
    if unit == "day":
        return [(day, day + 1) for day in range(first_day, end_day)]
    spans = []
    month = (_EPOCH + timedelta(days=first_day)).replace(day=1)
    while (following := (month + timedelta(days=31)).replace(day=1)) <= _EPOCH + timedelta(days=end_day):
        spans.append(((month - _EPOCH).days, (following - _EPOCH).days))
        month = following
    return spans


def _chunks(unit: Unit, spans: Mapping[Span, int]) -> Iterator[Span]:
    """One month each, or stretches of neighbouring days with about CHUNK_SCANS scans."""
    first = end = scans = 0
    for span_first, span_end in sorted(spans):
        more = spans[span_first, span_end]
        if first != end and (unit == "month" or span_first != end or scans + more > CHUNK_SCANS):
            yield first, end
            first = end
        if first == end:
            first, scans = span_first, 0
        end, scans = span_end, scans + more
    if first != end:
        yield first, end


def _today() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000_000) // DAY_US
