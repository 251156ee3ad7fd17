"""`waymark doctor`: each check on real files, sockets and databases, then the whole, stopped and running."""

import os
import shutil
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from analytics.store import ScanStore
from dashboard.accounts import Accounts
from database.engine import Database, sqlite_url
from database.migrate import migrate
from geo.refresh import update
from tests.geo_samples import nested, write_database
from tests.running import Running, free_port, wait_for
from waymark.certificates import CertificateError, expiry
from waymark.checks import Check, files, machine, network, stores
from waymark.checks.network import Answer, Asked, Side
from waymark.config import Config, config_from
from waymark.doctor import diagnose
from waymark.lock import data_lock


def config_with(folder: Path, **sections: dict[str, Any]) -> Config:
    free = {"public": {"port": free_port()}, "private": {"port": free_port()}}
    return config_from({**free, **sections, "data": {"dir": "data"}}, folder / "config.toml")


def only(checks: Iterable[Check]) -> Check:
    [check] = checks
    return check


def states(checks: Iterable[Check]) -> list[str]:
    return [check.state for check in checks]


# The machine


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ((3, 6, 23), "ok"),
        ((3, 7, 0), "warn"),
        ((3, 40, 1), "warn"),
        ((3, 44, 5), "warn"),
        ((3, 44, 6), "ok"),
        ((3, 50, 7), "ok"),
        ((3, 51, 2), "warn"),
        ((3, 51, 3), "ok"),
        ((3, 53, 0), "ok"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_the_wal_reset_bug_by_version(version: tuple[int, int, int], state: str) -> None:
    check = only(machine.check_sqlite(version))
    assert check.state == state
    assert ("one connection at a time" in check.says) == (state == "warn")


@pytest.mark.parametrize(
    ("moment", "state"),
    [(datetime(1970, 1, 1, tzinfo=UTC), "fail"), (datetime(2026, 11, 21, tzinfo=UTC), "ok")],
    ids=["a machine without a battery", "a sane one"],
)
def test_the_year(moment: datetime, state: str) -> None:
    assert only(machine.check_clock(None, moment.timestamp())).state == state


def test_files_get_the_time_of_the_clock(tmp_path: Path) -> None:
    assert only(machine.check_clock(tmp_path)).state == "ok"


@pytest.mark.parametrize(
    ("hard", "state"),
    [(64, "fail"), (1024, "warn"), (4096, "ok"), (-1, "ok")],
    ids=["few", "usual", "good", "no limit"],
)
def test_open_files(hard: int, state: str) -> None:
    assert only(machine.check_open_files((64, hard))).state == state


def test_the_web_assets(tmp_path: Path) -> None:
    missing = only(machine.check_web_assets(tmp_path))
    assert missing.state == "fail"
    assert "npm run build" in str(missing.remedy)


def test_what_this_machine_has_is_named() -> None:
    for check in (machine.check_python, machine.check_time_zones, machine.check_user_agents):
        assert only(check()).says


# Files


def test_a_data_folder_before_the_first_start(tmp_path: Path) -> None:
    config = config_with(tmp_path)
    assert only(files.check_data_folder(config)).state == "ok"
    assert states(files.check_secrets(config.data_dir)) == []
    assert states(files.check_journal(config.data_dir / "journal")) == []
    assert only(stores.check_control_database(config)).state == "ok"
    assert only(stores.check_scan_store(config, running=False)).state == "ok"


@pytest.mark.parametrize(("mode", "state"), [(0o700, "ok"), (0o750, "warn"), (0o755, "warn")])
def test_the_mode_of_the_data_folder(tmp_path: Path, mode: int, state: str) -> None:
    config = config_with(tmp_path)
    config.data_dir.mkdir()
    config.data_dir.chmod(mode)
    check = only(files.check_data_folder(config))
    assert check.state == state
    assert (check.remedy or "").startswith("`chmod 700") == (state == "warn")


def test_a_file_where_the_data_folder_belongs(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert only(files.check_data_folder(config_with(tmp_path))).state == "fail"


@pytest.mark.parametrize(("mode", "state"), [(0o600, "ok"), (0o640, "fail"), (0o644, "fail")])
@pytest.mark.parametrize("name", files.SECRETS)
def test_secrets_are_for_one_user(tmp_path: Path, name: str, mode: int, state: str) -> None:
    (tmp_path / name).touch()
    (tmp_path / name).chmod(mode)
    assert only(files.check_secrets(tmp_path)).state == state


def test_a_journal_from_the_future_tells_of_a_wrong_clock(tmp_path: Path) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    for days in (-1, 3):
        started_ms = int((now + timedelta(days=days)).timestamp() * 1000)
        (tmp_path / f"public-{days + 1}.{started_ms:013d}.000001.jsonl").write_bytes(b"[]\n")
    ahead, counted = files.check_journal(tmp_path, now)
    assert (ahead.state, counted.state) == ("warn", "ok")
    assert "2026-11-24" in ahead.says
    assert "2 segments" in counted.says
    assert states(files.check_journal(tmp_path, now + timedelta(days=4))) == ["ok"]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A folder with tls.crt, good for 30 days, and tls.key."""
    if not shutil.which("openssl"):
        if os.environ.get("WAYMARK_REQUIRE_ALL") == "1":
            pytest.fail("openssl is not installed; it makes the certificate for this test")
        pytest.skip("openssl is not installed; it makes the certificate for this test")
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=w.example", "-days", "30", "-keyout", "tls.key", "-out", "tls.crt"]
    subprocess.run([*request, *names], check=True, capture_output=True, cwd=tmp_path)
    return tmp_path


@pytest.mark.parametrize(("later", "state"), [(0, "ok"), (20, "warn"), (40, "fail")])
def test_the_end_of_a_certificate(certificate: Path, later: int, state: str) -> None:
    config = config_with(
        certificate,
        public={"tls_cert": str(certificate / "tls.crt"), "tls_key": str(certificate / "tls.key")},
    )
    (certificate / "tls.key").chmod(0o600)
    check = only(files.check_tls(config, datetime.now(UTC) + timedelta(days=later)))
    assert check.state == state


def test_the_end_is_what_openssl_says(certificate: Path) -> None:
    said = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate", "-in", str(certificate / "tls.crt")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    written = datetime.strptime(said.strip().removeprefix("notAfter="), "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    assert expiry(certificate / "tls.crt") == written


def test_a_key_for_another_certificate_or_for_all_to_read(certificate: Path) -> None:
    paths = {"tls_cert": str(certificate / "tls.crt"), "tls_key": str(certificate / "tls.key")}
    (certificate / "tls.key").chmod(0o644)
    assert states(files.check_tls(config_with(certificate, public=paths))) == ["ok", "warn"]
    (certificate / "tls.key").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    assert only(files.check_tls(config_with(certificate, public=paths))).state == "fail"


@pytest.mark.parametrize("text", ["", "hello", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"])
def test_no_certificate_at_all(tmp_path: Path, text: str) -> None:
    (tmp_path / "tls.crt").write_text(text)
    with pytest.raises(CertificateError):
        expiry(tmp_path / "tls.crt")


# The network


class Stranger(BaseHTTPRequestHandler):
    """Some other program."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"[1, 2]")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the parent's name for it
        pass


@pytest.fixture
def stranger_port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_a_free_port_a_taken_one_and_none(tmp_path: Path, stranger_port: int) -> None:
    config = config_with(tmp_path, private={"port": stranger_port})
    public, private = network.find_public(config), network.find_private(config)
    assert (public.answer, private.answer) == (Answer.NOBODY, Answer.STRANGER)
    assert only(network.check_port(config, public)).state == "ok"
    taken = only(network.check_port(config, private))
    assert taken.state == "fail"
    assert "another [private] port" in str(taken.remedy)
    any_port = config_with(tmp_path, public={"port": 0})
    assert only(network.check_port(any_port, network.find_public(any_port))).state == "warn"


def test_a_port_held_by_something_that_is_no_web_server(tmp_path: Path) -> None:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))  # bound without listening: connecting is refused, and so is binding
        config = config_with(tmp_path, public={"port": bound.getsockname()[1]})
        check = only(network.check_port(config, network.find_public(config)))
    assert check.state == "fail"
    assert "taken" in check.says


