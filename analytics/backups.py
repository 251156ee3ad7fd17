"""The backups of a running Waymark: made once a day and when asked for, verified, pruned, with the segments they cover."""

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson

from analytics.backup import (
    ATTEMPT,
    Backup,
    BackupError,
    list_backups,
    removable,
    remove_backup,
    sync,
    usable_backups,
    utc_text,
    write_document,
)
from analytics.backup_check import finished_segments, verify
from analytics.backup_export import make_backup
from analytics.demo import SERIES as DEMO
from analytics.store import ScanStore
from codes.errors import Conflict

log = logging.getLogger(__name__)

DAY: Final = timedelta(days=1)
KEPT_SEGMENTS: Final = timedelta(days=2)
LOOK_EVERY_S: Final = 60.0
RETRY_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class BackupSettings:
    folder: Path
    control: Path | None  # None: the control database is on a server of its own
    journal: Path
    keep: int
    daily: bool
    version: str


class Backups:
    def __init__(self, store: ScanStore, settings: BackupSettings) -> None:
        self.settings = settings
        self._store = store
        self._busy = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled. A failure is logged with its remedy, noted for whoever asks, and tried again in an hour."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S / 2)
            try:
                if self.settings.daily and await self.due():
                    await self.make()
            except (BackupError, Conflict, duckdb.Error, OSError) as error:
                log.error("the daily backup failed: %s", error)
            await asyncio.sleep(LOOK_EVERY_S / 2)

    async def due(self, now: datetime | None = None) -> bool:
        """Once there are scans: when the newest verified backup is older than a day, and the last try than an hour."""
        moment = now or datetime.now(UTC)
        tried = await asyncio.to_thread(last_attempt, self.settings.folder)
        if tried and abs(moment - datetime.fromisoformat(tried["at"])) < RETRY_AFTER:  # also after a clock set back
            return False
        found = await asyncio.to_thread(usable_backups, self.settings.folder)
        if found and abs(moment - found[0].made_at) < DAY:
            return False
        [(scans,)] = await self._store.query("SELECT count(*) FROM scans")
        return bool(scans)

    async def state(self) -> dict[str, Any]:
        """For everybody who may ask how things are: without the reasons, which name folders."""
        found = await asyncio.to_thread(usable_backups, self.settings.folder)
        tried = await asyncio.to_thread(last_attempt, self.settings.folder)
        return {
            "daily": self.settings.daily,
            "newest_verified_at": utc_text(found[0].made_at) if found else None,
            "last_attempt_failed": bool(tried and tried["problem"]),
        }

    async def make(self, now: datetime | None = None) -> Backup:
        """Made, verified, and only then older ones and covered segments pruned.

        Raises Conflict while another one is being made, BackupError when it failed.
        """
        if self._busy.locked():
            raise Conflict("a backup is being made just now; ask again when it is done.")
        async with self._busy:
            moment = now or datetime.now(UTC)
            try:
                await asyncio.to_thread(self._note_attempt, moment, "it was interrupted before it was done.")
                backup = await self._made(moment)
            except (BackupError, OSError) as error:
                await asyncio.to_thread(self._note_attempt, moment, str(error))
                raise BackupError(str(error)) from error
            await asyncio.to_thread(self._note_attempt, moment, None)
            return backup

    async def _made(self, moment: datetime) -> Backup:
        began, settings = time.monotonic(), self.settings
        made = await make_backup(self._store, settings.control, settings.folder, version=settings.version, now=moment)
        backup = await asyncio.to_thread(verify, made)
        if backup.problem:
            raise BackupError(
                f"the backup {backup.name} was made, but is damaged: {backup.problem}. Look at the disk that holds "
                f"{settings.folder}; earlier backups and the journal are kept."
            )
        await asyncio.to_thread(self._prune, moment)
        says = "backup %s: %s scans, %.1f MB, verified, in %.1f s"
        log.info(says, backup.name, f"{backup.rows['scans']:,}", backup.size / 1e6, time.monotonic() - began)
        return backup

    def _prune(self, now: datetime) -> None:
        for backup in removable(list_backups(self.settings.folder), self.settings.keep):
            remove_backup(backup)
        pruned = prune_segments(self.settings.journal, usable_backups(self.settings.folder), now)
        if pruned:
            log.info("%d journal segments removed: every backup kept holds their scans", pruned)

    def _note_attempt(self, moment: datetime, problem: str | None) -> None:
        """A folder that cannot be written has its own message, when the backup itself is tried."""
        try:
            self.settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_document(self.settings.folder / ATTEMPT, {"at": utc_text(moment), "problem": problem})
        except OSError as error:
            log.warning("the backup folder %s cannot be written: %s", self.settings.folder, error.strerror)


def prune_segments(journal: Path, backups: list[Backup], now: datetime) -> int:
    """Removes the compressed segments that each of these verified backups holds whole, two days after their end.

    Each: so that any backup that is kept, together with the journal, gives everything.
    """
    if not backups:
        return 0
    covered = set.intersection(*(finished_segments(backup) for backup in backups))
    pruned = 0
    for path in journal.glob("*.jsonl.gz"):
        if path.name.removesuffix(".gz") not in covered or path.name.startswith(f"{DEMO}."):
            continue
        if now.timestamp() - path.stat().st_mtime > KEPT_SEGMENTS.total_seconds():
            path.unlink()
            pruned += 1
    if pruned:
        sync(journal)
    return pruned


def last_attempt(folder: Path) -> dict[str, Any] | None:
    """When a backup was last tried here, and what was wrong."""
    try:
        said: dict[str, Any] = orjson.loads((folder / ATTEMPT).read_bytes())
        datetime.fromisoformat(said["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return said
