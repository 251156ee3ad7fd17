"""Downloads that go wrong, and every way a database may be packed."""

import gzip
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from geo.errors import GeoError
from geo.refresh import update
from tests.geo_samples import (
    PACKINGS,
    Answer,
    WebServer,
    assert_tidy,
    city_bytes,
    city_now,
    dripping,
    nested,
    running_server,
    silent,
    tar_of,
    write_database,
)


@pytest.fixture
def geo(tmp_path: Path) -> Path:
    return tmp_path / "geo"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running_server() as server:
        yield server


def interrupted(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    request.wfile.write(b"\x1f\x8b" + bytes(5000))
    request.close_connection = True


def redirecting_in_a_circle(request: BaseHTTPRequestHandler) -> None:
    request.send_response(302)
    request.send_header("Location", request.path)
    request.end_headers()


# What comes instead of a sound database: (plain words, answer made of the server and a sound one, message).
BROKEN: list[tuple[str, Callable[[WebServer, bytes], bytes | Answer], str]] = [
    ("a server that never answers", lambda web, _: silent(web), "longer than|in time"),
    ("a server that drips", lambda web, _: dripping(web), "longer than"),
    ("an interrupted download", lambda *_: interrupted, "could not be fetched"),
    ("a redirect in a circle", lambda *_: redirecting_in_a_circle, "could not be fetched"),
    ("a web page", lambda *_: b"<!DOCTYPE html><title>Sign in</title>" * 50, "a web page"),
    ("a web page, compressed", lambda *_: gzip.compress(b"<html>Sign in</html>"), "a web page"),
    ("a truncated gzip", lambda _, whole: gzip.compress(whole)[:-200], "cut short or damaged"),
    ("a truncated database", lambda _, whole: whole[: len(whole) // 2], "cut short"),
    ("a damaged database", lambda _, whole: b"\xff" * (len(whole) - 600) + whole[-600:], "damaged|cannot be read"),
    ("a zip archive", lambda *_: b"PK\x03\x04" + bytes(100), "a zip archive"),
    ("a tar without a database", lambda *_: tar_of({"README.txt": b"hello"}), "holds no .mmdb file"),
    ("a truncated tar", lambda *_: tar_of({"x/GeoLite2-City.mmdb": bytes(5000)}, "w")[:3000], "cut short"),
    ("an empty answer", lambda *_: b"", "empty"),
    ("an oversized file", lambda *_: bytes(300_000), "larger than"),
    ("a small file that unpacks to a large one", lambda *_: gzip.compress(bytes(300_000)), "larger than"),
]


@pytest.mark.parametrize(("answer", "message"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_download_is_refused(
    geo: Path, tmp_path: Path, web: WebServer, answer: Callable[[WebServer, bytes], bytes | Answer], message: str
) -> None:
    """The database in use stays, and nothing is left behind."""
    update(geo, str(write_database(tmp_path / "old.mmdb", {"203.0.113.0/24": nested("Old")})))
    web.files["/city.mmdb"] = answer(web, city_bytes(tmp_path))
    limit_s = 0.5 if "longer than" in message else 30.0  # a busy machine must not run into it
    with pytest.raises(GeoError, match=message):
        update(geo, f"{web.url}/city.mmdb", limit_s=limit_s, max_bytes=200_000)
    assert city_now(geo) == "Old"
    assert_tidy(geo)


def test_a_database_of_something_else_is_refused(geo: Path, tmp_path: Path) -> None:
    given = write_database(tmp_path / "given.mmdb", {"203.0.113.0/24": {"is_proxy": True}}, "Proxies")
    with pytest.raises(GeoError, match=r"given.mmdb|Proxies"):
        update(geo, str(given))
    assert_tidy(geo)


def test_nobody_answers(geo: Path, web: WebServer) -> None:
    with pytest.raises(GeoError, match="could not be fetched"):
        update(geo, "http://127.0.0.1:1/city.mmdb")
    assert_tidy(geo)


@pytest.mark.parametrize("pack", [case[1] for case in PACKINGS], ids=[case[0] for case in PACKINGS])
def test_url_in_every_packing(geo: Path, tmp_path: Path, web: WebServer, pack: Callable[[bytes], bytes]) -> None:
    """The name says nothing, the content all; and a key in the address stays out of the note."""
    web.files["/data?token=secret"] = pack(city_bytes(tmp_path))
    report = update(geo, web.url.replace("//", "//user:password@") + "/data?token=secret")
    assert [installed.edition.origin for installed in report.installed] == [f"{web.url}/data"]
    assert city_now(geo) == "Munich"
    assert_tidy(geo)


@pytest.mark.parametrize("url", ["http://[::1", "http://", "https://:0/", "http://exa mple/"])
def test_url_that_is_none(geo: Path, url: str) -> None:
    with pytest.raises(GeoError):
        update(geo, url)


def test_key_stays_out_of_messages(geo: Path, web: WebServer) -> None:
    with pytest.raises(GeoError, match="answered 404") as caught:
        update(geo, web.url.replace("//", "//user:password@") + "/none?token=secret")
    assert "secret" not in str(caught.value)
    assert "password" not in str(caught.value)
