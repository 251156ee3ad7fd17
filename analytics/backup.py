"""What a backup is on disk: a folder named by its moment, with Parquet files, the control database, a manifest.

Beside the manifest stands what the last verification found; nothing else in the folder ever changes.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from analytics.store import SCHEMA_VERSION

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
VERIFICATION: Final = "verification.json"
CONTROL: Final = "waymark.db"
ATTEMPT: Final = "last-attempt.json"
UNFINISHED: Final = ".unfinished-"
SPARE_BYTES: Final = 200_000_000  # left for the journal: a backup must not be what stops scans from being recorded
_NAME: Final = re.compile(r"\d{8}T\d{6}Z(-\d+)?")


class BackupError(Exception):
    """A backup cannot be made, read or put back; the message says why and what to do."""


class BackupMissing(BackupError):  # noqa: N818  the condition
    """There is no such backup."""


@dataclass(frozen=True, slots=True)
class Backup:
    folder: Path
    manifest: dict[str, Any]
    verified_at: datetime | None  # None: never, or found damaged
    problem: str | None  # what the last verification found

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def made_at(self) -> datetime:
        return datetime.fromisoformat(self.manifest["made_at"])

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        tables: dict[str, dict[str, Any]] = self.manifest["scan_store"]["tables"]
        return tables

    @property
    def rows(self) -> dict[str, int]:
        return {name: facts["rows"] for name, facts in self.tables.items()}

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        files: dict[str, dict[str, Any]] = self.manifest["files"]
        return files

    @property
    def size(self) -> int:
        return sum(int(facts["bytes"]) for facts in self.files.values())

    @property
    def has_control(self) -> bool:
        return bool(self.manifest["control"]["included"])

    @property
    def fits(self) -> bool:
        """Whether this Waymark can read it; an older one's can always be read."""
        version = self.manifest["scan_store"]["version"]
        return bool(self.manifest["format"] <= FORMAT and version <= SCHEMA_VERSION)

    def parquet(self, table: str) -> Path:
        return self.folder / f"{table}.parquet"


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def get_backup(folder: Path) -> Backup:
    """Raises BackupMissing when there is none, BackupError when its manifest makes no sense."""
    try:
        manifest = orjson.loads((folder / MANIFEST).read_bytes())
        said = _verification(folder)
        verified_at = datetime.fromisoformat(said["at"]) if said and said["ok"] else None
        backup = Backup(folder, manifest, verified_at, said["problem"] if said else None)
        _ = backup.rows["scans"], backup.size, backup.made_at.astimezone(UTC), backup.has_control, backup.fits
    except (FileNotFoundError, NotADirectoryError):
        raise BackupMissing(f"{folder} is no backup: it has no {MANIFEST}.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"the backup {folder} cannot be read: {MANIFEST}: {error}. Use another backup.") from error
    return backup


def list_backups(folder: Path) -> list[Backup]:
    """Newest first; folders without a sensible manifest are none."""
    found = []
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for name in names:
        if _NAME.fullmatch(name):
            try:
                found.append(get_backup(folder / name))
            except BackupError:
                continue
    return sorted(found, key=lambda backup: (backup.made_at, backup.name), reverse=True)


def usable_backups(folder: Path) -> list[Backup]:
    """Verified, and of a format that this Waymark reads; newest first."""
    return [backup for backup in list_backups(folder) if backup.verified_at is not None and backup.fits]


def write_verification(backup: Backup, problem: str | None, now: datetime) -> Backup:
    said = {"ok": problem is None, "at": utc_text(now), "problem": problem}
    write_document(backup.folder / VERIFICATION, said)
    return Backup(backup.folder, backup.manifest, None if problem else now, problem)


def removable(backups: Iterable[Backup], keep: int) -> list[Backup]:
    """All but the newest ``keep`` verified ones and the newest of all."""
    ordered = sorted(backups, key=lambda backup: (backup.made_at, backup.name), reverse=True)
    kept = [backup for backup in ordered if backup.verified_at is not None][: max(1, keep)]
    return [backup for backup in ordered[1:] if backup not in kept]


def remove_backup(backup: Backup) -> None:
    """Under another name first: half a backup must not look whole."""
    doomed = backup.folder.with_name(f"{UNFINISHED}{backup.name}")
    backup.folder.replace(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def new_folder(parent: Path) -> Path:
    """Where a backup is made until it is whole; what a killed process left there goes."""
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left_over in parent.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    folder = parent / f"{UNFINISHED}{os.getpid()}"
    folder.mkdir(mode=0o700)
    return folder


def publish(unfinished: Path, moment: datetime) -> Path:
    """On disk, readable by its owner alone, and only then under its name."""
    for path in unfinished.iterdir():
        path.chmod(0o600)
        sync(path)
    sync(unfinished)
    target, number = unfinished.with_name(stamp(moment)), 2
    while target.exists():
        target, number = unfinished.with_name(f"{stamp(moment)}-{number}"), number + 1
    unfinished.rename(target)
    sync(target.parent)
    return target


def copy_backup(backup: Backup, parent: Path) -> Backup:
    """Somewhere else, e.g. onto another disk; not verified there yet."""
    require_room(parent, backup.size)
    unfinished = new_folder(parent)
    try:
        for name in (*backup.files, MANIFEST):
            shutil.copyfile(backup.folder / name, unfinished / name)
        return get_backup(publish(unfinished, backup.made_at))
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def require_room(folder: Path, needed: int) -> None:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed + SPARE_BYTES:
        raise BackupError(
            f"there is no room at {there}: about {(needed + SPARE_BYTES) / 1e6:,.0f} MB are needed, {free / 1e6:,.0f} MB "
            "are free. Make room, or set another [backup] folder in config.toml."
        )


def file_facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def write_document(path: Path, document: Any) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    temporary.chmod(0o600)
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _verification(folder: Path) -> dict[str, Any] | None:
    try:
        said: dict[str, Any] = orjson.loads((folder / VERIFICATION).read_bytes())
    except FileNotFoundError:
        return None
    return said
