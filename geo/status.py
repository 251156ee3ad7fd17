"""What a person asks about the place databases: is there one, whose, how old, and what to do."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from geo.databases import KINDS, Edition, Kind, find_edition, open_reader
from geo.errors import GeoError
from geo.providers import Attribution

# Free editions appear monthly: one older than this has missed at least one.
STALE_DAYS = 45

_TITLES: dict[Kind, str] = {"city": "Places (country, region, city)", "asn": "Networks (ASN)"}
_REMEDIES: dict[Kind, str] = {
    "city": "Run `waymark geo update` to fetch DB-IP's free city database, or `waymark geo update FILE` with your own.",
    "asn": "Run `waymark geo update` to fetch DB-IP's free ASN database, or `waymark geo update FILE` with your own.",
}


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """One kind of database. `remedy` is None when there is nothing to do; without an edition most fields are None."""

    kind: Kind
    title: str
    available: bool
    source: str | None
    origin: str | None
    provider: str | None
    licence: str | None
    files: tuple[str, ...]
    built_on: date | None
    installed_at: datetime | None
    age_days: int | None
    stale: bool
    problem: str | None
    remedy: str | None
    attribution: Attribution | None


def remedy_for(kind: Kind) -> str:
    """What to do when there is no database of this kind."""
    return _REMEDIES[kind]


def status(folder: Path, today: date | None = None) -> list[DatabaseStatus]:
    """The state of both kinds, the city database first. Raises nothing: trouble is part of the answer."""
    day = today or datetime.now(UTC).date()
    return [_status_of(folder, kind, day) for kind in KINDS]


def _status_of(folder: Path, kind: Kind, today: date) -> DatabaseStatus:
    edition: Edition | None = None
    problem = None
    try:
        edition = find_edition(folder, kind)
        for name in edition.files if edition else ():
            open_reader(folder / name)
    except GeoError as error:
        problem = str(error)
    age_days = max(0, (today - edition.built_on).days) if edition else None
    stale = age_days is not None and age_days > STALE_DAYS
    return DatabaseStatus(
        kind=kind,
        title=_TITLES[kind],
        available=edition is not None and problem is None,
        source=edition.source if edition else None,
        origin=edition.origin if edition else None,
        provider=edition.provider if edition else None,
        licence=edition.licence if edition else None,
        files=edition.files if edition else (),
        built_on=edition.built_on if edition else None,
        installed_at=edition.installed_at if edition else None,
        age_days=age_days,
        stale=stale,
        problem=problem,
        remedy=_REMEDIES[kind] if edition is None or problem or stale else None,
        attribution=edition.attribution if edition else None,
    )