OURS, NOBODY = Answer.OURS, Answer.NOBODY
READY, LOADING = {"ready": True}, {"ready": False, "routes": "loading"}


@pytest.mark.parametrize(
    ("public", "private", "locked", "facts", "expected"),
    [
        (NOBODY, NOBODY, False, None, ["ok"]),
        (OURS, OURS, True, READY, ["ok"]),
        (OURS, NOBODY, False, READY, ["warn"]),
        (NOBODY, OURS, True, None, ["warn"]),
        (NOBODY, NOBODY, True, None, ["warn"]),
        (OURS, OURS, True, LOADING, ["ok", "warn"]),
    ],
    ids=["stopped", "running", "only public", "only private", "starting or elsewhere", "not ready"],
)
def test_the_service_as_a_whole(
    public: Answer, private: Answer, locked: bool, facts: dict[str, object] | None, expected: list[str]
) -> None:
    sides = Side("public", "127.0.0.1", 8080, public, facts), Side("private", "127.0.0.1", 8081, private)
    assert states(network.check_sides(*sides, locked=locked)) == expected


@pytest.mark.parametrize(
    ("sections", "state", "says"),
    [
        ({}, "ok", "none is trusted"),
        ({"proxy": {"trusted": ["10.0.0.0/8"]}}, "ok", "10.0.0.0/8 may name the client in x-forwarded-for"),
        ({"proxy": {"trusted": ["0.0.0.0/0"]}}, "fail", "everybody"),
        ({"proxy": {"trusted": ["::/0"]}}, "fail", "everybody"),
        ({"proxy": {"header": "x forwarded"}}, "fail", "no header name"),
        ({"public": {"base_url": "https://w.example"}}, "warn", "a proxy is in front"),
        ({"public": {"base_url": "https://w.example", "host": "0.0.0.0"}}, "ok", "none is trusted"),
    ],
)
def test_proxy_settings(tmp_path: Path, sections: dict[str, Any], state: str, says: str) -> None:
    check = only(network.check_proxy(config_with(tmp_path, **sections)))
    assert check.state == state
    assert says in check.says


