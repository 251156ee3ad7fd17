"""One record of a place database -> Place or Network, whatever its shape. Pure: no files, no addresses.

Shapes: nested (MaxMind, DB-IP), flat (ip-location-db, IPinfo), and the network databases of all of them.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from geo.marks import marks_of

_MAX_ASN = 2**32 - 1
# Written by databases for "somewhere" or "unknown"; none is a country.
_NO_COUNTRIES = frozenset({"AP", "EU", "XX", "ZZ"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address is; country as ISO 3166 alpha-2, names in English, coordinates rounded to 0.1 degree."""

    country: str | None
    region: str | None
    city: str | None
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, slots=True)
class Network:
    """Who runs an address. `datacenter` and `relay` are marks, see geo/marks.py."""

    asn: int | None
    name: str | None
    datacenter: bool
    relay: bool


def find_place_in(record: object) -> Place | None:
    """The place a record tells of; None when it tells of none."""
    if not isinstance(record, dict):
        return None
    country = _country(record)
    region = _region(record)
    city = _english(record.get("city"))
    latitude, longitude = _coordinates(record)
    if country is None and region is None and city is None and latitude is None:
        return None
    return Place(country, region, city, latitude, longitude)


def find_network_in(record: object) -> Network | None:
    """The network a record tells of; None when it tells of none."""
    if not isinstance(record, dict):
        return None
    traits = record.get("traits")
    if isinstance(traits, dict):
        record = traits
    asn = _asn(record)
    names = _network_names(record)
    if asn is None and not names:
        return None
    hosting = "hosting" in (record.get("type"), record.get("as_type"))
    return _network(asn, names, hosting)


@lru_cache(maxsize=4096)
def _network(asn: int | None, names: tuple[str, ...], hosting: bool) -> Network:
    """Few networks make most scans, and searching names for words is the dear part."""
    datacenter, relay = marks_of(asn, names, hosting=hosting)
    return Network(asn, names[0] if names else None, datacenter, relay)


def _country(record: dict[str, Any]) -> str | None:
    """MaxMind's `registered_country` is not read: it says where a block is registered, not where it is used."""
    for value in (record.get("country_code"), record.get("country")):
        code = value.get("iso_code") if isinstance(value, dict) else value
        if isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha():
            code = code.upper()
            return None if code in _NO_COUNTRIES else code
    return None


def _region(record: dict[str, Any]) -> str | None:
    subdivisions = record.get("subdivisions")
    if isinstance(subdivisions, list):
        # From large to small: England, then Greater London. The first one is what the flat shapes call state1.
        return _english(subdivisions[0]) if subdivisions else None
    return _english(record.get("state1")) or _english(record.get("region"))


def _english(value: object) -> str | None:
    """The English name; a name in another language is left out, as it would be counted apart from its English one."""
    if isinstance(value, dict):
        names = value.get("names")
        value = names.get("en") if isinstance(names, dict) else None
    if not isinstance(value, str):
        return None
    value = value.strip()
    return None if value in {"", "-"} else value


def _coordinates(record: dict[str, Any]) -> tuple[float, float] | tuple[None, None]:
    source = record.get("location")
    if not isinstance(source, dict):
        source = record
    latitude, longitude = source.get("latitude", source.get("lat")), source.get("longitude", source.get("lng"))
    if latitude is None and isinstance(loc := source.get("loc"), str):
        latitude, _, longitude = loc.partition(",")
    north, east = _degrees(latitude, 90), _degrees(longitude, 180)
    # 0,0 is open sea and means "unknown" wherever it is written.
    if north is None or east is None or (north == 0 and east == 0):
        return None, None
    # Adding zero turns -0.0 into 0.0, which would be another place to a group-by.
    return round(north, 1) + 0.0, round(east, 1) + 0.0


def _degrees(value: object, limit: int) -> float | None:
    if not isinstance(value, (int, float, str)) or isinstance(value, bool):
        return None
    try:
        degrees = float(value)
    except ValueError:
        return None
    return degrees if math.isfinite(degrees) and abs(degrees) <= limit else None


def _asn(record: dict[str, Any]) -> int | None:
    value = record.get("autonomous_system_number", record.get("asn"))
    if isinstance(value, str):
        digits = value.strip().upper().removeprefix("AS")
        value = int(digits) if digits.isascii() and digits.isdigit() else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 < value <= _MAX_ASN else None


def _network_names(record: dict[str, Any]) -> tuple[str, ...]:
    """The name to show first (an ISP database was bought for its ISP names), the others for the marks."""
    keys = ["isp", "autonomous_system_organization", "as_name", "organization"]
    if "asn" in record:
        keys.append("name")  # IPinfo; elsewhere "name" may be anything
    return tuple(dict.fromkeys(name for key in keys if (name := _english(record.get(key)))))
