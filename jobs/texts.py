"""What customers read, in one language: sentences from the catalogues, counts by the language's plurals, dates by Babel."""

import gettext
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import parse_pattern
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from jobs.languages import LANGUAGES, direction_of
from jobs.working_time import is_last_minute

SOURCE: Final = "en"
PSEUDO: Final = "en-xa"  # for tests of pages: what is not bracketed and accented is not in the catalogues
LOCALES: Final = Path(__file__).parent / "locales"

# English without a country is written as most of the world does: 24 hours, the day before the month.
_USUAL_COUNTRIES: Final = {"en": "GB"}
_NAMED_WEEKDAY_DAYS: Final = 6  # further away, a weekday alone is ambiguous
_YEAR_AT_END: Final = re.compile(r"[,،]?\s*(?:'de'\s*)?y$")
_TIME_AT_END: Final = re.compile(r"H.*$")
_ARABIC_DIGITS: Final = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
_PLACEHOLDER: Final = re.compile(r"(\{[^}]*\})")
_ACCENTED: Final = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "ÅƁÇÐÉƑĜĤÎĴĶĻṀÑÖÞǪŔŠŢÛṼŴẊÝŽåƀçðéƒĝĥîĵķļɱñöþǫŕšţûṽŵẋýž"
)
_PSEUDO_GROWTH: Final = 0.4

Translation = str | tuple[str, ...]
LocalDate = date


def mark(msgid: str) -> str:
    """For a text that is translated later by ``say``: unchanged, but the extraction finds it."""
    return msgid


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Translations by msgid; those of counts are tuples, from which ``plural`` chooses."""

    messages: Mapping[str, Translation]
    plural: Callable[[int], int]


class Texts:
    """One language as read in one country, which decides on digits, names of months and the order of a date."""

    def __init__(self, language: str, country: str = "") -> None:
        self._pseudo = language == PSEUDO
        self.language = SOURCE if self._pseudo else language
        self._catalogue = _catalogue(self.language)
        self._locale = _locale(self.language, country)
        self._locale_name = str(self._locale)
        self._time = str(self._locale.time_formats["short"].pattern)
        self._full = str(self._locale.date_formats["full"].pattern)
        self._yearless = _YEAR_AT_END.sub("", self._full)
        self._short, self._short_year = self._skeleton("MMMEd"), self._skeleton("yMMMEd")
        self._moment = str(self._locale.datetime_formats["medium"])
        self._in_arabic_digits = self._locale.default_numbering_system == "arab"
        self._clocks: dict[str, str] = {}  # at most one for each minute of a day
        self._escaped: dict[str, str] = {}  # sentences of the catalogue
        self._weekday_time = _TIME_AT_END.sub(lambda _: self._time, self._skeleton("EHm"))

    @property
    def direction(self) -> str:
        """ltr or rtl."""
        return direction_of(self.language)

    def say(self, msgid: str, **values: object) -> str:
        """The sentence, with ``{name}`` replaced by the value of that name."""
        return self._template(msgid).format_map(values)

    def html(self, msgid: str) -> str:
        """A sentence without values as HTML."""
        found = self._escaped.get(msgid)
        if found is None:
            self._escaped[msgid] = found = escape(self.say(msgid))
        return found

    def say_html(self, msgid: str, **values: object) -> str:
        """The sentence as HTML: escaped, and each value isolated in ``<bdi>``, since its direction may differ."""
        isolated = {name: f"<bdi>{escape(str(value))}</bdi>" for name, value in values.items()}
        return escape(self._template(msgid), quote=False).format_map(isolated)

    def say_count(self, one: str, many: str, n: int, **values: object) -> str:
        """``one`` or ``many`` in English, by the language's own plurals elsewhere; ``{n}`` is the number as it is written."""
        found = self._found(one)
        forms = found if isinstance(found, tuple) else (one, many)
        chosen = forms[self._catalogue.plural(n) if found is forms else int(n != 1)]
        return self._dressed(chosen).format_map({**values, "n": self.number(n)})

    def moment(self, at: datetime, zone: str, now: datetime) -> str:
        """Weekday, date and time: "Tuesday, 24 November, 10:00"; with the year when it is another one."""
        local = _local(at, zone)
        return self._joined(self._day_pattern(local, _local(now, zone)), local)

    def promise(self, at: datetime, zone: str, now: datetime) -> str:
        """As ``moment``; of the last minute of a day, which stands for a promise of that day, the date alone."""
        return (self.date if is_last_minute(at, zone) else self.moment)(at, zone, now)

    def short_moment(self, at: datetime, zone: str, now: datetime) -> str:
        """For a trail: "Mon 10:00"; with the date when that is more than six days away."""
        local, today = _local(at, zone), _local(now, zone)
        if abs((local.date() - today.date()).days) <= _NAMED_WEEKDAY_DAYS:
            return self._written(self._weekday_time, local)
        if local.year == today.year:
            return self._joined(self._short, local)
        return self._joined(self._short_year, local)

    def date(self, at: datetime, zone: str, now: datetime) -> str:
        """Weekday and date: "Tuesday, 24 November"; with the year when it is another one."""
        local = _local(at, zone)
        return self._written(self._day_pattern(local, _local(now, zone)), local)

    def time(self, at: datetime, zone: str) -> str:
        return self._written(self._time, _local(at, zone))

    def day(self, day: LocalDate, today: LocalDate) -> str:
        """A local date: weekday and date, with the year when it is another one."""
        pattern = self._full if day.year != today.year else self._yearless
        return self._written(pattern, datetime(day.year, day.month, day.day))  # noqa: DTZ001  a date has no zone

    def clock(self, written: str) -> str:
        """A time of day of opening hours, from "09:00"; 24:00 is midnight."""
        found = self._clocks.get(written)
        if found is None:
            hours, minutes = int(written[:2]) % 24, int(written[3:])
            at = datetime(2000, 1, 1, hours, minutes)  # noqa: DTZ001  a time of day has no zone
            self._clocks[written] = found = self._written(self._time, at)
        return found

    def weekday(self, number: int) -> str:
        """0 is Monday; as it stands alone."""
        return str(self._locale.days["stand-alone"]["wide"][number])

    def number(self, n: int) -> str:
        return self.digits(_decimal(self._locale, n))

    def digits(self, text: str) -> str:
        """Its digits as the language writes them in this country: Arabic-Indic ones in Egypt, not in Morocco."""
        return text.translate(_ARABIC_DIGITS) if self._in_arabic_digits else text

    def _skeleton(self, name: str) -> str:
        pattern = str(self._locale.datetime_skeletons[name].pattern)
        # Arabic does not shorten months, and Babel does not know the regional names among its short ones.
        return pattern.replace("MMM", "MMMM") if self.language == "ar" else pattern

    def _found(self, msgid: str) -> Translation:
        return self._catalogue.messages.get(msgid, msgid)

    def _template(self, msgid: str) -> str:
        found = self._found(msgid)
        return self._dressed(found if isinstance(found, str) else found[-1])

    def _dressed(self, template: str) -> str:
        return _pseudo(template) if self._pseudo else template

    def _day_pattern(self, local: datetime, today: datetime) -> str:
        return self._full if local.year != today.year else self._yearless

    def _joined(self, day_pattern: str, local: datetime) -> str:
        day, time = self._written(day_pattern, local), self._written(self._time, local)
        return self._moment.replace("{1}", day).replace("{0}", time)

    def _written(self, pattern: str, local: datetime) -> str:
        return self.digits(_formatted(self._locale_name, pattern, local.replace(second=0, microsecond=0, tzinfo=None)))


