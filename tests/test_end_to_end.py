"""The main job, through the real processes and public ports: print a code, scan it, see it, retarget it, lose nothing."""

import contextlib
import http.client
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.geo_samples import flat, network, write_database
from tests.postgres import PostgresServer
from tests.running import INSTAGRAM, IPHONE, PIXEL, Running, wait_for

PLACES = {
    "203.0.113.0/24": {**flat("Munich"), "latitude": 48.137, "longitude": 11.575},
    "198.51.100.0/24": {**flat("Lyon", "Auvergne-Rhône-Alpes", "FR"), "latitude": 45.76, "longitude": 4.83},
    "2001:db8::/32": {**flat("Dubai", "Dubai", "AE"), "latitude": 25.2, "longitude": 55.3},
}
TRUST_LOOPBACK = '[proxy]\ntrusted = ["127.0.0.1"]\n'


@pytest.fixture
def waymark(tmp_path: Path) -> Running:
    return Running(tmp_path, TRUST_LOOPBACK)


def test_a_code_is_printed_scanned_seen_and_retargeted(waymark: Running) -> None:
    install_places(waymark)
    with waymark:
        code = waymark.cli_json("code", "add", "https://example.com/menu", "--slug", "menu", "--name", "Menu")
        assert code["short_url"] == f"{waymark.short_url}/menu"
        asked = datetime.now(UTC)

        assert (
            waymark.scan("/MENU", User_Agent=IPHONE, X_Forwarded_For="203.0.113.77")
            .headers["Location"]
            .endswith("menu")
        )
        waymark.scan("/menu", User_Agent=PIXEL, X_Forwarded_For="10.9.9.9, 198.51.100.3")
        waymark.scan("/menu?utm_source=poster&name=secret", User_Agent=INSTAGRAM, X_Forwarded_For="2001:db8:1:2::3")
        waymark.scan("/menu", method="HEAD", User_Agent=IPHONE, X_Forwarded_For="203.0.113.77")
        waymark.scan("/menu", User_Agent=IPHONE, Sec_Purpose="prefetch;prerender", X_Forwarded_For="203.0.113.77")
        wait_for(lambda: len(waymark.all_scans()) == 5, "five scans in the list")

        scans = waymark.all_scans()
        assert [(scan["country"], scan["city"], scan["app"], scan["uncounted_reason"]) for scan in reversed(scans)] == [
            ("DE", "Munich", None, None),
            ("FR", "Lyon", None, None),
            ("AE", "Dubai", "Instagram", None),
            ("DE", "Munich", None, "head"),
            ("DE", "Munich", None, "prefetch"),
        ]
        assert scans[2]["query"] == {"utm_source": "poster"}

        devices = waymark.get("/reports/devices")
        assert devices["total"] == {"scans": 3, "visitors": 3}
        assert {row["name"]: row["scans"] for row in devices["os"]} == {"iOS": 2, "Android": 1}
        cells = waymark.get("/reports/hours")["cells"]
        assert sum(map(sum, cells)) == 3
        assert sum(cells[asked.weekday()]) + sum(cells[datetime.now(UTC).weekday()]) > 0
        regions = {country["country"]: country["regions"] for country in waymark.get("/reports/regions")["countries"]}
        assert regions["FR"][0]["region"] == "Auvergne-Rhône-Alpes"
        assert regions["DE"][0]["cities"][0] | {"visitors": 1} == {
            "city": "Munich",
            "scans": 1,
            "visitors": 1,
            "latitude": 48.1,
            "longitude": 11.6,
        }
        networks = {row["asn"]: row["network"] for row in waymark.get("/reports/networks")["networks"]}
        assert networks == {64500: "Example Net", None: None}

        waymark.program("code", "retarget", "menu", "https://example.org/evening", "--reason", "dinner")
        wait_for(
            lambda: waymark.scan("/menu", method="HEAD").headers["Location"] == "https://example.org/evening",
            "the retarget being live",
        )
        waymark.scan("/menu", User_Agent=PIXEL, X_Forwarded_For="198.51.100.3")
        wait_for(lambda: waymark.get("/reports/versions")["total"]["scans"] == 4, "the fourth counted scan")
        versions = waymark.get("/reports/versions")["versions"]
        assert [(row["version"], row["destination"], row["scans"]) for row in versions] == [
            (2, "https://example.org/evening", 1),
            (1, "https://example.com/menu", 3),
        ]

        waymark.program("code", "undo", "menu")
        wait_for(
            lambda: waymark.scan("/menu", method="HEAD").headers["Location"] == "https://example.com/menu",
            "the undo being live",
        )
        assert waymark.stop() == 0
        waymark.start()
        accounting = waymark.get("/accounting")
        assert accounting["exact"]
        assert accounting["stored"] == accounting["ingested"]


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_kill_9_of_the_public_process_under_load_loses_and_doubles_nothing(waymark: Running) -> None:
    with waymark:
        waymark.program("code", "add", "https://example.com/", "--slug", "load")
        acknowledged: list[str] = []
        stop = threading.Event()
        clients = [threading.Thread(target=scan_until, args=(waymark, n, acknowledged, stop)) for n in range(4)]
        for client in clients:
            client.start()
        for goal in (300, 900):
            wait_for_more(acknowledged, goal)
            waymark.kill("waymark.public")
        wait_for_more(acknowledged, 1500)
        stop.set()
        for client in clients:
            client.join(30)

        wait_for(lambda: set(acknowledged) <= set(stored_ids(waymark)), "every acknowledged scan in the store")
        doubled = [scan for scan, times in Counter(stored_ids(waymark)).items() if times > 1]
        assert doubled == []
        assert waymark.stop() == 0
        waymark.start()
        assert waymark.get("/accounting")["exact"]


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_a_new_place_database_is_taken_up_without_a_restart(waymark: Running) -> None:
    install_places(waymark)
    with waymark:
        waymark.program("code", "add", "https://example.com/", "--slug", "swap")
        moved = write_database(waymark.folder / "moved.mmdb", {"203.0.113.0/24": flat("Garching")}, "Test-City")
        broken = waymark.folder / "broken.mmdb"
        broken.write_bytes(moved.read_bytes()[:-200])

        def city() -> str | None:
            waymark.scan("/swap", method="HEAD", X_Forwarded_For="203.0.113.77")
            scans = waymark.all_scans(code="swap")
            found: str | None = scans[0]["city"] if scans else None
            return found

        wait_for(lambda: city() == "Munich", "the first place database in use")
        waymark.program("geo", "update", str(broken), code=1)
        waymark.program("geo", "update", str(moved))
        wait_for(lambda: city() == "Garching", "the new place database in use")


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
@pytest.mark.postgres
def test_the_same_on_postgresql_with_two_workers(tmp_path: Path, postgres: PostgresServer) -> None:
    settings = f'{TRUST_LOOPBACK}[database]\nurl = "{postgres.new_database()}"\n'
    with Running(tmp_path, settings, workers=2) as waymark:
        waymark.program("code", "add", "https://example.com/one", "--slug", "shared")
        for number in range(20):
            waymark.scan(f"/shared?utm_content={number}", User_Agent=IPHONE, X_Forwarded_For="203.0.113.9")
        wait_for(lambda: len(stored_ids(waymark, "shared")) == 20, "twenty scans")
        assert sorted(map(int, stored_ids(waymark, "shared"))) == list(range(20))
        assert waymark.get("/reports/summary")["total"] == {"scans": 20, "visitors": 1}
        waymark.program("code", "retarget", "shared", "https://example.com/two")

        def everywhere() -> bool:
            targets = {waymark.scan("/shared", method="HEAD").headers["Location"] for _ in range(12)}
            return targets == {"https://example.com/two"}

        wait_for(everywhere, "the retarget in both workers")
        assert waymark.cli_json("doctor")
        assert waymark.stop() == 0


