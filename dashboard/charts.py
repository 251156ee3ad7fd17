"""Chart geometry: ticks, SVG paths, colour buckets, the world map's projection. Pure numbers in, strings out."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from dashboard.formats import MONTHS, Moment, Number, clock, compact, counted, day, long_day, moment, number
from dashboard.history_rows import ACTIONS

HEAT_STEPS = 8
MAP_STEPS = 6
PLOT_WIDTH, PLOT_HEIGHT = 1000, 100
_MAX_LABELS = 8
_DOTS = 40
_NUMBER_ROOM = 2.5  # percent of the width that a version's number needs
_ROUND_STEPS = {"hour": (1, 2, 3, 6, 12, 24, 48, 72, 168), "15min": (1, 2, 4, 8, 12, 24, 48, 96)}

# Šavrič, Patterson, Jenny: The Equal Earth map projection (2018), the polynomial's four coefficients.
_A1, _A2, _A3, _A4 = 1.340264, -0.081106, 0.000893, 0.003796
_M = math.sqrt(3) / 2


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis, in percent from the start of the axis (left, or bottom)."""

    percent: float
    text: str
    anchor: str = "middle"
    minor: bool = False

    @property
    def from_top(self) -> float:
        return round(100 - self.percent, 2)


@dataclass(frozen=True, slots=True)
class Point:
    at: str
    label: str
    scans: Number
    visitors: Number


@dataclass(frozen=True, slots=True)
class Marker:
    """A version change on the time axis: what was done, when, by whom and why. `number` is drawn beside the mark, unless
    the next one is too near.
    """

    percent: float
    index: int
    version: int
    what: str
    at: Moment
    who: str
    why: str
    number: str = ""

    @property
    def text(self) -> str:
        """All of it in one line."""
        by = f", by {self.who}" if self.who else ""
        why = f" ({self.why})" if self.why else ""
        return f"Version {self.version}, {self.at.short}: {self.what}{by}{why}"


