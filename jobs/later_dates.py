"""The new date of a late job: it holds until it has passed, and for the day; one that moved with each look would be none."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from jobs.estimates import estimate, told, work_left
from jobs.workflows import Workflow
from jobs.working_time import Calendar

NEW_DATE_IN: Final = timedelta(hours=1)
MOMENT: Final = timedelta(seconds=1)  # behind its time a job is late


@dataclass(frozen=True, slots=True)
class LaterDate:
    """``at``: what is told, None: any moment now. ``entry_at``: where its calendar entry is, ``since`` it was put there."""

    at: datetime | None
    entry_at: datetime
    since: datetime


def later_date(
    workflow: Workflow, stage_key: str, stage_at: datetime, missed_at: datetime, calendar: Calendar, now: datetime
) -> LaterDate | None:
    """As it was estimated when ``missed_at`` had passed; when that has passed, once a day anew. None: nobody can say."""

    def told_at(moment: datetime) -> datetime | None:
        estimated = estimate(workflow, stage_key, stage_at, calendar, moment)
        return None if estimated is None else told(estimated, calendar, NEW_DATE_IN)

    missed_at = max(missed_at, stage_at)
    first = told_at(missed_at)
    if first is None:
        return None
    if first > now:
        return LaterDate(first, first, missed_at + MOMENT)
    since = max(first, _midnight(calendar, now, 0))
    second = told_at(since)
    if second is not None and second > now:
        return LaterDate(second, second, since)
    if not work_left(workflow, stage_key, stage_at, calendar, now):
        opening = calendar.next_opening(now)
        at = None if opening is None or opening <= now else told_at(now)
        if second is None or since == first:
            return LaterDate(at, first, missed_at + MOMENT)
        return LaterDate(at, second, since)
    third = told_at(_midnight(calendar, now, 1))
    return None if second is None or third is None else LaterDate(third, third, second)


def _midnight(calendar: Calendar, now: datetime, days: int) -> datetime:
    zone = ZoneInfo(calendar.zone)
    day = now.astimezone(zone).date() + timedelta(days=days)
    return datetime.combine(day, time.min, zone).astimezone(UTC)