@pytest.mark.parametrize(
    ("trusted", "sender", "headers", "state", "says"),
    [
        ([], "127.0.0.1", [], "ok", "counts as 127.0.0.1: the connection itself"),
        ([], "203.0.113.9", ["X-Forwarded-For: 198.51.100.7"], "warn", "counts as 203.0.113.9"),
        (["203.0.113.9"], "203.0.113.9", ["X-Forwarded-For: 198.51.100.7"], "ok", "Written as 198.51.100.0/24"),
        (["203.0.113.9"], "203.0.113.9", ["X-Real-IP: 198.51.100.7"], "warn", "Not believed: x-real-ip"),
        (["10.0.0.0/8"], "203.0.113.9", [], "ok", "not in [proxy] trusted"),
        ([], "2001:db8:1:2::3", [], "ok", "Written as 2001:db8:1::/48"),
    ],
    ids=["default", "no trust", "trusted proxy", "wrong header", "a stranger", "IPv6"],
)
def test_which_address_a_scan_gets_and_why(
    tmp_path: Path, trusted: list[str], sender: str, headers: list[str], state: str, says: str
) -> None:
    config = config_with(tmp_path, proxy={"trusted": trusted})
    check = only(network.check_client_address(config, Asked.parse(sender, headers)))
    assert check.state == state
    assert says in check.says


# What is kept


@pytest.mark.anyio
async def test_the_control_database_and_its_owner(tmp_path: Path) -> None:
    config = config_with(tmp_path)
    config.data_dir.mkdir()
    database = await Database.open(sqlite_url(config.data_dir / "waymark.db"))
    assert [check.topic for check in await stores.control_database(config)] == ["control database"]
    await migrate(database)
    checks = {check.topic: check for check in await stores.control_database(config)}
    assert {topic: check.state for topic, check in checks.items()} == {"control database": "ok", "owner": "warn"}
    assert "WAL mode" in checks["control database"].says
    accounts = Accounts(database)
    token, _purpose = await accounts.create_owner_link()
    await accounts.use_setup_link(token, email="ops@example.org", name="Ops", password="a long password")
    assert states(await stores.control_database(config)) == ["ok", "ok"]
    await database.close()


def test_a_control_database_that_is_gone_is_no_new_installation(tmp_path: Path) -> None:
    config = config_with(tmp_path)
    config.data_dir.mkdir()
    assert states(stores.check_control_database(config)) == ["ok"]
    (config.data_dir / "routes.snapshot").write_bytes(b"")
    check = only(stores.check_control_database(config))
    assert (check.state, "is gone" in check.says) == ("fail", True)
    assert "waymark restore" in (check.remedy or "")


def new_database(config: Config) -> Path:
    config.data_dir.mkdir()
    path = config.data_dir / "waymark.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('0000')")
        connection.commit()
    return path


def test_an_older_schema_without_wal(tmp_path: Path) -> None:
    config = config_with(tmp_path)
    new_database(config)
    mode, schema = stores.check_control_database(config)
    assert (mode.state, schema.state) == ("warn", "warn")
    assert "journal mode is delete" in mode.says
    assert "its schema is 0000" in schema.says


@pytest.mark.parametrize("damage", ["not a database", "page overwritten"])
def test_a_damaged_control_database(tmp_path: Path, damage: str) -> None:
    config = config_with(tmp_path)
    path = new_database(config)
    if damage == "not a database":
        path.write_bytes(b"hello" * 1000)
    else:
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 4096)
    checks = list(stores.check_control_database(config))
    assert "fail" in states(checks)


