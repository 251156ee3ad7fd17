"""The private process: ``python -m waymark.private --fd N [--config FILE]``; owns control database and scan store."""

import argparse
import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from analytics.backup_restore import mark_damaged, open_or_rebuild
from analytics.backups import Backups
from analytics.dimensions import Dimensions
from analytics.erasing import Erasure
from analytics.ingest import Ingest
from analytics.live import LiveFeed
from analytics.reports import Reports
from analytics.scans import Scans
from analytics.settling import keep_settling
from analytics.store import ScanStore, StoreError, StoreTaken
from analytics.watching import Watching
from codes.destinations import DestinationPolicy
from codes.domains import ensure_default_domain
from codes.schedule import run_due
from dashboard.accounts import Accounts
from dashboard.app import create_private_app
from dashboard.guardian import Guardian
from dashboard.imports import KIND as IMPORTS
from dashboard.imports import Importing, import_handler
from dashboard.job_tasks import CODES, ESTIMATES, WIPE, codes_handler, estimates_handler, keep_retention, wipe_handler
from dashboard.labels import KIND as SHEETS
from dashboard.labels import STICKERS, sheet_handler
from dashboard.parts import Parts
from dashboard.tasks import Handler, keep_doing_tasks
from database.changes import last_seq, prune_changes
from database.engine import Database, DatabaseError, existing_only, to_its_end
from database.migrate import migrate
from geo.places import Places
from jobs.lateness import keep_telling_of_late_jobs
from redirector.lookup import all_domains, all_routes
from redirector.snapshot import SnapshotError, read_snapshot, write_snapshot
from redirector.visitors import Visitors
from waymark.config import Config, load_config
from waymark.lost_database import keep_watching
from waymark.private_wiring import backup_settings, outbound_client, private_settings, write_owner_token
from waymark.server import run_app, set_up_logging
from waymark.upkeep import keep_house
from waymark.wiring import database_url

log = logging.getLogger(__name__)

FOLLOW_S = 0.1
SNAPSHOT_AFTER_S = 2.0
SCHEDULE_S = 0.25
STORE_FREE_WITHIN_S = 30.0
RETRY_STORE_S = 0.25
LOOK_AT_STORE_S = 0.5


def open_parts(config: Config, live: LiveFeed) -> Any:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Parts]:
        data = config.data_dir
        try:
            database, store = await _open_stores(config)
        except (DatabaseError, StoreError, SQLAlchemyError) as error:
            log.critical("%s", getattr(error, "orig", None) or error)
            raise
        places = Places(data / "geo")
        ingest = Ingest(
            store,
            data / "journal",
            data / "geo",
            keep_prefix=config.privacy.keep_prefix_days > 0,
            on_rows=live.publish,
        )
        settings = private_settings(config, write_owner_token(data))
        accounts, scans = Accounts(database), Scans(store)
        reports = Reports(store, places)
        backups = Backups(store, backup_settings(config))
        outbound = outbound_client(config)
        guardian = Guardian(
            database,
            outbound,
            settings.policy.own_hosts,
            enabled=config.outbound.check_destinations,
            recheck=timedelta(minutes=config.outbound.recheck_minutes),
        )
        parts = Parts(settings, database, store, accounts, reports, scans, live, ingest, places, backups, guardian)
        salts = Visitors(data / "visitor-salts.json")
        importing = Importing()
        erasure = Erasure(store, database, data / "journal", ingest.paused)
        tasks = [
            asyncio.create_task(_always("ingest", ingest.run)),
            asyncio.create_task(
                _always("changes", lambda: _follow(database, Dimensions(store, database), data, importing))
            ),
            asyncio.create_task(
                _always("upkeep", lambda: keep_house(config, parts, salts, outbound, erasure.journal_files))
            ),
            asyncio.create_task(_always("erasure", erasure.run)),
            asyncio.create_task(_always("retention", lambda: keep_retention(database))),
            asyncio.create_task(_always("lateness", lambda: keep_telling_of_late_jobs(database))),
            asyncio.create_task(_always("backup", backups.run)),
            asyncio.create_task(_always("guardian", guardian.run)),
            asyncio.create_task(_always("tasks", lambda: keep_doing_tasks(database, _handlers(parts, importing)))),
            asyncio.create_task(_always("schedule", lambda: _keep_schedule(database, settings.policy))),
            asyncio.create_task(_always("watching", Watching(store, database, data / "journal").run)),
            asyncio.create_task(_always("tallies", lambda: keep_settling(store))),
            asyncio.create_task(_restart_when_damaged(store)),
            asyncio.create_task(_always("control database", lambda: keep_watching(database, data))),
        ]
        try:
            yield parts
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            await _write_snapshot(database, data)
            store.close()
            await database.close()

    return opened


def _handlers(parts: Parts, importing: Importing) -> dict[str, Handler]:
    return {
        SHEETS: sheet_handler(parts),
        STICKERS: sheet_handler(parts),
        IMPORTS: import_handler(parts, importing),
        CODES: codes_handler(parts),
        ESTIMATES: estimates_handler(parts),
        WIPE: wipe_handler(parts),
    }