@lru_cache(maxsize=256)
def texts_for(language: str, country: str = "") -> Texts:
    """``country`` is two capital letters or empty. A language that we do not have is English."""
    return Texts(language if language in LANGUAGES or language == PSEUDO else SOURCE, country)


def catalogue_path(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / "waymark.po"


@lru_cache(maxsize=16)
def _catalogue(language: str) -> Catalogue:
    """Read once per process; nothing is compiled. English is the msgids themselves."""
    if language == SOURCE:
        return Catalogue({}, lambda n: int(n != 1))
    with catalogue_path(language).open("rb") as file:
        found = read_po(file, locale=language)
    messages: dict[str, Translation] = {}
    for message in found:
        msgid, string = message.id, message.string
        if not msgid or not string or message.fuzzy:
            continue
        if isinstance(msgid, str):
            messages[msgid] = str(string)
        elif all(string):
            messages[msgid[0]] = tuple(string)
    return Catalogue(messages, gettext.c2py(found.plural_expr))


def _locale(language: str, country: str) -> Locale:
    """As it is read in that country, if CLDR knows of anybody there who reads it."""
    try:
        locale = Locale.parse(f"{language}_{country}") if country else None
    except (UnknownLocaleError, ValueError):
        locale = None
    if locale is None or locale.territory != country:
        return Locale(language, _USUAL_COUNTRIES.get(language))
    return locale


@lru_cache(maxsize=1024)
def _decimal(locale: Locale, n: int) -> str:
    return str(format_decimal(n, locale=locale, numbering_system="default"))


@lru_cache(maxsize=4096)
def _formatted(locale: str, pattern: str, local: datetime) -> str:
    """By the locale's name: a ``Locale`` takes longer to look up than the rest of it."""
    return str(parse_pattern(pattern).apply(local, Locale.parse(locale)))


def _local(at: datetime, zone: str) -> datetime:
    return at.astimezone(_zone(zone))


@lru_cache(maxsize=600)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _pseudo(template: str) -> str:
    """Accented, bracketed and 40 % longer, with its placeholders as they were."""
    parts = _PLACEHOLDER.split(template)
    accented = "".join(part if part.startswith("{") else part.translate(_ACCENTED) for part in parts)
    longer = round(sum(len(part) for part in parts[::2]) * _PSEUDO_GROWTH)
    return f"[{accented}{(' ~~~~~' * longer)[:longer]}]"
