"""The rules of HTTP that both listeners hold, on real sockets: what is refused, how, and that nothing gets past it."""

import asyncio
import contextlib
import logging
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from codes.codes import NewCode, create_code
from codes.destinations import DestinationPolicy
from codes.domains import ensure_default_domain
from database.engine import Database, sqlite_url
from database.migrate import migrate
from redirector import fast, listener
from redirector.app import PublicSettings, create_public_app
from redirector.facts import ProxyTrust
from redirector.framing import Refusal, body_framing
from redirector.listener import Gate, protocol_with
from redirector.records import Scan, parse_line
from tests.running import Running, wait_for
from waymark.server import Server

WITHIN_S = 10
SMUGGLED = b"GET {other} HTTP/1.1\r\nHost: localhost\r\n\r\n"


def head(*headers: str, line: str = "GET {path} HTTP/1.1", host: str = "localhost") -> bytes:
    return ("\r\n".join([line, f"Host: {host}", *headers]) + "\r\n\r\n").encode("latin-1")


def post(*headers: str) -> bytes:
    return head(*headers, line="POST {path} HTTP/1.1")


CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = b"3\r\nabc\r\n0\r\n\r\n"

# What is sent in front of a smuggled request, and the one status it is refused with.
MALFORMED: dict[str, tuple[bytes, int]] = {
    "length, then coding": (post("Content-Length: 3", CHUNKED) + CHUNKS, 400),
    "coding, then length": (post(CHUNKED, "Content-Length: 3") + CHUNKS, 400),
    "coding xchunked": (post("Transfer-Encoding: xchunked") + CHUNKS, 501),
    "coding with a vertical tab": (post("Transfer-Encoding: \x0bchunked") + CHUNKS, 400),
    "coding with a tab before": (post("Transfer-Encoding:\tchunked") + CHUNKS, 501),
    "coding with a tab behind": (post("Transfer-Encoding: chunked\t") + CHUNKS, 501),
    "chunked, identity": (post("Transfer-Encoding: chunked, identity") + CHUNKS, 501),
    "identity": (post("Transfer-Encoding: identity"), 501),
    "gzip, chunked": (post("Transfer-Encoding: gzip, chunked") + CHUNKS, 501),
    "empty coding": (post("Transfer-Encoding:"), 501),
    "quoted coding": (post('Transfer-Encoding: "chunked"') + CHUNKS, 501),
    "coding twice": (post(CHUNKED, CHUNKED) + CHUNKS, 400),
    "coding in HTTP/1.0": (head(CHUNKED, line="POST {path} HTTP/1.0") + CHUNKS, 400),
    "length twice, the same": (post("Content-Length: 3", "Content-Length: 3") + b"abc", 400),
    "length twice, different": (post("Content-Length: 0", "Content-Length: 44"), 400),
    "length as a list": (post("Content-Length: 3, 3") + b"abc", 400),
    "length +5": (post("Content-Length: +5"), 400),
    "length 5 and words": (post("Content-Length: 5 5"), 400),
    "length with a tab": (post("Content-Length: 5\t"), 400),
    "length in hex": (post("Content-Length: 0x5"), 400),
    "negative length": (post("Content-Length: -1"), 400),
    "empty length": (post("Content-Length:"), 400),
    "length with an underscore": (post("Content-Length: 1_0"), 400),
    "length in superscript": (post("Content-Length: \xb2"), 400),
    "huge length": (post("Content-Length: 99999999999999999999"), 400),
    "folded line": (head("X-A: 1\r\n 2"), 400),
    "folded line with a tab": (head("X-A: 1\r\n\t2"), 400),
    "first header folded": (b"GET {path} HTTP/1.1\r\n Host: localhost\r\n\r\n", 400),
    "space before the colon": (post("Transfer-Encoding : chunked") + CHUNKS, 400),
    "tab before the colon": (post("Content-Length\t: 3"), 400),
    "no name": (head(": value"), 400),
    "no colon": (head("nonsense"), 400),
    "bare line feeds": (b"GET {path} HTTP/1.1\nHost: localhost\n\n", 400),
    "a bare line feed ends a line": (b"GET {path} HTTP/1.1\r\nHost: localhost\nX-A: 1\r\n\r\n", 400),
    "a bare line feed ends the head": (b"GET {path} HTTP/1.1\r\nHost: localhost\r\n\n", 400),
    "a bare carriage return in a value": (head("X-A: 1\r2"), 400),
    "a bare carriage return ends a line": (head("X-A: 1\rContent-Length: 44"), 400),
    "NUL in a value": (head("X-A: a\0b"), 400),
    "NUL in a name": (head("X\0A: 1"), 400),
    "NUL in the target": (head(line="GET {path}\0 HTTP/1.1"), 400),
    "DEL in a value": (head("X-A: \x7f"), 400),
    "non-ASCII in the target": (head(line="GET {path}\xfc HTTP/1.1"), 400),
    "non-ASCII in a name": (head("X-\xfc: 1"), 400),
    "tabs in the first line": (head(line="GET\t{path}\tHTTP/1.1"), 400),
    "two spaces in the first line": (head(line="GET  {path} HTTP/1.1"), 400),
    "a space in the target": (head(line="GET {path} x HTTP/1.1"), 400),
    "a space behind the version": (head(line="GET {path} HTTP/1.1 "), 400),
    "no Host": (b"GET {path} HTTP/1.1\r\nX-A: 1\r\n\r\n", 400),
    "no Host in HTTP/1.0": (b"GET {path} HTTP/1.0\r\n\r\n", 400),
    "two Hosts": (head("Host: localhost"), 400),
    "two different Hosts": (head("host: other.example"), 400),
    "an absolute target with another host": (head(line="GET http://other.example{path} HTTP/1.1"), 400),
    "an absolute target with a user": (head(line="GET http://localhost@other.example{path} HTTP/1.1"), 400),
    "a target without a slash": (head(line="GET nothing HTTP/1.1"), 400),
    "HTTP/0.9": (b"GET {path}\r\n\r\n", 400),
    "HTTP/1.2": (head(line="GET {path} HTTP/1.2"), 400),
    "HTTP/2.0": (head(line="GET {path} HTTP/2.0"), 400),
    "http/1.1 in small letters": (head(line="GET {path} http/1.1"), 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "unknown method": (head(line="BREW {path} HTTP/1.1"), 400),
    "small method": (head(line="get {path} HTTP/1.1"), 400),
    "CONNECT": (head(line="CONNECT localhost:80 HTTP/1.1"), 501),
    "CONNECT with a body": (head(f"Content-Length: {len(SMUGGLED)}", line="CONNECT localhost:80 HTTP/1.1"), 501),
    "two empty lines first": (b"\r\n\r\n" + head(), 400),
    "chunk size that is none": (post(CHUNKED) + b"zz\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size too large": (post(CHUNKED) + b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n", 400),
    "negative chunk size": (post(CHUNKED) + b"-3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with 0x": (post(CHUNKED) + b"0x3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk longer than said": (post(CHUNKED) + b"3\r\nabcdef\r\n0\r\n\r\n", 400),
    "chunk ended by a bare line feed": (post(CHUNKED) + b"3\nabc\n0\n\n", 400),
    "101 headers": (head(*(f"X-{n}: 1" for n in range(100))), 431),
    "a head over 16 KB": (head("X-Long: " + "a" * 16_400), 431),
    "100 KB without an end": (b"GET {path} HTTP/1.1\r\nX-Long: " + b"a" * 100_000, 431),
    "a target over 16 KB": (head(line="GET {path}" + "a" * 17_000 + " HTTP/1.1"), 431),
}

# Sound, but the connection ends with the answer: a second request behind it is neither answered nor recorded.
LAST_ON_THEIR_CONNECTION: dict[str, bytes] = {
    "a chunked body": post(CHUNKED) + CHUNKS,
    "chunk extensions": post(CHUNKED) + b'3;a=b;c="d"\r\nabc\r\n0;x\r\n\r\n',
    "trailers": post(CHUNKED) + b"3\r\nabc\r\n0\r\nX-Trailer: 1\r\nHost: other.example\r\n\r\n",
    "a chunked body with a GET": head(CHUNKED) + CHUNKS,
    "connection close": head("Connection: close"),
    "OPTIONS *": head("Connection: close", line="OPTIONS * HTTP/1.1"),
    "HTTP/1.0": head(line="GET {path} HTTP/1.0"),
}


def talk(port: int, data: bytes, *, half_close: bool = False, within_s: float = WITHIN_S) -> bytes:
    """All that comes back until the server ends the connection; fails when it does not."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=within_s)) as connection:
        with contextlib.suppress(OSError):  # it may be refused before the last byte has left
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        return read_to_the_end(connection)


def read_to_the_end(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            received += part
    return received


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


class Side:
    """One listener of a running installation, and what its journal says."""

    def __init__(self, port: int, path: str, other: str, journal: Path) -> None:
        self.port = port
        self._names = {b"{path}": path.encode(), b"{other}": other.encode()}
        self._journal = journal

    def fill(self, data: bytes) -> bytes:
        for name, value in self._names.items():
            data = data.replace(name, value)
        return data

    def scans(self) -> int:
        return len(journal_scans(self._journal))


def journal_scans(folder: Path) -> list[Scan]:
    lines = (line for path in sorted(folder.glob("public-*.jsonl")) for line in path.read_bytes().splitlines())
    return [record for line in lines if isinstance(record := parse_line(line), Scan)]


def complaints(log: str) -> list[str]:
    words = ("Traceback", "Error", "ERROR", "CRITICAL", "never retrieved", "exception", "WARNING")
    return [line for line in log.splitlines() if any(word in line for word in words)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The real processes; their log must stay clean whatever the tests send."""
    with Running(tmp_path_factory.mktemp("listener")) as waymark:
        waymark.cli("code", "add", "https://example.com/", "--slug", "spring")
        wait_for(lambda: waymark.scan("/spring").status == 302, "the code being live")
        yield waymark
        assert complaints(waymark.log.read_text()) == []


@pytest.fixture(params=["public", "private"])
def side(request: pytest.FixtureRequest, running: Running) -> Side:
    journal = running.data / "journal"
    if request.param == "public":
        return Side(running.public_port, "/spring", "/spring", journal)
    return Side(running.private_port, "/-/health", "/-/health", journal)


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_requests_are_refused_in_words_and_end_the_connection(side: Side, case: str) -> None:
    data, status = MALFORMED[case]
    before = side.scans()
    received = talk(side.port, side.fill(data + SMUGGLED))
    answered_before_the_body = statuses(received)[:1] == [405] and data.startswith(b"POST")
    if answered_before_the_body and status == 400:
        assert statuses(received) == [405]  # the answer did not need the broken chunks
    else:
        assert statuses(received) == [status]
        answer, _, text = received.partition(b"\r\n\r\n")
        assert b"content-type: text/plain" in answer
        assert len(text) > 20
    assert b"connection: close" in received
    assert side.scans() == before


@pytest.mark.parametrize("case", LAST_ON_THEIR_CONNECTION)
def test_nothing_behind_a_last_request_is_answered_or_recorded(side: Side, case: str) -> None:
    before = side.scans()
    received = talk(side.port, side.fill(LAST_ON_THEIR_CONNECTION[case] + SMUGGLED))
    assert len(statuses(received)) == 1
    assert statuses(received)[0] in (200, 302, 404, 405)
    assert b"connection: close" in received
    assert side.scans() - before == (statuses(received) == [302])


def test_pipelined_requests_are_answered_in_order_and_a_malformed_one_takes_no_answer_along(side: Side) -> None:
    good, unknown = side.fill(head()), head(line="GET /-/nothing HTTP/1.1")
    expected = statuses(talk(side.port, side.fill(head("Connection: close"))))
    received = talk(side.port, good + unknown + good + side.fill(MALFORMED["two Hosts"][0]) + good)
    assert statuses(received) == [*expected, 404, *expected, 400]


def test_one_empty_line_before_a_request_is_ignored_wherever_it_is_split(side: Side) -> None:
    with closing(socket.create_connection(("127.0.0.1", side.port), timeout=WITHIN_S)) as connection:
        for part in (b"\r", b"\n", side.fill(head("Connection: close"))):
            connection.sendall(part)
            time.sleep(0.02)
        assert statuses(read_to_the_end(connection))[0] in (200, 302)


def test_a_client_that_half_closes_gets_its_answer(side: Side) -> None:
    assert statuses(talk(side.port, side.fill(head()), half_close=True)) in ([200], [302])
    assert statuses(talk(side.port, head(line="GET /-/nothing HTTP/1.1"), half_close=True)) == [404]


def test_garbage_of_a_thousand_connections_leaves_no_memory_behind(running: Running) -> None:
    pid = running.child_pid("waymark.public")
    assert pid is not None
    garbage = b"GET /spring HTTP/1.1\r\n" + b"X-Garbage: " + b"g" * 100_000
    for _ in range(50):
        talk(running.public_port, garbage)
    before = resident_kb(pid)
    for _ in range(1_000):
        assert statuses(talk(running.public_port, garbage)) in ([431], [])  # [] when the reset overtakes it
    assert resident_kb(pid) - before < 10_000


def resident_kb(pid: int) -> int:
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match
    return int(match[1])


# What follows runs the protocols in this process, behind shorter limits and an app that can be slow.


@contextmanager
def served(app: Any, gate: Gate, http: type[asyncio.Protocol]) -> Iterator[int]:
    config = uvicorn.Config(
        app, http=http, ws="none", loop="uvloop", log_config=None, proxy_headers=False, server_header=False
    )
    server = Server(config, gate, None)
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port: int = listening.getsockname()[1]
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)  # so that who does not read is felt soon
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        wait_for(lambda: server.started or not thread.is_alive(), "the server")
        try:
            yield port
        finally:
            server.should_exit = True
            thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def clean_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


@dataclass(frozen=True)
class SlowApp:
    """/slow takes a while, /length reads the body, /header tells a header; limits of fractions of a second."""

    port: int
    gate: Gate


@pytest.fixture(scope="module")
def slow_app_of_module() -> Iterator[SlowApp]:
    async def slow(_request: Request) -> Response:
        await asyncio.sleep(0.6)
        return PlainTextResponse("slow")

    async def length(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    async def header(request: Request) -> Response:
        await request.body()
        return PlainTextResponse(",".join(request.headers.getlist("x-forwarded-for")))

    async def large(_request: Request) -> Response:
        return PlainTextResponse("x" * 20_000_000)

    routes = [
        Route("/slow", slow),
        Route("/length", length, methods=["POST"]),
        Route("/header", header, methods=["POST"]),
        Route("/large", large),
    ]
    gate = Gate()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listener, "HEAD_WITHIN_S", 0.3)
        patch.setattr(listener, "BODY_WITHIN_S", 0.3)
        patch.setattr(listener.LimitedProtocol, "idle_within_s", 0.6)
        patch.setattr("waymark.server.SWEEP_EVERY_S", 0.05)
        with served(Starlette(routes=routes), gate, protocol_with(gate)) as port:
            yield SlowApp(port, gate)


@pytest.fixture
def slow_app(slow_app_of_module: SlowApp, clean_log: None) -> Iterator[int]:
    gate = slow_app_of_module.gate
    yield slow_app_of_module.port
    wait_for(lambda: not gate.open, "every connection being forgotten")


def to(path: str, *headers: str, method: str = "GET") -> bytes:
    return head(*headers, line=f"{method} {path} HTTP/1.1")


def body_to(path: str, *headers: str) -> bytes:
    return to(path, *headers, method="POST")


BEHIND_A_SLOW_ANSWER: dict[str, tuple[bytes, list[int]]] = {
    "a malformed request": (head(line="GET /a HTTP/3"), [200, 400]),
    "a method the parser does not know": (to("/a", method="BREW"), [200, 400]),
    "half a head": (b"GET /slow HT", [200, 408]),
    "half a body": (body_to("/length", "Content-Length: 10") + b"abc", [200, 408]),
    "a body that is none": (body_to("/length", CHUNKED) + b"zz\r\n", [200, 400]),
    "another one, then a malformed one": (to("/slow") + head(line="GET /a HTTP/3"), [200, 200, 400]),
    "a good one, then half a body": (to("/nothing") + body_to("/length", "Content-Length: 10"), [200, 404, 408]),
}


@pytest.mark.parametrize("case", BEHIND_A_SLOW_ANSWER)
def test_what_is_wrong_later_neither_takes_nor_overtakes_an_answer_under_way(slow_app: int, case: str) -> None:
    data, expected = BEHIND_A_SLOW_ANSWER[case]
    assert statuses(talk(slow_app, to("/slow") + data)) == expected


def test_a_client_is_not_called_slow_while_its_earlier_requests_are_answered(slow_app: int) -> None:
    """Reading rests meanwhile: what it sent in time is looked at late."""
    last = to("/slow", "Connection: close")
    with closing(socket.create_connection(("127.0.0.1", slow_app), timeout=WITHIN_S)) as connection:
        connection.sendall(to("/slow") + to("/slow") + to("/slow") + last[:20])
        time.sleep(0.1)
        connection.sendall(last[20:])
        assert statuses(read_to_the_end(connection)) == [200] * 4


TOO_SLOW: dict[str, tuple[bytes, list[int]]] = {
    "not one byte": (b"", []),
    "empty lines alone": (b"\r\n", []),
    "half a head": (b"GET / HTTP/1.1\r\nHost: a\r\n", [408]),
    "half a body": (body_to("/length", "Content-Length: 10") + b"abc", [408]),
    "half a chunk": (body_to("/length", CHUNKED) + b"3\r\na", [408]),
    "half a body that nobody reads": (body_to("/slow", "Content-Length: 10") + b"abc", [405]),
    "nothing after an answer": (to("/nothing"), [404]),
    "nothing after a body": (body_to("/length", "Content-Length: 3") + b"abc", [200]),
}


@pytest.mark.parametrize("case", TOO_SLOW)
def test_slow_requests_and_idle_connections_are_ended(slow_app: int, case: str) -> None:
    data, expected = TOO_SLOW[case]
    assert statuses(talk(slow_app, data)) == expected


@pytest.mark.parametrize("drop", [b"\r\n", b"x"], ids=["empty lines", "a header's bytes"])
def test_a_drop_now_and_then_keeps_no_connection_open(slow_app: int, drop: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", slow_app), timeout=WITHIN_S)) as connection:
        connection.sendall(b"\r\n" if drop == b"\r\n" else b"GET / HTTP/1.1\r\nX-A: ")
        deadline = time.monotonic() + WITHIN_S
        with contextlib.suppress(OSError):
            while time.monotonic() < deadline:
                connection.sendall(drop)
                time.sleep(0.05)
        assert time.monotonic() < deadline, "it was never ended"


def test_a_body_that_comes_after_its_answer_leaves_no_connection_open(slow_app: int) -> None:
    with closing(socket.create_connection(("127.0.0.1", slow_app), timeout=WITHIN_S)) as connection:
        connection.sendall(body_to("/slow", "Content-Length: 3"))
        assert statuses(connection.recv(1000)) == [405]
        connection.sendall(b"abc" + to("/nothing"))
        assert statuses(read_to_the_end(connection)) == [404]


def test_trailers_are_no_headers(slow_app: int) -> None:
    chunks = b"1\r\na\r\n0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    assert talk(slow_app, body_to("/header", CHUNKED, "X-Forwarded-For: 203.0.113.9") + chunks).endswith(b"203.0.113.9")


@pytest.mark.parametrize(
    "endless", [b"3;" + b"x" * 1_000_000, b"3\r\nabc\r\n0\r\nX-T: " + b"x" * 1_000_000], ids=["extension", "trailer"]
)
def test_what_is_around_chunks_is_bounded(slow_app: int, endless: bytes) -> None:
    assert statuses(talk(slow_app, body_to("/length", CHUNKED) + endless)) in ([431], [])


def test_a_chunked_body_arrives_whole(slow_app: int) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (size, b"b" * size) for size in range(1, 400)) + b"0\r\n\r\n"
    received = talk(slow_app, body_to("/length", CHUNKED) + chunks)
    assert received.endswith(str(sum(range(1, 400))).encode())


def test_clients_that_leave_in_the_middle_leave_nothing_behind(slow_app: int) -> None:
    """Their apps go on for a second and answer nobody: see the fixtures for what must not be left."""
    for data in (to("/slow"), to("/slow") * 3, body_to("/length", "Content-Length: 10"), to("/large"), b"GET / HT"):
        for hard in (True, False):
            with closing(socket.create_connection(("127.0.0.1", slow_app), timeout=WITHIN_S)) as connection:
                connection.sendall(data)
                time.sleep(0.02)
                if hard:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(0.7)


def test_a_full_house_ends_who_waits_and_refuses_when_all_are_at_work(
    slow_app: int, slow_app_of_module: SlowApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = slow_app_of_module.gate
    monkeypatch.setattr(gate, "max_connections", 4)
    monkeypatch.setattr(listener, "HEAD_WITHIN_S", 60)  # here connections end for want of room, not of time
    monkeypatch.setattr(listener.LimitedProtocol, "idle_within_s", 60)
    with contextlib.ExitStack() as held:

        def connect(data: bytes) -> socket.socket:
            connection = held.enter_context(closing(socket.create_connection(("127.0.0.1", slow_app), WITHIN_S)))
            connection.sendall(data)
            return connection

        waiting = connect(b"GET / HT")
        time.sleep(0.05)
        unread = connect(to("/large"))  # its answer is too long for the socket's buffers, and nobody reads it
        time.sleep(0.2)
        busy = [connect(to("/slow")) for _ in range(4)]
        assert read_to_the_end(waiting) == b""
        time.sleep(0.1)
        assert len(gate.open) == 4
        assert statuses(read_to_the_end(connect(to("/slow")))) == [503]
        for connection in busy:
            assert statuses(connection.recv(1000)) == [200]
        assert len(read_to_the_end(unread)) < 20_000_000


heads = st.builds(
    lambda line, lines: b"\r\n".join([line, *lines]) + b"\r\n\r\n",
    st.sampled_from([b"GET / HTTP/1.1", b"POST /a HTTP/1.0", b"GET http://a/ HTTP/1.1"]) | st.binary(max_size=30),
    st.lists(
        st.builds(
            lambda name, sep, value: name + sep + value,
            st.sampled_from([b"Host", b"host", b"Content-Length", b"CONTENT-length", b"Transfer-Encoding", b"X"]),
            st.sampled_from([b":", b": ", b" : ", b":\t"]),
            st.sampled_from([b"a", b"3", b"chunked", b"0"]) | st.binary(max_size=8),
        )
        | st.binary(max_size=20),
        max_size=6,
    ),
)


@given(data=heads)
def test_no_head_with_two_lengths_or_hosts_is_accepted(data: bytes) -> None:
    framing = body_framing(data)
    if isinstance(framing, Refusal):
        return
    names = [line.partition(b":")[0].lower() for line in data.split(b"\r\n")[1:-2]]
    assert names.count(b"host") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    assert not re.search(rb"\x00|(?<!\r)\n|\r(?!\n)|\r\n[ \t]", data)


# The public app with the fast protocol, where every answer waits for a disk that takes its time.


async def fill(data: Path) -> None:
    database = await Database.open(sqlite_url(data / "waymark.db"))
    await migrate(database)
    async with database.transaction() as connection:
        await ensure_default_domain(connection, "https://localhost")
    for slug in ("spring", "summer"):
        new = NewCode(f"https://example.com/{slug}", slug=slug)
        await create_code(database, new, who="ops", policy=DestinationPolicy(frozenset({"localhost"})))
    await database.close()


@contextmanager
def public_served(data: Path, gate: Gate, durability: Any) -> Iterator[int]:
    asyncio.run(fill(data))
    public = PublicSettings(
        worker=0,
        database_url=sqlite_url(data / "waymark.db", read_only=True),
        data_dir=data,
        trust=ProxyTrust((), "x-forwarded-for"),
        query_keys=frozenset(),
        full_address=False,
        durability=durability,
        flush_ms=50,
        segment_bytes=1 << 26,
        spill_lines=1000,
    )
    with served(create_public_app(public), gate, fast.fast_protocol_with(gate, protocol_with(gate))) as port:
        wait_for(lambda: statuses(talk(port, to("/-/ready", "Connection: close"))) == [200], "the routes")
        yield port
        wait_for(lambda: not gate.open, "every connection being forgotten")


@pytest.fixture(scope="module")
def power_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Gate]]:
    """Its fdatasync takes 50 ms: long enough for anything to happen between a scan and its answer."""
    sync, gate = os.fdatasync, Gate()

    def slow_sync(fd: int) -> None:
        time.sleep(0.05)
        sync(fd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", slow_sync)
        with public_served(tmp_path_factory.mktemp("power"), gate, "power") as port:
            yield port, gate


@pytest.fixture
def power(power_of_module: tuple[int, Gate], clean_log: None) -> Iterator[int]:
    port, gate = power_of_module
    yield port
    wait_for(lambda: not gate.open, "every connection being forgotten")


def destinations(received: bytes) -> list[str]:
    """What each answer says: the last part of its Location, or its status."""
    answers = re.findall(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n((?:[^\r]+\r\n)*)\r\n", received)
    located = [(status.decode(), re.search(rb"location: \S+/(\w+)", lines)) for status, lines in answers]
    return [found[1].decode() if found else status for status, found in located]


SPRING, SUMMER, UNKNOWN = to("/spring"), to("/summer"), to("/nothing-here")
LAST = to("/spring", "Connection: close")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([SPRING + SUMMER + SPRING + LAST], ["spring", "summer", "spring", "spring"]),
        ([SPRING + UNKNOWN + SUMMER + LAST], ["spring", "404", "summer", "spring"]),
        ([SPRING, SUMMER, UNKNOWN, SPRING, LAST], ["spring", "summer", "404", "spring", "spring"]),
        ([SPRING + SUMMER[:20], SUMMER[20:], LAST], ["spring", "summer", "spring"]),
        ([SPRING + b"GET /spring HTTP/3\r\n\r\n", SPRING], ["spring", "400"]),
        ([SPRING, LAST + SUMMER], ["spring", "spring"]),
    ],
    ids=["one read", "handed over in one read", "one by one", "a split head", "malformed behind", "close, then more"],
)
def test_answers_that_wait_for_the_disk_keep_their_order(power: int, parts: list[bytes], expected: list[str]) -> None:
    with closing(socket.create_connection(("127.0.0.1", power), timeout=WITHIN_S)) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(0.01)
        assert destinations(read_to_the_end(connection)) == expected


@pytest.mark.parametrize(
    "behind", [b"", UNKNOWN, b"GET /sp"], ids=["alone", "before a hand-over", "before half a head"]
)
def test_a_half_closed_client_gets_answers_that_wait_for_the_disk(power: int, behind: bytes) -> None:
    received = talk(power, SPRING + SUMMER + behind, half_close=True)
    assert destinations(received) == ["spring", "summer", *(["404"] if behind == UNKNOWN else [])]


@pytest.mark.parametrize("behind", [b"", UNKNOWN], ids=["alone", "before a hand-over"])
def test_clients_that_leave_before_their_answer_take_nobody_elses_along(power: int, behind: bytes) -> None:
    """What they asked goes to the disk in one turn with the others; writing to them must not break that turn off."""
    for _ in range(3):
        with contextlib.ExitStack() as held:
            staying, leaving = (
                [
                    held.enter_context(closing(socket.create_connection(("127.0.0.1", power), WITHIN_S)))
                    for _ in range(6)
                ]
                for _ in range(2)
            )
            for one, other in zip(leaving, staying, strict=True):
                one.sendall(SPRING * 8 + behind)
                other.sendall(LAST)
            time.sleep(0.02)  # the scans are read, and wait for the disk
            for connection in leaving:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
            for connection in staying:
                assert destinations(read_to_the_end(connection)) == ["spring"]


def test_a_client_that_does_not_read_is_held_back_and_handed_over_all_the_same(tmp_path: Path, clean_log: None) -> None:
    gate = Gate()
    with public_served(tmp_path, gate, "process") as port:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.settimeout(WITHIN_S)
        connection.connect(("127.0.0.1", port))
        count = 5_000
        with closing(connection):
            sender = threading.Thread(target=connection.sendall, args=(SPRING * count + UNKNOWN + LAST,))
            sender.start()
            time.sleep(0.5)
            received = read_to_the_end(connection)
            sender.join(WITHIN_S)
        assert statuses(received) == [302] * count + [404, 302]
    assert len(journal_scans(tmp_path / "journal")) == count + 1


PIECES = [
    SPRING,
    UNKNOWN,
    b"\r\n",
    b"GET /spring HTTP/1.1\r\n",
    b"POST / HTTP/1.1\r\n",
    b"Host: localhost\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    CHUNKS,
    b"abc",
]
noise = st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=10).map(b"".join)


@pytest.mark.parametrize("durability", ["process", "power"])
def test_no_bytes_break_a_listener(tmp_path: Path, clean_log: None, durability: str) -> None:
    gate = Gate()
    with public_served(tmp_path, gate, durability) as port:

        @settings(max_examples=int(os.environ.get("WAYMARK_EXAMPLES", "150")), deadline=None)
        @given(data=noise)
        def throw(data: bytes) -> None:
            received = talk(port, data, half_close=True)
            assert set(statuses(received)) <= {100, 200, 302, 400, 404, 405, 408, 431, 501}
            assert len([status for status in statuses(received) if status in (400, 431, 501)]) <= 1

        throw()
        assert statuses(talk(port, LAST)) == [302]


def test_the_log_fixture_would_see_what_goes_wrong(caplog: pytest.LogCaptureFixture) -> None:
    """asyncio and uvloop report exceptions in protocols to this logger; it must reach the fixture."""
    loop = asyncio.new_event_loop()
    loop.call_exception_handler({"message": "boom"})
    loop.close()
    assert [record.name for record in caplog.records] == ["asyncio"]
    assert caplog.records[0].levelno == logging.ERROR
