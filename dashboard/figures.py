"""What a page with figures is asked for, and its figures: reports, the period before, bots, the latest scans."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Request

from analytics.periods import Period as ReportPeriod
from analytics.reports import Bots, Filter
from codes.campaigns import list_campaigns
from codes.codes import find_code
from codes.errors import NotFound
from codes.groups import get_groups
from codes.placements import list_placements
from codes.search import list_codes
from dashboard import periods
from dashboard.parts import Parts
from dashboard.views import BOTS, FilterView, Suggestions

CARDS: Final = ("timeseries", "devices", "hours", "regions", "referrers", "networks")
LIVE_ROWS: Final = 20
SUGGESTED: Final = 200
PICKED: Final = {"code": 256, "campaign": 200, "placement": 403, "batch": 200}  # and how long they may be
BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one filter; ``previous`` is the total of the period before, ``bots`` how many bot scans this one holds."""

    reports: Mapping[str, Any]
    previous: Mapping[str, int]
    bots: int
    latest: list[dict[str, Any]]

    @property
    def asides(self) -> dict[str, Any]:
        return {"previous": self.previous, "bots": self.bots}


async def figures_for(
    parts: Parts, chosen: FilterView, asked: Filter, now: datetime, cards: Iterable[str] = CARDS
) -> Figures:
    start, end = chosen.period.before(now)
    before = replace(asked, period=ReportPeriod(start, end, chosen.zone))
    recent = ReportPeriod(now - timedelta(days=30), now + timedelta(minutes=1), chosen.zone)
    reports, previous, bots, (latest, _cursor) = await asyncio.gather(
        parts.reports.several(asked, cards),
        parts.reports.total(before),
        parts.reports.total(replace(asked, bots="only")),
        parts.scans.list_scans(replace(asked, period=recent, bots="include"), limit=LIVE_ROWS),
    )
    return Figures(reports, previous, bots["scans"], latest)


def filter_of(chosen: FilterView, code_ids: tuple[int, ...] | None = None, groups: tuple[str, ...] = ()) -> Filter:
    period = ReportPeriod(chosen.period.start, chosen.period.end, chosen.zone)
    return Filter(period, code_ids, bots=_bots(chosen), groups=groups)


async def picked_filter(parts: Parts, chosen: FilterView) -> Filter:
    """Of what was picked; something unknown matches nothing: the page says so in words."""
    async with parts.database.reading() as connection:
        code = await find_code(connection, chosen.code) if chosen.code else None
        try:
            groups = await get_groups(
                connection, campaign=chosen.campaign, placement=chosen.placement, batch=chosen.batch
            )
        except NotFound:
            return filter_of(chosen, ())
    if chosen.code:
        return filter_of(chosen, (code.id,) if code and code.kind != "job" else (), groups)
    return filter_of(chosen, None, groups)


async def suggestions(parts: Parts) -> tuple[Suggestions, int]:
    """For the pickers, and how many codes there are."""
    async with parts.database.reading() as connection:
        codes, total = await list_codes(connection, sort="updated", limit=SUGGESTED)
        campaigns = await list_campaigns(connection)
        places = await list_placements(connection)
    venues = [place.venue for place in places]
    several = dict.fromkeys(venue for venue in venues if venues.count(venue) > 1) if len(venues) <= SUGGESTED else {}
    return Suggestions(
        tuple((code.code, code.name) for code in codes),
        tuple(campaign.name for campaign in campaigns[:SUGGESTED]),
        (*several, *(place.label for place in places[:SUGGESTED])),
    ), total


def filter_view(
    request: Request,
    now: datetime,
    suggested: Suggestions | None = None,
    *,
    path: str = "/",
    code: str = "",
    domain: str = "",
) -> FilterView:
    """Without ``suggested`` the page is about one thing, and nothing is picked on it."""
    query, zone = request.query_params, asked_zone(request)
    period = periods.period_for(query.get("range"), query.get("from"), query.get("to"), zone, now)
    bots = query.get("bots", "exclude")
    picked = {"code": code}
    if suggested is not None:
        picked = {name: query.get(name, "").strip()[:longest] for name, longest in PICKED.items()}
    bots = bots if bots in BOTS else "exclude"
    return FilterView(path, period, zone, bots, suggested=suggested, domain=domain, **picked)


def live_path(**narrowing: str) -> str:
    given = {name: value for name, value in narrowing.items() if value}
    return "/api/v1/live" + (f"?{urlencode(given)}" if given else "")


def asked_zone(request: Request) -> ZoneInfo:
    return periods.zone_for(request.query_params.get("tz") or request.cookies.get("tz"))


def _bots(chosen: FilterView) -> Bots:
    return "only" if chosen.bots == "only" else "include" if chosen.bots == "include" else "exclude"
