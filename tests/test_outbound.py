"""The outbound client against real local servers: nothing but public or allow-listed addresses is ever connected to."""

import asyncio
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from codes.outbound import Allowed, Answer, Bounds, Outbound, OutboundError

LOOPBACK = Allowed.of(["127.0.0.0/8"])
QUICK = Bounds(total_s=5, connect_s=2, max_bytes=10_000, max_redirects=4)


class Site(ThreadingHTTPServer):
    """Answers as its paths say and notes every request; ``peers`` counts the connections, also those without a request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.redirects: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.connections = 0
        self.gate = threading.Event()

    def get_request(self):  # type: ignore[no-untyped-def]
        self.connections += 1
        return super().get_request()

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server_port}{path}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what several of these tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append((self.headers["Host"], self.path))
        target = self.server.redirects.get(self.path)
        if self.path == "/endless":
            self._answer(200)
            while True:
                self.wfile.write(b"x" * 65536)
        if self.path == "/slow":
            self._answer(200)
            for _ in range(60):  # three seconds, then it is whole
                self.wfile.write(b".")
                time.sleep(0.05)
            return
        if self.path == "/wait":
            self.server.gate.wait(20)
            self._answer(404)
            return
        if self.path == "/cookie" and "seen=1" not in self.headers.get("Cookie", ""):
            self._answer(302, **{"Location": "/cookie", "Set-Cookie": "seen=1"})
        elif target:
            self._answer(302, Location=target)
        else:
            self._answer(404 if self.path == "/gone" else 200, **{"Content-Length": "5"})
            self.wfile.write(b"hello")

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as server:
        yield server


def names(**known: Sequence[str]) -> Callable[[str, int], Sequence[str]]:
    """A resolver that knows these names only; underscores stand for dots."""
    addresses = {name.replace("_", "."): found for name, found in known.items()}

    def resolver(name: str, _port: int) -> Sequence[str]:
        if name not in addresses:
            raise OSError("unknown name")
        return addresses[name]

    return resolver


def get(outbound: Outbound, url: str, **options: object) -> Answer:
    return asyncio.run(outbound.get(url, **options))  # type: ignore[arg-type]


def trouble(outbound: Outbound, url: str, **options: object) -> OutboundError:
    with pytest.raises(OutboundError) as caught:
        get(outbound, url, **options)
    return caught.value


def test_an_allowed_address_is_reached_and_its_body_read(site: Site) -> None:
    answer = get(Outbound(LOOPBACK), site.url("/page?a=b"), with_body=True)
    assert (answer.status, answer.body, answer.hops) == (200, b"hello", (site.url("/page?a=b"),))
    assert site.asked == [(f"127.0.0.1:{site.server_port}", "/page?a=b")]


PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.254",
    "169.254.169.254",
    "168.63.129.16",
    "0.0.0.0",
    "192.0.0.192",
    "224.0.0.1",
    "::1",
    "::",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "fe80::1",
    "fe80::1%1",
    "fd00:ec2::254",
    "fc00::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_stands_for_a_private_address_is_not_connected_to(site: Site, address: str) -> None:
    outbound = Outbound(resolver=names(shop_example=[address]), bounds=QUICK)
    error = trouble(outbound, f"http://shop.example:{site.server_port}/")
    assert error.trouble == "refused"
    assert address in str(error)
    assert site.connections == 0


@pytest.mark.parametrize("address", [entry for entry in PRIVATE if "%" not in entry])
def test_a_private_address_itself_is_not_connected_to(site: Site, address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert trouble(Outbound(bounds=QUICK), f"http://{host}:{site.server_port}/").trouble == "refused"
    assert site.connections == 0


@pytest.mark.parametrize("spelling", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "①27.0.0.1"])
def test_odd_spellings_of_an_address_are_not_connected_to(site: Site, spelling: str) -> None:
    error = trouble(Outbound(bounds=QUICK), f"http://{spelling}:{site.server_port}/")
    assert error.trouble in ("refused", "address")
    assert site.connections == 0


@pytest.mark.parametrize(
    "name", ["localhost", "metadata.google.internal", "printer.local", "intranet", "a.localtest.me"]
)
def test_private_names_are_not_even_looked_up(site: Site, name: str) -> None:
    looked_up: list[str] = []

    def resolver(asked: str, _port: int) -> list[str]:
        looked_up.append(asked)
        return ["127.0.0.1"]

    assert trouble(Outbound(resolver=resolver), f"http://{name}:{site.server_port}/").trouble == "refused"
    assert (looked_up, site.connections) == ([], 0)


def test_a_private_name_leads_into_allowed_networks_alone(site: Site) -> None:
    outbound = Outbound(LOOPBACK, resolver=names(wiki_internal=["93.184.215.14"], menu_internal=["127.0.0.1"]))
    assert trouble(outbound, "http://wiki.internal/").trouble == "refused"
    assert get(outbound, f"http://menu.internal:{site.server_port}/").status == 200


def test_one_private_address_among_public_ones_refuses_the_name(site: Site) -> None:
    outbound = Outbound(resolver=names(shop_example=["93.184.215.14", "127.0.0.1"]), bounds=QUICK)
    assert trouble(outbound, f"http://shop.example:{site.server_port}/").trouble == "refused"
    assert site.connections == 0


def test_a_name_that_changes_after_the_check_is_reached_where_it_was_checked(site: Site) -> None:
    """Rebinding: the second answer of the resolver is another address. There is no second question."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    outbound = Outbound(Allowed.of(["127.0.0.1"]), resolver=lambda _name, _port: next(answers), bounds=QUICK)
    url = f"http://shop.example:{site.server_port}/"
    assert get(outbound, url).status == 200
    assert site.asked == [(f"shop.example:{site.server_port}", "/")]
    assert next(answers) == ["127.0.0.2"]


