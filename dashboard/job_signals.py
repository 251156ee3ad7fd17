"""What the board says a shop might do something about, from what customers looked at. The number of calls is an estimate."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from analytics.looks import Looks, count_occasions, looks_at_jobs
from analytics.periods import midnight
from dashboard.formats import counted
from dashboard.job_views import JobCard, Signal
from dashboard.parts import Parts
from jobs.register import Job
from jobs.shops import Shop

OFTEN: Final = 3
SHOWN: Final = 5
SAVED_DAYS: Final = 30
LOOKS_PER_CALL: Final = 3  # an assumption, and said to be one

Held = Sequence[tuple[Job, JobCard]]


async def signals_of(parts: Parts, held: Held, shops: dict[int, Shop], now: datetime) -> tuple[tuple[Signal, ...], str]:
    """The signals there are something in, and the line about calls; "" when nobody looked yet, or the store cannot say."""
    shop = next(iter(shops.values()))
    zone = ZoneInfo(shop.zone)
    today = midnight(now.astimezone(zone).date(), zone)
    looks = await looks_at_jobs(parts.store, [job.id for job, _card in held], today)
    occasions = await count_occasions(parts.store, now - timedelta(days=SAVED_DAYS))
    return signals_from(held, looks), calls_saved(occasions or 0)


def signals_from(held: Held, looks: dict[int, Looks] | None) -> tuple[Signal, ...]:
    """``looks`` None: only what the jobs themselves say."""
    late = [card for _job, card in held if card.standing.word == "late"]
    found = [_signal("Overdue", "Later than was said. A new date, or a call, before they call.", late)]
    if looks is not None:
        unseen = [
            card
            for job, card in held
            if card.standing.word == "ready" and (job.id not in looks or looks[job.id].last_at < job.stage_at)
        ]
        often = [card for job, card in held if job.id in looks and looks[job.id].recent >= OFTEN]
        found += [
            _signal(
                "Ready, not looked at", "Nobody has looked at the page since it is ready. A message helps.", unseen
            ),
            _signal("Looked at often today", f"{OFTEN} times or more: likely to call.", often),
        ]
    return tuple(signal for signal in found if signal.cards)


def calls_saved(occasions: int) -> str:
    if occasions < LOOKS_PER_CALL:
        return ""
    return (
        f"Estimate: about {counted(occasions // LOOKS_PER_CALL, 'call')} saved in {SAVED_DAYS} days. Customers looked at their "
        f"pages on {counted(occasions, 'occasion')}; it assumes that one in {LOOKS_PER_CALL} would have called instead."
    )


def _signal(title: str, text: str, cards: list[JobCard]) -> Signal:
    more = f" {len(cards) - SHOWN} more are on the board." if len(cards) > SHOWN else ""
    return Signal(f"{title}: {len(cards)}", text + more, tuple(cards[:SHOWN]))
