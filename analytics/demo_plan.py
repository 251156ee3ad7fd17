"""What the demo data tells: three campaigns, their venues, when each is busy, what was retargeted. Invented, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import exp
from typing import Any, Final
from zoneinfo import ZoneInfo

SHORTEST_DAYS: Final = 92
LONGEST_DAYS: Final = 120
_CLOCK_ZONES: Final = ("Europe/Berlin", "America/New_York")
_DAYS_BESIDE_CHANGE: Final = 7


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When people come: relative weights by local weekday (Monday first) and local hour."""

    weekdays: tuple[float, ...]
    hours: tuple[float, ...]
    day_begins: int = 0  # a bar's Friday ends on Saturday at 4
    steady: bool = False  # stays busy instead of being forgotten after some weeks
    games: bool = False  # next to nothing, but for a crowd every second Saturday

    def hourly(self, day: date, hour: int) -> float:
        """The share of an average day that falls into this local hour."""
        if self.games and is_game_day(day):
            return _GAME[hour]
        counted = day - timedelta(days=1) if hour < self.day_begins else day
        return self.weekdays[counted.weekday()] / sum(self.weekdays) * 7 * self.hours[hour] / sum(self.hours)

    def level(self, days: float) -> float:
        """How well known the code is, some days after its launch: growth, a good fortnight, decay."""
        if self.steady:
            return min(1.2, 0.5 + days / 40)
        return (1 - exp(-days / 3.5)) * max(0.3, exp(-max(0.0, days - 16) / 24))


@dataclass(frozen=True, slots=True)
class Venue:
    slug: str
    name: str
    campaign: str
    placement: str
    zone: str
    rhythm: Rhythm
    places: dict[str, float]  # where its people's networks are: names in demo_people.PLACES
    per_day: float
    launch: float  # shares of the window, as all moments here
    destination: str
    retargets: tuple[tuple[float, str, str], ...] = ()  # (when, to where, why)
    taken_down: float | None = None
    rules: tuple[Mapping[str, Any], ...] = ()  # they come with the last of the retargets

    @property
    def tags(self) -> tuple[str, ...]:
        venue = self.slug.removeprefix("demo-")
        return (f"campaign:{self.campaign}", f"venue:{venue}", f"placement:{self.placement}")


@dataclass(frozen=True, slots=True)
class Window:
    start: datetime
    end: datetime

    def moment(self, share: float) -> datetime:
        """A full hour of the window."""
        return (self.start + (self.end - self.start) * share).replace(minute=0, second=0, microsecond=0)


def window_until(now: datetime) -> Window:
    """A quarter of a year up to now; up to four weeks longer when that takes in a change of the clocks."""
    for days in range(SHORTEST_DAYS, LONGEST_DAYS + 1):
        if any(_clocks_change(now - timedelta(days=days - _DAYS_BESIDE_CHANGE), now, zone) for zone in _CLOCK_ZONES):
            return _window(now, days)
    return _window(now, SHORTEST_DAYS)


def is_game_day(day: date) -> bool:
    return day.weekday() == 5 and day.toordinal() // 7 % 2 == 0


def _window(now: datetime, days: int) -> Window:
    start = (now - timedelta(days=days)).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(start, now.astimezone(UTC))


def _clocks_change(start: datetime, end: datetime, zone: str) -> bool:
    # Summer time never lasts so short that both ends could look alike with two changes in between.
    tz = ZoneInfo(zone)
    return start.astimezone(tz).utcoffset() != end.astimezone(tz).utcoffset()


