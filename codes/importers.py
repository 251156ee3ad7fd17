"""Which columns an export of ours or of another service has, and what they mean here. Reads no file.

Bitly: Link, Custom Link and Destination URL, as https://github.com/URLR/urlr-docs (migration/bitly.md) names them; Bitlink,
Long URL, Title, Tags as in https://github.com/DhananjayThomble/URL-Shortener-App/pull/413; link, long_url, created_at as in
its API. Bitly's own pages do not list the columns, and no original file could be had.
Dub: Short link, Destination URL, Title, Tags, Created at, as https://github.com/DhananjayThomble/URL-Shortener-App/pull/416
and the labels of Dub's lists have them; domain, key, url, expiresAt, archived as in https://dub.co/docs/concepts/links. The
export takes its labels from exportLinksColumns in dubinc/dub, which could not be read whole.
Shlink: createdAt, domain, shortCode, shortUrl, longUrl, title, tags joined by |, visits, as
shlinkio/shlink-web-component (src/short-urls/helpers/ExportShortUrlsBtn.tsx) writes them; the same words apart, as
shlinkio/shlink-importer (src/Sources/Csv/CsvImporter.php) reads them.
YOURLS: keyword, url, title, timestamp, ip, clicks, the columns of its url table; source, target, hits with /keyword/, as the
plugin GautamGupta/YOURLS-Import-Export (fileio/csv.php) writes them.
Kutt has no export of its own: address, target, description, domain, created_at, expire_in are the fields of its API, as
shlinkio/shlink-importer (src/Sources/Kutt/KuttImporter.php) reads them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from codes.alphabet import CodeError
from codes.records import from_csv


class FormatError(CodeError):
    """A file that cannot be read as what it shall be; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Format:
    """Column names in the order in which they are preferred, without case, spaces and signs."""

    name: str
    title: str
    signs: tuple[frozenset[str], ...]  # it is this one when all columns of one of these are there
    destination: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    short_url: tuple[str, ...] = ()
    title_columns: tuple[str, ...] = ("title", "name")
    created: tuple[str, ...] = ("createdat", "created", "datecreated")
    tag_separator: str = ","


def _all(*names: str) -> frozenset[str]:
    return frozenset(names)


FORMATS: Final = (
    Format("waymark", "Waymark", (_all("record", "code", "destination", "details"),)),
    Format(
        "bitly",
        "Bitly",
        (
            _all("customlink", "destinationurl"),
            _all("bitlink"),
            _all("link", "longurl"),
            _all("link", "destinationurl"),
        ),
        destination=("destinationurl", "longurl", "originalurl"),
        code=("custombackhalf", "backhalf"),
        short_url=("customlink", "custombitlink", "bitlink", "link"),
    ),
    Format(
        "shlink",
        "Shlink",
        (_all("shortcode", "longurl"),),
        destination=("longurl",),
        code=("shortcode",),
        short_url=("shorturl",),
        tag_separator="|",
    ),
    Format(
        "dub",
        "Dub",
        (_all("shortlink", "destinationurl"), _all("shortlink", "url"), _all("key", "url")),
        destination=("destinationurl", "url"),
        code=("key",),
        short_url=("shortlink",),
    ),
    Format(
        "yourls",
        "YOURLS",
        (_all("keyword", "url"), _all("source", "target")),
        destination=("url", "target"),
        code=("keyword", "source"),
        created=("timestamp",),
    ),
    Format(
        "kutt",
        "Kutt",
        (_all("address", "target"),),
        destination=("target",),
        code=("address",),
        title_columns=("description",),
    ),
    Format(
        "csv",
        "a plain CSV",
        (
            _all("destination"),
            _all("destinationurl"),
            _all("longurl"),
            _all("url"),
            _all("target"),
            _all("originalurl"),
        ),
        destination=(
            "destination",
            "destinationurl",
            "longurl",
            "url",
            "target",
            "targeturl",
            "originalurl",
            "longlink",
        ),
        code=("code", "slug", "keyword", "shortcode", "backhalf", "alias", "short", "key", "path", "shortpath"),
        short_url=("shorturl", "shortlink"),
    ),
)
BY_NAME: Final = {entry.name: entry for entry in FORMATS}
_SIGNS: Final = re.compile(r"[^a-z0-9]+")
_READ_OF_ALL: Final = frozenset(
    {"domain", "tags", "archived", "campaign", "placement", "expiresat", "expirein", "validuntil"}
)
_TIMES: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%m/%d/%Y", "%b %d, %Y")


def column_key(title: str) -> str:
    return _SIGNS.sub("", title.lower())


