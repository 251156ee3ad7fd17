"""Makes the demo scans from the plan: the same for the same seed and end of the window. Pure; writes nothing."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from math import exp, sqrt
from operator import attrgetter
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from analytics.demo_agents import CRAWLERS, HOSTING, PREVIEWS, WAVE_AGENTS
from analytics.demo_people import Crowd, networks_in, visitor_id
from analytics.demo_plan import BOT_WAVE, Venue, Window
from analytics.demo_rules import decided
from redirector.records import Scan

AGAIN: Final = 0.12  # opens it a second time within two hours
PREFETCHED: Final = 0.01
HEAD_CHECKED: Final = 0.003
PREVIEWED: Final = 0.2  # of those who came over a shared address
CRAWLED_A_DAY: Final = 5
WAVE_REQUESTS: Final = 5_000
WAVE_S: Final = 3 * 3600
ID_TAG: Final = "de3000"  # stands where a public worker has its random tag


@dataclass(frozen=True, slots=True)
class PlacedCode:
    """A venue's code as it was created: what its scans refer to."""

    venue: Venue
    code_id: int
    host: str
    from_us: int
    until_us: int  # taken down, or the end of the window
    retargeted_us: tuple[int, ...]  # version n+2 is in force from entry n on

    def version_at(self, at_us: int) -> int:
        return 1 + bisect_right(self.retargeted_us, at_us)

    def is_up(self, at_us: int) -> bool:
        return self.from_us <= at_us < self.until_us


@dataclass(frozen=True, slots=True)
class _Request:
    at_us: int
    placed: PlacedCode
    address: str
    user_agent: str
    visitor: str
    referrer: str = ""
    language: str = ""
    query: dict[str, str] | None = None
    gpc: bool = False
    uncounted: str | None = None


def demo_scans(placed: Sequence[PlacedCode], window: Window, seed: int) -> list[Scan]:
    """In the order of time. Takes seconds: not for an event loop."""
    requests = [request for code in placed for request in _people(code, seed)]
    requests.extend(_crawlers(placed, window, Random(f"{seed} crawlers")))  # noqa: S311
    requests.extend(_bot_wave(placed, window, Random(f"{seed} wave")))  # noqa: S311
    alive = [request for request in requests if request.placed.is_up(request.at_us)]
    return [_scan(request, number) for number, request in enumerate(sorted(alive, key=attrgetter("at_us")))]


def us(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _scan(request: _Request, number: int) -> Scan:
    version = request.placed.version_at(request.at_us)
    rule, variant = decided(request.placed.venue, version, request.at_us, request.visitor, request.query)
    return Scan(
        id=f"{request.at_us // 1000:012x}{ID_TAG}{number:06x}",
        at_us=request.at_us,
        code_id=request.placed.code_id,
        version=version,
        rule=rule,
        variant=variant,
        uncounted=request.uncounted,
        address=request.address,
        user_agent=request.user_agent,
        referrer=request.referrer,
        language=request.language,
        query=request.query or {},
        gpc=request.gpc,
        visitor=request.visitor,
        host=request.placed.host,
        demo=True,
    )


def _people(code: PlacedCode, seed: int) -> Iterator[_Request]:
    venue = code.venue
    random = Random(f"{seed} {venue.slug}")  # noqa: S311
    crowd = Crowd(random, f"{seed} {venue.slug}", venue.campaign, venue.places)
    for hour_us, expected in _busy_hours(code, random):
        for _ in range(_poisson(random, expected)):
            yield from _visit(code, crowd, hour_us + int(random.random() * 3_600_000_000), random)


def _busy_hours(code: PlacedCode, random: Random) -> Iterator[tuple[int, float]]:
    """Each local hour that has people: its start in UTC, and how many scans to expect."""
    venue, zone = code.venue, ZoneInfo(code.venue.zone)
    day = _local_date(code.from_us, zone)
    while day <= _local_date(code.until_us, zone):
        weather = exp(random.gauss(0, 0.16))
        for hour in range(24):
            hourly = venue.rhythm.hourly(day, hour)
            begin = datetime(day.year, day.month, day.day, hour, tzinfo=zone)
            if not hourly or begin.astimezone(UTC).astimezone(zone).hour != hour:
                continue  # closed, or an hour that the change to summer time leaves out
            days = (us(begin) - code.from_us) / 86_400_000_000
            if days > -1:
                yield us(begin), venue.per_day * weather * hourly * venue.rhythm.level(max(0.0, days))
        day += timedelta(days=1)


def _visit(code: PlacedCode, crowd: Crowd, at_us: int, random: Random) -> Iterator[_Request]:
    """One person's scan, and what may come with it: a prefetch, a checking HEAD, a preview, a second look."""
    person = crowd.somebody()

    def request(moment_us: int, uncounted: str | None = None) -> _Request:
        return _Request(
            moment_us,
            code,
            person.address,
            person.user_agent,
            person.visitor(moment_us),
            person.referrer,
            person.language,
            person.query,
            person.gpc,
            uncounted,
        )

    yield request(at_us)
    if random.random() < PREFETCHED:
        yield request(at_us - random.randint(200_000, 2_000_000), "prefetch")
    if random.random() < HEAD_CHECKED:
        yield request(at_us - random.randint(100_000, 900_000), "head")
    if person.query and random.random() < PREVIEWED:
        agent, address = random.choice(PREVIEWS)
        yield _robot(at_us - random.randint(20_000_000, 900_000_000), code, address, agent)
    if random.random() < AGAIN:
        yield request(at_us + random.randint(40_000_000, 7_200_000_000))


def _crawlers(placed: Sequence[PlacedCode], window: Window, random: Random) -> Iterator[_Request]:
    """The few that find any public address, day by day."""
    day_us, end_us = us(window.start), us(window.end)
    while day_us < end_us:
        for _ in range(_poisson(random, CRAWLED_A_DAY)):
            agent, address = random.choice(CRAWLERS)
            yield _robot(day_us + int(random.random() * 86_400_000_000), random.choice(placed), address, agent)
        day_us += 86_400_000_000


def _bot_wave(placed: Sequence[PlacedCode], window: Window, random: Random) -> Iterator[_Request]:
    """One night in which rented servers try every code there is, first a few, then all at once."""
    begin_us = wave_start_us(window)
    choose = _chooser(random, WAVE_AGENTS)
    networks = [network for run in HOSTING for network in networks_in(run)]
    targets = [code for code in placed if code.is_up(begin_us)]
    for _ in range(WAVE_REQUESTS if targets else 0):
        at_us = begin_us + int(random.betavariate(2.2, 1.6) * WAVE_S * 1_000_000)
        yield _robot(at_us, random.choice(targets), random.choice(networks), choose())


def wave_start_us(window: Window) -> int:
    return us(window.moment(BOT_WAVE).replace(hour=1) + timedelta(days=1))


def _robot(at_us: int, code: PlacedCode, address: str, agent: str) -> _Request:
    return _Request(at_us, code, address, agent, visitor_id(f"{address} {agent}", at_us))


def _chooser(random: Random, weighted: Sequence[tuple[float, str]]) -> Callable[[], str]:
    texts = [text for _, text in weighted]
    weights: list[Any] = list(accumulate(weight for weight, _ in weighted))
    return lambda: random.choices(texts, cum_weights=weights)[0]


def _poisson(random: Random, expected: float) -> int:
    """Knuth's product of uniform numbers; for large expectations the normal approximation."""
    if expected > 40:
        return max(0, round(random.gauss(expected, sqrt(expected))))
    limit, product, count = exp(-expected), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count


def _local_date(at_us: int, zone: ZoneInfo) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).astimezone(zone).date()
