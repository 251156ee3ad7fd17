"""The bench's arithmetic: medians, percentiles, ratios within a round, latencies counted from the schedule. Pure."""

import math
from collections.abc import Sequence
from statistics import median

__all__ = ["due_times", "latencies_us", "median", "percentile", "ratio_of_rounds", "shortfall"]


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest rank: the smallest value that at least this percentage of all values does not exceed."""
    if not values:
        raise ValueError("no values, no percentile")
    ordered = sorted(values)
    # Rounded first: 99.9 / 100 * 1000 is 999.0000000000001, whose ceiling is the maximum.
    rank = math.ceil(round(percent / 100 * len(ordered), 9))
    return ordered[max(rank, 1) - 1]


def ratio_of_rounds(ours: Sequence[float], reference: Sequence[float]) -> float:
    """The median over the rounds of ours / reference: what slows a whole round slows both."""
    return median(mine / other for mine, other in zip(ours, reference, strict=True))


def due_times(rate_per_s: float, seconds: float) -> list[float]:
    """When each request of an open loop is due, in seconds from its start; the answers have no say in it."""
    return [number / rate_per_s for number in range(round(rate_per_s * seconds))]


def latencies_us(due_s: Sequence[float], done_s: Sequence[float]) -> list[int]:
    """From when each request was due, not from when it could be sent: a stall counts for all that wait behind it."""
    return [round((done - due) * 1e6) for due, done in zip(due_s, done_s, strict=True)]


def shortfall(measured: float, bar: float, *, higher_is_better: bool) -> float:
    """By which share of the bar it is missed; 0 or less: it is held."""
    return (bar - measured) / bar if higher_is_better else (measured - bar) / bar
