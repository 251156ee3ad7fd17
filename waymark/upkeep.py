"""The private process's slow chores: expired salts, place refresh, kept prefixes, compressed segments."""

import asyncio
import gzip
import logging
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb

from analytics.store import ScanStore
from codes.outbound import Outbound
from dashboard.labels import forget_old_sheets
from dashboard.parts import Parts
from geo.errors import GeoError
from geo.refresh import update
from geo.status import status
from redirector.facts import prefix_of
from redirector.records import Scan, parse_line, scan_line
from redirector.visitors import Visitors
from waymark.config import Config

log = logging.getLogger(__name__)

PLACES_EVERY_S: Final = 1.0
CHORES_EVERY_S: Final = 60.0


async def keep_house(
    config: Config, parts: Parts, visitors: Visitors, outbound: Outbound, journal_files: asyncio.Lock
) -> None:
    """Until cancelled. Every chore may fail by itself without stopping the others."""
    loop = asyncio.get_running_loop()
    chores_at = loop.time() + 30
    while True:
        await asyncio.sleep(PLACES_EVERY_S)
        parts.places.refresh()
        visitors.refresh()
        if loop.time() >= chores_at:
            chores_at = loop.time() + CHORES_EVERY_S
            await _run_chores(config, parts, outbound, journal_files)


async def _run_chores(config: Config, parts: Parts, outbound: Outbound, journal_files: asyncio.Lock) -> None:
    try:
        await _forget_prefixes(parts.store, config.privacy.keep_prefix_days)
        _marks, finished = await parts.store.marks()
        await asyncio.to_thread(forget_old_sheets, config.data_dir)
        async with journal_files:
            await asyncio.to_thread(compress_segments, config.data_dir / "journal", finished)
        if config.geo.refresh_days:
            await asyncio.to_thread(_refresh_places, config.data_dir / "geo", config.geo.refresh_days, outbound)
    except (duckdb.Error, OSError) as error:
        log.error("upkeep: %s", error)


async def _forget_prefixes(store: ScanStore, keep_days: int) -> None:
    before = (datetime.now(UTC) - timedelta(days=keep_days)).replace(tzinfo=None)
    await store.write([("UPDATE scans SET prefix = NULL WHERE prefix IS NOT NULL AND scanned_at < ?", [before])])


def compress_segments(folder: Path, finished: set[str]) -> int:
    """Fully read segments are kept, compressed and with cut addresses only: the scan store can be rebuilt from them."""
    done = 0
    for path in folder.glob("*.jsonl"):
        if path.name not in finished:
            continue
        temporary = path.with_suffix(".jsonl.gz.tmp")
        with path.open("rb") as source, gzip.open(temporary, "wb", compresslevel=6) as target:
            target.writelines(_without_address(line) for line in source)
        temporary.chmod(0o600)
        _sync(temporary)
        temporary.replace(path.with_suffix(".jsonl.gz"))
        _sync(folder)
        path.unlink()
        done += 1
    return done


def _sync(path: Path) -> None:
    """The original is about to go: a power cut must not leave an empty file, or none, in its place."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _without_address(line: bytes) -> bytes:
    """The line as it is unless it holds a whole address, as [privacy] address = "full" writes it until enrichment."""
    if not line.endswith(b"\n"):
        return line
    try:
        record = parse_line(line)
    except ValueError:
        return line
    if not isinstance(record, Scan) or record.address == prefix_of(record.address):
        return line
    return scan_line(replace(record, address=prefix_of(record.address)))


def _refresh_places(folder: Path, refresh_days: int, outbound: Outbound) -> None:
    """Only what was fetched by itself is refreshed by itself; a file the owner chose stays."""
    outdated = [
        entry
        for entry in status(folder)
        if entry.source in ("dbip", "npm") and entry.age_days is not None and entry.age_days > refresh_days
    ]
    tried = folder / "last-refresh"
    now = datetime.now(UTC)
    if not outdated or (tried.exists() and now.timestamp() - tried.stat().st_mtime < 86_400):
        return
    tried.touch()
    try:
        update(folder, "dbip", limit_s=300, transport=outbound.blocking_transport())
    except GeoError as error:
        log.warning("place database not refreshed: %s", error)