def test_a_name_that_turns_private_between_two_redirects_is_refused(site: Site) -> None:
    site.redirects["/"] = f"http://shop.example:{site.server_port}/again"
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    outbound = Outbound(Allowed.of(["127.0.0.1"]), resolver=lambda _name, _port: next(answers), bounds=QUICK)
    assert trouble(outbound, f"http://shop.example:{site.server_port}/").trouble == "refused"
    assert [path for _host, path in site.asked] == ["/"]


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[64:ff9b::7f00:1]:{port}/",
        "http://100.64.0.1/",
        "http://metadata.google.internal/",
        "//10.0.0.1/",
        "http://127.0.0.2:{port}/",
        "http://0x7f000002:{port}/",
    ],
)
def test_a_redirect_to_a_private_address_is_not_followed(site: Site, target: str) -> None:
    site.redirects["/"] = target.format(port=site.server_port)
    outbound = Outbound(Allowed.of(["127.0.0.1"]), bounds=QUICK)
    assert trouble(outbound, site.url()).trouble in ("refused", "address", "name")
    assert site.connections == 1


def test_redirects_are_followed_up_to_a_number(site: Site) -> None:
    site.redirects |= {"/": "a", "/a": "/b?x=1", "/b?x=1": site.url("/end")}
    answer = get(Outbound(LOOPBACK, bounds=QUICK), site.url())
    assert (answer.status, answer.url, len(answer.hops)) == (200, site.url("/end"), 4)
    site.redirects |= {f"/{number}": f"/{number + 1}" for number in range(10)}
    assert trouble(Outbound(LOOPBACK, bounds=QUICK), site.url("/0")).trouble == "redirects"


def test_going_round_in_circles_is_a_loop_but_asking_again_with_a_cookie_is_not(site: Site) -> None:
    site.redirects |= {"/": "/other", "/other": "/"}
    assert trouble(Outbound(LOOPBACK, bounds=Bounds(max_redirects=20)), site.url()).trouble == "loop"
    assert get(Outbound(LOOPBACK), site.url("/cookie")).status == 200


def test_a_redirect_to_one_of_our_own_short_domains_is_a_loop_and_makes_no_scan(site: Site) -> None:
    with serving() as ours:
        site.redirects["/"] = ours.url("/SPRING")
        own = frozenset({f"127.0.0.1:{ours.server_port}"})
        assert trouble(Outbound(LOOPBACK), site.url(), own_hosts=own).trouble == "loop"
        assert ours.connections == 0


def test_a_redirect_into_an_app_ends_the_way(site: Site) -> None:
    site.redirects["/"] = "market://details?id=example"
    answer = get(Outbound(LOOPBACK), site.url())
    assert (answer.status, answer.left_for) == (302, "market://details?id=example")


@pytest.mark.parametrize("url", ["ftp://example.com/", "file:///etc/passwd", "http://a:b@example.com/", "http://", "x"])
def test_only_plain_web_addresses_are_asked(url: str) -> None:
    assert trouble(Outbound(), url).trouble == "address"


def test_an_endless_body_is_cut(site: Site) -> None:
    error = trouble(Outbound(LOOPBACK, bounds=QUICK), site.url("/endless"), with_body=True)
    assert (error.trouble, "10,000 bytes" in str(error)) == ("size", True)


def test_a_body_that_trickles_ends_with_the_time_allowed(site: Site) -> None:
    bounds = Bounds(total_s=0.5, connect_s=0.5)
    assert trouble(Outbound(LOOPBACK), site.url("/slow"), with_body=True, bounds=bounds).trouble == "time"


