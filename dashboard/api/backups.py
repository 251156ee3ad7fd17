"""Backups: which there are, how the last attempt went, and one more now. Files stay on the machine."""

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel

from analytics.backup import Backup, list_backups, utc_text
from analytics.backups import last_attempt
from dashboard.access import Owner, TheParts

router = APIRouter(prefix="/backups", tags=["backups"])


class BackupEntry(BaseModel):
    """``verified_at`` is null when it was never verified or found damaged; ``problem`` says what was found."""

    name: str
    made_at: str
    verified_at: str | None
    problem: str | None
    bytes: int
    scans: int
    newest_scan_at: str | None
    control_database: bool


class BackupList(BaseModel):
    daily: bool
    keep: int
    problem: str | None  # why the last attempt failed
    backups: list[BackupEntry]


@router.get("")
async def all_backups(_who: Owner, parts: TheParts) -> BackupList:
    """Newest first."""
    settings = parts.backups.settings
    found = await asyncio.to_thread(list_backups, settings.folder)
    tried = await asyncio.to_thread(last_attempt, settings.folder)
    return BackupList(
        daily=settings.daily,
        keep=settings.keep,
        problem=tried["problem"] if tried else None,
        backups=[_entry(backup) for backup in found],
    )


@router.post("", status_code=201)
async def make_backup(_who: Owner, parts: TheParts) -> BackupEntry:
    """Makes one and verifies it; answers when that is done. Older ones beyond the number to keep are removed."""
    return _entry(await parts.backups.make())


def _entry(backup: Backup) -> BackupEntry:
    return BackupEntry(
        name=backup.name,
        made_at=utc_text(backup.made_at),
        verified_at=utc_text(backup.verified_at) if backup.verified_at else None,
        problem=backup.problem,
        bytes=backup.size,
        scans=backup.rows["scans"],
        newest_scan_at=backup.manifest["scan_store"]["newest_scan_at"],
        control_database=backup.has_control,
    )
