"""Single scans as people and programs read them: the list with its cursor, and a committed row for the live feed."""

from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from analytics.reports import Filter
from analytics.store import ScanStore

MAX_LIMIT: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  the store's times are naive UTC
_FIELDS: Final = (
    "id", "scanned_at", "code_id", "version", "rule", "variant", "counted", "uncounted_reason", "bot_reason", "datacenter",
    "relay", "device", "os", "os_version", "browser", "browser_version", "app", "country", "region", "city", "latitude",
    "longitude", "asn", "network", "referrer", "language", "query", "gpc", "visitor", "demo",
)  # fmt: skip


class CursorError(ValueError):
    """A cursor that this list never gave out."""


class Scans:
    def __init__(self, store: ScanStore) -> None:
        self._store = store

    async def list_scans(
        self, asked: Filter, *, counted_only: bool = False, cursor: str | None = None, limit: int = 100
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Newest first, and the cursor of the next page (None at the end). A cursor stays right while scans arrive."""
        limit = min(limit, MAX_LIMIT)
        where, parameters = asked.where()
        if not counted_only:
            where = where.removeprefix("counted AND ")
        if cursor:
            at, scan_id = _read_cursor(cursor)
            where += " AND (scanned_at, id) < (?, ?)"
            parameters += [at, scan_id]
        columns = ", ".join(f"scans.{name}" for name in _FIELDS)
        rows = await self._store.query(
            f"WITH page AS (SELECT * FROM scans WHERE {where} ORDER BY scanned_at DESC, id DESC "
            f"LIMIT {limit + 1}) "
            f"SELECT {columns}, code, short_url, name, destination FROM page AS scans "
            "LEFT JOIN codes USING (code_id) "
            "LEFT JOIN versions ON versions.code_id = scans.code_id AND versions.number = scans.version "
            "ORDER BY scans.scanned_at DESC, scans.id DESC",
            parameters,
        )
        shown = [_to_json(dict(zip((*_FIELDS, *_JOINED), row, strict=True))) for row in rows[:limit]]
        more = len(rows) > limit
        return shown, _cursor(rows[limit - 1]) if more else None

    async def codes_with(self, labels: tuple[str, ...]) -> frozenset[int]:
        """Which have all these tags and groups at this moment."""
        rows = await self._store.query("SELECT code_id FROM codes WHERE list_has_all(tags, ?)", [list(labels)])
        return frozenset(code_id for (code_id,) in rows)

    async def describe(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows as the enrichment process sends them, with their code's name, as the list shows them."""
        ids = list({row["code_id"] for row in rows})
        found = await self._store.query(
            "SELECT codes.code_id, number, code, short_url, name, destination FROM codes "
            "LEFT JOIN versions USING (code_id) WHERE code_id IN (SELECT unnest(?))",
            [ids],
        )
        known = {(code_id, number): joined for code_id, number, *joined in found}
        # A version that the copies here do not have yet: its destination is unknown, its code is not.
        known |= {(code_id, None): [*joined[:3], None] for code_id, _number, *joined in found}
        described = []
        for row in rows:
            code_id = row["code_id"]
            joined = known.get((code_id, row["version"])) or known.get((code_id, None)) or [None] * len(_JOINED)
            at = _EPOCH + timedelta(microseconds=row["at_us"])
            described.append(_to_json({**row, "scanned_at": at, **dict(zip(_JOINED, joined, strict=True))}))
        return described


_JOINED: Final = ("code", "short_url", "code_name", "destination")


def _to_json(row: dict[str, Any]) -> dict[str, Any]:
    at: datetime = row["scanned_at"]
    query = row["query"]
    shown = {
        **row,
        "at": at.isoformat(timespec="microseconds") + "Z",
        "bot": row["bot_reason"] is not None,
        "query": orjson.loads(query) if isinstance(query, str) else query or {},
        "visitor": None if row["visitor"] is None else f"{row['visitor']:016x}",
        "latitude": None if row["latitude"] is None else round(row["latitude"], 1),
        "longitude": None if row["longitude"] is None else round(row["longitude"], 1),
    }
    return {name: shown[name] for name in ("id", "at", *_FIELDS[3:], *_JOINED, "bot")}


def _cursor(row: tuple[Any, ...]) -> str:
    at: datetime = row[_FIELDS.index("scanned_at")]
    return f"{(at - _EPOCH) // timedelta(microseconds=1)}-{row[0]}"


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    at_us, _, scan_id = cursor.partition("-")
    if not (at_us.isascii() and at_us.isdigit() and len(at_us) < 18 and scan_id):
        raise CursorError(f"{cursor[:60]!r} is no cursor of this list; take the one from `next` in the answer before.")
    return _EPOCH + timedelta(microseconds=int(at_us)), scan_id
