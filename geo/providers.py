"""Who made a place database, under what licence, and the words they ask to be shown beside results."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attribution:
    """A sentence with its link, to be shown on every page with results from the database."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Provider:
    """One maker of databases; `signs` are what its database types and file names contain, in lower case."""

    key: str
    name: str
    licence: str
    attribution: Attribution | None
    signs: tuple[str, ...]


DBIP = Provider(
    key="dbip",
    name="DB-IP",
    licence="CC BY 4.0",
    attribution=Attribution("IP Geolocation by DB-IP", "https://db-ip.com"),
    signs=("dbip", "db-ip"),
)
GEOLITE = Provider(
    key="geolite",
    name="MaxMind GeoLite",
    licence="GeoLite End User License Agreement",
    attribution=Attribution(
        "This product includes GeoLite Data created by MaxMind, available from https://www.maxmind.com",
        "https://www.maxmind.com",
    ),
    signs=("geolite",),
)
MAXMIND = Provider(
    key="maxmind",
    name="MaxMind GeoIP",
    licence="MaxMind End User License Agreement",
    attribution=Attribution("IP data by MaxMind", "https://www.maxmind.com"),
    signs=("geoip", "maxmind"),
)
IPINFO = Provider(
    key="ipinfo",
    name="IPinfo",
    licence="IPinfo's terms (IPinfo Lite: CC BY-SA 4.0)",
    attribution=Attribution("IP address data powered by IPinfo", "https://ipinfo.io"),
    signs=("ipinfo",),
)
UNKNOWN = Provider(
    key="other",
    name="a maker we do not know",
    licence="not known: ask whoever made the file",
    attribution=None,
    signs=(),
)
# GeoLite before GeoIP: "DBIP-ASN-Lite (compat=GeoLite2-ASN)" names two, and the first sign found wins.
_BY_PRIORITY = (DBIP, IPINFO, GEOLITE, MAXMIND)


def provider_for(database_type: str, origin: str) -> Provider:
    """The maker, by what the file says of itself, else by where it came from (a file name, a URL, a package)."""
    for text in (database_type.lower(), origin.lower()):
        for provider in _BY_PRIORITY:
            if any(sign in text for sign in provider.signs):
                return provider
    return UNKNOWN
