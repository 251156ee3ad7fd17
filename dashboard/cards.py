"""Report JSON as cards: totals, ranked rows, heat map, places. Pure; an unavailable report becomes its remedy text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from dashboard.charts import Dot, Shape, TimeChart, WorldMap, heat_bucket, time_chart
from dashboard.formats import LONG_WEEKDAYS, WEEKDAYS, Change, Number, change, counted, number, share

ROWS_SHOWN = 7
_DEVICES = {"mobile": "Phone", "tablet": "Tablet", "desktop": "Computer", "tv": "TV", "other": "Other"}


@dataclass(frozen=True, slots=True)
class Total:
    label: str
    number: Number
    change: Change | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One bar; `percent` is its length against the longest one, `share` its part of all scans."""

    name: str
    scans: Number
    visitors: Number
    percent: float
    share: str
    unknown: bool = False
    mark: str = ""
    path: str = ""  # of what it is about


@dataclass(frozen=True, slots=True)
class Card:
    """A ranked list; `rows` are shown at once, `more` behind a fold. Without either, `remedy` says why."""

    title: str
    heading: str
    rows: tuple[Row, ...]
    more: tuple[Row, ...]
    remedy: str = ""
    attribution: tuple[Mapping[str, str], ...] = ()
    name: str = ""

    @property
    def key(self) -> str:
        """For ids in a page."""
        return self.name or self.title.lower()


@dataclass(frozen=True, slots=True)
class HeatCell:
    bucket: int
    scans: Number
    title: str


