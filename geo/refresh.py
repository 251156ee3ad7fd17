"""Getting databases: from DB-IP, the npm package, MaxMind, a file or a URL, into the place folder, verified."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import httpx2

from geo.databases import (
    KINDS,
    Edition,
    Kind,
    Parts,
    exclusive,
    find_usable_edition,
    install,
    new_file_name,
)
from geo.downloads import MAX_BYTES, Limits, RefusedError, copy, download, shown, unpack
from geo.errors import GeoError
from geo.examination import Contents, examine
from geo.providers import provider_for

__all__ = ["GeoError", "Installed", "MaxMindAccount", "Report", "ensure", "update"]

DBIP_URL = "https://download.db-ip.com/free"
MAXMIND_URL = "https://download.maxmind.com/geoip/databases"
MAXMIND_ACCOUNT_VARIABLE = "MAXMIND_ACCOUNT_ID"
MAXMIND_KEY_VARIABLE = "MAXMIND_LICENSE_KEY"
# The ASN package of the makers of the city package; used when somebody has installed it beside.
NPM_ASN_PACKAGE = "dbip-asn-mmdb"

_MAXMIND_EDITIONS: dict[Kind, str] = {"city": "GeoLite2-City", "asn": "GeoLite2-ASN"}
_MONTHS_BACK = 12
_NOT_PUBLISHED = (403, 404, 410)


@dataclass(frozen=True, slots=True)
class MaxMindAccount:
    """From the account page of MaxMind; the key stays out of every message."""

    account_id: str
    license_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Installed:
    """One database that has been put in use, and the one before it."""

    edition: Edition
    replaced: Edition | None


@dataclass(frozen=True, slots=True)
class Report:
    """What an update did. `problems` are for people: what could not be had although something else could."""

    installed: tuple[Installed, ...] = ()
    problems: tuple[str, ...] = ()

    def __add__(self, other: "Report") -> "Report":
        return Report(self.installed + other.installed, self.problems + other.problems)

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(installed.edition.kind for installed in self.installed)


def update(
    folder: Path,
    source: str = "dbip",
    *,
    npm_folder: Path | None = None,
    account: MaxMindAccount | None = None,
    base_url: str | None = None,
    today: date | None = None,
    limit_s: float = 900.0,
    max_bytes: int = MAX_BYTES,
    transport: httpx2.BaseTransport | None = None,
) -> Report:
    """Install databases from "dbip", "npm" (needs `npm_folder`), "maxmind" (needs `account`), a path or a URL.

    What was in use stays so until its successor has been verified. Raises GeoError when nothing could be installed.
    """
    limits = Limits.of(limit_s, max_bytes, transport)
    with exclusive(folder) as parts:
        if source == "dbip":
            report = _update_dbip(folder, parts, limits, base_url or DBIP_URL, today)
        elif source == "maxmind":
            report = _update_maxmind(folder, parts, limits, base_url or MAXMIND_URL, account)
        elif source == "npm":
            if npm_folder is None:
                raise GeoError("There is no npm folder to take place data from. Run this in a checkout after `npm ci`.")
            report = _update_npm(folder, parts, npm_folder)
        elif source.startswith(("http://", "https://")):
            report = _update_url(folder, parts, limits, source)
        else:
            report = _update_path(folder, parts, limits, Path(source))
    if not report.installed:
        raise GeoError(" ".join(report.problems))
    return report


def ensure(
    folder: Path,
    npm_folder: Path,
    limit_s: float = 10.0,
    *,
    dbip_url: str = DBIP_URL,
    today: date | None = None,
    transport: httpx2.BaseTransport | None = None,
) -> Report:
    """See that there is a city database: DB-IP's within `limit_s` seconds in all, else the npm package's.

    Returns at once when there is a readable one. Never raises for want of a database: places are worth having, not
    worth a service that does not start. The report's `problems` say what went wrong.
    """
    if find_usable_edition(folder, "city"):
        return Report()
    limits = Limits.of(limit_s, transport=transport)
    try:
        with exclusive(folder) as parts:
            report = _update_dbip(folder, parts, limits, dbip_url, today)
            missing = [kind for kind in KINDS if find_usable_edition(folder, kind) is None]
            return report + _update_npm(folder, parts, npm_folder, missing)
    except GeoError as error:
        return Report(problems=(str(error),))


def _update_dbip(folder: Path, parts: Parts, limits: Limits, base_url: str, today: date | None) -> Report:
    """The small ASN database goes first: it is quick to have, and the city database has a second source."""
    report = Report()
    for kind in ("asn", "city"):
        try:
            path, name = _download_dbip(parts, limits, base_url, kind, today or datetime.now(UTC).date())
            report += _install(folder, parts, [unpack(path, parts, limits, name)], "dbip", name)
        except GeoError as error:
            report += Report(problems=(str(error),))
    return report


def _download_dbip(parts: Parts, limits: Limits, base_url: str, kind: str, today: date) -> tuple[Path, str]:
    """The newest month there is: a month's file appears some time after the month has begun."""
    months = [divmod(today.year * 12 + today.month - 1 - back, 12) for back in range(_MONTHS_BACK)]
    for year, month in months:
        name = f"dbip-{kind}-lite-{year}-{month + 1:02}.mmdb.gz"
        try:
            return download(f"{base_url}/{name}", parts, limits), name
        except RefusedError as refusal:
            if refusal.status not in _NOT_PUBLISHED:
                raise
    raise GeoError(
        f"{shown(base_url)} has no {kind} database of the last {_MONTHS_BACK} months. Take another source: "
        "`waymark geo update maxmind`, or `waymark geo update FILE`."
    )


