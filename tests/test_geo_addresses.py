"""Addresses as text: strict reading and the middle of a range."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.addresses import find_address, middle_of

MIDDLES = [
    ("an IPv4 range as it is cut", "203.0.113.0/24", "203.0.113.128"),
    ("an IPv6 range as it is cut", "2001:db8:7::/48", "2001:db8:7:8000::"),
    ("a compressed IPv6 range", "2001:db8::/48", "2001:db8:0:8000::"),
    ("an uneven length", "203.0.112.0/23", "203.0.113.0"),
    ("host bits are ignored", "203.0.113.77/24", "203.0.113.128"),
    ("a single address as a range", "203.0.113.9/32", "203.0.113.9"),
    ("two addresses", "203.0.113.8/31", "203.0.113.9"),
    ("everything", "0.0.0.0/0", "128.0.0.0"),
    ("a bare IPv4 address", "203.0.113.9", "203.0.113.9"),
    ("a bare IPv6 address", "2001:db8::9", "2001:db8::9"),
    ("a length that is too long", "203.0.113.0/33", "203.0.113.0/33"),
    ("an absurd length", "203.0.113.0/" + "9" * 5000, "203.0.113.0/" + "9" * 5000),
    ("digits of another script", "203.0.113.0/٢٤", "203.0.113.0/٢٤"),
    ("no length", "203.0.113.0/", "203.0.113.0/"),
    ("no address", "shop/24", "shop/24"),
    ("nothing", "", ""),
]


@pytest.mark.parametrize(("prefix", "middle"), [case[1:] for case in MIDDLES], ids=[case[0] for case in MIDDLES])
def test_middle_of(prefix: str, middle: str) -> None:
    assert middle_of(prefix) == middle


@given(address=st.ip_addresses(), data=st.data())
def test_middle_halves_the_range(address: object, data: st.DataObject) -> None:
    """For every range: the address with half of the range before it."""
    bits = ip_address(str(address)).max_prefixlen
    length = data.draw(st.integers(0, bits))
    network: IPv4Network | IPv6Network = ip_network(f"{address}/{length}", strict=False)
    assert ip_address(middle_of(str(network))) == network[network.num_addresses // 2]


ADDRESSES = [
    ("IPv4", "203.0.113.9", (4, "203.0.113.9")),
    ("IPv6", "2001:DB8::9", (6, "2001:DB8::9")),
    ("IPv4 written as IPv6", "::ffff:203.0.113.9", (4, "203.0.113.9")),
    ("the same in hex", "::FFFF:cb00:7109", (4, "203.0.113.9")),
    ("the same in full", "0:0:0:0:0:ffff:cb00:7109", (4, "203.0.113.9")),
    ("a shortened IPv4 address", "203.113", None),
    ("an IPv4 address in hex", "0xcb.0.113.9", None),
    ("a number", "3405803785", None),
    ("an IPv6 address with a zone", "fe80::1%eth0", None),
    ("a blank at the end", "203.0.113.9 ", None),
    ("a port", "203.0.113.9:80", None),
    ("a NUL", "203.0.113.9\0", None),
    ("half a surrogate pair", "\ud800", None),
    ("a range", "203.0.113.0/24", None),
    ("a word", "unknown", None),
    ("nothing", "", None),
]


@pytest.mark.parametrize(("text", "found"), [case[1:] for case in ADDRESSES], ids=[case[0] for case in ADDRESSES])
def test_find_address(text: str, found: tuple[int, str] | None) -> None:
    assert find_address(text) == found


@given(st.text(max_size=60))
def test_no_text_makes_trouble(text: str) -> None:
    find_address(middle_of(text))
