"""Looking into database files before they are trusted, in a process of its own.

The reader's C code crashes on some damaged files ((m) 1-5 % of random damage): that must end the look, not the service.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path

import maxminddb

from geo.databases import READ_ERRORS
from geo.errors import GeoError
from geo.records import find_network_in, find_place_in

_LIMIT_S = 60.0
_SAMPLE_RECORDS = 500
# Some thousand look-ups all over the space take milliseconds and find most damage; reading everything takes a minute.
_SAMPLE_IPV4 = tuple(f"{a}.{b}.113.1" for a in range(1, 224) for b in range(0, 256, 32))
_SAMPLE_IPV6 = tuple(
    f"{first:x}:{second:x}::1"
    for first in (0x2001, 0x2400, 0x2404, 0x2600, 0x2607, 0x2800, 0x2A00, 0x2A02, 0x2C0F)
    for second in range(0, 0x10000, 0x400)
)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a look into a database file found."""

    database_type: str
    built_on: date
    ip_version: int
    has_countries: bool
    has_cities: bool
    has_networks: bool


def examine(paths: Sequence[Path], origin: str) -> list[Contents]:
    """What the files hold. Raises GeoError when one is damaged or holds no answers; `origin` names them to people."""
    folder = str(Path(__file__).parents[1])
    search_path = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "geo.examination", *map(str, paths)],
            env={**os.environ, "PYTHONPATH": search_path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _damaged(origin, f"it could not be read in {_LIMIT_S:g} s") from error
    if done.returncode < 0:
        raise _damaged(origin, "reading it crashed")
    if done.returncode > 0:
        raise GeoError(f"{origin} could not be examined: {done.stderr.decode(errors='replace')[-300:]}")
    reply = json.loads(done.stdout)
    if isinstance(reply, str):
        raise GeoError(f"{origin} {reply}")
    return [Contents(**{**found, "built_on": date.fromisoformat(found["built_on"])}) for found in reply]


def contents_of(path: Path) -> Contents:
    """The look itself. May crash the process. Raises GeoError with a text that goes on after the file's name."""
    with maxminddb.open_database(path, maxminddb.MODE_AUTO) as reader:
        metadata = reader.metadata()
        if metadata.ip_version not in (4, 6):
            raise GeoError(f"is not a place database: IP version {metadata.ip_version}. Take another source.")
        built_on = datetime.fromtimestamp(metadata.build_epoch, UTC).date()
        records = list(_sample(reader, metadata.ip_version))
    places = [place for record in records if (place := find_place_in(record))]
    contents = Contents(
        database_type=str(metadata.database_type),
        built_on=built_on,
        ip_version=metadata.ip_version,
        has_countries=any(place.country for place in places),
        has_cities=any(place.region or place.city or place.latitude is not None for place in places),
        has_networks=any(find_network_in(record) for record in records),
    )
    if not (contents.has_countries or contents.has_cities or contents.has_networks):
        raise GeoError(
            f"({contents.database_type}) holds neither places nor networks that Waymark can read. "
            "Take a city or ASN database of DB-IP, MaxMind, IPinfo or ip-location-db."
        )
    return contents


def _sample(reader: maxminddb.Reader, ip_version: int) -> Iterator[object]:
    for _, record in islice(reader, _SAMPLE_RECORDS):
        yield record
    for address in _SAMPLE_IPV4 if ip_version == 4 else (*_SAMPLE_IPV4, *_SAMPLE_IPV6):
        yield reader.get(address)


def _damaged(origin: str, why: str) -> GeoError:
    return GeoError(f"{origin} is damaged: {why}. Fetch it again, or take another source.")


def _main(paths: Sequence[str]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        reply: object = [asdict(contents_of(Path(path))) for path in paths]
    except GeoError as error:
        reply = str(error)
    except READ_ERRORS as error:
        reply = f"is damaged (the reader says: {error}). Fetch it again, or take another source."
    sys.stdout.write(json.dumps(reply, default=str))


if __name__ == "__main__":
    _main(sys.argv[1:])