@dataclass(frozen=True, slots=True)
class HeatRow:
    name: str
    long_name: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    rows: tuple[HeatRow, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Place:
    """A country, region or city with what lies inside it."""

    row: Row
    key: str
    inside: tuple["Place", ...]


@dataclass(frozen=True, slots=True)
class PlacesView:
    width: int
    height: int
    shapes: tuple[Shape, ...]
    dots: tuple[Dot, ...]
    countries: tuple[Place, ...]
    more: tuple[Place, ...]
    remedy: str
    attribution: tuple[Mapping[str, str], ...]
    summary: str


@dataclass(frozen=True, slots=True)
class ReportView:
    totals: tuple[Total, ...]
    chart: TimeChart
    devices: tuple[Card, ...]
    heat: HeatMap
    places: PlacesView
    referrers: Card
    networks: Card


def report_view(
    reports: Mapping[str, Any],
    zone: ZoneInfo,
    world: WorldMap,
    previous: Mapping[str, int] | None,
    bots: int | None,
    bots_note: str,
) -> ReportView:
    """All cards of a page from reports by name, which share one filter. For what the rest means see `totals`."""
    return ReportView(
        totals=totals(reports["timeseries"]["total"], previous, bots, bots_note),
        chart=time_chart(reports["timeseries"], zone),
        devices=device_cards(reports["devices"]),
        heat=heat_map(reports["hours"]),
        places=places_view(reports["regions"], world),
        referrers=referrers_card(reports["referrers"]),
        networks=networks_card(reports["networks"]),
    )


def totals(
    total: Mapping[str, int], previous: Mapping[str, int] | None, bots: int | None, bots_note: str
) -> tuple[Total, ...]:
    """Scans and visitors against the period before (None: not known), and the bots among all scans."""
    before = previous or {}
    found = [
        Total("Scans", number(total["scans"]), change(total["scans"], before.get("scans"))),
        Total("Visitors", number(total["visitors"]), change(total["visitors"], before.get("visitors"))),
    ]
    if bots is not None:
        found.append(Total("Bots", number(bots), None, bots_note))
    return tuple(found)


def device_cards(report: Mapping[str, Any]) -> tuple[Card, ...]:
    whole = report["total"]["scans"]
    devices = [{**entry, "name": _DEVICES.get(entry["name"], entry["name"])} for entry in report["devices"]]
    return (
        _card("Devices", "Device", _named(devices, "name", "Unknown"), whole),
        _card("Systems", "System", _named(report["os"], "name", "Unknown"), whole),
        _card("Browsers", "Browser", _named(report["browsers"], "name", "Unknown"), whole),
        _card("Apps", "App", _named(report["apps"], "name", "No app seen"), whole),
    )


def referrers_card(report: Mapping[str, Any]) -> Card:
    entries = _named(report["referrers"], "referrer", "None: camera, or not said")
    return _card("Referrers", "Referrer", entries, report["total"]["scans"])


def networks_card(report: Mapping[str, Any]) -> Card:
    attribution = tuple(report.get("attribution") or ())
    if not report["available"]:
        return Card("Networks", "Network", (), (), _remedy(report), attribution)
    entries = [
        {**entry, "name": entry["network"], "mark": f"AS{entry['asn']}" if entry["asn"] else ""}
        for entry in report["networks"]
    ]
    return _card(
        "Networks", "Network", _named(entries, "name", "Unknown network"), report["total"]["scans"], attribution
    )


def heat_map(report: Mapping[str, Any]) -> HeatMap:
    """Weekday x hour; a cell's colour is relative to the busiest one."""
    cells: Sequence[Sequence[int]] = report["cells"]
    most = max((value for row in cells for value in row), default=0)
    rows = tuple(
        HeatRow(
            WEEKDAYS[weekday],
            LONG_WEEKDAYS[weekday],
            tuple(
                HeatCell(
                    heat_bucket(value, most),
                    number(value),
                    f"{LONG_WEEKDAYS[weekday]} {hour:02}:00 to {hour + 1:02}:00: {counted(value, 'scan')}",
                )
                for hour, value in enumerate(row)
            ),
        )
        for weekday, row in enumerate(cells)
    )
    busiest = next((cell.title for row in rows for cell in row.cells if cell.scans.value == most), "")
    return HeatMap(rows, f"Busiest: {busiest}." if most else "No hour stands out.")


def places_view(report: Mapping[str, Any], world: WorldMap) -> PlacesView:
    """The map and its table: countries, in them regions, in them cities."""
    available, whole = report["available"], report["total"]["scans"]
    countries = report["countries"] if available else []
    places = tuple(_place(entry, f"place-{i}", "country", whole, countries) for i, entry in enumerate(countries))
    scans = {entry["country"]: entry["scans"] for entry in countries if entry["country"]}
    return PlacesView(
        width=world.width,
        height=world.height,
        shapes=world.shapes(scans),
        dots=world.dots(list(_cities(countries))),
        countries=places[:ROWS_SHOWN],
        more=places[ROWS_SHOWN:],
        remedy="" if available else _remedy(report),
        attribution=tuple(report.get("attribution") or ()),
        summary=_places_summary(countries, len(scans)),
    )


def ranked_card(title: str, heading: str, entries: Sequence[Mapping[str, Any]], whole: int, *, key: str = "") -> Card:
    """The most scanned first; of equal ones in the order they come."""
    ranked = sorted(entries, key=lambda entry: -entry["scans"])
    return replace(_card(title, heading, ranked, whole), name=key)


def _card(
    title: str,
    heading: str,
    entries: Sequence[Mapping[str, Any]],
    whole: int,
    attribution: tuple[Mapping[str, str], ...] = (),
) -> Card:
    rows = _rows(entries, whole)
    # A fold that hides a single row costs more than the row.
    shown = len(rows) if len(rows) <= ROWS_SHOWN + 1 else ROWS_SHOWN
    remedy = "" if rows else "Nothing known about the scans in this range."
    return Card(title, heading, rows[:shown], rows[shown:], remedy, attribution)


def _named(entries: Iterable[Mapping[str, Any]], key: str, unknown: str) -> list[dict[str, Any]]:
    return [{**entry, "name": entry[key] or unknown, "unknown": not entry[key]} for entry in entries]


def _rows(entries: Sequence[Mapping[str, Any]], whole: int) -> tuple[Row, ...]:
    most = max((entry["scans"] for entry in entries), default=0)
    return tuple(
        Row(
            name=entry["name"],
            scans=number(entry["scans"]),
            visitors=number(entry["visitors"]),
            percent=round(100 * entry["scans"] / most, 1) if most else 0,
            share=share(entry["scans"], whole),
            unknown=entry["unknown"],
            mark=entry.get("mark", ""),
            path=entry.get("path", ""),
        )
        for entry in entries
    )


_INSIDE = {"country": ("regions", "region"), "region": ("cities", "city")}
_UNKNOWN = {"country": "Unknown country", "region": "Unknown region", "city": "Unknown city"}


def _place(entry: Mapping[str, Any], key: str, level: str, whole: int, siblings: Sequence[Mapping[str, Any]]) -> Place:
    """`whole` is what shares are of, `siblings` what the bar is measured against."""
    most = max(sibling["scans"] for sibling in siblings)
    row = Row(
        name=(entry["name"] if level == "country" else entry[level]) or _UNKNOWN[level],
        scans=number(entry["scans"]),
        visitors=number(entry["visitors"]),
        percent=round(100 * entry["scans"] / most, 1) if most else 0,
        share=share(entry["scans"], whole),
        unknown=not entry[level],
        mark=(entry["country"] or "") if level == "country" else "",
    )
    if level not in _INSIDE:
        return Place(row, key, ())
    field, next_level = _INSIDE[level]
    inside = entry[field]
    # "Unknown region" with nothing but "Unknown city" in it says nothing that its parent does not.
    if len(inside) == 1 and not inside[0][next_level]:
        return Place(row, key, ())
    return Place(row, key, tuple(_place(e, f"{key}-{i}", next_level, whole, inside) for i, e in enumerate(inside)))


def _cities(countries: Sequence[Mapping[str, Any]]) -> Iterable[tuple[str, int, float, float]]:
    for country in countries:
        for region in country["regions"]:
            for city in region["cities"]:
                if city["city"] and city["latitude"] is not None and city["longitude"] is not None:
                    yield f"{city['city']}, {country['name']}", city["scans"], city["latitude"], city["longitude"]


def _places_summary(countries: Sequence[Mapping[str, Any]], known: int) -> str:
    if not known:
        return "No scan in this range has a known country."
    first = next(entry for entry in countries if entry["country"])
    return f"Scans from {counted(known, 'country', 'countries')}, most from {first['name']}."


def _remedy(report: Mapping[str, Any]) -> str:
    return str(report.get("remedy") or "This report has no data to work with.")
