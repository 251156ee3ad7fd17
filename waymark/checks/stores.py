"""Checks of what is kept: control database, owner, scan store with its accounting, place databases."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from database.engine import Database, DatabaseError
from database.migrate import newest_revision, schema_revision
from waymark.checks import Check, fail, ok, warn
from waymark.client import Client
from waymark.config import Config
from waymark.output import CommandError
from waymark.wiring import read_only_database_url

ACCOUNTING: Final = (
    "SELECT run, answered, recorded, pending, lost, seen_scans, seen_corrupt, "
    "answered = recorded + pending + lost AND recorded = seen_scans + seen_corrupt AS exact FROM accounting ORDER BY run"
)


def check_control_database(config: Config) -> Iterator[Check]:
    if not config.database.url and not (config.data_dir / "waymark.db").exists():
        if (config.data_dir / "routes.snapshot").exists():
            yield fail(
                "control database",
                f"{config.data_dir / 'waymark.db'} is gone; codes are answered from routes.snapshot.",
                "While Waymark runs, `waymark export` may still save what it has in hand. Then stop it, put the file back "
                "from a backup (`waymark restore`), and start again: changes made meanwhile reach no disk.",
            )
            return
        yield ok("control database", "not there yet; the first `waymark serve` makes it")
        return
    try:
        yield from asyncio.run(control_database(config))
    except DatabaseError as error:
        yield fail("control database", str(error))
    except DBAPIError as error:
        remedy = "Stop Waymark, keep a copy of the database, and restore a backup."
        yield fail("control database", f"it cannot be read: {error.orig}.", remedy)


def check_scan_store(config: Config, *, running: bool) -> Iterator[Check]:
    """While the private side runs, it alone may open the file: it is asked."""
    path = config.data_dir / "scans.duckdb"
    if running:
        with closing(Client.local(config)) as client:
            yield from _asked_store(client)
    elif path.exists():
        yield from _opened_store(path)
    else:
        yield ok("scan store", "not there yet; the first `waymark serve` makes it")


def check_places(config: Config) -> Iterator[Check]:
    from geo.status import status

    for entry in status(config.data_dir / "geo"):
        if entry.problem:
            yield fail(entry.title, entry.problem, entry.remedy)
        elif not entry.available:
            yield warn(entry.title, "no database: these cards stay empty.", entry.remedy)
        else:
            says = f"{entry.provider} of {entry.built_on}, {entry.age_days} days old"
            yield (warn if entry.stale else ok)(entry.title, says, *([entry.remedy] if entry.stale else []))


async def control_database(config: Config) -> list[Check]:
    """Damage first: whatever else is asked of a damaged database may fail."""
    database = await Database.open(read_only_database_url(config), read_only=True)
    topic = "control database"
    try:
        problem = await _sqlite_problem(database, topic) if database.dialect == "sqlite" else None
        if problem is not None and problem.state == "fail":
            return [problem]
        found, newest = await schema_revision(database), await newest_revision()
        checks = [problem] if problem else []
        if found is None:
            return [*checks, warn(topic, "it is empty.", "The next `waymark serve` sets it up.")]
        if found != newest:
            says = f"its schema is {found}, this Waymark's {newest}."
            remedy = "The next `waymark serve` brings an older one up to date; a newer one needs a newer Waymark."
            return [*checks, warn(topic, says, remedy)]
        kind = "SQLite in WAL mode, sound" if database.dialect == "sqlite" else "PostgreSQL"
        return [*(checks or [ok(topic, f"{kind}, schema {found}")]), *await _owner_check(database)]
    finally:
        await database.close()


async def _sqlite_problem(database: Database, topic: str) -> Check | None:
    async with database.reading() as connection:
        said = (await connection.execute(text("PRAGMA quick_check(3)"))).scalars().all()
        mode = (await connection.execute(text("PRAGMA journal_mode"))).scalar()
    if list(said) != ["ok"]:
        remedy = "Stop Waymark, keep a copy of waymark.db with its -wal file, and restore a backup."
        return fail(topic, f"it is damaged: {'; '.join(map(str, said))}.", remedy)
    if mode != "wal":
        says = f"its journal mode is {mode}, not WAL: a writer makes scans of new codes wait."
        return warn(topic, says, "Move it to a local disk; the next `waymark serve` switches the mode.")
    return None


async def _owner_check(database: Database) -> list[Check]:
    from sqlalchemy import func, select

    from database.schema import users

    async with database.reading() as connection:
        owners = (await connection.execute(select(func.count()).where(users.c.role == "owner"))).scalar_one()
    if owners:
        return [ok("owner", "there is one" if owners == 1 else f"there are {owners}")]
    return [
        warn("owner", "nobody can sign in to the dashboard yet.", "`waymark owner reset` prints a link that lets you.")
    ]


def _asked_store(client: Client) -> Iterator[Check]:
    try:
        status, accounting = client.get("/status"), client.get("/accounting")
    except CommandError as error:
        yield fail("scan store", f"the private side does not tell: {error}")
        return
    yield ok("scan store", f"{status['scans']:,} scans")
    if status["ingest"]["problem"]:
        yield fail("ingest", status["ingest"]["problem"], "Scans wait in the journal meanwhile; the log says more.")
    runs = [
        {**run, "seen_scans": run["found"], "seen_corrupt": run["corrupt"], "lost": sum(run["lost"].values())}
        for run in accounting["runs"]
    ]
    yield from accounting_checks(runs)


def _opened_store(path: Path) -> Iterator[Check]:
    import duckdb

    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            row = connection.execute("SELECT count(*) FROM scans").fetchone()
            cursor = connection.execute(ACCOUNTING)
            names = [column[0] for column in cursor.description or ()]
            runs = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    except duckdb.ProgrammingError as error:
        says = f"it does not fit this version of Waymark: {str(error).splitlines()[0]}"
        yield fail("scan store", says, "Use the version that wrote it, or start this one, which says what to do.")
        return
    except duckdb.Error as error:
        if "lock" in str(error):
            says = "another process has it open, and the private side does not answer."
            yield warn("scan store", says, "If Waymark is not just starting or stopping, end that process.")
        else:
            says = f"{path} cannot be read: {str(error).splitlines()[0]}"
            yield fail(
                "scan store", says, "The next `waymark serve` sets it aside and rebuilds it from backup and journal."
            )
        return
    yield ok("scan store", f"{row[0] if row else 0:,} scans")
    yield from accounting_checks(runs)


def accounting_checks(runs: list[dict[str, Any]]) -> Iterator[Check]:
    """answered = recorded + pending + lost, and recorded = found + corrupt, for each run of a public worker."""
    answered, found = sum(run["answered"] for run in runs), sum(run["seen_scans"] for run in runs)
    lost, corrupt = sum(run["lost"] for run in runs), sum(run["seen_corrupt"] for run in runs)
    wrong = [run for run in runs if not run["exact"]]
    for run in wrong[:3]:
        says = (
            f"run {run['run']} answered {run['answered']:,}, recorded {run['recorded']:,}, lost {run['lost']:,}, waiting "
            f"{run['pending']:,}; found in its journal: {run['seen_scans']:,}, and {run['seen_corrupt']:,} damaged lines."
        )
        yield fail("accounting", says, "Segments were changed or removed by hand; look for them in a backup.")
    waiting = sum(run["pending"] for run in runs)
    if waiting:
        says = f"{waiting:,} scans wait in memory because the disk refuses them."
        yield warn("accounting", says, "Make room, or look at the disk, before anything is restarted.")
    if lost or corrupt:
        says = f"{lost:,} scans could not be recorded and {corrupt:,} lines were damaged, of {answered:,} answered."
        yield warn("accounting", says, "They are counted as lost; a full or failing disk is the usual cause.")
    if not (wrong or waiting or lost or corrupt):
        plural = "" if len(runs) == 1 else "s"
        yield ok("accounting", f"exact: {answered:,} answered, {found:,} found, in {len(runs)} run{plural}")
