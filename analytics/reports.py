"""The questions a dashboard asks, answered from the scan store: one method per card, all over the same filter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from babel import Locale

from analytics.periods import Interval, Period, interval_for, interval_starts
from analytics.store import ScanStore
from geo.places import Places

Bots = Literal["exclude", "include", "only"]
Report = dict[str, Any]

MAX_ROWS: Final = 100
MAX_PLACES: Final = 3_000
NO_PLACES: Final = "No place database is installed: run `waymark geo update` to get DB-IP City Lite (free, CC BY 4.0)."
NO_NETWORKS: Final = "No ASN database is installed: run `waymark geo update` to get DB-IP ASN Lite (free, CC BY 4.0)."
_COUNTS: Final = "count(*) AS scans, count(DISTINCT visitor) AS visitors"
_BUCKET: Final = "epoch_us(scanned_at) // 900000000"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which scans a report is about. Only counted ones ever are: HEAD and prefetch are listed, never reported."""

    period: Period
    code_ids: tuple[int, ...] | None = None  # None = all
    tag: str | None = None
    bots: Bots = "exclude"

    def where(self) -> tuple[str, list[Any]]:
        clauses = ["counted", "scanned_at >= ?", "scanned_at < ?"]
        parameters: list[Any] = [_naive(self.period.start), _naive(self.period.end)]
        if self.bots != "include":
            clauses.append("bot_reason IS NULL" if self.bots == "exclude" else "bot_reason IS NOT NULL")
        if self.code_ids is not None:
            clauses.append("code_id IN (SELECT unnest(?))")
            parameters.append(list(self.code_ids))
        if self.tag is not None:
            clauses.append("code_id IN (SELECT code_id FROM codes WHERE list_contains(tags, ?))")
            parameters.append(self.tag)
        return " AND ".join(clauses), parameters


