"""Look-ups on real files, and files being swapped under them."""

import threading
import time
from pathlib import Path

import pytest

from geo.databases import find_edition, note_path
from geo.places import Attribution, Network, Place, Places
from geo.refresh import update
from tests.geo_samples import flat, nested, network, write_database, write_npm_package

V4, V6 = "203.0.113.9", "2001:db8::9"


def install_city(folder: Path, city: str) -> None:
    """One file for both kinds of addresses, as MaxMind and DB-IP have it."""
    records = {"203.0.113.0/24": nested(city), "2001:db8::/32": nested(f"{city} six")}
    update(folder, str(write_database(folder.parent / "given.mmdb", records)))


def city_of(places: Places, address: str) -> str | None:
    place = places.find_place(address)
    return place.city if place else None


def files_in_use(folder: Path) -> list[Path]:
    edition = find_edition(folder, "city")
    assert edition is not None
    return [folder / name for name in edition.files]


def test_without_databases_nothing_is_known(tmp_path: Path) -> None:
    places = Places(tmp_path / "missing")
    assert not places.has_places
    assert not places.has_networks
    assert places.find_place(V4) is None
    assert places.find_network(V4) is None
    assert places.attributions() == ()
    assert places.refresh() is False


def test_one_file_for_both_kinds_of_addresses(tmp_path: Path) -> None:
    install_city(tmp_path / "geo", "Munich")
    places = Places(tmp_path / "geo")
    assert places.has_places
    assert places.find_place(V4) == Place("DE", "Bavaria", "Munich", 48.1, 11.6)
    assert city_of(places, V6) == "Munich six"


def test_a_file_for_each_kind_of_addresses(tmp_path: Path) -> None:
    package = write_npm_package(tmp_path / "npm")
    update(tmp_path / "geo", "npm", npm_folder=package)
    places = Places(tmp_path / "geo")
    assert city_of(places, V4) == "Munich"
    assert city_of(places, V6) == "Munich six"
    assert city_of(places, f"::ffff:{V4}") == "Munich"


@pytest.mark.parametrize(
    ("version", "prefix", "known", "unknown"), [(4, "203.0.113.0/24", V4, V6), (6, "2001:db8::/32", V6, V4)]
)
def test_a_file_for_one_kind_only(tmp_path: Path, version: int, prefix: str, known: str, unknown: str) -> None:
    """The other kind has no answer, and no error either."""
    given = write_database(tmp_path / "given.mmdb", {prefix: flat("Munich")}, ip_version=version)
    update(tmp_path / "geo", str(given))
    places = Places(tmp_path / "geo")
    assert city_of(places, known) == "Munich"
    assert places.find_place(unknown) is None


@pytest.mark.parametrize("address", ["", "unknown", "203.113", "203.0.113.9:80", "10.0.0.1", "2001:db9::1", "::1"])
def test_addresses_without_an_answer(tmp_path: Path, address: str) -> None:
    install_city(tmp_path / "geo", "Munich")
    assert Places(tmp_path / "geo").find_place(address) is None


def test_networks(tmp_path: Path) -> None:
    records = {"203.0.113.0/24": network(64500, "Example Telecom"), "198.51.100.0/24": network(24940, "Hetzner Online")}
    update(tmp_path / "geo", str(write_database(tmp_path / "given.mmdb", records, "GeoLite2-ASN")))
    places = Places(tmp_path / "geo")
    assert places.has_networks
    assert not places.has_places
    assert places.find_network(V4) == Network(64500, "Example Telecom", datacenter=False, relay=False)
    assert places.find_network("198.51.100.1") == Network(24940, "Hetzner Online", datacenter=True, relay=False)


def test_one_file_with_places_and_networks(tmp_path: Path) -> None:
    record = {"city": "Munich", "country": "DE", "lat": "48.1", "lng": "11.6", "asn": "AS64500", "as_name": "Example"}
    given = write_database(tmp_path / "given.mmdb", {"203.0.113.0/24": record}, "ipinfo standard")
    update(tmp_path / "geo", str(given))
    places = Places(tmp_path / "geo")
    assert city_of(places, V4) == "Munich"
    assert places.find_network(V4) == Network(64500, "Example", datacenter=False, relay=False)
    assert places.attributions() == (Attribution("IP address data powered by IPinfo", "https://ipinfo.io"),)


