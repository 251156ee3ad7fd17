"""The sentences of the customer's pages, as msgids for ``Texts.say``; ``{when}`` is a ``Texts.moment``. No logic of pages."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Final

from codes.conditions import DAYS
from codes.opening_hours import Hours
from jobs.texts import Texts, mark

SOON: Final = timedelta(days=14)
_TO: Final = " \u2013 "

# The page
PAGE_TITLE: Final = mark("Status at {shop}")
PROGRESS: Final = mark("Progress")
STAGE_PASSED: Final = mark("passed")
STAGE_NOW: Final = mark("now")
STAGE_COMING: Final = mark("still to come")
ITEM: Final = mark("Item")
REFERENCE: Final = mark("Reference")
NOTE: Final = mark("Note from the shop")
PHOTO: Final = mark("Photo of the item")
LOGO: Final = mark("Logo of {shop}")
LAST_UPDATED: Final = mark("Last updated: {when}")

# How it stands
ON_TRACK: Final = mark("On track")
MAY_BE_LATE: Final = mark("May be late")
LATE: Final = mark("Late")
READY: Final = mark("Ready")
DONE: Final = mark("Done")
EXPECTED: Final = mark("Expected: {when}")
ESTIMATED: Final = mark("Estimated: {when}")
ESTIMATE_NOTE: Final = mark("This is an estimate and may change.")
WAS_EXPECTED: Final = mark("It was expected: {when}")
MAY_TAKE_LONGER: Final = mark("It may take longer than we said.")
SORRY_LATE: Final = mark("We are sorry: this is taking longer than we said.")
NEW_DATE: Final = mark("New date: {when}")
NEW_DATE_SOON: Final = mark("We will give you a new date as soon as we can.")
DATE_SOON: Final = mark("We will give you a date as soon as we can.")
READY_SINCE: Final = mark("Ready since: {when}")
READY_LINE: Final = mark("It is ready for you.")
DONE_AT: Final = mark("Completed: {when}")
DONE_LINE: Final = mark("All done. Thank you!")

# Calendar
ADD_TO_CALENDAR: Final = mark("Add to calendar")
FOLLOW_IN_CALENDAR: Final = mark("Follow in calendar")
FOLLOW_HINT: Final = mark("The entry moves when the date moves.")
CALENDAR_NAME: Final = mark("Status at {shop}")
CALENDAR_ENTRY: Final = mark("{shop}: {item}")
CALENDAR_ENTRY_PLAIN: Final = mark("{shop}: expected to be ready")
CALENDAR_DESCRIPTION: Final = mark("How it stands now: {link}")

# The shop
CONTACT: Final = mark("Contact")
CALL: Final = mark("Call")
CALL_SHOP: Final = mark("Call {shop}")
WHATSAPP: Final = mark("WhatsApp")
MAIL: Final = mark("E-mail")
DIRECTIONS: Final = mark("Directions")
PHONE: Final = mark("Telephone")
ADDRESS: Final = mark("Address")
OPENING_HOURS: Final = mark("Opening hours")
OPENING_LINE: Final = mark("{days}: {times}")
OPEN_NOW: Final = mark("Open now")
CLOSED_NOW: Final = mark("Closed now")
OPENS: Final = mark("Opens: {when}")
CLOSED: Final = mark("closed")
CLOSED_ON: Final = mark("Closed: {day}")
CLOSED_FROM_TO: Final = mark("Closed: {first} to {last}")
LANGUAGE: Final = mark("Language")

# Pages without a job
FROZEN: Final = mark("This is how it stood on {when}. The page is no longer updated.")
ASK_SHOP: Final = mark("If you have a question, please contact the shop.")
EXPIRED: Final = mark("This link has expired")
EXPIRED_LINE: Final = mark("The page was kept for a limited time and has been deleted.")
WITHDRAWN: Final = mark("This page is no longer available")
WITHDRAWN_LINE: Final = mark("{shop} no longer offers status pages.")
PREVIEW_TITLE: Final = mark("Status page")
PREVIEW_LINE: Final = mark("Open the link to see the current status.")


def kept_after_completion(texts: Texts, days: int) -> str:
    return texts.say_count(
        "This page is deleted {n} day after completion.", "This page is deleted {n} days after completion.", days
    )


def kept_without_change(texts: Texts, days: int) -> str:
    return texts.say_count(
        "It is also deleted when nothing has changed for {n} day.",
        "It is also deleted when nothing has changed for {n} days.",
        days,
    )


def opening_lines(texts: Texts, hours: Hours | None) -> list[tuple[str, str]]:
    """Days and their times, neighbours with equal times in one."""
    if hours is None:
        return []
    runs: list[tuple[int, int, str]] = []
    for number, day in enumerate(DAYS):
        spans = (f"{texts.clock(start)}{_TO}{texts.clock(end)}" for start, end in hours.get(day, []))
        times = " \u00b7 ".join(spans) or texts.say(CLOSED)
        if runs and runs[-1][2] == times:
            runs[-1] = (runs[-1][0], number, times)
        else:
            runs.append((number, number, times))
    return [(_days(texts, first, last), times) for first, last, times in runs]


def closed_lines(texts: Texts, holidays: Iterable[Mapping[str, str]], today: date) -> Iterator[str]:
    """Days on which it is closed beside its hours, those of the next two weeks."""
    soon = today + SOON
    for holiday in holidays:
        first, last = date.fromisoformat(holiday["from"]), date.fromisoformat(holiday["until"])
        if first > soon or last < today:
            continue
        if first == last:
            yield texts.say(CLOSED_ON, day=texts.day(first, today))
        else:
            yield texts.say(CLOSED_FROM_TO, first=texts.day(first, today), last=texts.day(last, today))


def _days(texts: Texts, first: int, last: int) -> str:
    return texts.weekday(first) if first == last else f"{texts.weekday(first)}{_TO}{texts.weekday(last)}"