def install_places(waymark: Running) -> None:
    city = write_database(waymark.folder / "city.mmdb", PLACES, "Test-City")
    asn = write_database(
        waymark.folder / "asn.mmdb",
        {"203.0.113.0/24": network(64500, "Example Net")},
        "DBIP-ASN-Lite (compat=GeoLite2-ASN)",
    )
    waymark.program("geo", "update", str(city))
    waymark.program("geo", "update", str(asn))
    status = waymark.cli_json("geo", "status")
    assert [entry["available"] for entry in status["databases"]] == [True, True]


def wait_for_more(acknowledged: list[str], goal: int) -> None:
    wait_for(lambda: len(acknowledged) > goal, f"{goal} acknowledged scans")


def scan_until(waymark: Running, client: int, acknowledged: list[str], stop: threading.Event) -> None:
    """Each scan carries its own id; it counts as acknowledged once the whole answer was read."""
    for number in range(20_000):
        if stop.is_set():
            return
        scan_id = f"{client}-{number}"
        with contextlib.suppress(OSError, http.client.HTTPException):
            if waymark.scan(f"/load?utm_content={scan_id}", User_Agent=IPHONE).status == 302:
                acknowledged.append(scan_id)


def stored_ids(waymark: Running, code: str = "load") -> list[str]:
    return [scan["query"]["utm_content"] for scan in waymark.all_scans(code=code)]
