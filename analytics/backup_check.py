"""Verification: reads a whole backup again and compares it with its manifest. Needs no running Waymark."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import duckdb

from analytics.backup import CONTROL, Backup, file_facts, write_verification
from analytics.tables import BACKED_UP, fingerprint_of

MEMORY_MB: Final = 512


def verify(backup: Backup, now: datetime | None = None) -> Backup:
    """With the outcome, which is also written beside the manifest. Raises OSError when it cannot be written."""
    return write_verification(backup, find_problem(backup), now or datetime.now(UTC))


def find_problem(backup: Backup) -> str | None:
    """The first thing that is not as the manifest says."""
    if not backup.fits:
        return f"it was made by a newer Waymark ({backup.manifest['waymark']})"
    try:
        return next(_problems(backup), None)
    except (OSError, duckdb.Error) as error:
        return str(error).splitlines()[0]


def finished_segments(backup: Backup) -> set[str]:
    """The journal segments all of whose scans it holds."""
    with closing(_reader()) as reader:
        rows = reader.execute(
            "SELECT segment FROM read_parquet(?) WHERE done", [str(backup.parquet("journal_marks"))]
        ).fetchall()
    return {row[0] for row in rows}


def _problems(backup: Backup) -> Iterator[str]:
    for name, facts in backup.files.items():
        path = backup.folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif (found := path.stat().st_size) != facts["bytes"]:
            yield f"{name} has {found:,} bytes instead of {facts['bytes']:,}"
        elif file_facts(path)["sha256"] != facts["sha256"]:
            yield f"{name} was changed: its digest is another one"
    yield from _table_problems(backup)
    if backup.has_control:
        yield from _control_problems(backup)


def _table_problems(backup: Backup) -> Iterator[str]:
    with closing(_reader()) as reader:
        for table in BACKED_UP:
            if table not in backup.tables:
                yield f"the table {table} is missing"
                continue
            path = str(backup.parquet(table)).replace("'", "''")
            row = reader.execute(fingerprint_of(f"read_parquet('{path}')")).fetchone()
            rows, fingerprint = row or (0, None)
            said = backup.tables[table]
            if rows != said["rows"]:
                yield f"{table}.parquet has {rows:,} rows instead of {said['rows']:,}"
            # DuckDB does not promise the same hashes in its next version; the digest of the file still holds then.
            elif backup.manifest["duckdb"] == duckdb.__version__ and str(fingerprint) != said["fingerprint"]:
                yield f"{table}.parquet holds other rows than the scan store held"


def _control_problems(backup: Backup) -> Iterator[str]:
    url = f"file:{quote(str(backup.folder / CONTROL))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(url, uri=True)) as connection:
            said = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    except sqlite3.Error as error:
        said = [str(error)]
    if said != ["ok"]:
        yield f"{CONTROL} is damaged: {said[0]}"


def _reader() -> duckdb.DuckDBPyConnection:
    """A database of its own in memory, on one thread: reports go on meanwhile."""
    return duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{MEMORY_MB}MB",
            "threads": 1,
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
