"""The check of backups: how old the newest verified one is, whether the last attempt failed, what was set aside."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from waymark.checks import Check, fail, ok, warn
from waymark.config import Config

TOPIC: Final = "backup"
OLD: Final = timedelta(hours=36)
VERY_OLD: Final = timedelta(days=7)


def check_backup(config: Config, now: datetime | None = None) -> Iterator[Check]:
    """From the files alone, so that it says the same whether Waymark runs or not."""
    from analytics.backup import list_backups
    from analytics.backups import last_attempt

    moment, folder = now or datetime.now(UTC), config.backup_dir
    tried = last_attempt(folder)
    if tried and tried["problem"]:
        remedy = "Put that right, then `waymark backup`; it is also tried again every hour."
        yield fail(TOPIC, f"the last attempt failed: {tried['problem']}", remedy)
    found = list_backups(folder)
    for damaged in [backup for backup in found if backup.problem][:1]:
        says = f"the backup {damaged.name} is damaged: {damaged.problem}."
        yield warn(TOPIC, says, f"Look at the disk that holds {folder}, then make another one: `waymark backup`.")
    newest = next((backup for backup in found if backup.verified_at), None)
    if newest is None:
        yield from _none(config)
    else:
        yield _by_age(newest.name, newest.size, moment - newest.made_at, daily=config.backup.daily)
    yield from _set_aside(config.data_dir)


def _none(config: Config) -> Iterator[Check]:
    store = config.data_dir / "scans.duckdb"
    if not store.exists():
        yield ok(TOPIC, "none yet, and nothing to save")
    elif config.backup.daily:
        yield ok(TOPIC, "none yet; the first is made soon after the first scans, and then daily")
    else:
        remedy = "`waymark backup` makes one; or set [backup] daily = true in config.toml."
        yield warn(TOPIC, "there is none, and the daily one is switched off.", remedy)


def _by_age(name: str, size: int, age: timedelta, *, daily: bool) -> Check:
    hours = int(age.total_seconds() // 3600)
    old = f"{hours} hours" if hours < 72 else f"{hours // 24} days"
    says = f"the newest verified one, {name} ({size / 1e6:.1f} MB), is {old} old"
    remedy = "`waymark backup` makes one now" + ("; the log says why the daily one is not made." if daily else ".")
    if age > VERY_OLD:
        return fail(TOPIC, f"{says}.", remedy)
    return warn(TOPIC, f"{says}.", remedy) if age > OLD else ok(TOPIC, says)


def _set_aside(data: Path) -> Iterator[Check]:
    broken = sorted(path for path in data.glob("scans.duckdb.broken-*") if path.suffix != ".wal")
    if broken:
        size = sum(path.stat().st_size for path in broken)
        many = "a broken scan store was" if len(broken) == 1 else f"{len(broken)} broken scan stores were"
        says = f"{many} set aside and rebuilt ({size / 1e6:,.0f} MB, the last one {broken[-1].name})."
        remedy = "Look at the disk; remove these files once the numbers look right. Nothing reads them."
        yield warn(TOPIC, says, remedy)