async def _open_stores(config: Config) -> tuple[Database, ScanStore]:
    _refuse_to_replace_a_lost_database(config)
    url = database_url(config)
    database = await Database.open(url)
    await migrate(database)
    await database.close()
    database = await Database.open(existing_only(url))
    await database.watch_file()
    async with database.transaction() as connection:
        await ensure_default_domain(connection, config.short_url)
    data, scans = config.data_dir, config.scans

    def open_store() -> ScanStore:
        return open_or_rebuild(
            data / "scans.duckdb",
            config.backup_dir,
            data / "journal",
            memory_mb=scans.memory_mb,
            threads=scans.threads,
        )

    return database, await _when_free(open_store)


async def _when_free(open_store: Callable[[], ScanStore]) -> ScanStore:
    """Waits a while for somebody who only looks into the file: quicker than ending and being started again."""
    until, said = time.monotonic() + STORE_FREE_WITHIN_S, False
    while True:
        try:
            return await asyncio.to_thread(open_store)
        except StoreTaken as error:
            if time.monotonic() > until:
                raise
            if not said:
                log.warning("%s It is tried again until it is free.", error)
            said = True
        await asyncio.sleep(RETRY_STORE_S)


async def _restart_when_damaged(store: ScanStore) -> None:
    """Reads all of it once, since damage shows only where somebody looks. A damaged store is exchanged at the start alone:
    until then nothing of it may be believed.
    """
    reading = asyncio.create_task(store.read_everything())
    try:
        while store.damage is None:
            await asyncio.sleep(LOOK_AT_STORE_S)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    log.critical("the scan store is damaged (%s): the private side starts anew to rebuild it", store.damage)
    try:
        await asyncio.to_thread(mark_damaged, store.path, store.damage)
    except OSError as error:
        log.error("that it is damaged could not be noted: %s", error)
    os.kill(os.getpid(), signal.SIGTERM)


async def _keep_schedule(database: Database, policy: DestinationPolicy) -> None:
    while True:
        await to_its_end(run_due(database, policy))
        await asyncio.sleep(SCHEDULE_S)


async def _always(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """What nobody foresaw is logged and begun again: a silent end would only show days later."""
    while True:
        try:
            await work()
        except Exception as error:
            log.error("%s failed (%r); it is begun again", name, error)
        await asyncio.sleep(1)


def _refuse_to_replace_a_lost_database(config: Config) -> None:
    """An empty one in its place would be believed by everybody: every printed code would become unknown."""
    path, snapshot = config.data_dir / "waymark.db", config.data_dir / "routes.snapshot"
    if config.database.url or (path.exists() and path.stat().st_size > 0):
        return
    try:
        _seq, _domains, routes = read_snapshot(snapshot)
    except SnapshotError:
        return
    if routes:
        raise DatabaseError(
            f"the control database {path} is missing, and {len(routes)} codes that it held are still answered from "
            f"{snapshot.name}. Put the database back, from a backup if need be; or, to begin anew without these codes, "
            f"stop waymark and remove {snapshot}."
        )


async def _follow(database: Database, dimensions: Dimensions, data: Path, importing: Importing) -> None:
    """Copies changes into the scan store and, once they have settled, into the route snapshot."""
    loop = asyncio.get_running_loop()
    snapshot_at: float | None = loop.time()
    while True:
        try:
            if not importing.now and await dimensions.follow():
                snapshot_at = loop.time() + SNAPSHOT_AFTER_S
            if snapshot_at is not None and loop.time() >= snapshot_at:
                snapshot_at = None
                await _write_snapshot(database, data)
                async with database.transaction() as connection:
                    await prune_changes(connection)
        except (SQLAlchemyError, OSError) as error:
            log.error("following changes: %s", getattr(error, "orig", None) or error)
            await asyncio.sleep(1)
        await asyncio.sleep(FOLLOW_S)


async def _write_snapshot(database: Database, data: Path) -> None:
    try:
        async with database.reading() as connection:
            seq = await last_seq(connection)
            domains, routes = await all_domains(connection), await all_routes(connection)
        await asyncio.to_thread(write_snapshot, data / "routes.snapshot", seq, domains, routes)
    except (SQLAlchemyError, OSError) as error:
        log.error("the route snapshot was not written: %s", getattr(error, "orig", None) or error)


def main() -> None:
    parser = argparse.ArgumentParser(prog="waymark.private")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--config")
    arguments = parser.parse_args()
    set_up_logging("private")
    os.nice(5)  # a report may wait, a scan may not
    config = load_config(arguments.config)
    live = LiveFeed()
    settings = private_settings(config, "")
    app = create_private_app(settings.version, settings.allowed_hosts, open_parts(config, live))
    run_app(app, arguments.fd, on_stop=live.close)


if __name__ == "__main__":
    main()
