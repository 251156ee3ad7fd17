"""Time during which a shop works: opening hours and holidays in its zone, exact over changes of clocks. Reads no clock."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from codes.alphabet import CodeError
from codes.conditions import DAYS
from codes.names import plain_text
from codes.opening_hours import Hours

MAX_HOLIDAYS: Final = 200
MAX_HOLIDAY_DAYS: Final = 366
MAX_HOLIDAY_NAME: Final = 80
HORIZON_DAYS: Final = 3660  # nobody waits longer; a search that gets there ends with None

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_TICK: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000  # in ticks, the unit of all whole numbers below
_MINUTE: Final = 60 * _SECOND
_DAY: Final = 24 * 60 * _MINUTE
_ALL_DAY: Final = ((0, _DAY),)

Holidays = list[dict[str, str]]
Spans = tuple[tuple[int, int], ...]


class HolidayError(CodeError):
    """Closed days that cannot be used; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a shop works. ``hours`` as ``codes.opening_hours`` reads them; None: always, but for ``holidays``, which are as
    ``read_holidays`` gives them.

    The wall clock decides: what a change of clocks skips is not worked, what it repeats is worked twice.
    """

    zone: str
    hours: Hours | None = field(default=None, hash=False)
    holidays: Sequence[Mapping[str, str]] = field(default=(), hash=False)
    _week: tuple[Spans, ...] = field(init=False, repr=False, compare=False)
    _closed: Spans = field(init=False, repr=False, compare=False)  # day numbers, sorted, apart, end excluded

    def __post_init__(self) -> None:
        week = tuple(_ALL_DAY if self.hours is None else _spans(self.hours.get(day, [])) for day in DAYS)
        object.__setattr__(self, "_week", week)
        object.__setattr__(self, "_closed", _merged(self.holidays))

    def is_open(self, at: datetime) -> bool:
        ticks = _ticks(at)
        day = self._day_of(ticks)
        return any(start <= ticks < end for start, end in self._open_on(day))

    def next_opening(self, at: datetime) -> datetime | None:
        """The first moment from ``at`` on at which it is open, ``at`` itself included; None: not within ten years."""
        start = next((max(opening, _ticks(at)) for opening, _ in self._open_from(_ticks(at))), None)
        return None if start is None else _moment(start)

    def closing(self, at: datetime) -> datetime | None:
        """The end of the opening that it lies in, or of the next one; ``at`` itself when one ends there."""
        return next((_moment(closing) for _, closing in self._open_from(_ticks(at) - 1)), None)

    def after(self, start: datetime, working: timedelta) -> datetime | None:
        """The first moment by which ``working`` has been worked since ``start``; None: not within ten years."""
        left = working // _TICK
        if left <= 0:
            return start
        since = _ticks(start)
        for opening, closing in self._open_from(since):
            worked = closing - max(opening, since)
            if worked >= left:
                return _moment(closing - worked + left)
            left -= worked
        return None

    def between(self, start: datetime, end: datetime, most: timedelta = timedelta.max) -> timedelta:
        """The time worked from ``start`` to ``end``, or ``most``, which ends the count: a date of the year 2199 is far away.
        None when ``end`` is not later.
        """
        since, until, enough = _ticks(start), _ticks(end), most // _TICK
        total = 0
        if since < until and any(self._week):
            for day in range(self._day_of(since), self._day_of(until) + 1):
                total += sum(max(0, min(close, until) - max(opening, since)) for opening, close in self._open_on(day))
                if total >= enough:
                    return most
        return timedelta(microseconds=total)

    def end_of(self, day: date) -> datetime:
        """The last closing on a local date; its last minute when it is closed then, or open all day."""
        last_minute = datetime.combine(day, time(23, 59), _zone(self.zone)).astimezone(UTC)
        spans = self._open_on(day.toordinal() - _EPOCH_DAY)
        return min(_moment(spans[-1][1]), last_minute) if spans else last_minute

    def _open_from(self, since: int) -> Iterator[tuple[int, int]]:
        """Openings in order that end after ``since``, as far as the horizon."""
        if not any(self._week):
            return
        day = self._day_of(since)
        horizon = day + HORIZON_DAYS
        while day <= horizon:
            free = self._free_day(day)
            if free == day:
                yield from (span for span in self._open_on(day) if span[1] > since)
                free += 1
            day = free

    def _free_day(self, day: int) -> int:
        """This day, or the one after the holidays it lies in."""
        number = bisect_right(self._closed, (day, HORIZON_DAYS**4)) - 1
        return max(day, self._closed[number][1]) if number >= 0 else day

    def _open_on(self, day: int) -> Spans:
        """When it is open on a local date, in ticks since the epoch, in order."""
        spans = self._week[(day + 3) % 7]  # the epoch was a Thursday
        if not spans or (self._closed and self._free_day(day) != day):
            return ()
        midnight = day * _DAY
        stretches = _offsets(self.zone, day)
        if len(stretches) == 1:
            shift = midnight - stretches[0][2]
            return tuple((shift + start, shift + end) for start, end in spans)
        return tuple(
            (opening, closing)
            for since, until, offset in stretches
            for start, end in spans
            if (opening := max(since, midnight + start - offset)) < (closing := min(until, midnight + end - offset))
        )

    def _day_of(self, ticks: int) -> int:
        return _moment(ticks).astimezone(_zone(self.zone)).toordinal() - _EPOCH_DAY


def is_last_minute(at: datetime, zone: str) -> bool:
    """Of its local day: a promise of the day alone, where ``Calendar.end_of`` knows of no closing."""
    local = at.astimezone(_zone(zone))
    return (local.hour, local.minute) == (23, 59)


def read_holidays(given: Any) -> Holidays:
    """Closed local dates, both ends included, by their start: [{"from": "2026-12-24", "until": "2026-12-26", "name": ""}].

    ``until`` and ``name`` may be left out; None is no holidays. Raises HolidayError.
    """
    if given is None:
        return []
    if not isinstance(given, list | tuple) or len(given) > MAX_HOLIDAYS:
        raise HolidayError(f"holidays are a list of up to {MAX_HOLIDAYS} spans of dates; leave past ones out.")
    found = [_read_holiday(entry, number) for number, entry in enumerate(given, 1)]
    return sorted(found, key=lambda holiday: (holiday["from"], holiday["until"], holiday["name"]))


def read_typed_holidays(text: str) -> list[dict[str, str]]:
    """From lines, or parts between semicolons: 2026-12-24 to 2026-12-26 Christmas. Unchecked, as ``read_holidays`` takes it."""
    found = []
    for part in filter(None, (part.strip() for line in text.splitlines() for part in line.split(";"))):
        start, _, rest = part.partition(" ")
        holiday = {"from": start}
        if rest.strip().startswith("to "):
            until, _, rest = rest.strip().removeprefix("to ").strip().partition(" ")
            holiday["until"] = until
        found.append({**holiday, "name": rest.strip()})
    return found


def typed_holidays(holidays: Sequence[Mapping[str, str]]) -> list[str]:
    """What ``read_typed_holidays`` reads as the same; semicolons in names become commas."""
    return [
        f"{day['from']}{'' if day['until'] == day['from'] else ' to ' + day['until']} {day['name'].replace(';', ',')}".strip()
        for day in holidays
    ]


def _read_holiday(given: Any, number: int) -> dict[str, str]:
    if not isinstance(given, Mapping) or not {"from"} <= set(given) <= {"from", "until", "name"}:
        raise HolidayError(
            f'holiday {number}: give an object like {{"from": "2026-12-24", "until": "2026-12-26", "name": "Christmas"}}.'
        )
    start = _read_date(given["from"], f"holiday {number}, from")
    until = start if given.get("until") is None else _read_date(given["until"], f"holiday {number}, until")
    if until < start:
        raise HolidayError(f"holiday {number} ends on {until}, before it begins on {start}; exchange the two dates.")
    if (until - start).days >= MAX_HOLIDAY_DAYS:
        raise HolidayError(f"holiday {number} is longer than {MAX_HOLIDAY_DAYS} days; split it into shorter ones.")
    name = given.get("name") or ""
    if not isinstance(name, str) or len(plain_text(name)) > MAX_HOLIDAY_NAME:
        raise HolidayError(f"holiday {number}: its name is a text of up to {MAX_HOLIDAY_NAME} characters; shorten it.")
    return {"from": start.isoformat(), "until": until.isoformat(), "name": plain_text(name)}


def _read_date(given: Any, where: str) -> date:
    try:
        found = date.fromisoformat(given) if isinstance(given, str) and _DATE.fullmatch(given) else None
    except ValueError:
        found = None
    if found is None or not 1970 <= found.year <= 9000:
        raise HolidayError(f"{where}: {str(given)[:40]!r} is not a date; write it as 2026-12-24.")
    return found


def _spans(written: list[list[str]]) -> Spans:
    return tuple((_clock(start), _clock(end)) for start, end in written)


def _clock(written: str) -> int:
    return (int(written[:2]) * 60 + int(written[3:])) * _MINUTE


def _merged(holidays: Sequence[Mapping[str, str]]) -> Spans:
    merged: list[tuple[int, int]] = []
    for first, last in sorted((_day_number(holiday["from"]), _day_number(holiday["until"])) for holiday in holidays):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last + 1, merged[-1][1]))
        else:
            merged.append((first, last + 1))
    return tuple(merged)


def _day_number(written: str) -> int:
    return date.fromisoformat(written).toordinal() - _EPOCH_DAY


@lru_cache(maxsize=8192)
def _offsets(zone: str, day: int) -> tuple[tuple[int, int, int], ...]:
    """The stretches (from, until, offset) of equal offset to UTC that can hold moments of a local date."""
    first, last = day * _DAY - 14 * 60 * _MINUTE, (day + 1) * _DAY + 12 * 60 * _MINUTE  # offsets are -12 to +14 hours
    stretches, since, offset = [], first, _offset(zone, first)
    for probe in (*range(first, last, _DAY // 4), last):
        if (other := _offset(zone, probe)) != offset:
            change = _change(zone, probe - _DAY // 4, probe)
            stretches.append((since, change, offset))
            since, offset = change, other
    return (*stretches, (since, last, offset))


def _change(zone: str, before: int, after: int) -> int:
    """Where the offset changes between two moments, to the second."""
    before, after = before // _SECOND, -(-after // _SECOND)
    old = _offset(zone, before * _SECOND)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle * _SECOND) == old:
            before = middle
        else:
            after = middle
    return after * _SECOND


def _offset(zone: str, ticks: int) -> int:
    offset = _moment(ticks).astimezone(_zone(zone)).utcoffset()
    assert offset is not None
    return offset // _TICK


@lru_cache(maxsize=600)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _ticks(at: datetime) -> int:
    return (at - _EPOCH) // _TICK


def _moment(ticks: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ticks)


ALWAYS_OPEN: Final = Calendar("UTC")
