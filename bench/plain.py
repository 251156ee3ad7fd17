"""The dashboard's questions in plain SQLite, over the same rows, with the indexes that a reasonable person would add."""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

_COLUMNS: Final = (
    "code_id", "version", "counted", "bot_reason", "device", "os", "browser", "app", "country", "region", "city",
    "latitude", "longitude", "asn", "network", "referrer_host", "visitor",
)  # fmt: skip
_COUNTS: Final = "count(*) AS scans, count(DISTINCT visitor) AS visitors"
_WHERE: Final = "counted AND at_s >= :start AND at_s < :end AND bot_reason IS NULL"
_TOTAL: Final = f"SELECT {_COUNTS} FROM scans WHERE {_WHERE}"
CHUNK: Final = 50_000


def _by(column: str, shown: str = "") -> str:
    return (
        f"SELECT {column}{shown}, {_COUNTS} FROM scans WHERE {_WHERE} GROUP BY {column} "
        f"ORDER BY scans DESC, {column} LIMIT 100"
    )


def _places(*columns: str) -> str:
    keys = ", ".join(columns)
    shown = f"{keys}, {_COUNTS}, max(latitude), max(longitude)"
    return f"SELECT {shown} FROM scans WHERE {_WHERE} GROUP BY {keys} ORDER BY scans DESC"


# Each card as the reports put it: the total, and what the card itself shows. Days and hours in UTC.
CARDS: Final[dict[str, tuple[str, ...]]] = {
    "timeseries": (_TOTAL, f"SELECT at_s / 86400 AS day, {_COUNTS} FROM scans WHERE {_WHERE} GROUP BY day ORDER BY day"),
    "summary": (
        _TOTAL,
        f"SELECT count(DISTINCT code_id) FROM scans WHERE {_WHERE}",
        "SELECT bot_reason, count(*) AS scans FROM scans WHERE counted AND at_s >= :start AND at_s < :end "
        "AND bot_reason IS NOT NULL GROUP BY bot_reason ORDER BY scans DESC",
    ),
    "devices": (_TOTAL, *map(_by, ("device", "os", "browser", "app"))),
    "hours": (
        _TOTAL,
        f"SELECT (at_s / 86400 + 3) % 7 AS weekday, at_s / 3600 % 24 AS hour, count(*) FROM scans WHERE {_WHERE} GROUP BY 1, 2",
    ),
    "regions": (
        _TOTAL, _places("country"), _places("country", "region"), f"{_places('country', 'region', 'city')} LIMIT 3000",
    ),
    "referrers": (_TOTAL, _by("referrer_host")),
    "networks": (_TOTAL, _by("asn", ", max(network)")),
    "versions": (
        _TOTAL,
        f"SELECT code_id, version, {_COUNTS}, min(at_s), max(at_s) FROM scans WHERE {_WHERE} "
        "GROUP BY code_id, version ORDER BY code_id, version DESC LIMIT 100",
    ),
    "codes": (_TOTAL, _by("code_id")),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plain:
    connection: sqlite3.Connection
    period: Mapping[str, int]

    def ask(self, card: str) -> float:
        """Seconds for all of a card's queries."""
        start = time.perf_counter()
        for query in CARDS[card]:
            self.connection.execute(query, self.period).fetchall()
        return time.perf_counter() - start

    def total(self) -> tuple[int, int]:
        scans, visitors = self.connection.execute(_TOTAL, self.period).fetchone()
        return scans, visitors


@contextmanager
def copied(store: Path, path: Path, period: Mapping[str, int]) -> Iterator[Plain]:
    """The scans of a closed scan store in a SQLite file of its own, analysed; as much cache as the store may use."""
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1048576")
        connection.execute(f"CREATE TABLE scans (at_s INTEGER, {', '.join(_COLUMNS)})")
        places = ", ".join("?" * (len(_COLUMNS) + 1))
        with connection:
            for rows in _chunks(store):
                connection.executemany(f"INSERT INTO scans VALUES ({places})", rows)
            connection.execute("CREATE INDEX scans_at ON scans (at_s)")
            connection.execute("CREATE INDEX scans_code ON scans (code_id, at_s)")
            connection.execute("ANALYZE")
        yield Plain(connection, period)
    finally:
        connection.close()


def _chunks(store: Path) -> Iterator[list[tuple[object, ...]]]:
    columns = ", ".join(f"{name}::BIGINT" if name == "asn" else name for name in _COLUMNS if name != "visitor")
    with duckdb.connect(str(store), read_only=True) as source:
        # SQLite's integers are signed; the half of a visitor id tells them apart as well.
        found = source.execute(f"SELECT epoch_us(scanned_at) // 1000000, {columns}, (visitor >> 1)::BIGINT FROM scans")
        while rows := found.fetchmany(CHUNK):
            yield rows
