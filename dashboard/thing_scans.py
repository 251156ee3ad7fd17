"""What was scanned of a campaign's, a placement's or a print batch's codes, and what each scan of them cost."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import Request

from analytics.periods import Period as ReportPeriod
from analytics.reports import Filter
from codes.groups import find_cost
from dashboard.costs import each_in_words
from dashboard.detail_cards import group_detail_cards
from dashboard.figures import BEGINNING, CARDS, figures_for, filter_of, filter_view, live_path
from dashboard.organise_views import ScansView
from dashboard.parts import Parts
from dashboard.scan_rows import scan_rows
from dashboard.show import world_map
from dashboard.views import report_or_empty

GROUP_CARDS: Final = (*CARDS, "codes", "rules", "variants")


async def scans_of_group(parts: Parts, request: Request, path: str, group: str, picked: dict[str, str]) -> ScansView:
    """``picked`` says to the live list what the group is."""
    now = datetime.now(UTC)
    chosen = filter_view(request, now, path=path)
    figures = await figures_for(parts, chosen, filter_of(chosen, None, (group,)), now, GROUP_CARDS)
    report, empty = report_or_empty(figures.reports, chosen, world_map(), figures.previous, figures.bots)
    return ScansView(
        chosen,
        report,
        empty,
        group_detail_cards(figures.reports),
        scan_rows(figures.latest, chosen.zone, now),
        live_path(**picked),
    )


async def facts_of_group(parts: Parts, group: str) -> tuple[tuple[str, str], ...]:
    """Since the beginning, by people: what the cost was spent on."""
    now = datetime.now(UTC)
    always = ReportPeriod(BEGINNING, now + timedelta(minutes=1), ZoneInfo("UTC"))
    total = await parts.reports.total(Filter(always, groups=(group,)))
    facts = [("Scans since the beginning", f"{total['scans']:,}"), ("Visitors", f"{total['visitors']:,}")]
    async with parts.database.reading() as connection:
        cost = await find_cost(connection, group)
    if cost is not None:
        facts += [
            (f"Cost per {one}", each_in_words(cost, total[counted]) or "no scan yet")
            for one, counted in (("scan", "scans"), ("visitor", "visitors"))
        ]
    return tuple(facts)
