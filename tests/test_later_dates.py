"""The new date of a late job as time goes by: it holds, and its calendar entry says whenever it moves."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.shops import Shop
from jobs.status import status_page
from tests.test_status_times import BERLIN, KEYS, NEW_YORK, REPAIR, Tracked, at, tracked

STAMPS = {"SEQUENCE", "DTSTAMP", "LAST-MODIFIED"}
OPEN = [stage.key for stage in REPAIR.stages if stage.is_open]


def new_date(found: Tracked, local: str) -> datetime | None:
    return status_page(found.source, at(found.shop, local)).new_at


def test_it_holds_until_it_has_passed_and_for_the_day() -> None:
    """Eight hours of repair and two of checking, from Monday 09:00: Tuesday 10:00. It was promised for Monday 17:00."""
    late = tracked(BERLIN, ("repair", "2026-11-23T09:00"), due="2026-11-23T17:00")
    assert new_date(late, "2026-11-23T17:00:01") == new_date(late, "2026-11-24T09:59") == at(BERLIN, "2026-11-24T10:00")
    # It is not done then: of the repair nothing is left to wait for, of the check two hours.
    assert new_date(late, "2026-11-24T10:00") == new_date(late, "2026-11-24T11:59") == at(BERLIN, "2026-11-24T12:00")
    assert new_date(late, "2026-11-24T12:00") == new_date(late, "2026-11-25T10:59") == at(BERLIN, "2026-11-25T11:00")
    assert new_date(late, "2026-11-28T12:00") == new_date(late, "2026-11-30T10:59") == at(BERLIN, "2026-11-30T11:00")


def test_any_moment_now_leaves_the_entry_where_it_was() -> None:
    late = tracked(BERLIN, ("quality", "2026-11-23T09:00"), due="2026-11-23T10:00")
    assert new_date(late, "2026-11-23T10:30") == at(BERLIN, "2026-11-23T11:00")
    before, after = (late.entry(at(BERLIN, f"2026-11-23T{time}")) for time in ("10:30", "12:00"))
    assert (new_date(late, "2026-11-23T12:00"), after) == (None, before)
    assert new_date(late, "2026-11-23T20:00") == at(BERLIN, "2026-11-24T09:00")


def entries(found: Tracked, start: datetime, steps: list[int]) -> list[tuple[datetime, dict[str, str]]]:
    times = [start]
    for minutes in steps:
        times.append(times[-1] + timedelta(minutes=minutes))
    return [(now, found.entry(now)) for now in times]


@settings(deadline=None)
@given(
    st.sampled_from([BERLIN, NEW_YORK, replace(BERLIN, opening_hours=None, holidays=())]),
    st.sampled_from(OPEN),
    st.integers(0, 7 * 24 * 4),
    st.lists(st.integers(1, 2_000), min_size=2, max_size=12),
)
def test_its_entry_is_a_newer_one_whenever_it_moves(shop: Shop, stage: str, quarters: int, steps: list[int]) -> None:
    start = at(shop, "2026-10-19T09:00")
    late = Tracked(shop, start + timedelta(minutes=15 * quarters))
    late.move(stage, start)
    for (_, before), (now, after) in pairwise(entries(late, start, steps)):
        order = [(int(entry["SEQUENCE"]), entry["DTSTAMP"]) for entry in (before, after)]
        assert order == sorted(order)
        if any(before[name] != after[name] for name in before.keys() & after.keys() - STAMPS):
            assert order[0][0] < order[1][0]
            assert order[0][1] < order[1][1]
        new_at = status_page(late.source, now).new_at
        assert new_at is None or new_at > now


@pytest.mark.parametrize("change", ["moved", "promised anew"])
def test_what_is_changed_after_it_was_late_is_newer_than_all_of_that(change: str) -> None:
    late = tracked(BERLIN, ("repair", "2026-11-23T09:00"), due="2026-11-23T17:00")
    now = at(BERLIN, "2026-12-01T12:00")
    before: dict[str, Any] = late.entry(now - timedelta(minutes=1))
    if change == "moved":
        late.move(KEYS[KEYS.index("repair") + 1], now)
    else:
        late.promise(at(BERLIN, "2026-12-02T12:00"), now)
    after = late.entry(now)
    assert int(after["SEQUENCE"]) > int(before["SEQUENCE"])
    assert after["DTSTAMP"] > before["DTSTAMP"]
