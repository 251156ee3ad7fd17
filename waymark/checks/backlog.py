"""Check of what waits in the journal for the scan store: scans, megabytes, since when, and the disk left for more."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from waymark.checks import Check, ok, warn
from waymark.client import Client
from waymark.config import Config
from waymark.output import CommandError

TOPIC: Final = "backlog"
LATE: Final = timedelta(minutes=1)  # a scan is in the store within a second when somebody reads


def check_backlog(config: Config, *, running: bool) -> Iterator[Check]:
    """Asks the private side, which alone may open the store while it runs; reads both itself when it does not."""
    waiting = _asked(config) if running else _looked_up(config)
    if waiting is not None:
        yield from backlog_checks(waiting, datetime.now(UTC), running=running)


def backlog_checks(waiting: dict[str, Any], now: datetime, *, running: bool) -> Iterator[Check]:
    kept = f"the journal takes {_megabytes(waiting['journal_bytes'])}"
    if not waiting["scans"]:
        yield ok(TOPIC, f"no scan waits for the scan store; {kept}")
        return
    about = "" if waiting["counted"] else "about "
    oldest = datetime.fromisoformat(waiting["oldest_at"]) if waiting["oldest_at"] else now
    says = (
        f"{about}{waiting['scans']:,} scans wait in the journal ({_megabytes(waiting['bytes'])}), the oldest of "
        f"{oldest:%Y-%m-%d %H:%M:%S} UTC; {kept}, {_megabytes(waiting['free_bytes'])} of disk are free"
    )
    if now - oldest < LATE:
        yield ok(TOPIC, says)
        return
    per_hour = waiting["bytes"] / ((now - oldest) / timedelta(hours=1))
    hours = waiting["free_bytes"] / per_hour if per_hour else 0.0
    remedy = (
        "Reports lack them until they are read; `waymark doctor` again in a minute shows whether they become fewer."
        if running
        else "Start the private side, which reads them: `waymark serve`."
    )
    yield warn(TOPIC, f"{says}, enough for {hours:,.0f} hours like those since.", remedy)


def _asked(config: Config) -> dict[str, Any] | None:
    try:
        with closing(Client.local(config)) as client:
            waiting: dict[str, Any] = client.get("/accounting")["waiting"]
            return waiting
    except CommandError:
        return None  # the check of the scan store tells why


def _looked_up(config: Config) -> dict[str, Any] | None:
    import duckdb

    from analytics.backlog import backlog

    journal, path = config.data_dir / "journal", config.data_dir / "scans.duckdb"
    if not journal.is_dir():
        return None
    marks: list[tuple[str, int, bool]] = []
    if path.exists():
        try:
            with duckdb.connect(str(path), read_only=True) as connection:
                marks = connection.execute("SELECT segment, next_offset, done FROM journal_marks").fetchall()
        except duckdb.Error:
            return None  # the check of the scan store tells why
    unfinished = {segment: offset for segment, offset, done in marks if not done}
    return backlog(journal, unfinished, {segment for segment, _, done in marks if done}).as_dict()


def _megabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
