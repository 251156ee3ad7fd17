"""Checks of the machine: Python, SQLite's version, clock, time zones, open files, user-agent engine, web assets."""

import platform
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from waymark.checks import Check, fail, ok, warn

MIN_PYTHON: Final = (3, 11)
# https://sqlite.org/wal.html#walresetbug: first and last version with it, and the older series that got the fix too.
WAL_RESET_BUG: Final = ((3, 7, 0), (3, 51, 2))
WAL_RESET_FIXES: Final = ((3, 44, 6), (3, 50, 7))
SANE_YEARS: Final = range(2025, 2101)
MAX_DRIFT_S: Final = 5.0
MIN_OPEN_FILES, GOOD_OPEN_FILES = 256, 4096


def check_python() -> Iterator[Check]:
    version, name = platform.python_version(), platform.python_implementation()
    if sys.version_info < MIN_PYTHON:
        yield fail("Python", f"{name} {version} is too old.", "Use Python 3.11 or newer.")
    else:
        yield ok("Python", f"{name} {version}")


def check_sqlite(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> Iterator[Check]:
    text = ".".join(map(str, version))
    first, last = WAL_RESET_BUG
    fixed = any(version[:2] == fix[:2] and version >= fix for fix in WAL_RESET_FIXES)
    if first <= version <= last and not fixed:
        yield warn(
            "SQLite",
            f"{text} has the WAL-reset bug of 3.7.0 to 3.51.2: two connections that write or checkpoint at the same instant "
            "can, very rarely, damage the database. Waymark lets only one connection at a time do either, so it is safe alone.",
            "Let no other program write to waymark.db while Waymark runs. SQLite 3.51.3 and newer have the fix.",
        )
    else:
        yield ok("SQLite", f"{text}, without the WAL-reset bug")


def check_clock(folder: Path | None, now: float | None = None) -> Iterator[Check]:
    """``folder``: where files are written; their times come from the disk's clock, e.g. a file server's."""
    now = time.time() if now is None else now
    today = datetime.fromtimestamp(now, UTC)
    if today.year not in SANE_YEARS:
        yield fail(
            "clock",
            f"it is {today:%Y-%m-%d} here, which cannot be: scans would be counted on wrong days.",
            "Set the clock (`timedatectl set-ntp true`) and restart.",
        )
        return
    drift = _file_drift_s(folder)
    if drift is not None and abs(drift) > MAX_DRIFT_S:
        yield warn(
            "clock",
            f"{today:%Y-%m-%d %H:%M} UTC, but new files are {abs(drift):.0f} s {'ahead' if drift > 0 else 'behind'}.",
            "The disk is another machine's: set both clocks by NTP.",
        )
    else:
        yield ok("clock", f"{today:%Y-%m-%d %H:%M} UTC")


def check_time_zones() -> Iterator[Check]:
    try:
        ZoneInfo("America/New_York")
    except (ZoneInfoNotFoundError, OSError):
        yield fail(
            "time zones",
            "this machine has no time zone data, so reports know only UTC.",
            "Install it: `apt install tzdata`, or the Python package tzdata.",
        )
    else:
        yield ok("time zones", "data available")


def check_open_files(limits: tuple[int, int] | None = None) -> Iterator[Check]:
    """Each connection is an open file, and each process raises its soft limit to the hard one at its start."""
    _soft, hard = limits or resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= GOOD_OPEN_FILES:
        yield ok("open files", "no limit" if hard == resource.RLIM_INFINITY else f"up to {hard}")
        return
    remedy = f"Raise it: LimitNOFILE={GOOD_OPEN_FILES} in the service unit, or `ulimit -Hn {GOOD_OPEN_FILES}` as root."
    says = f"up to {hard}, the hard limit: that many connections at a time, files included."
    yield (fail if hard < MIN_OPEN_FILES else warn)("open files", says, remedy)


def check_user_agents() -> Iterator[Check]:
    from redirector.agents import best_engine

    if best_engine() == "rust":
        yield ok("user agents", "read by the quick engine (Rust)")
    else:
        yield warn(
            "user agents",
            "read by the slow engine (Python): the same answers, some fifteen times slower.",
            "Install the quick one: `pip install 'waymark-qr[fast]'`.",
        )


def check_web_assets(folder: Path | None = None) -> Iterator[Check]:
    from dashboard.rendering import DEFAULT_BUILD_FOLDER, AssetsMissing, load_assets

    try:
        assets = load_assets(folder or DEFAULT_BUILD_FOLDER)
    except (AssetsMissing, ValueError, KeyError) as error:
        yield fail(
            "web assets",
            f"the dashboard's scripts and styles are not built ({error}); codes and API work without.",
            "In a checkout run `npm ci && npm run build` (Node 20 or newer), or install a released wheel.",
        )
    else:
        missing = [name for name in assets.names.values() if not (assets.folder / name).is_file()]
        if missing:
            yield fail("web assets", f"{missing[0]} is missing in {assets.folder}.", "Build again: `npm run build`.")
        else:
            yield ok("web assets", "built")


def _file_drift_s(folder: Path | None) -> float | None:
    """None when no file can be written there."""
    if folder is None or not folder.is_dir():
        return None
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            before = time.time()
            file.write(b"x")
            file.flush()
            return Path(f"/proc/self/fd/{file.fileno()}").stat().st_mtime - before
    except OSError:
        return None
