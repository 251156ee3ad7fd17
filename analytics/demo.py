"""Demo data: codes and scans of an invented quarter of a year, written through the journal, marked, removable.

The scans take the same way as real ones: a journal segment of the series "demo", which ingestion finds by itself.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from analytics.demo_plan import VENUES, Venue, Window, window_until
from analytics.demo_scans import PlacedCode, demo_scans, us
from analytics.store import ScanStore
from codes.codes import Code, CodeChange, NewCode, change_code, create_code, delete_demo_codes
from codes.destinations import DestinationPolicy
from codes.errors import Conflict
from database.engine import Database
from database.schema import codes
from redirector.journal import segment_name
from redirector.records import scan_line

SERIES: Final = "demo"
_RUNS: Final = f"{SERIES}.%"  # of journal runs and segments alike
_PREPARATION: Final = timedelta(days=2)


async def add_demo(
    database: Database,
    journal: Path,
    *,
    who: str,
    policy: DestinationPolicy,
    now: datetime | None = None,
    seed: int = 7,
) -> dict[str, Any]:
    """Raises Conflict when there are demo codes already, or a code of somebody's own is in the way."""
    if await _demo_code_ids(database):
        raise Conflict("there is demo data already; remove it first with `waymark demo remove`.")
    window = window_until(now or datetime.now(UTC))
    segment = journal / segment_name(SERIES, int(time.time() * 1000), 1)
    placed: list[PlacedCode] = []
    try:
        for venue in VENUES:
            placed.append(await _place(database, venue, window, who, policy))  # noqa: PERF401  what exists is needed below
        count = await asyncio.to_thread(_write_segment, segment, placed, window, seed)
        await asyncio.to_thread(_publish, segment)
    except BaseException:
        for path in (_unfinished(segment), segment):
            with suppress(OSError):
                path.unlink()
        # Without a code of ours, any others belong to somebody who adds the same at this moment.
        if placed:
            await delete_demo_codes(database)
        raise
    return {
        "codes": len(placed),
        "scans": count,
        "from": window.start.isoformat(),
        "to": window.end.isoformat(),
    }


async def remove_demo(database: Database, store: ScanStore, journal: Path) -> dict[str, Any]:
    """Call it with ingestion paused. Segments go first, so that none is read again once its mark is gone; codes last,
    so that after a failure on the way it can simply be called again.

    Scans that somebody made of a demo code go too: the code they belong to is gone, and its number may come back.
    """
    code_ids = await _demo_code_ids(database)
    segments = await asyncio.to_thread(_delete_segments, journal)
    where = "demo OR code_id IN (SELECT unnest(?))"
    [(scans,)] = await store.query(f"SELECT count(*) FROM scans WHERE {where}", [code_ids])
    await store.write(
        [
            (f"DELETE FROM scans WHERE {where}", [code_ids]),
            ("DELETE FROM journal_marks WHERE run LIKE ?", [_RUNS]),
            ("DELETE FROM accounting WHERE run LIKE ?", [_RUNS]),
            ("DELETE FROM quarantine WHERE segment LIKE ?", [_RUNS]),
        ]
    )
    return {"codes": await delete_demo_codes(database), "scans": scans, "segments": segments}


async def _demo_code_ids(database: Database) -> list[int]:
    async with database.reading() as connection:
        return list((await connection.execute(select(codes.c.id).where(codes.c.demo.is_(True)))).scalars())


async def _place(database: Database, venue: Venue, window: Window, who: str, policy: DestinationPolicy) -> PlacedCode:
    """Creates the code as if it had been made shortly before its launch, with its later versions."""
    launch = window.moment(venue.launch)
    new = NewCode(venue.destination, venue.slug, name=venue.name, tags=venue.tags, demo=True)
    code = await create_code(database, new, who=who, policy=policy, at=launch - _PREPARATION)
    moments = [window.moment(share) for share, _, _ in venue.retargets]
    for at, (_, destination, reason) in zip(moments, venue.retargets, strict=True):
        rules = venue.rules if at == moments[-1] else None
        change = CodeChange(destination, rules=rules or None, reason=reason)
        await change_code(database, venue.slug, change, who=who, policy=policy, at=at)
    return _placed(venue, code, window, launch, moments)


def _placed(venue: Venue, code: Code, window: Window, launch: datetime, moments: Sequence[datetime]) -> PlacedCode:
    until = window.end if venue.taken_down is None else window.moment(venue.taken_down)
    return PlacedCode(venue, code.id, code.domain, us(launch), us(until), tuple(us(at) for at in moments))


def _write_segment(segment: Path, placed: Sequence[PlacedCode], window: Window, seed: int) -> int:
    """Under a name that no reader looks at: ingestion must not take the half of it for the whole."""
    segment.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(_unfinished(segment), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        scans = demo_scans(placed, window, seed)
        file.writelines(scan_line(scan) for scan in scans)
        file.flush()
        os.fsync(file.fileno())
    return len(scans)


def _publish(segment: Path) -> None:
    _unfinished(segment).replace(segment)
    _sync_folder(segment.parent)


def _unfinished(segment: Path) -> Path:
    return segment.with_suffix(".tmp")


def _delete_segments(journal: Path) -> int:
    """Also what a killed `demo add` left unfinished. Counts the finished ones."""
    found = list(journal.glob(f"{SERIES}.[0-9]*"))
    for path in found:
        with suppress(FileNotFoundError):
            path.unlink()
    if found:
        _sync_folder(journal)
    return sum(path.suffix != ".tmp" for path in found)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
