"""Looking into files nobody has looked into before."""

import random
from pathlib import Path

import pytest

from geo.errors import GeoError
from geo.examination import examine
from tests.geo_samples import flat, nested, network, write_database


@pytest.mark.parametrize(
    ("record", "countries", "cities", "networks"),
    [
        (nested("Munich"), True, True, False),
        (flat("", ""), True, True, False),
        ({"country": {"iso_code": "DE"}}, True, False, False),
        (network(64500, "Example"), False, False, True),
        ({"country_code": "DE", "asn": "AS64500"}, True, False, True),
    ],
    ids=["a city", "coordinates", "a country", "a network", "a country and a network"],
)
def test_what_a_file_holds(
    tmp_path: Path, record: dict[str, object], countries: bool, cities: bool, networks: bool
) -> None:
    file = write_database(tmp_path / "given.mmdb", {"203.0.113.0/24": record}, "Given")
    [contents] = examine([file], "given")
    assert (contents.database_type, contents.ip_version) == ("Given", 6)
    assert (contents.has_countries, contents.has_cities, contents.has_networks) == (countries, cities, networks)


def test_one_bad_file_spoils_the_set(tmp_path: Path) -> None:
    good = write_database(tmp_path / "good.mmdb", {"203.0.113.0/24": nested("Munich")})
    bad = tmp_path / "bad.mmdb"
    bad.write_bytes(b"garbage")
    with pytest.raises(GeoError, match="the package is damaged"):
        examine([good, bad], "the package")


# With maxminddb 3.2 every one of these crashes the process that reads the file: (seed, damaged part of the file).
CRASHES = [(5, "tree"), (15, "tree"), (42, "tree"), (29, "data"), (76, "data")]


@pytest.mark.parametrize(("seed", "part"), CRASHES)
def test_a_file_that_crashes_the_reader_is_refused(tmp_path: Path, seed: int, part: str) -> None:
    """The crash stays in the process that looks, and the file is not used."""
    records = {"203.0.113.0/24": nested("Munich"), "198.51.100.0/24": nested("B"), "2001:db8::/32": flat("six")}
    file = write_database(tmp_path / "given.mmdb", records)
    content = bytearray(file.read_bytes())
    metadata = content.rindex(b"\xab\xcd\xefMaxMind.com")
    chance = random.Random(seed)
    start, end = (0, metadata // 2) if part == "tree" else (metadata - 400, metadata)
    for _ in range(chance.choice((1, 1, 3, 20))):
        content[chance.randrange(start, end)] = chance.randrange(256)
    file.write_bytes(content)
    with pytest.raises(GeoError, match="given is damaged"):
        examine([file], "given")
