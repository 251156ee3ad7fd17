"""`waymark backup`, `verify`, `restore`: work with Waymark running or stopped, except that restoring wants it stopped."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from waymark.config import Config
from waymark.output import CommandError, ExitCode, when
from waymark.session import Session

if TYPE_CHECKING:  # they bring DuckDB along, which `waymark --help` need not load
    from analytics.backup import Backup

WITHIN_S: Final = 3600.0


def backup(
    session: Session,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="Also copy it there, e.g. onto another disk.")
    ] = None,
) -> None:
    """Save scans and codes to the backup folder now, and verify what was saved; a running Waymark goes on meanwhile."""
    from waymark.client import Unreachable

    config = session.config
    session.out.note("Saving; with many scans this takes a while.")
    with _explained():
        try:
            name = session.local_client.send("POST", "/backups", within_s=WITHIN_S)["name"]
        except Unreachable:
            name = _backup_of_stopped(config)
        made = _found(config, name)
        copy = _copied(made, to) if to else None
    document = {**_document(made), "copy": str(copy.folder) if copy else None}
    session.out.record(document, {**_fields(made), "copy": document["copy"]})
    if not made.has_control:
        session.out.warning(made.manifest["control"]["remedy"])
    session.out.note("Not in it: config.toml, and the visitor salts, which are meant to be forgotten.")


def verify(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(metavar="[BACKUP]", help="Its name or folder; the newest when left out.")
    ] = None,
) -> int:
    """Read a whole backup again: digests, rows, the copy of the control database; exit code 1 when it is damaged."""
    from analytics.backup import write_verification
    from analytics.backup_check import find_problem

    found = _found(session.config, name)
    problem = find_problem(found)
    try:
        from datetime import UTC, datetime

        found = write_verification(found, problem, datetime.now(UTC))
    except OSError as error:
        session.out.warning(f"the outcome could not be noted beside the backup: {error.strerror}")
    if problem:
        raise CommandError(
            f"the backup {found.folder} is damaged: {problem}. Use another one, and make a new one with `waymark backup`."
        )
    session.out.record(_document(found), _fields(found))
    return ExitCode.OK


def restore(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="BACKUP", help="Its name or folder.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Put codes and scans back as a backup has them, with Waymark stopped; what is there is set aside, not deleted."""
    from waymark.lock import data_lock
    from waymark.restoring import Restoring

    config = session.config
    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with data_lock(config.data_dir), _explained():
        found = _found(config, name)
        restoring = Restoring(config, found)
        restoring.check()
        if not yes:
            _confirm(session, found, restoring.warnings())
        done = restoring.run()
    session.out.record(done.document(), done.fields())
    for warning in done.warnings:
        session.out.warning(warning)
    session.out.note(done.next_steps())


def _backup_of_stopped(config: Config) -> str:
    """The caller could reach nobody."""
    from analytics.backups import Backups
    from analytics.store import ScanStore, StoreError
    from waymark.lock import data_lock
    from waymark.private_wiring import backup_settings

    if not (config.data_dir / "scans.duckdb").exists():
        raise CommandError(
            f"there is nothing to save in {config.data_dir}: no scan store. If Waymark keeps its data elsewhere, name its "
            "settings file with --config.",
            ExitCode.NOT_FOUND,
        )
    with data_lock(config.data_dir):
        try:
            store = ScanStore.open(
                config.data_dir / "scans.duckdb",
                memory_mb=config.scans.memory_mb,
                threads=config.scans.threads,
                backups=config.backup_dir,
            )
        except StoreError as error:
            raise CommandError(str(error)) from None
        try:
            return asyncio.run(Backups(store, backup_settings(config)).make()).name
        finally:
            store.close()


def _copied(made: "Backup", folder: Path) -> "Backup":
    from analytics.backup import copy_backup
    from analytics.backup_check import verify

    copy = verify(copy_backup(made, folder.expanduser().resolve()))
    if copy.problem:
        raise CommandError(f"the copy {copy.folder} is damaged: {copy.problem}. Look at that disk.")
    return copy


def _found(config: Config, name: str | None) -> "Backup":
    """By name in the backup folder, or by its own folder; the newest one."""
    from analytics.backup import BackupError, BackupMissing, get_backup, list_backups

    if name is None:
        backups = list_backups(config.backup_dir)
        if not backups:
            raise CommandError(
                f"there is no backup in {config.backup_dir}. `waymark backup` makes one.", ExitCode.NOT_FOUND
            )
        return backups[0]
    here = config.backup_dir / name
    try:
        return get_backup(here if here.is_dir() else Path(name).expanduser().resolve())
    except BackupMissing:
        known = ", ".join(backup.name for backup in list_backups(config.backup_dir)[:5])
        hint = f"There are: {known}." if known else "`waymark backup` makes one."
        raise CommandError(
            f"there is no backup {name!r}, neither in {config.backup_dir} nor as a folder of its own. {hint}",
            ExitCode.NOT_FOUND,
        ) from None
    except BackupError as error:
        raise CommandError(str(error)) from None


def _confirm(session: Session, found: "Backup", warnings: list[str]) -> None:
    if session.out.as_json or not sys.stdin.isatty():
        raise CommandError(
            "this replaces codes and scans by those of the backup: add --yes to say you mean it.", ExitCode.USAGE
        )
    for warning in warnings:
        session.out.warning(warning)
    what = "codes and scans" if found.has_control else "scans"
    question = f"Replace {what} by those of {when(found.manifest['made_at'])}? What is there now is set aside."
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:  # Ctrl-C, or the end of input
        sys.stderr.write("\n")
        agreed = False
    if not agreed:
        raise CommandError("nothing was changed.")


@contextmanager
def _explained() -> Iterator[None]:
    from analytics.backup import BackupError
    from codes.errors import Conflict

    try:
        yield
    except BackupError as error:
        raise CommandError(str(error)) from None
    except Conflict as error:
        raise CommandError(str(error), ExitCode.CONFLICT) from None


def _document(backup: "Backup") -> dict[str, Any]:
    return {
        "name": backup.name,
        "folder": str(backup.folder),
        "made_at": backup.manifest["made_at"],
        "verified_at": backup.verified_at.isoformat() if backup.verified_at else None,
        "bytes": backup.size,
        "rows": backup.rows,
        "newest_scan_at": backup.manifest["scan_store"]["newest_scan_at"],
        "control_database": backup.has_control,
    }


def _fields(backup: "Backup") -> dict[str, Any]:
    return {
        "backup": str(backup.folder),
        "scans": f"{backup.rows['scans']:,}",
        "codes": "included" if backup.has_control else "not included",
        "size": f"{backup.size / 1e6:.1f} MB",
        "state": "verified" if backup.verified_at else "not verified",
    }