#                   0  1  2  3  4  5  6   7   8   9  10  11  12  13  14  15  16  17  18  19  20  21  22  23
_CAFE: Final = (0, 0, 0, 0, 0, 1, 6, 16, 22, 20, 15, 10, 12, 11, 8, 8, 7, 5, 2, 0, 0, 0, 0, 0)
_BAR: Final = (18, 11, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 4, 9, 14, 18, 22, 25, 26, 24)
_MUSEUM: Final = (0, 0, 0, 0, 0, 0, 0, 0, 1, 6, 14, 17, 15, 14, 17, 16, 12, 5, 2, 1, 0, 0, 0, 0)
_STREET: Final = (2, 1, 1, 0, 1, 3, 9, 20, 22, 11, 8, 9, 13, 12, 9, 10, 14, 22, 19, 11, 7, 5, 4, 3)
_HOTEL: Final = (3, 1, 1, 0, 0, 1, 4, 10, 14, 12, 9, 7, 6, 6, 6, 7, 8, 9, 11, 13, 14, 12, 9, 5)
# Multiples of an average day: doors open at five, half-time, the way home.
_GAME: Final = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 5, 8, 14, 30, 42, 24, 34, 18, 6, 1)

CAFE: Final = Rhythm((10, 10, 10, 11, 12, 14, 9), _CAFE, steady=True)
BAR: Final = Rhythm((3, 5, 8, 12, 22, 26, 6), _BAR, day_begins=5)
MUSEUM: Final = Rhythm((0, 9, 10, 11, 12, 24, 26), _MUSEUM)
POSTER: Final = Rhythm((14, 15, 15, 15, 14, 9, 6), _STREET)
HOTEL: Final = Rhythm((10, 10, 10, 11, 12, 13, 12), _HOTEL, steady=True)
STADIUM: Final = Rhythm((10, 10, 10, 10, 12, 20, 14), _HOTEL, games=True)

_TRAVELLERS: Final = {
    "London": 4.0, "Paris": 3.0, "New York": 4.0, "Boston": 2.0, "Toronto": 2.0, "Tokyo": 3.0, "Seoul": 2.0,
    "Sao Paulo": 2.0, "Mumbai": 2.0, "Bengaluru": 1.0, "Dubai": 2.0, "Riyadh": 2.0, "Cairo": 1.0, "Sydney": 2.0,
    "Melbourne": 1.0, "Madrid": 2.0, "Barcelona": 2.0, "Berlin": 2.0, "Munich": 1.0, "Vienna": 1.0, "Zurich": 1.0,
    "Mexico City": 1.0,
}  # fmt: skip


def _people_of(travellers: float, **homes: float) -> dict[str, float]:
    """Mostly from around here (underscores for blanks), and a share of people who are passing through."""
    everybody = {place: weight * travellers / sum(_TRAVELLERS.values()) for place, weight in _TRAVELLERS.items()}
    for place, weight in homes.items():
        name = place.replace("_", " ")
        everybody[name] = everybody.get(name, 0.0) + weight * (1 - travellers) / sum(homes.values())
    return everybody


