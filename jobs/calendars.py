"""A job's entry for calendars (RFC 5545): one event at the expected time, which moves when that does. Pure."""

from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final
from zoneinfo import ZoneInfo

from jobs.status import StatusPage
from jobs.status_sources import JobSource
from jobs.status_texts import CALENDAR_DESCRIPTION, CALENDAR_ENTRY, CALENDAR_ENTRY_PLAIN, CALENDAR_NAME
from jobs.texts import Texts
from jobs.working_time import is_last_minute

MAX_OCTETS: Final = 75
REFRESH: Final = "PT15M"
LASTS: Final = "PT30M"


def calendar_of(source: JobSource, page: StatusPage, texts: Texts) -> str:
    """For one who adds the entry and for one who follows it. Without a date it is a cancelled entry: there must be one."""
    shop, at = source.shop, page.calendar_at
    item = texts.say(CALENDAR_ENTRY, shop=shop.name, item=page.item)
    summary = item if page.item else texts.say(CALENDAR_ENTRY_PLAIN, shop=shop.name)
    changed_at = page.calendar_changed_at
    stamp = _utc(changed_at)
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Waymark//Status//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"X-WR-CALNAME:{_escaped(texts.say(CALENDAR_NAME, shop=shop.name))}",
        f"REFRESH-INTERVAL;VALUE=DURATION:{REFRESH}",
        f"X-PUBLISHED-TTL:{REFRESH}",
        "BEGIN:VEVENT",
        f"UID:{_uid(source.token)}",
        f"SEQUENCE:{page.sequence + max(0, int((changed_at - source.created_at).total_seconds()))}",
        f"DTSTAMP:{stamp}",
        f"LAST-MODIFIED:{stamp}",
        *_when(at or page.updated_at, shop.zone),
        f"STATUS:{'CONFIRMED' if at else 'CANCELLED'}",
        "TRANSP:TRANSPARENT",
        f"SUMMARY:{_escaped(summary)}",
        f"DESCRIPTION:{_escaped(texts.say(CALENDAR_DESCRIPTION, link=source.url))}",
        f"URL:{source.url}",
        *([f"LOCATION:{_escaped(', '.join(shop.address.splitlines()))}"] if shop.address else []),
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{folded}\r\n" for line in lines for folded in _folded(line))


def _when(at: datetime, zone: str) -> tuple[str, str]:
    if is_last_minute(at, zone):
        return f"DTSTART;VALUE=DATE:{at.astimezone(ZoneInfo(zone)):%Y%m%d}", "DURATION:P1D"
    return f"DTSTART:{_utc(at)}", f"DURATION:{LASTS}"


def _uid(token: str) -> str:
    """The same for ever, and no way back to the link: calendars hand it on to whoever is invited."""
    return f"{blake2b(token.encode(), digest_size=16, person=b'waymark-calendar').hexdigest()}@waymark"


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    for character in "\\;,":
        text = text.replace(character, f"\\{character}")
    return text.replace("\n", "\\n")


def _folded(line: str) -> list[str]:
    """Lines of at most 75 octets, never cut amid a character; those behind the first begin with a space."""
    parts, length = [""], 0
    for character in line:
        octets = len(character.encode())
        if length + octets > MAX_OCTETS:
            parts.append(" ")
            length = 1
        parts[-1] += character
        length += octets
    return parts
