"""Records of every shape -> Place and Network; and what is not an answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.records import Network, Place, find_network_in, find_place_in
from tests.geo_samples import flat, nested, network

MUNICH = Place("DE", "Bavaria", "Munich", 48.1, 11.6)

PLACES: list[tuple[str, object, Place | None]] = [
    ("MaxMind and DB-IP, nested", nested("Munich"), MUNICH),
    ("ip-location-db, flat", flat("Munich"), MUNICH),
    (
        "IPinfo with lat and lng as text",
        {"city": "Munich", "region": "Bavaria", "country": "DE", "lat": "48.13743", "lng": "11.57549"},
        MUNICH,
    ),
    (
        "IPinfo with loc",
        {"city": "Munich", "region": "Bavaria", "country": "DE", "loc": "48.1374,11.5755"},
        MUNICH,
    ),
    (
        "IPinfo with the country's name and code",
        {"country": "Germany", "country_code": "DE", "continent": "Europe"},
        Place("DE", None, None, None, None),
    ),
    (
        "MaxMind without city",
        {"country": {"iso_code": "DE"}, "location": {"latitude": 51.2993, "longitude": 9.491}},
        Place("DE", None, None, 51.3, 9.5),
    ),
    (
        "from large to small: the large subdivision counts",
        {"country": {"iso_code": "GB"}, "subdivisions": [{"names": {"en": "England"}}, {"names": {"en": "Kent"}}]},
        Place("GB", "England", None, None, None),
    ),
    (
        "names without an English one are left out",
        {"country": {"iso_code": "DE"}, "city": {"names": {"de": "München"}}, "subdivisions": [{"names": {}}]},
        Place("DE", None, None, None, None),
    ),
    (
        "empty text is unknown",
        {**flat("", ""), "latitude": "", "longitude": ""},
        Place("DE", None, None, None, None),
    ),
    ("a dash is unknown", {"country_code": "-", "state1": "-", "city": "-"}, None),
    ("blanks around a name", flat(" Munich "), MUNICH),
    ("a country code in small letters", flat("Munich", country="de"), MUNICH),
    ("only the registered country", {"registered_country": {"iso_code": "DE"}}, None),
    ("a country that is none", {"country_code": "ZZ", "city": "Somewhere"}, Place(None, None, "Somewhere", None, None)),
    ("a continent as country", {"country": {"iso_code": "EU"}}, None),
    ("an anonymous proxy as country", {"country_code": "A1"}, None),
    ("latitude beyond the pole", {**flat("Munich"), "latitude": 91.0}, Place("DE", "Bavaria", "Munich", None, None)),
    (
        "longitude beyond the date line",
        {**flat("Munich"), "longitude": -180.5},
        Place("DE", "Bavaria", "Munich", None, None),
    ),
    ("not a number", {**flat("Munich"), "latitude": float("nan")}, Place("DE", "Bavaria", "Munich", None, None)),
    ("infinity as text", {**flat("Munich"), "latitude": "inf"}, Place("DE", "Bavaria", "Munich", None, None)),
    ("half a pair", {"country_code": "DE", "latitude": 48.1}, Place("DE", None, None, None, None)),
    (
        "zero and zero",
        {**flat("Munich"), "latitude": 0.0, "longitude": 0.0},
        Place("DE", "Bavaria", "Munich", None, None),
    ),
    ("on the equator", {"country_code": "KE", "latitude": 0.0, "longitude": 37.07}, Place("KE", None, None, 0.0, 37.1)),
    (
        "true is no coordinate",
        {"country_code": "DE", "latitude": True, "longitude": 1},
        Place("DE", None, None, None, None),
    ),
    ("an empty record", {}, None),
    ("no record", None, None),
    ("a record that is text", "DE", None),
    ("a network record", network(64500, "Example"), None),
    ("lists where maps belong", {"city": [], "country": [], "location": [], "subdivisions": [[]]}, None),
]


@pytest.mark.parametrize(("record", "place"), [case[1:] for case in PLACES], ids=[case[0] for case in PLACES])
def test_place(record: object, place: Place | None) -> None:
    assert find_place_in(record) == place


def test_zero_has_one_sign() -> None:
    """-0.04 rounds to 0.0, not to -0.0, which would be another group in a report."""
    place = find_place_in({"country_code": "GB", "latitude": 51.5, "longitude": -0.04})
    assert place is not None
    assert str(place.longitude) == "0.0"


NETWORKS: list[tuple[str, object, Network | None]] = [
    (
        "GeoLite2-ASN and DB-IP ASN Lite",
        network(64500, "Example Telecom"),
        Network(64500, "Example Telecom", False, False),
    ),
    (
        "GeoIP2-ISP shows the ISP's name",
        {**network(64500, "EXAMPLE-AS"), "isp": "Example Telecom", "organization": "Example Business"},
        Network(64500, "Example Telecom", False, False),
    ),
    (
        "IPinfo ASN",
        {"asn": "AS64500", "name": "Example Telecom", "domain": "example.net", "type": "isp"},
        Network(64500, "Example Telecom", False, False),
    ),
    (
        "IPinfo Lite",
        {"asn": "AS64500", "as_name": "Example Telecom", "as_domain": "example.net", "country_code": "DE"},
        Network(64500, "Example Telecom", False, False),
    ),
    (
        "IPinfo calls it hosting",
        {"asn": "AS64500", "as_name": "Example", "as_type": "hosting"},
        Network(64500, "Example", True, False),
    ),
    (
        "Enterprise, nested",
        {"traits": network(64500, "Example Telecom"), "city": {}},
        Network(64500, "Example Telecom", False, False),
    ),
    ("only a name", {"isp": "Example Telecom"}, Network(None, "Example Telecom", False, False)),
    ("only a number", {"asn": "AS64500"}, Network(64500, None, False, False)),
    ("the number zero", {"autonomous_system_number": 0}, None),
    ("a number that is too large", {"asn": f"AS{2**32}"}, None),
    ("no number", {"asn": "ASx"}, None),
    ("empty text", {"asn": "", "as_name": ""}, None),
    ("a name of something else", {"name": "Munich"}, None),
    ("a city record", nested("Munich"), None),
    ("no record", None, None),
]


@pytest.mark.parametrize(("record", "found"), [case[1:] for case in NETWORKS], ids=[case[0] for case in NETWORKS])
def test_network(record: object, found: Network | None) -> None:
    assert find_network_in(record) == found


READ_KEYS = {key for _, record, _ in (*PLACES, *NETWORKS) if isinstance(record, dict) for key in record}
KEYS = st.sampled_from(sorted(READ_KEYS | {"names", "en", "iso_code"}))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@given(VALUES)
def test_every_record_gives_a_sound_answer(record: Any) -> None:
    """Whatever a file holds: no exception, and only possible values."""
    place = find_place_in(record)
    if place is not None and place.latitude is not None and place.longitude is not None:
        assert -90 <= place.latitude <= 90
        assert -180 <= place.longitude <= 180
    found = find_network_in(record)
    assert found is None or found.asn is None or 0 < found.asn < 2**32