VENUES: Final = (
    Venue(
        "demo-cafe-berlin",
        "Coffee passport: counter card, Berlin",
        "coffee-passport",
        "counter card",
        "Europe/Berlin",
        CAFE,
        _people_of(0.06, Berlin=9, Hamburg=1, Cologne=1),
        54,
        0.0,
        "https://coffee.example.com/passport/berlin",
        (
            (
                0.46,
                "https://coffee.example.com/passport/berlin/second-card",
                "the first card is full, the second begins",
            ),
        ),
    ),
    Venue(
        "demo-cafe-vienna",
        "Coffee passport: table tent, Vienna",
        "coffee-passport",
        "table tent",
        "Europe/Vienna",
        CAFE,
        _people_of(0.12, Vienna=9, Munich=1),
        38,
        0.04,
        "https://coffee.example.com/passport/vienna",
    ),
    Venue(
        "demo-cafe-zurich",
        "Coffee passport: takeaway cup, Zurich",
        "coffee-passport",
        "takeaway cup",
        "Europe/Zurich",
        CAFE,
        _people_of(0.08, Zurich=9, Bern=2),
        32,
        0.12,
        "https://coffee.example.com/passport/zurich",
    ),
    Venue(
        "demo-cafe-sydney",
        "Coffee passport: counter card, Sydney",
        "coffee-passport",
        "counter card",
        "Australia/Sydney",
        CAFE,
        _people_of(0.08, Sydney=9, Melbourne=1),
        44,
        0.26,
        "https://coffee.example.com/passport/sydney",
    ),
    Venue(
        "demo-bar-london",
        "Late sessions: bar mat, London",
        "late-sessions",
        "bar mat",
        "Europe/London",
        BAR,
        _people_of(0.12, London=9, Manchester=1),
        120,
        0.2,
        "https://sessions.example.org/london",
        (
            (0.41, "https://sessions.example.org/london/line-up-novembre", "new line-up"),
            (0.42, "https://sessions.example.org/london/line-up", "the address before had a typing error"),
        ),
    ),
    Venue(
        "demo-bar-madrid",
        "Late sessions: mirror sticker, Madrid",
        "late-sessions",
        "sticker",
        "Europe/Madrid",
        BAR,
        _people_of(0.15, Madrid=9, Barcelona=1),
        105,
        0.24,
        "https://sessions.example.org/madrid",
        ((0.55, "https://sessions.example.org/madrid", "two programme pages on trial; after hours the night bus"),),
        rules=(
            {
                "name": "After hours",
                "when": [{"time": {"from": "01:00", "until": "06:00", "zone": "Europe/Madrid"}}],
                "to": "https://sessions.example.org/madrid/night-bus",
            },
            {
                "name": "Programme trial",
                "split": [
                    {"name": "List", "weight": 1, "to": "https://sessions.example.org/madrid"},
                    {"name": "Faces", "weight": 1, "to": "https://sessions.example.org/madrid/faces"},
                ],
            },
        ),
    ),
    Venue(
        "demo-club-saopaulo",
        "Late sessions: wristband, Sao Paulo",
        "late-sessions",
        "wristband",
        "America/Sao_Paulo",
        BAR,
        _people_of(0.04, Sao_Paulo=9, Rio_de_Janeiro=1),
        90,
        0.34,
        "https://sessions.example.org/sao-paulo",
    ),
    Venue(
        "demo-stadium-newyork",
        "Late sessions: stadium screens, New York",
        "late-sessions",
        "screen",
        "America/New_York",
        STADIUM,
        _people_of(0.05, New_York=9, Philadelphia=2, Boston=1, Toronto=1, Montreal=0.5),
        9,
        0.16,
        "https://tickets.example.com/new-york/opening-season",
        ((0.6, "https://tickets.example.com/new-york/finals", "the season is over, the finals are on sale"),),
    ),
    Venue(
        "demo-museum-paris",
        "Open museum: entrance banner, Paris",
        "open-museum",
        "banner",
        "Europe/Paris",
        MUSEUM,
        _people_of(0.45, Paris=9, Lyon=2),
        150,
        0.36,
        "https://museum.example.org/paris/guide",
        ((0.78, "https://museum.example.org/paris/winter-guide", "winter exhibition"),),
    ),
    Venue(
        "demo-museum-tokyo",
        "Open museum: ticket stub, Tokyo",
        "open-museum",
        "ticket",
        "Asia/Tokyo",
        MUSEUM,
        _people_of(0.25, Tokyo=9, Osaka=2),
        110,
        0.44,
        "https://museum.example.org/tokyo/guide",
    ),
    Venue(
        "demo-poster-munich",
        "Open museum: station poster, Munich",
        "open-museum",
        "poster",
        "Europe/Berlin",
        POSTER,
        _people_of(0.08, Munich=9, Vienna=1, Berlin=1),
        115,
        0.3,
        "https://museum.example.org/munich/early-tickets",
        ((0.5, "https://museum.example.org/munich/last-tickets", "early tickets are sold out"),),
        taken_down=0.7,
    ),
    Venue(
        "demo-hotel-dubai",
        "Open museum: room card, Dubai",
        "open-museum",
        "room card",
        "Asia/Dubai",
        HOTEL,
        _people_of(0.5, Dubai=9, Abu_Dhabi=2, Riyadh=3, Cairo=1, Mumbai=2, Delhi=1),
        42,
        0.4,
        "https://museum.example.org/dubai/guide",
    ),
)
BOT_WAVE: Final = 0.62  # of the window; the night that follows