def test_who_wants_no_body_does_not_wait_for_one(site: Site) -> None:
    answer = get(Outbound(LOOPBACK, bounds=QUICK), site.url("/endless"))
    assert (answer.status, answer.body) == (200, None)


def test_a_look_up_that_hangs_ends_with_the_time_allowed() -> None:
    held = threading.Event()

    def resolver(_name: str, _port: int) -> list[str]:
        held.wait(5)
        return []

    assert trouble(Outbound(resolver=resolver, bounds=Bounds(total_s=0.3)), "http://shop.example/").trouble == "time"
    held.set()


def test_an_unknown_name_and_a_closed_port_are_told_apart(site: Site) -> None:
    assert trouble(Outbound(resolver=names()), "http://shop.example/").trouble == "name"
    with serving() as closed:
        url = closed.url()
    assert trouble(Outbound(LOOPBACK), url).trouble == "connect"


def test_the_next_address_is_tried_when_the_first_does_not_answer(site: Site) -> None:
    outbound = Outbound(LOOPBACK, resolver=names(shop_example=["127.0.0.9", "127.0.0.1"]), bounds=QUICK)
    assert get(outbound, f"http://shop.example:{site.server_port}/").status == 200  # the site is not on 127.0.0.9
    alone = Outbound(LOOPBACK, resolver=names(shop_example=["127.0.0.9"]), bounds=QUICK)
    assert trouble(alone, f"http://shop.example:{site.server_port}/").trouble == "connect"


@pytest.mark.parametrize(
    ("allowed", "name", "addresses", "reached"),
    [
        (["shop.lan"], "shop.lan", ["127.0.0.1"], True),
        ([".lan"], "shop.lan", ["127.0.0.1"], True),
        (["127.0.0.0/8"], "shop.lan", ["127.0.0.1"], True),
        (["127.0.0.1"], "shop.lan", ["127.0.0.1"], True),
        (["other.lan"], "shop.lan", ["127.0.0.1"], False),
        ([".shop.lan"], "shop.lan", ["127.0.0.1"], False),
        (["10.0.0.0/8"], "shop.lan", ["127.0.0.1"], False),
    ],
)
def test_what_is_allowed(site: Site, allowed: list[str], name: str, addresses: list[str], reached: bool) -> None:
    outbound = Outbound(Allowed.of(allowed), resolver=lambda _name, _port: addresses, bounds=QUICK)
    url = f"http://{name}:{site.server_port}/"
    if reached:
        assert get(outbound, url).status == 200
    else:
        assert trouble(outbound, url).trouble == "refused"
    assert bool(site.connections) is reached


@pytest.mark.parametrize("entry", ["", "10.0.0.0/99", "a b", "http://x"])
def test_an_entry_that_is_neither_network_nor_name_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Allowed.of([entry])


def test_the_blocking_transport_refuses_the_same_on_redirects_too(site: Site) -> None:
    site.redirects["/"] = f"http://127.0.0.2:{site.server_port}/"
    transport = Outbound(Allowed.of(["127.0.0.1"])).blocking_transport()
    with httpx2.Client(transport=transport, follow_redirects=True, trust_env=False) as client:
        assert client.get(site.url("/page")).status_code == 200
        with pytest.raises(httpx2.ConnectError, match="not a public address"):
            client.get(site.url())


@contextmanager
def secure_site(folder: Path, name: str) -> Iterator[tuple[Site, ssl.SSLContext]]:
    """With a certificate for ``name``, and what trusts it."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed; it makes the certificate for this test")
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "2"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "chain.pem")]
    subprocess.run([*request, *subject, *files], check=True, capture_output=True)
    with Site() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server, ssl.create_default_context(cafile=str(folder / "chain.pem"))
        server.shutdown()


def test_a_certificate_is_checked_for_the_name_although_an_address_is_connected_to(tmp_path: Path) -> None:
    with secure_site(tmp_path, "shop.example") as (server, trust):
        resolver = names(shop_example=["127.0.0.1"], other_example=["127.0.0.1"])
        outbound = Outbound(LOOPBACK, resolver=resolver, trust=trust, bounds=QUICK)
        assert get(outbound, f"https://shop.example:{server.server_port}/").status == 200
        wrong = trouble(outbound, f"https://other.example:{server.server_port}/")
        assert (wrong.trouble, "other.example" in str(wrong)) == ("tls", True)
        stranger = Outbound(LOOPBACK, resolver=resolver, bounds=QUICK)
        assert trouble(stranger, f"https://shop.example:{server.server_port}/").trouble == "tls"