@dataclass(frozen=True, slots=True)
class TimeChart:
    """Paths live in a 1000 x 100 box that is stretched to the card; ticks are in percent, so text is not stretched."""

    interval: str
    points: tuple[Point, ...]
    scans_area: str
    scans_line: str
    visitors_line: str
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    markers: tuple[Marker, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    radius: float
    title: str


@dataclass(frozen=True, slots=True)
class Shape:
    country: str
    d: str
    bucket: int
    title: str | None


@dataclass(frozen=True, slots=True)
class WorldMap:
    """The pre-projected outlines that the web build wrote."""

    width: int
    height: int
    scale: float
    x: float
    y: float
    outlines: tuple[tuple[str, str, str], ...]

    @classmethod
    def load(cls, path: Path) -> "WorldMap":
        world = json.loads(path.read_text("utf-8"))
        projection = world["projection"]
        outlines = tuple((country["id"], country["name"], country["d"]) for country in world["countries"])
        return cls(world["width"], world["height"], projection["scale"], projection["x"], projection["y"], outlines)

    def position(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Where a place lies on the map (Equal Earth, the projection the outlines were drawn in)."""
        angle = math.asin(_M * math.sin(math.radians(latitude)))
        square = angle * angle
        sixth = square**3
        stretch = _A1 + 3 * _A2 * square + sixth * (7 * _A3 + 9 * _A4 * square)
        across = math.radians(longitude) * math.cos(angle) / (_M * stretch)
        up = angle * (_A1 + _A2 * square + sixth * (_A3 + _A4 * square))
        return round(self.x + self.scale * across, 1), round(self.y - self.scale * up, 1)

    def shapes(self, scans: Mapping[str, int]) -> tuple[Shape, ...]:
        most = max(scans.values(), default=0)
        return tuple(
            Shape(
                code,
                outline,
                map_bucket(scans.get(code, 0), most),
                f"{name}: {counted(scans[code], 'scan')}" if scans.get(code) else None,
            )
            for code, name, outline in self.outlines
        )

    def dots(self, cities: Sequence[tuple[str, int, float, float]]) -> tuple[Dot, ...]:
        """The busiest cities (name, scans, latitude, longitude) as dots whose area follows their scans."""
        busiest = sorted(cities, key=lambda city: -city[1])[:_DOTS]
        most = busiest[0][1] if busiest else 1
        return tuple(
            Dot(*self.position(latitude, longitude), round(1.5 + 5.5 * math.sqrt(scans / most), 1), title)
            for title, scans, latitude, longitude in (
                (f"{name}: {counted(scans, 'scan')}", scans, latitude, longitude)
                for name, scans, latitude, longitude in busiest
            )
        )


def ticks(most: int, steps: int = 4) -> list[int]:
    """Whole, round values from 0 to at least `most`, in about `steps` steps of 1, 2 or 5 times a power of ten."""
    if most <= 0:
        return [0, 1]
    rough = max(most / steps, 1)
    power: int = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return list(range(0, -(-most // step) * step + 1, step))


def line_path(values: Sequence[int], top: int) -> str:
    """A polyline through the values, in the plot box; a lone value is drawn across the whole width."""
    drawn = [values[0], values[0]] if len(values) == 1 else list(values)
    if not drawn:
        return ""
    last = len(drawn) - 1
    corners = (f"{_short(PLOT_WIDTH * i / last)} {_short(PLOT_HEIGHT * (1 - v / top))}" for i, v in enumerate(drawn))
    return "M" + "L".join(corners)


def area_path(values: Sequence[int], top: int) -> str:
    line = line_path(values, top)
    return f"{line}L{PLOT_WIDTH} {PLOT_HEIGHT}L0 {PLOT_HEIGHT}Z" if line else ""


def heat_bucket(value: int, most: int) -> int:
    """0 for nothing, then 1..8 in equal steps up to the busiest cell."""
    return 0 if value <= 0 or most <= 0 else max(1, math.ceil(HEAT_STEPS * value / most))


def map_bucket(value: int, most: int) -> int:
    """0 for nothing, then 1..6 by the square root: one big country must not make all the others look empty."""
    if value <= 0 or most <= 0:
        return 0
    return max(1, math.ceil(MAP_STEPS * math.sqrt(value / most)))


def time_chart(report: Mapping[str, Any], zone: ZoneInfo) -> TimeChart:
    """The timeseries report as drawn; `zone` is the report's, in which times without an offset are read."""
    interval = str(report["interval"])
    stamps = [_local(point["at"], zone) for point in report["points"]]
    points = tuple(
        Point(point["at"], point_label(at, interval), number(point["scans"]), number(point["visitors"]))
        for point, at in zip(report["points"], stamps, strict=True)
    )
    scans = [point.scans.value for point in points]
    visitors = [point.visitors.value for point in points]
    values = ticks(max(scans, default=0))
    return TimeChart(
        interval=interval,
        points=points,
        scans_area=area_path(scans, values[-1]),
        scans_line=line_path(scans, values[-1]),
        visitors_line=line_path(visitors, values[-1]),
        y_ticks=tuple(Tick(round(100 * value / values[-1], 2), compact(value)) for value in values),
        x_ticks=_time_ticks(stamps, interval),
        markers=tuple(_markers(report.get("changes", ()), stamps, zone, report.get("to"))),
        summary=_summary(points),
    )


def point_label(at: datetime, interval: str) -> str:
    """A point in full, as a table or a tooltip says it."""
    if interval in ("15min", "hour"):
        return f"{long_day(at)}, {clock(at)}"
    if interval == "week":
        return f"Week of {long_day(at)}"
    if interval == "month":
        return f"{MONTHS[at.month - 1]} {at.year}"
    return long_day(at)


def _short_label(at: datetime, interval: str) -> str:
    if interval in ("15min", "hour"):
        return clock(at) if at.hour or at.minute else day(at)
    return f"{MONTHS[at.month - 1]} {at.year}" if interval == "month" else day(at)


def _time_ticks(stamps: Sequence[datetime], interval: str) -> tuple[Tick, ...]:
    """At most eight labels; every second one is minor, to be left out on a narrow screen."""
    if len(stamps) < 2:
        return tuple(Tick(50, point_label(at, interval)) for at in stamps)
    step = _label_step(stamps, interval)
    last = len(stamps) - 1
    found = []
    for position, index in enumerate(range(_first_label(stamps, interval) % step, len(stamps), step)):
        percent = round(100 * index / last, 2)
        anchor = "start" if percent < 4 else "end" if percent > 96 else "middle"
        found.append(Tick(percent, _short_label(stamps[index], interval), anchor, position % 2 == 1))
    return tuple(found)


def _label_step(stamps: Sequence[datetime], interval: str) -> int:
    """Every how many points a label goes; for hours a step that lands on the same hours each day."""
    rough = math.ceil(len(stamps) / _MAX_LABELS)
    return next((step for step in _ROUND_STEPS.get(interval, ()) if step >= rough), rough)


def _first_label(stamps: Sequence[datetime], interval: str) -> int:
    """Within days the labels must meet midnight, since that one says the date."""
    if interval not in _ROUND_STEPS:
        return 0
    return next((index for index, at in enumerate(stamps) if at.hour == at.minute == 0), 0)


def _markers(
    changes: Sequence[Mapping[str, Any]], stamps: Sequence[datetime], zone: ZoneInfo, until: str | None
) -> list[Marker]:
    """Version changes inside the range; one before its first point belongs to no point and is left out."""
    if not stamps:
        return []
    end = _local(until, zone) if until else None
    last = len(stamps) - 1
    found: list[Marker] = []
    for change in changes:
        at = _local(change["at"], zone)
        if at < stamps[0] or (end is not None and at >= end):
            continue
        index = sum(stamp <= at for stamp in stamps) - 1
        percent = round(100 * index / last, 2) if last else 50.0
        made = moment(at, zone, stamps[-1])
        who, why = change.get("who") or "", change.get("reason") or ""
        found.append(Marker(percent, index, change["version"], change_in_words(change), made, who, why))
    places = [marker.percent for marker in found] + [math.inf]
    return [
        replace(marker, number=str(marker.version)) if following - marker.percent >= _NUMBER_ROOM else marker
        for marker, following in zip(found, places[1:], strict=True)
    ]


def change_in_words(change: Mapping[str, Any]) -> str:
    """From a change of the timeseries report; `parts`, where known, are what differs from the version before."""
    action = ACTIONS.get(change.get("action") or "", "")
    restored = f", back to version {change['restores']}" if change.get("restores") else ""
    parts = change.get("parts") or ("destination",)
    to = f" to {change['destination']}" if "destination" in parts else ""
    others = ", ".join(part for part in parts if part != "destination")
    what = f"{action}{restored}{to}" if action else change["destination"]
    return f"{what} ({others})" if others else what


def _local(text: str, zone: ZoneInfo) -> datetime:
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=zone) if at.tzinfo is None else at.astimezone(zone)


def _summary(points: Sequence[Point]) -> str:
    if not points:
        return "No points in this range."
    best = max(points, key=lambda point: point.scans.value)
    return f"Most scans: {best.label}, {counted(best.scans.value, 'scan')}."


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
