"""The questions a dashboard asks, answered from the scan store: one method per card, all over the same filter."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import duckdb
from babel import Locale

from analytics.part_names import part_named
from analytics.periods import Interval, interval_for, interval_starts
from analytics.selection import SPLIT_COLUMNS, Bots, Filter, Part, Selection, Split
from analytics.store import ScanStore
from geo.places import Places

__all__ = ["Bots", "Filter", "Report", "Reports", "Split", "country_name"]

Report = dict[str, Any]
Answer = TypeVar("Answer")
Card = Callable[[Selection], Report]

MAX_ROWS: Final = 100
MAX_PLACES: Final = 3_000
MAX_PARTS: Final = 12  # of a split; what is scanned less is one part together
# What a card reads of the scans, besides their time and visitor.
_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "summary": ("code_id",),
    "devices": ("device", "os", "browser", "app"),
    "regions": ("country", "region", "city", "latitude", "longitude"),
    "referrers": ("referrer_host",),
    "networks": ("asn", "network"),
    "versions": ("code_id", "version"),
    "rules": SPLIT_COLUMNS["rule"],
    "variants": ("rule", "variant"),
    "codes": ("code_id",),
}
NO_PLACES: Final = "No place database is installed: run `waymark geo update` to get DB-IP City Lite (free, CC BY 4.0)."
NO_NETWORKS: Final = "No ASN database is installed: run `waymark geo update` to get DB-IP ASN Lite (free, CC BY 4.0)."


class Reports:
    """Visitors are distinct daily ids: somebody who comes on two days is two visitors, as nothing links the days."""

    def __init__(self, store: ScanStore, places: Places) -> None:
        self._store = store
        self._places = places
        self._cards: dict[str, Card] = {
            "timeseries": _timeseries,
            "summary": _summary,
            "devices": _devices,
            "hours": _hours,
            "regions": self._regions,
            "referrers": _referrers,
            "networks": self._networks,
            "versions": _versions,
            "rules": _rules,
            "variants": _variants,
            "codes": _codes,
        }

    async def several(self, asked: Filter, names: Iterable[str]) -> dict[str, Report]:
        """Reports by name, all of the same moment; what they share is asked once."""
        cards = {name: self._cards[name] for name in names}

        def answer(chosen: Selection) -> dict[str, Report]:
            chosen.gather(column for name in cards for column in _COLUMNS.get(name, ()))
            return {name: _report(chosen, card) for name, card in cards.items()}

        return await self._ask(asked, answer)

    async def split(self, name: str, asked: Filter, split: Split, interval: Interval | None = None) -> Report:
        """The report as a whole and once more for each version, rule or variant, the most scanned first; their scans add up
        to the whole's. Several codes' versions of one number, and rules of one name, are taken together.
        """
        card: Card = self._cards[name]
        if name == "timeseries":
            card = lambda chosen: _timeseries(chosen, interval)  # noqa: E731

        def answer(chosen: Selection) -> Report:
            apart = chosen.apart(split, _COLUMNS.get(name, ()))
            found = apart.by_part(split, MAX_PARTS + 1)
            shown = found if len(found) <= MAX_PARTS else found[: MAX_PARTS - 1]
            rules = chosen.rules_by_version()
            parts = [
                {
                    **part_named(split, value, rules.get(version, ())),
                    **_of_part(apart.part(Part(split, (value,))), card),
                }
                for value, version, _scans, _visitors in shown
            ]
            if len(found) > len(shown):
                others = Part(split, tuple(row[0] for row in shown), others=True)
                parts.append({"label": "All others", **_of_part(apart.part(others), card)})
            chosen.gather(_COLUMNS.get(name, ()))
            return {**_report(chosen, card), "split": split, "parts": parts}

        return await self._ask(asked, answer)

    async def timeseries(self, asked: Filter, interval: Interval | None = None) -> Report:
        def answer(chosen: Selection) -> Report:
            chosen.gather(())
            return _report(chosen, lambda same: _timeseries(same, interval))

        return await self._ask(asked, answer)

    async def summary(self, asked: Filter) -> Report:
        """The totals alone, with what was set aside as bots and how many codes were scanned."""
        return await self._one("summary", asked)

    async def devices(self, asked: Filter) -> Report:
        return await self._one("devices", asked)

    async def hours(self, asked: Filter) -> Report:
        return await self._one("hours", asked)

    async def regions(self, asked: Filter) -> Report:
        return await self._one("regions", asked)

    async def referrers(self, asked: Filter) -> Report:
        return await self._one("referrers", asked)

    async def networks(self, asked: Filter) -> Report:
        return await self._one("networks", asked)

    async def versions(self, asked: Filter) -> Report:
        """Scans by the version that answered them, newest first, per code."""
        return await self._one("versions", asked)

    async def rules(self, asked: Filter) -> Report:
        """Which rule decided, most often first; no rule is the default target."""
        return await self._one("rules", asked)

    async def variants(self, asked: Filter) -> Report:
        """What splits chose, most often first; scans that no split decided are not in it."""
        return await self._one("variants", asked)

    async def codes(self, asked: Filter) -> Report:
        """The most scanned codes."""
        return await self._one("codes", asked)

    async def scans_by_code(self, asked: Filter) -> dict[int, int]:
        return dict(await self._ask(asked, lambda chosen: chosen.by_value("tally_code_id", "code_id, scans")))

    async def total(self, asked: Filter) -> dict[str, int]:
        return await self._ask(asked, lambda chosen: chosen.total)

    async def _one(self, name: str, asked: Filter) -> Report:
        return (await self.several(asked, (name,)))[name]

    async def _ask(self, asked: Filter, question: Callable[[Selection], Answer]) -> Answer:
        def read(cursor: duckdb.DuckDBPyConnection) -> Answer:
            return question(Selection(cursor, asked))

        return await self._store.read(read)

    def _regions(self, chosen: Selection) -> Report:
        rows = chosen.by_place(MAX_PLACES)
        available = self._places.has_places or any(row[1] for row in rows)
        return {
            "countries": _country_tree(rows),
            "attribution": self._attribution() if available else [],
            "available": available,
            "remedy": None if available else NO_PLACES,
        }

    def _networks(self, chosen: Selection) -> Report:
        shown = "asn, network, scans, visitors"
        rows = chosen.by_value("tally_asn", shown, f"ORDER BY scans DESC, asn LIMIT {MAX_ROWS}")
        available = self._places.has_networks or any(row[0] is not None for row in rows)
        return {
            "networks": _entries(shown, rows) if available else [],
            "attribution": self._attribution() if available else [],
            "available": available,
            "remedy": None if available else NO_NETWORKS,
        }

    def _attribution(self) -> list[dict[str, str]]:
        return [{"text": entry.text, "url": entry.url} for entry in self._places.attributions()]


def _report(chosen: Selection, card: Card) -> Report:
    period = chosen.asked.period
    return {
        "from": period.local(period.start),
        "to": period.local(period.end),
        "tz": period.tz.key,
        "total": dict(chosen.total),
        **card(chosen),
    }


def _of_part(chosen: Selection, card: Card) -> Report:
    return {"total": dict(chosen.total), **card(chosen)}


def _timeseries(chosen: Selection, interval: Interval | None = None) -> Report:
    period = chosen.asked.period
    interval = interval or interval_for(period)
    starts = {int(at.timestamp()) // 900: at for at in interval_starts(period, interval)}
    counts = {start: (scans, visitors) for start, scans, visitors in chosen.by_start(list(starts))}
    points = []
    for start, at in starts.items():
        scans, visitors = counts.get(start, (0, 0))
        points.append({"at": period.local(at), "scans": scans, "visitors": visitors})
    shown = "at, code, version, destination, action, restores, who, reason"
    changes = _entries(shown, chosen.changes())
    for change in changes:
        change["at"] = period.local(_aware(change["at"]))
    return {"interval": interval, "points": points, "changes": changes}


def _summary(chosen: Selection) -> Report:
    [(codes,)] = chosen.by_value("tally_code_id", "count(*)")
    tail = "ORDER BY scans DESC, bot_reason"
    reasons = chosen.of_bots().by_value("tally_bot_reason", "bot_reason AS reason, scans", tail)
    bots = {"scans": sum(scans for _, scans in reasons), "reasons": _entries("reason, scans", reasons)}
    return {"codes": codes, "bots": bots}


def _devices(chosen: Selection) -> Report:
    columns = {"devices": "device", "os": "os", "browsers": "browser", "apps": "app"}
    return {key: _ranking(chosen, column, "name") for key, column in columns.items()}


def _hours(chosen: Selection) -> Report:
    cells = [[0] * 24 for _ in range(7)]
    for weekday, hour, scans in chosen.by_hour():
        cells[weekday - 1][hour] = scans
    return {"cells": cells}


def _referrers(chosen: Selection) -> Report:
    return {"referrers": _ranking(chosen, "referrer_host", "referrer")}


def _versions(chosen: Selection) -> Report:
    shown = "code, version, destination, scans, visitors, first_at, last_at"
    rows = chosen.by_value(
        "tally_version",
        shown,
        "JOIN codes USING (code_id) LEFT JOIN versions ON versions.code_id = found.code_id AND number = version "
        f"ORDER BY code, version DESC LIMIT {MAX_ROWS}",
    )
    found = _entries(shown, rows)
    for row in found:
        row["first_at"], row["last_at"] = (
            chosen.asked.period.local(_aware(row[key])) for key in ("first_at", "last_at")
        )
    return {"versions": found}


def _rules(chosen: Selection) -> Report:
    tail = f"ORDER BY scans DESC, rule LIMIT {MAX_ROWS}"
    rows = chosen.by_value("tally_rule", "rule, last_version, scans, visitors", tail)
    rules = chosen.rules_by_version()
    return {
        "rules": [
            {**part_named("rule", rule or "", rules.get(version, ())), "scans": scans, "visitors": visitors}
            for rule, version, scans, visitors in rows
        ]
    }


def _variants(chosen: Selection) -> Report:
    tail = f"WHERE variant IS NOT NULL ORDER BY scans DESC, rule, variant LIMIT {MAX_ROWS}"
    rows = chosen.by_value("tally_variant", "rule, variant, scans, visitors", tail)
    return {
        "variants": [
            {**part_named("variant", f"{rule}\n{variant}"), "scans": scans, "visitors": visitors}
            for rule, variant, scans, visitors in rows
        ]
    }


def _codes(chosen: Selection) -> Report:
    shown = "code, short_url, name, scans, visitors"
    tail = f"JOIN codes USING (code_id) ORDER BY scans DESC, code LIMIT {MAX_ROWS}"
    return {"codes": _entries(shown, chosen.by_value("tally_code_id", shown, tail))}


def _ranking(chosen: Selection, column: str, name: str) -> list[dict[str, Any]]:
    tail = f"ORDER BY scans DESC, {column} LIMIT {MAX_ROWS}"
    rows = chosen.by_value(f"tally_{column}", f"{column}, scans, visitors", tail)
    return _entries(f"{name}, scans, visitors", rows)


def _entries(names: str, rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(names.split(", "), row, strict=True)) for row in rows]


def country_name(code: str | None) -> str | None:
    return Locale("en").territories.get(code, code) if code else None


def _country_tree(rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows come countries first, then regions, then cities, each by scans."""
    countries: dict[str | None, dict[str, Any]] = {}
    regions: dict[tuple[str | None, str | None], dict[str, Any]] = {}
    for level, country, region, city, scans, visitors, latitude, longitude in rows:
        counts = {"scans": scans, "visitors": visitors}
        if level == 1:
            countries[country] = {"country": country, "name": country_name(country), **counts, "regions": []}
        elif level == 2:
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