def test_a_scan_store_that_is_sound_held_or_broken(tmp_path: Path) -> None:
    config = config_with(tmp_path)
    config.data_dir.mkdir()
    path = config.data_dir / "scans.duckdb"
    store = ScanStore.open(path)
    store.close()
    counted, accounting = stores.check_scan_store(config, running=False)
    assert (counted.says, accounting.state) == ("0 scans", "ok")
    path.write_bytes(b"hello" * 1000)
    broken = only(stores.check_scan_store(config, running=False))
    assert broken.state == "fail"
    assert "rebuilds it from backup and journal" in str(broken.remedy)


def run_of(**changes: Any) -> dict[str, Any]:
    sound = {"run": "public-0.1", "answered": 10, "recorded": 10, "pending": 0, "lost": 0}
    return {**sound, "seen_scans": 10, "seen_corrupt": 0, "exact": True, **changes}


@pytest.mark.parametrize(
    ("runs", "expected", "says"),
    [
        ([], ["ok"], "exact: 0 answered"),
        ([run_of(), run_of(run="public-1.1")], ["ok"], "exact: 20 answered, 20 found, in 2 runs"),
        ([run_of(recorded=7, lost=3, seen_scans=7)], ["warn"], "3 scans could not be recorded"),
        ([run_of(seen_scans=9, seen_corrupt=1)], ["warn"], "1 lines were damaged"),
        ([run_of(seen_scans=8, exact=False)], ["fail"], "found in its journal: 8"),
        ([run_of(recorded=9, pending=1, seen_scans=9)], ["warn"], "1 scans wait in memory"),
    ],
    ids=["no run yet", "exact", "lost", "damaged", "not exact", "waiting"],
)
def test_the_accounting_identity(runs: list[dict[str, Any]], expected: list[str], says: str) -> None:
    checks = list(stores.accounting_checks(runs))
    assert states(checks) == expected
    assert says in checks[0].says


def test_place_databases(tmp_path: Path) -> None:
    config = config_with(tmp_path)
    assert states(stores.check_places(config)) == ["warn", "warn"]
    given = write_database(tmp_path / "given.mmdb", {"203.0.113.0/24": nested("Munich")}, "DBIP-City-Lite")
    update(config.data_dir / "geo", str(given))
    city, _asn = stores.check_places(config)
    assert (city.state, "DB-IP" in city.says) == ("ok", True)
    for path in (config.data_dir / "geo").glob("*.mmdb"):
        path.write_bytes(b"garbage")
    assert states(stores.check_places(config)) == ["fail", "warn"]


# The whole


def test_a_broken_configuration_leaves_the_machine(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[data]\ndri = "x"\n')
    checks = list(diagnose(str(tmp_path / "config.toml"), Asked.parse("127.0.0.1", [])))
    assert checks[0].state == "fail"
    assert "'dir'" in checks[0].says
    assert {"clock", "SQLite", "Python"} <= {check.topic for check in checks}


def test_a_fresh_folder_has_nothing_that_fails(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f"[public]\nport = {free_port()}\n[private]\nport = {free_port()}\n")
    checks = list(diagnose(str(tmp_path / "config.toml"), Asked.parse("127.0.0.1", [])))
    failed = {check.topic for check in checks if check.state == "fail"}
    assert failed <= {"web assets", "open files", "disk"}  # what depends on the machine the tests run on
    with_remedy = {check.topic for check in checks if check.remedy}
    assert {check.topic for check in checks if check.state != "ok"} <= with_remedy


def test_a_running_service_and_a_stopped_one(tmp_path: Path) -> None:
    with Running(tmp_path) as waymark:
        waymark.cli("code", "add", "https://example.com", "--slug", "doctor")
        for _ in range(3):
            waymark.scan("/doctor")
        wait_for(lambda: len(waymark.all_scans()) == 3, "the scans in the store")
        asked = Asked.parse("127.0.0.1", [])
        running = {check.topic: check for check in diagnose(str(waymark.config), asked)}
        assert running["service"].says == "running, both sides"
        assert running["public port"].says.endswith("Waymark answers")
        assert running["secrets"].state == running["data folder"].state == "ok"
        assert running["accounting"].state == "ok"
        assert running["owner"].state == "warn"
    stopped = {check.topic: check for check in diagnose(str(waymark.config), asked)}
    assert stopped["service"].says.startswith("stopped")
    assert stopped["scan store"].says == "3 scans"
    assert stopped["accounting"].says == "exact: 3 answered, 3 found, in 1 run"
    with data_lock(waymark.data):
        held = {check.topic: check for check in diagnose(str(waymark.config), asked)}
    assert held["service"].state == "warn"