def test_attributions_name_each_provider_once(tmp_path: Path) -> None:
    geo = tmp_path / "geo"
    update(geo, str(write_database(tmp_path / "city.mmdb", {"203.0.113.0/24": nested("Munich")}, "DBIP-City-Lite")))
    asn = {"203.0.113.0/24": network(64500, "Example")}
    update(geo, str(write_database(tmp_path / "asn.mmdb", asn, "DBIP-ASN-Lite (compat=GeoLite2-ASN)")))
    assert Places(geo).attributions() == (Attribution("IP Geolocation by DB-IP", "https://db-ip.com"),)
    update(geo, str(write_database(tmp_path / "asn.mmdb", asn, "GeoLite2-ASN")))
    assert [shown.url for shown in Places(geo).attributions()] == ["https://db-ip.com", "https://www.maxmind.com"]


def test_refresh_takes_up_a_new_file(tmp_path: Path) -> None:
    geo = tmp_path / "geo"
    places = Places(geo)
    install_city(geo, "Munich")
    assert city_of(places, V4) is None, "only refresh() changes what is in use"
    assert places.refresh() is True
    assert city_of(places, V4) == "Munich"
    assert places.refresh() is False
    install_city(geo, "Nuremberg")
    assert places.refresh() is True
    assert city_of(places, V4) == "Nuremberg"


def test_removed_databases_are_let_go(tmp_path: Path) -> None:
    geo = tmp_path / "geo"
    install_city(geo, "Munich")
    places = Places(geo)
    note_path(geo, "city").unlink()
    assert places.refresh() is True
    assert not places.has_places


def test_a_broken_file_leaves_the_old_one_in_use(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody replaces a database by hand with garbage: one line in the log, answers as before."""
    geo = tmp_path / "geo"
    install_city(geo, "Munich")
    places = Places(geo)
    [file] = files_in_use(geo)
    file.unlink()  # the old content lives on in the open reader
    file.write_bytes(b"garbage" * 1000)
    assert places.refresh() is False
    assert places.refresh() is False
    assert city_of(places, V4) == "Munich"
    assert len(caplog.records) == 1
    install_city(geo, "Nuremberg")
    assert places.refresh() is True
    assert city_of(places, V4) == "Nuremberg"


@pytest.mark.parametrize(
    "note", [b"", b"{", b"[]", b'{"files": []}', b"\xff\xfe", b'{"attribution": null, "files": ["../../etc/passwd"]}']
)
def test_a_broken_note_leaves_the_old_files_in_use(tmp_path: Path, note: bytes) -> None:
    geo = tmp_path / "geo"
    install_city(geo, "Munich")
    places = Places(geo)
    note_path(geo, "city").write_bytes(note)
    assert places.refresh() is False
    assert city_of(places, V4) == "Munich"
    assert not Places(geo).has_places


def test_damage_found_while_looking_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that opens but whose inside is damaged: no answer, no exception, said once."""
    geo = tmp_path / "geo"
    install_city(geo, "Munich")
    [file] = files_in_use(geo)
    whole = file.read_bytes()
    tree_end = whole.index(b"Munich") - 200
    file.unlink()
    file.write_bytes(b"\xff" * tree_end + whole[tree_end:])
    places = Places(geo)
    assert places.has_places
    assert places.find_place(V4) is None
    assert places.find_place(V4) is None
    assert len(caplog.records) == 1


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_swapping_under_concurrent_lookups(tmp_path: Path) -> None:
    """Every look-up of every thread has a whole answer, of the file before or of the one after."""
    geo = tmp_path / "geo"
    install_city(geo, "Munich")
    places = Places(geo)
    stop = threading.Event()
    counts = [0, 0, 0]
    seen: list[set[str | None]] = [set(), set(), set()]
    errors: list[BaseException] = []

    def look_up(number: int) -> None:
        try:
            while not stop.is_set():
                seen[number].add(city_of(places, V4))
                counts[number] += 1
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=look_up, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for swap in range(4):
        install_city(geo, "Nuremberg" if swap % 2 == 0 else "Munich")
        assert places.refresh() is True
        before = list(counts)
        while not errors and any(now < then + 10 for now, then in zip(counts, before, strict=True)):
            time.sleep(0.001)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert seen == [{"Munich", "Nuremberg"}] * 3


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of mappings")
def test_old_files_are_released(tmp_path: Path) -> None:
    """After a swap neither the disk nor the memory holds the old database."""
    geo = tmp_path / "geo"
    install_city(geo, "Munich")
    places = Places(geo)
    [old] = files_in_use(geo)
    assert old.name in Path("/proc/self/maps").read_text(encoding="utf-8")
    install_city(geo, "Nuremberg")
    places.refresh()
    assert not old.exists()
    assert old.name not in Path("/proc/self/maps").read_text(encoding="utf-8")
