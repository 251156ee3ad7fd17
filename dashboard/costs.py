"""What a scan and a visitor cost, from what a campaign or a print batch cost."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from babel.numbers import get_currency_precision

from codes.money import Money

MORE_PLACES: Final = 2  # than the currency has, below one: a scan often costs less than a cent


def cost_of_scans(cost: Money, total: Mapping[str, int]) -> dict[str, Any]:
    """In minor units, such as cents, and as people read it; null when there was nobody."""
    told: dict[str, Any] = {"cost_minor": cost.minor, "currency": cost.currency}
    for one, counted in (("scan", "scans"), ("visitor", "visitors")):
        told[f"per_{one}_minor"] = _each(cost, total[counted])
        told[f"per_{one}"] = each_in_words(cost, total[counted]) or None
    return told


def each_in_words(cost: Money, count: int) -> str:
    """As people read it, such as 0.3682 EUR; "" of nobody."""
    if not count:
        return ""
    places = get_currency_precision(cost.currency)
    each = Decimal(cost.minor).scaleb(-places) / count
    return f"{each:.{places if each >= 1 else places + MORE_PLACES}f} {cost.currency}"


def _each(cost: Money, count: int) -> float | None:
    return round(cost.minor / count, 4) if count else None