def _update_maxmind(
    folder: Path, parts: Parts, limits: Limits, base_url: str, account: MaxMindAccount | None
) -> Report:
    if account is None or not account.account_id or not account.license_key:
        raise GeoError(
            f"MaxMind gives its databases to account holders only. Set {MAXMIND_ACCOUNT_VARIABLE} and "
            f"{MAXMIND_KEY_VARIABLE} in the environment (both are on your account page at MaxMind) and try again."
        )
    auth = (account.account_id, account.license_key)
    report = Report()
    for kind in KINDS:
        name = _MAXMIND_EDITIONS[kind]
        url = f"{base_url}/{name}/download?suffix=tar.gz"
        try:
            path = download(url, parts, limits, auth)
            _check_digest(path, download(f"{url}.sha256", parts, limits, auth), name)
            report += _install(folder, parts, [unpack(path, parts, limits, name)], "maxmind", name)
        except GeoError as error:
            report += Report(problems=(str(error),))
    return report


def _check_digest(path: Path, digest_path: Path, name: str) -> None:
    """MaxMind's digest file is one line: the SHA-256 in hex, then the file name."""
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    words = digest_path.read_bytes()[:200].decode("ascii", "replace").split()
    if not words or words[0].lower() != actual:
        raise GeoError(f"{name} arrived changed: its SHA-256 is not the one MaxMind states. Try again later.")


def _update_npm(folder: Path, parts: Parts, npm_folder: Path, kinds: Iterable[Kind] = KINDS) -> Report:
    """The city package, and the ASN package of the same makers where somebody has installed it beside."""
    report = Report()
    beside = npm_folder.parent / NPM_ASN_PACKAGE
    packages = [npm_folder] if "city" in kinds else []
    if "asn" in kinds and beside.is_dir():
        packages.append(beside)
    for package in packages:
        try:
            linked = [_linked(source, parts) for source in _databases_in(package)]
            report += _install(folder, parts, linked, "npm", _package_name(package))
        except GeoError as error:
            report += Report(problems=(str(error),))
    return report


def _linked(source: Path, parts: Parts) -> Path:
    """A second name for npm's file: 134 MB less, and npm replaces files, it does not write into them."""
    path = parts.new_path()
    try:
        os.link(source, path)
    except OSError:
        return copy(source, parts, Limits.of(600))
    return path


def _package_name(npm_folder: Path) -> str:
    try:
        package = json.loads((npm_folder / "package.json").read_bytes())
        return f"{package['name']} {package['version']}"
    except (OSError, ValueError, KeyError, TypeError):
        return npm_folder.name


def _update_url(folder: Path, parts: Parts, limits: Limits, url: str) -> Report:
    path = download(url, parts, limits)
    return _install(folder, parts, [unpack(path, parts, limits, shown(url))], "url", shown(url))


def _update_path(folder: Path, parts: Parts, limits: Limits, path: Path) -> Report:
    """One file, or a folder with several, as providers with one file for IPv4 and one for IPv6 have it."""
    sources = _databases_in(path) if path.is_dir() else [path]
    copies = [unpack(copy(source, parts, limits), parts, limits, source.name) for source in sources]
    return _install(folder, parts, copies, "file", path.name)


def _databases_in(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.mmdb"))
    if not found:
        raise GeoError(f"{folder} holds no .mmdb file. Install it (`npm ci` for npm packages) or take another source.")
    return found


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A verified file, what it will answer, and its name once it is in use."""

    path: Path
    contents: Contents
    kinds: tuple[Kind, ...]
    name: str


def _install(folder: Path, parts: Parts, files: Sequence[Path], source: str, origin: str) -> Report:
    """Verify files and put them in use for the kinds of answers they hold."""
    candidates = []
    for path, contents in zip(files, examine(files, origin), strict=True):
        kinds = _kinds(folder, contents)
        candidates.append(_Candidate(path, contents, kinds, new_file_name(kinds[0], contents.built_on)))
    editions = [
        _edition(kind, group, source, origin)
        for kind in KINDS
        if (group := [candidate for candidate in candidates if kind in candidate.kinds])
    ]
    installed = tuple(Installed(edition, find_usable_edition(folder, edition.kind)) for edition in editions)
    install(folder, parts, {candidate.path: candidate.name for candidate in candidates}, editions)
    return Report(installed)


def _kinds(folder: Path, contents: Contents) -> tuple[Kind, ...]:
    """Which answers a file is used for: at least one.

    A file of networks that knows countries but no cities (IPinfo Lite) does not push out a city database.
    """
    spare = contents.has_networks and find_usable_edition(folder, "city") is not None
    places = contents.has_cities or (contents.has_countries and not spare)
    return tuple(kind for kind, has in zip(KINDS, (places, contents.has_networks), strict=True) if has)


def _edition(kind: Kind, group: Sequence[_Candidate], source: str, origin: str) -> Edition:
    if len({candidate.contents.ip_version for candidate in group}) < len(group):
        raise GeoError(f"{origin} holds several databases for the same addresses. Give the path of the one to use.")
    provider = provider_for(group[0].contents.database_type, origin)
    return Edition(
        kind=kind,
        source=source,
        origin=origin,
        provider=provider.name,
        licence=provider.licence,
        attribution=provider.attribution,
        built_on=min(candidate.contents.built_on for candidate in group),
        installed_at=datetime.now(UTC).replace(microsecond=0),
        files=tuple(candidate.name for candidate in group),
    )