def detected_format(titles: Sequence[str]) -> Format:
    """Raises FormatError when no format has such columns."""
    keys = {column_key(title) for title in titles}
    for entry in FORMATS:
        if any(sign <= keys for sign in entry.signs):
            return entry
    shown = ", ".join(title[:40] for title in titles[:12]) or "none"
    raise FormatError(
        f"the columns ({shown}) are of no known export. Name them code and destination, or choose a format: "
        f"{', '.join(BY_NAME)}."
    )


def format_named(name: str, titles: Sequence[str]) -> Format:
    """``auto`` looks at the columns. Raises FormatError."""
    if name == "auto":
        return detected_format(titles)
    chosen = BY_NAME.get(name)
    if chosen is None:
        raise FormatError(f"{name[:40]!r} is no format; there are auto, {', '.join(BY_NAME)}.")
    keys = {column_key(title) for title in titles}
    if chosen.destination and not keys & set(chosen.destination):
        raise FormatError(
            f"the file has none of the columns that {chosen.title} gives destinations: {', '.join(chosen.destination)}."
        )
    return chosen


def record_from(row: Mapping[str, str], chosen: Format) -> dict[str, Any]:
    """A row, by ``column_key`` of its titles, as a record of codes.records; a foreign one has no versions.

    Raises RecordError. What a service counted is left: scans are of the code they were made of.
    """
    if chosen.name == "waymark":
        return from_csv({{"archivedat": "archived_at", "createdat": "created_at"}.get(k, k): v for k, v in row.items()})
    domain, code = spelled(row, chosen)
    record: dict[str, Any] = {
        "record": "code",
        "domain": domain,
        "code": code,
        "destination": _first(row, chosen.destination),
        "name": _first(row, chosen.title_columns)[:200],
        "tags": _tags(row.get("tags", ""), chosen.tag_separator),
        "campaign": row.get("campaign") if chosen.name == "csv" else None,
        "placement": row.get("placement") if chosen.name == "csv" else None,
    }
    if created := _time(_first(row, chosen.created)):
        record["created_at"] = created
    if expires := _time(_first(row, ("expiresat", "expirein", "validuntil"))):
        record["options"] = {"ends_at": expires}
    if row.get("archived", "").lower() in ("true", "yes", "1"):
        record["archived"] = True
    return record


def reading_in_words(titles: Sequence[str], chosen: Format) -> str:
    """Which columns give what, and which give nothing: somebody who imports must see a column that was not understood."""
    if chosen.name == "waymark" or len(titles) < 2:
        return "all of a Waymark export"
    by_key = {column_key(title): title[:60] for title in titles}
    groups = {
        "code": (*chosen.code, *chosen.short_url),
        "destination": chosen.destination,
        "name": chosen.title_columns,
        "created": chosen.created,
    }
    given = [
        f"{what} from {by_key[key]!r}"
        for what, keys in groups.items()
        if (key := next((key for key in keys if key in by_key), None))
    ]
    known = {key for keys in groups.values() for key in keys} | _READ_OF_ALL
    unread = [repr(title) for key, title in by_key.items() if key not in known]
    if not by_key.keys() & set(groups["code"]):
        given.append("new codes, as no column gives any")
    return ", ".join(given) + (f"; not read: {', '.join(unread)}" if unread else "")


def spelled(row: Mapping[str, str], chosen: Format) -> tuple[str, str]:
    """Domain ("" when none is named) and code, in the case it has there."""
    domain, code = row.get("domain", "").strip(), _first(row, chosen.code)
    if chosen.name == "yourls":
        code = code.strip("/")
    if code and not (chosen.name == "csv" and "://" in code):
        return domain.lower(), code
    address = code or _first(row, chosen.short_url)
    if not address:
        return domain.lower(), ""
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
    except ValueError:
        return domain.lower(), address
    return (domain or parts.netloc).lower(), unquote(parts.path.strip("/"))


def _first(row: Mapping[str, str], keys: Sequence[str]) -> str:
    for key in keys:
        if value := row.get(key, "").strip():
            return value
    return ""


def _tags(text: str, separator: str) -> list[str]:
    plain = text.strip().removeprefix("[").removesuffix("]").replace('"', "")
    parts = plain.split("|" if "|" in plain else ";" if ";" in plain and separator not in plain else separator)
    return [tag.strip() for tag in parts if tag.strip()]


def _time(text: str) -> str | None:
    """As codes.records writes times; times without a zone are taken as UTC, and what is no time is left."""
    if not text:
        return None
    if text.isdecimal():
        seconds = int(text[:13]) / (1000 if len(text) > 11 else 1)
        return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds < 32_503_680_000 else None
    readers: list[Any] = [datetime.fromisoformat]
    readers += [lambda given, shape=shape: datetime.strptime(given, shape) for shape in _TIMES]  # noqa: DTZ007
    for read in readers:
        try:
            at: datetime = read(text.removesuffix(" UTC"))
        except ValueError:
            continue
        try:
            return (at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)).isoformat()
        except OverflowError:
            return None
    return None