class Reports:
    """Visitors are distinct daily ids: somebody who comes on two days is two visitors, as nothing links the days."""

    def __init__(self, store: ScanStore, places: Places) -> None:
        self._store = store
        self._places = places

    async def timeseries(self, asked: Filter, interval: Interval | None = None) -> Report:
        interval = interval or interval_for(asked.period)
        starts = interval_starts(asked.period, interval)
        where, parameters = asked.where()
        # Quarter hours first: 5x cheaper than placing every scan, and right for half-hour zones.
        rows = await self._store.query(
            f"WITH chosen AS (SELECT {_BUCKET} AS bucket, visitor FROM scans WHERE {where}), "
            "starts AS (SELECT unnest(?) AS start), "
            "placed AS (SELECT bucket, start FROM (SELECT DISTINCT bucket FROM chosen) ASOF JOIN starts ON bucket >= start) "
            f"SELECT start, {_COUNTS} FROM chosen JOIN placed USING (bucket) GROUP BY start",
            [*parameters, [int(start.timestamp()) // 900 for start in starts]],
        )
        counts = {start: (scans, visitors) for start, scans, visitors in rows}
        points = []
        for start in starts:
            scans, visitors = counts.get(int(start.timestamp()) // 900, (0, 0))
            points.append({"at": asked.period.local(start), "scans": scans, "visitors": visitors})
        return await self._report(asked, interval=interval, points=points, changes=await self._changes(asked))

    async def summary(self, asked: Filter) -> Report:
        """The totals alone, with what was set aside as bots and how many codes were scanned."""
        where, parameters = asked.where()
        everything, everything_parameters = Filter(asked.period, asked.code_ids, asked.tag, "include").where()
        codes = await self._store.query(f"SELECT count(DISTINCT code_id) FROM scans WHERE {where}", parameters)
        bots = await self._store.query(
            f"SELECT bot_reason, count(*) AS scans FROM scans WHERE {everything} AND bot_reason IS NOT NULL "
            "GROUP BY bot_reason ORDER BY scans DESC, bot_reason",
            everything_parameters,
        )
        return await self._report(
            asked,
            codes=codes[0][0],
            bots={"scans": sum(scans for _, scans in bots), "reasons": [{"reason": r, "scans": n} for r, n in bots]},
        )

    async def devices(self, asked: Filter) -> Report:
        columns = {"devices": "device", "os": "os", "browsers": "browser", "apps": "app"}
        return await self._report(asked, **{key: await self._ranking(asked, name) for key, name in columns.items()})

    async def hours(self, asked: Filter) -> Report:
        where, parameters = asked.where()
        rows = await self._store.query(
            f"WITH chosen AS (SELECT {_BUCKET} AS bucket, count(*) AS scans FROM scans WHERE {where} GROUP BY 1), "
            "placed AS (SELECT to_timestamp(bucket * 900) AT TIME ZONE ? AS local, scans FROM chosen) "
            "SELECT isodow(local), hour(local), sum(scans)::BIGINT FROM placed GROUP BY 1, 2",
            [*parameters, asked.period.tz.key],
        )
        cells = [[0] * 24 for _ in range(7)]
        for weekday, hour, scans in rows:
            cells[weekday - 1][hour] = scans
        return await self._report(asked, cells=cells)

    async def regions(self, asked: Filter) -> Report:
        where, parameters = asked.where()
        rows = await self._store.query(
            f"SELECT grouping(region) + grouping(city) AS level, country, region, city, {_COUNTS}, "
            f"any_value(latitude), any_value(longitude) FROM scans WHERE {where} "
            "GROUP BY GROUPING SETS ((country), (country, region), (country, region, city)) "
            f"ORDER BY level DESC, scans DESC, country, region, city LIMIT {MAX_PLACES}",
            parameters,
        )
        available = self._places.has_places or any(row[1] for row in rows)
        return await self._report(
            asked,
            countries=_country_tree(rows),
            attribution=self._attribution() if available else [],
            available=available,
            remedy=None if available else NO_PLACES,
        )

    async def referrers(self, asked: Filter) -> Report:
        ranking = await self._ranking(asked, "referrer_host")
        return await self._report(asked, referrers=[{"referrer": row.pop("name"), **row} for row in ranking])

    async def networks(self, asked: Filter) -> Report:
        where, parameters = asked.where()
        rows = await self._store.query(
            f"SELECT asn, any_value(network), {_COUNTS} FROM scans WHERE {where} GROUP BY asn "
            f"ORDER BY scans DESC, asn LIMIT {MAX_ROWS}",
            parameters,
        )
        available = self._places.has_networks or any(row[0] is not None for row in rows)
        networks = [{"asn": asn, "network": name, "scans": scans, "visitors": n} for asn, name, scans, n in rows]
        return await self._report(
            asked,
            networks=networks if available else [],
            attribution=self._attribution() if available else [],
            available=available,
            remedy=None if available else NO_NETWORKS,
        )

    async def versions(self, asked: Filter) -> Report:
        """Scans by the version that answered them, newest first, per code."""
        where, parameters = asked.where()
        rows = await self._store.query(
            f"WITH counted_scans AS (SELECT code_id, version, {_COUNTS}, min(scanned_at) AS first_at, "
            f"max(scanned_at) AS last_at FROM scans WHERE {where} GROUP BY code_id, version) "
            "SELECT code, version, destination, scans, visitors, first_at, last_at FROM counted_scans "
            "JOIN codes USING (code_id) LEFT JOIN versions ON versions.code_id = counted_scans.code_id AND number = version "
            f"ORDER BY code, version DESC LIMIT {MAX_ROWS}",
            parameters,
        )
        keys = ("code", "version", "destination", "scans", "visitors", "first_at", "last_at")
        found = [dict(zip(keys, row, strict=True)) for row in rows]
        for row in found:
            row["first_at"], row["last_at"] = (asked.period.local(_aware(row[key])) for key in ("first_at", "last_at"))
        return await self._report(asked, versions=found)

    async def codes(self, asked: Filter) -> Report:
        """The most scanned codes."""
        where, parameters = asked.where()
        rows = await self._store.query(
            f"WITH ranked AS (SELECT code_id, {_COUNTS} FROM scans WHERE {where} GROUP BY code_id) "
            "SELECT code, short_url, name, scans, visitors FROM ranked JOIN codes USING (code_id) "
            f"ORDER BY scans DESC, code LIMIT {MAX_ROWS}",
            parameters,
        )
        keys = ("code", "short_url", "name", "scans", "visitors")
        return await self._report(asked, codes=[dict(zip(keys, row, strict=True)) for row in rows])

    async def scans_by_code(self, asked: Filter) -> dict[int, int]:
        where, parameters = asked.where()
        rows = await self._store.query(
            f"SELECT code_id, count(*) FROM scans WHERE {where} GROUP BY code_id", parameters
        )
        return dict(rows)

    async def _ranking(self, asked: Filter, column: str) -> list[dict[str, Any]]:
        where, parameters = asked.where()
        rows = await self._store.query(
            f"SELECT {column}, {_COUNTS} FROM scans WHERE {where} GROUP BY {column} "
            f"ORDER BY scans DESC, {column} LIMIT {MAX_ROWS}",
            parameters,
        )
        return [{"name": name, "scans": scans, "visitors": visitors} for name, scans, visitors in rows]

    async def total(self, asked: Filter) -> dict[str, int]:
        where, parameters = asked.where()
        [(scans, visitors)] = await self._store.query(f"SELECT {_COUNTS} FROM scans WHERE {where}", parameters)
        return {"scans": scans, "visitors": visitors}

    async def _report(self, asked: Filter, **answer: Any) -> Report:
        return {
            "from": asked.period.local(asked.period.start),
            "to": asked.period.local(asked.period.end),
            "tz": asked.period.tz.key,
            "total": await self.total(asked),
            **answer,
        }

    async def _changes(self, asked: Filter) -> list[dict[str, Any]]:
        """When the codes in question were retargeted, for marks in the chart. Only when codes were named."""
        if asked.code_ids is None:
            return []
        rows = await self._store.query(
            "SELECT made_at, code, number, destination FROM versions JOIN codes USING (code_id) "
            "WHERE code_id IN (SELECT unnest(?)) AND made_at >= ? AND made_at < ? AND number > 1 ORDER BY made_at LIMIT 200",
            [list(asked.code_ids), _naive(asked.period.start), _naive(asked.period.end)],
        )
        return [
            {"at": asked.period.local(_aware(at)), "code": code, "version": number, "destination": destination}
            for at, code, number, destination in rows
        ]

    def _attribution(self) -> list[dict[str, str]]:
        return [{"text": entry.text, "url": entry.url} for entry in self._places.attributions()]


def country_name(code: str | None) -> str | None:
    return Locale("en").territories.get(code, code) if code else None


def _country_tree(rows: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Rows come countries first, then regions, then cities, each by scans."""
    countries: dict[str | None, dict[str, Any]] = {}
    regions: dict[tuple[str | None, str | None], dict[str, Any]] = {}
    for level, country, region, city, scans, visitors, latitude, longitude in rows:
        counts = {"scans": scans, "visitors": visitors}
        if level == 2:
            countries[country] = {"country": country, "name": country_name(country), **counts, "regions": []}
        elif level == 1:
            regions[country, region] = entry = {"region": region, **counts, "cities": []}
            countries[country]["regions"].append(entry)
        else:
            place = {"city": city, **counts, "latitude": _rounded(latitude), "longitude": _rounded(longitude)}
            regions[country, region]["cities"].append(place)
    return list(countries.values())


def _rounded(degrees: float | None) -> float | None:
    return None if degrees is None else round(degrees, 1)  # FLOAT columns come back with noise behind


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)


def _aware(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC)
