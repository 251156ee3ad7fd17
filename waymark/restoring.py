"""What `waymark restore` does: new files beside the old ones, then the old ones aside, then the new ones in their place."""

import fcntl
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import duckdb

from analytics.backup import CONTROL, Backup, BackupError, stamp, sync, usable_backups
from analytics.backup_check import find_problem
from analytics.backup_restore import removed_demos, restore_store, segments_only_in
from redirector.snapshot import SnapshotError, read_snapshot
from waymark.config import Config
from waymark.output import CommandError, ExitCode
from waymark.wiring import is_served

REPLACED: Final = ("waymark.db", "waymark.db-wal", "waymark.db-shm", "routes.snapshot")
SCANS: Final = ("scans.duckdb", "scans.duckdb.wal", "scans.duckdb.damage")
NEW: Final = "restoring"
UNKNOWN_NUMBERS: Final = 100_000  # left out when nothing says how many codes were made since


@dataclass(slots=True)
class Restored:
    backup: Backup
    control: bool
    aside: Path | None
    warnings: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        return {
            "backup": str(self.backup.folder),
            "made_at": self.backup.manifest["made_at"],
            "scans": self.backup.rows["scans"],
            "control_database": self.control,
            "set_aside": str(self.aside) if self.aside else None,
            "warnings": self.warnings,
        }

    def fields(self) -> dict[str, Any]:
        return {
            "restored": str(self.backup.folder),
            "scans": f"{self.backup.rows['scans']:,}",
            "codes": "as of " + self.backup.manifest["made_at"] if self.control else "left as they are",
            "set aside": str(self.aside) if self.aside else None,
        }

    def next_steps(self) -> str:
        back = (
            f" To go back: stop it, and move what is in {self.aside} into the data folder again." if self.aside else ""
        )
        return f"`waymark serve` starts it and reads the journal's later scans in.{back}"


class Restoring:
    """The caller holds the data folder's lock."""

    def __init__(self, config: Config, backup: Backup) -> None:
        self._config = config
        self._data = config.data_dir
        self._backup = backup
        self._control = backup.has_control and not is_served(config)

    def check(self) -> None:
        """Raises CommandError when it must not be begun."""
        for lock in (self._data / "journal").glob("*.lock"):
            if _is_held(lock):
                raise CommandError(
                    f"the public side still answers scans ({lock.name} is held): stop it too, it would go on with the codes "
                    "that are replaced.",
                    ExitCode.CONFLICT,
                )
        problem = find_problem(self._backup)
        if problem:
            raise CommandError(f"the backup {self._backup.folder} cannot be used: {problem}. Nothing was changed.")

    def warnings(self) -> list[str]:
        """What a person should know before, and may have forgotten after."""
        found = []
        if not self._control:
            found.append(_no_control(self._backup))
        else:
            gone = _codes_gone(self._data / CONTROL, self._backup.folder / CONTROL)
            found += [_says_gone(gone, self._backup)] if gone else []
            found.append(
                "Accounts, passwords and API tokens are those of the backup: revoke again what was revoked since."
            )
        if self._unreadable_since():
            found.append(
                "The journal no longer holds all scans made since this backup; a newer backup does. The next start takes the "
                "scans from that one."
            )
        return found

    def run(self) -> Restored:
        warnings = self.warnings()
        moment = datetime.now(UTC)
        new = self._data / f"{NEW}-{os.getpid()}"
        new.mkdir(mode=0o700)
        try:
            runs = [] if self._control else removed_demos(self._backup, self._data / "journal")
            scans = self._config.scans
            restore_store(
                self._backup,
                new / "scans.duckdb",
                self._data / "journal",
                memory_mb=scans.memory_mb,
                threads=scans.threads,
                without_runs=runs,
            )
            if self._control:
                shutil.copyfile(self._backup.folder / CONTROL, new / CONTROL)
                (new / CONTROL).chmod(0o600)
                _skip_numbers(new / CONTROL, _last_number(self._data))
                sync(new / CONTROL)
            aside = self._set_aside(moment)
            for name in ("scans.duckdb", *([CONTROL] if self._control else [])):
                (new / name).rename(self._data / name)
            sync(self._data)
        except OSError as error:
            raise BackupError(
                f"the backup was not put back: {error}. What was there is untouched or set aside."
            ) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return Restored(self._backup, self._control, aside, warnings)

    def _set_aside(self, moment: datetime) -> Path | None:
        names = [*SCANS, *(REPLACED if self._control else ())]
        present = [self._data / name for name in names if (self._data / name).exists()]
        if not present:
            return None
        folder, number = self._data / f"before-restore-{stamp(moment)}", 2
        while folder.exists():
            folder, number = self._data / f"before-restore-{stamp(moment)}-{number}", number + 1
        folder.mkdir(mode=0o700)
        for path in present:
            path.rename(folder / path.name)
        sync(folder)
        return folder

    def _unreadable_since(self) -> list[str]:
        newest = next(iter(usable_backups(self._config.backup_dir)), None)
        if newest is None or newest.made_at <= self._backup.made_at:
            return []
        marks = str(self._backup.parquet("journal_marks")).replace("'", "''")
        with closing(duckdb.connect(":memory:")) as reader:
            return segments_only_in(newest, f"read_parquet('{marks}')", reader, self._data / "journal")


def _no_control(backup: Backup) -> str:
    if backup.has_control:
        return "Codes are left as they are: [database] url names a server, and this backup holds a SQLite file."
    return f"Codes are left as they are. {backup.manifest['control']['remedy']}"


def _says_gone(gone: list[str], backup: Backup) -> str:
    many = "1 code" if len(gone) == 1 else f"{len(gone):,} codes"
    names = ", ".join(gone[:5]) + (", ..." if len(gone) > 5 else "")
    return f"{many} made since {backup.manifest['made_at']} will be unknown: {names}. The set-aside database has them."


def _codes_gone(now: Path, then: Path) -> list[str]:
    """Codes of the present database that the backup's does not have; none when the present one cannot be read."""
    try:
        found = [_codes(path) for path in (now, then)]
    except sqlite3.Error:
        return []
    return sorted(found[0] - found[1])


def _codes(path: Path) -> set[str]:
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
        return {row[0] for row in connection.execute("SELECT code FROM codes")}


def _last_number(data: Path) -> int | None:
    """The highest number a code has had here, by the present database or, if that cannot be read, the route snapshot."""
    try:
        return _sequence(data / CONTROL)
    except sqlite3.Error:
        pass
    try:
        _seq, _domains, routes = read_snapshot(data / "routes.snapshot")
    except SnapshotError:
        return None
    return max((route.code_id for route in routes), default=0)


def _sequence(path: Path) -> int:
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'codes'").fetchone()
    return int(row[0]) if row else 0


def _skip_numbers(path: Path, last: int | None) -> None:
    """A number given since the backup must not be given again: its scans would count for another code."""
    beyond = _sequence(path) + UNKNOWN_NUMBERS if last is None else last
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")  # as it was; a copy made by VACUUM has lost it
        connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'codes'", [beyond])
        connection.execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT 'codes', ? "
            "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'codes')",
            [beyond],
        )


def _is_held(lock: Path) -> bool:
    fd = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
