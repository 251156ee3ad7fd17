"""What the board says a shop might do something about, from what customers looked at. The number of calls is an estimate."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.looks import count_occasions, looks_at_jobs, often_looked_at
from analytics.periods import midnight
from dashboard.board_views import Overview, Signal
from dashboard.formats import counted
from dashboard.job_cards import cards_of
from dashboard.parts import Parts
from jobs.search import JobSearch, count_jobs, late_only, list_jobs, list_marks, shops_of_jobs, stages_in
from jobs.shops import Shop
from jobs.workflows import Workflow

OFTEN: Final = 3
SHOWN: Final = 5
SAVED_DAYS: Final = 30
OPEN: Final = JobSearch(open_only=True, sort="due", limit=SHOWN)


async def overview_of(
    parts: Parts, workflows: Mapping[str, Workflow], shops: Mapping[int, Shop], now: datetime, *, staff: bool
) -> Overview:
    zone = ZoneInfo(next(iter(shops.values())).zone)
    today = midnight(now.astimezone(zone).date(), zone)
    often = await often_looked_at(parts.store, today, OFTEN)
    occasions = await count_occasions(parts.store, now - timedelta(days=SAVED_DAYS)) or {}
    late = late_only(OPEN, workflows, now)
    async with parts.database.reading() as connection:
        unseen = await _unseen(parts, connection, workflows)
        asked = (
            ("Overdue", "Later than was said. A new date, or a call, before they call.", late, None),
            (
                "Ready, not looked at",
                "Nobody has looked at the page since it is ready. A message helps.",
                replace(OPEN, ids=unseen[:SHOWN]),
                len(unseen),
            ),
            (
                "Looked at often today",
                f"{OFTEN} times or more: likely to call.",
                replace(OPEN, ids=[] if often is None else often),
                None,
            ),
        )
        signals = []
        for title, text, search, known in asked:
            count = await count_jobs(connection, search) if known is None else known
            found = await list_jobs(connection, search) if count else []
            cards = await cards_of(connection, found, workflows, shops, now, staff=staff)
            more = f" {count - SHOWN} more are on the board." if count > SHOWN else ""
            if count:
                signals.append(Signal(f"{title}: {count}", text + more, tuple(cards)))
        of_shops = await shops_of_jobs(connection, list(occasions)) if len(shops) > 1 else {}
    by_shop: Counter[int] = Counter()
    for job_id, count in occasions.items():
        by_shop[of_shops.get(job_id, next(iter(shops)))] += count
    return Overview(tuple(signals), *calls_saved([(shops[shop_id], count) for shop_id, count in by_shop.items()]))


def calls_saved(occasions: Sequence[tuple[Shop, int]]) -> tuple[str, str]:
    """The estimate with its formula, and what it assumes."""
    saved = sum(count // shop.looks_per_call for shop, count in occasions)
    if not saved:
        return "", ""
    terms = [f"{counted(count, 'occasion')} / {shop.looks_per_call}" for shop, count in occasions if count]
    return (
        f"Estimate: about {counted(saved, 'call')} saved in {SAVED_DAYS} days ({' + '.join(terms)}).",
        "An occasion is a day on which somebody looked at the page of their job. How many of them stand for one call is an"
        " assumption of yours, in the settings of the shop.",
    )


async def _unseen(parts: Parts, connection: AsyncConnection, workflows: Mapping[str, Workflow]) -> list[int]:
    """Ready ones at which nobody has looked since, the ones due first ahead; none when the store cannot say."""
    ready = await list_marks(connection, replace(OPEN, at=stages_in(workflows, "ready"), limit=None))
    looks = await looks_at_jobs(parts.store, [job.id for job in ready])
    if looks is None:
        return []
    return [job.id for job in ready if job.id not in looks or looks[job.id] < job.stage_at]
