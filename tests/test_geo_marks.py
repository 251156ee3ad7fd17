"""Data centre and relay marks."""

import pytest

from geo.marks import DATACENTERS, RELAYS, marks_of

DATACENTER, RELAY, NEITHER = (True, False), (False, True), (False, False)

NETWORKS = [
    (16509, "Amazon.com, Inc.", DATACENTER),
    (14618, "AMAZON-AES", DATACENTER),
    (396982, "Google LLC", DATACENTER),
    (8075, "Microsoft Corporation", DATACENTER),
    (16276, "OVH SAS", DATACENTER),
    (24940, "Hetzner Online GmbH", DATACENTER),
    (63949, "Akamai Connected Cloud", DATACENTER),
    (31898, "ORACLE-BMC-31898", DATACENTER),
    (64500, "Hetzner US LLC", DATACENTER),
    (64500, "Example Web Hosting Ltd", DATACENTER),
    (64500, "Example Data Center, Inc.", DATACENTER),
    (64500, "Beispiel Rechenzentrum GmbH", DATACENTER),
    (None, "DigitalOcean, LLC", DATACENTER),
    (13335, "Cloudflare, Inc.", RELAY),
    (36183, "Akamai Technologies, Inc.", RELAY),
    (54113, "Fastly, Inc.", RELAY),
    (64500, "Example VPN AB", RELAY),
    (64500, "ZSCALER-EXAMPLE", RELAY),
    (64500, "Example VPN Hosting", RELAY),
    (3320, "Deutsche Telekom AG", NEITHER),
    (16591, "Google Fiber Inc.", NEITHER),
    (64500, "Amazonas Telecom", NEITHER),
    (64500, "Cloud Nine Broadband", NEITHER),
    (64500, "Colonia Net", NEITHER),
    (64500, "Dovhan Internet", NEITHER),
]


@pytest.mark.parametrize(("asn", "name", "marks"), NETWORKS, ids=[f"{case[0]} {case[1]}" for case in NETWORKS])
def test_marks(asn: int | None, name: str, marks: tuple[bool, bool]) -> None:
    assert marks_of(asn, (name,)) == marks


def test_every_name_counts() -> None:
    """An ISP database gives several names; the one that is not shown may be the telling one."""
    assert marks_of(64500, ("Example", "Example Hosting")) == DATACENTER


def test_the_database_may_know_better() -> None:
    assert marks_of(64500, ("Example",), hosting=True) == DATACENTER


def test_no_network_is_in_both_lists() -> None:
    assert not DATACENTERS.keys() & RELAYS.keys()
