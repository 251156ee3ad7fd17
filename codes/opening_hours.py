"""When a place is open: checked, compared with nothing, and shown. {"mon": [["09:00", "18:00"], ...], ...}."""

import re
from collections.abc import Mapping
from typing import Any, Final

from codes.alphabet import CodeError
from codes.conditions import DAYS

MAX_SPANS: Final = 6
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_TYPED_DAYS: Final = re.compile(r"([a-z]{3})(?:-([a-z]{3}))?")
_TYPED_TIME: Final = re.compile(r"(\d{1,2})(?:[:.h](\d{2}))?(am|pm)?")
_DASH: Final = re.compile(r"\s*[-\u2010-\u2015\u2212]\s*")  # as word processors write them, too
_NEXT: Final = re.compile(r"[;\n]|,(?=\s*[a-z])")  # a comma is as good where a day follows
_HALF_APART: Final = re.compile(r"(\d)\s+([ap]m)\b")


class HoursError(CodeError):
    """Opening hours that cannot be used; the message says which day, why and what to do."""


Hours = dict[str, list[list[str]]]


def read_hours(given: Any) -> Hours | None:
    """Spans of a day in order and apart; a day that is left out is closed. One past midnight ends the next day, at 24:00
    here and from 00:00 there. None is unknown. Raises HoursError.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping) or any(day not in DAYS for day in given):
        raise HoursError(
            'opening hours are an object like {"mon": [["09:00", "18:00"]]} with mon, tue, wed, thu, fri, sat, sun.'
        )
    return {day: _read_day(day, given[day]) for day in DAYS if given.get(day)}


def read_typed_hours(text: str) -> Hours | None:
    """From "mon-fri 09:00-12:00 13:00-18:00; sat 10:00-14:00", also as people type it: "Mon-Fri 9-12, 1pm-6pm". None when
    nothing is typed. Raises HoursError.
    """
    if not text.strip():
        return None
    hours: Hours = {}
    plain = _HALF_APART.sub(r"\1\2", _DASH.sub("-", text.lower()))
    for part in filter(None, (part.strip(" ,") for part in _NEXT.split(plain))):
        days, *spans = part.replace(",", " ").split()
        for day in _typed_days(days, part):
            if day in hours:
                raise HoursError(f"{day} stands twice; put all its times after it.")
            hours[day] = [_typed_span(span, day) for span in spans]
    if any(not spans for spans in hours.values()):
        raise HoursError("each day needs its times, as in `mon-fri 09:00-18:00; sat 10:00-14:00`.")
    return read_hours(hours)


def typed_hours(hours: Hours | None) -> str:
    """What ``read_typed_hours`` reads as the same; neighbours with equal times in one."""
    parts: list[tuple[str, str, str]] = []
    for number, day in enumerate(DAYS):
        spans = " ".join("-".join(span) for span in (hours or {}).get(day, ()))
        if not spans:
            continue
        if parts and parts[-1][2] == spans and number and parts[-1][1] == DAYS[number - 1]:
            parts[-1] = (parts[-1][0], day, spans)
        else:
            parts.append((day, day, spans))
    return "; ".join(f"{first if first == last else f'{first}-{last}'} {spans}" for first, last, spans in parts)


def _typed_span(text: str, day: str) -> list[str]:
    times = [_typed_time(time) for time in text.split("-")]
    if len(times) != 2 or None in times:
        raise HoursError(f"{day}: {text[:40]!r} is no time to be open; write it as 09:00-18:00.")
    opening, closing = (time or "" for time in times)
    return [opening, "24:00" if closing == "00:00" else closing]  # "9am-12am" is until midnight


def _typed_time(text: str) -> str | None:
    """As 09:00. Twelve o'clock in halves of a day is the first hour of its half."""
    found = _TYPED_TIME.fullmatch(text)
    if found is None:
        return None
    hour, half = int(found[1]), found[3]
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    time = f"{hour:02}:{found[2] or '00'}"
    return time if _is_time(time) else None


def _typed_days(text: str, part: str) -> tuple[str, ...]:
    found = _TYPED_DAYS.fullmatch(text)
    if found is None or found[1] not in DAYS or (found[2] or found[1]) not in DAYS:
        raise HoursError(f"{part[:60]!r} does not begin with days such as mon or mon-fri.")
    first, last = DAYS.index(found[1]), DAYS.index(found[2] or found[1])
    if last < first:
        raise HoursError(f"{text} runs backwards; write the days in the order of the week.")
    return tuple(DAYS[first : last + 1])


def _read_day(day: str, given: Any) -> list[list[str]]:
    if not isinstance(given, list | tuple) or len(given) > MAX_SPANS:
        raise HoursError(f"{day}: give a list of up to {MAX_SPANS} pairs of times.")
    spans: list[list[str]] = []
    for span in given:
        if not isinstance(span, list | tuple) or len(span) != 2 or not all(_is_time(time) for time in span):
            raise HoursError(f'{day}: each opening is a pair of times such as ["09:00", "18:00"].')
        start, end = span
        if start >= end:
            raise HoursError(
                f"{day}: {start} to {end} ends before it begins; past midnight, split it between two days."
            )
        if spans and start < spans[-1][1]:
            raise HoursError(f"{day}: {start} to {end} begins before the one in front of it has ended.")
        spans.append([start, end])
    return spans


def _is_time(given: Any) -> bool:
    return isinstance(given, str) and _TIME.fullmatch(given) is not None
