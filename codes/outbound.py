"""The one way out: HTTP that refuses non-public addresses when it connects, on redirects too, bounded in time and size."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, Literal
from urllib.parse import urljoin, urlsplit

import httpx2

from codes.hosts import Host, check_loop, check_private, is_public_address, parse_host, split_port
from codes.refusals import DestinationError

Trouble = Literal["refused", "name", "connect", "tls", "time", "size", "redirects", "loop", "address", "protocol"]
Resolver = Callable[[str, int], Sequence[str]]

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
MAX_TRIED: Final = 3  # addresses of one name
MAX_SAME: Final = 2  # asked for once more after a cookie was set; a third time is going round in circles
MAX_URL: Final = 8192
HEADERS: Final = {"User-Agent": "Waymark (link check)", "Accept": "text/html,*/*;q=0.8", "Accept-Encoding": "identity"}


class OutboundError(Exception):
    """A request that was not made or brought no answer; the message says why."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble: Trouble = trouble


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be reached although it is not public: networks, and names with whatever they stand for. A name that begins
    with a dot stands for everything below it."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, entries: Sequence[str]) -> "Allowed":
        """Raises ValueError for what is neither a CIDR, an address nor a host name."""
        networks, names = [], set()
        for entry in entries:
            try:
                networks.append(ip_network(entry, strict=False))
            except ValueError:
                name = parse_host(entry.removeprefix(".")).text
                names.add(f".{name}" if entry.startswith(".") else name)
        return cls(tuple(networks), frozenset(names))

    def has_name(self, name: str) -> bool:
        labels = name.split(".")
        return name in self.names or any(
            "." + ".".join(labels[start:]) in self.names for start in range(1, len(labels))
        )

    def has_address(self, text: str) -> bool:
        """An IPv4 address wrapped into IPv6 is not in the IPv4 network: nobody writes an intranet that way."""
        address = ip_address(text)
        return any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one question with all its redirects."""

    total_s: float = 10.0
    connect_s: float = 4.0
    max_bytes: int = 64 * 1024
    max_redirects: int = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """``url`` is where the redirects led; ``body`` is None unless it was asked for. ``left_for`` is an address that is not
    of the web (an app's, say) to which the last answer sends a phone."""

    status: int
    url: str
    hops: tuple[str, ...]
    body: bytes | None = field(default=None, repr=False)
    left_for: str | None = None


def resolve(name: str, port: int) -> list[str]:
    """Every address of a name, as the machine's resolver gives them. Raises OSError."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Outbound:
    """Asks the web. Proxies named in the environment are not used: they would connect where we cannot look."""

    def __init__(
        self,
        allowed: Allowed | None = None,
        *,
        bounds: Bounds | None = None,
        resolver: Resolver = resolve,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed or Allowed()
        self._bounds = bounds or Bounds()
        self._resolver = resolver
        self._trust = trust or httpx2.create_ssl_context()

    async def get(
        self,
        url: str,
        *,
        own_hosts: frozenset[str] = frozenset(),
        with_body: bool = False,
        bounds: Bounds | None = None,
    ) -> Answer:
        """Follows redirects by hand; none leads to ``own_hosts``, our short domains. Raises OutboundError."""
        limits = bounds or self._bounds
        try:
            async with asyncio.timeout(limits.total_s):
                return await self._followed(url, own_hosts, limits, with_body=with_body)
        except TimeoutError:
            raise OutboundError("time", f"no whole answer within {limits.total_s:g} s") from None

    def blocking_transport(self) -> httpx2.BaseTransport:
        """The same guard for whoever streams in a thread of its own (place databases); its client follows redirects."""
        return _BlockingTransport(self._allowed, self._resolver, self._trust)

    async def _followed(self, url: str, own_hosts: frozenset[str], bounds: Bounds, *, with_body: bool) -> Answer:
        hops: list[str] = []
        transport = _GuardedTransport(self._allowed, self._resolver, self._trust)
        timeout = httpx2.Timeout(bounds.total_s, connect=bounds.connect_s)
        # A client for each question: cookies that a site sets on its way are sent back to it, and then forgotten.
        async with httpx2.AsyncClient(transport=transport, timeout=timeout, headers=HEADERS, trust_env=False) as client:
            while True:
                _check_hop(url, hops, own_hosts, bounds)
                hops.append(url)
                async with _asked(client, url) as response:
                    target = response.headers.get("location", "")
                    if response.status_code not in REDIRECTS or not target:
                        body = await _body(response, bounds) if with_body else None
                        return Answer(response.status_code, url, tuple(hops), body)
                    following = urljoin(url, target)
                    if urlsplit(following).scheme.lower() not in ("http", "https"):
                        return Answer(response.status_code, url, tuple(hops), left_for=following[:MAX_URL])
                url = following


class _GuardedTransport(httpx2.AsyncBaseTransport):
    """Looks a name up once, checks every address, and connects to one it has checked: there is no second look-up in
    which the name could stand for something else."""

    def __init__(self, allowed: Allowed, resolver: Resolver, trust: ssl.SSLContext) -> None:
        self._allowed, self._resolver = allowed, resolver
        # Connections are not kept: they are pooled by address, and the next name at it has not been verified by TLS.
        limits = httpx2.Limits(max_keepalive_connections=0)
        self._inner = httpx2.AsyncHTTPTransport(verify=trust, trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host, port = _host_of(request.url, self._allowed)
        found = [str(host.address)] if host.address else await _in_thread(self._resolver, host.text, port)
        addresses = checked_addresses(host, found, self._allowed)
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(_pinned(request, host, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_pinned(request, host, addresses[-1]))

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BlockingTransport(httpx2.BaseTransport):
    def __init__(self, allowed: Allowed, resolver: Resolver, trust: ssl.SSLContext) -> None:
        self._allowed, self._resolver = allowed, resolver
        limits = httpx2.Limits(max_keepalive_connections=0)
        self._inner = httpx2.HTTPTransport(verify=trust, trust_env=False, limits=limits)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            host, port = _host_of(request.url, self._allowed)
            found = [str(host.address)] if host.address else _resolved(self._resolver, host.text, port)
            addresses = checked_addresses(host, found, self._allowed)
        except OutboundError as error:  # whoever uses httpx2 expects its errors
            raise httpx2.ConnectError(str(error), request=request) from error
        for address in addresses[:-1]:
            try:
                return self._inner.handle_request(_pinned(request, host, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return self._inner.handle_request(_pinned(request, host, addresses[-1]))

    def close(self) -> None:
        self._inner.close()


def checked_addresses(host: Host, found: Sequence[str], allowed: Allowed) -> list[str]:
    """Those to try, in order. One that is not public refuses them all: the name then is not what it seems."""
    if not found:
        raise OutboundError("name", f"the name {host.text} has no address")
    named_private = _is_private_name(host)
    for address in found:
        public = _is_public(address) and not named_private
        if not (public or allowed.has_name(host.text) or allowed.has_address(address)):
            named = host.text if host.address else f"{host.text} ({address})"
            raise OutboundError("refused", f"{named} is not a public address; [outbound] allow names exceptions")
    return list(found[:MAX_TRIED])


def _is_public(text: str) -> bool:
    address = ip_address(text)
    return getattr(address, "scope_id", None) is None and is_public_address(address)


def _host_of(url: httpx2.URL, allowed: Allowed) -> tuple[Host, int]:
    """In its one spelling; odd numbers are refused, and names of somebody's own network unless some network is allowed."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    try:
        parsed = parse_host(host)
    except DestinationError:
        raise OutboundError("refused", f"{url.host[:100]!r} is no plain host name") from None
    if _is_private_name(parsed) and not (allowed.networks or allowed.has_name(parsed.text)):
        raise OutboundError("refused", f"{parsed.text} is a private name; [outbound] allow names exceptions")
    return parsed, url.port or (443 if url.scheme == "https" else 80)


def _is_private_name(host: Host) -> bool:
    if host.address is not None:
        return False
    try:
        check_private(host)
    except DestinationError:
        return True
    return False


def _pinned(request: httpx2.Request, host: Host, address: str) -> httpx2.Request:
    """The same request to one address; certificate and Host header stay those of the name."""
    extensions = {**request.extensions, "sni_hostname": host.text.strip("[]")}
    url = request.url.copy_with(host=address)
    return httpx2.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)


async def _in_thread(resolver: Resolver, name: str, port: int) -> list[str]:
    """In a thread that nobody waits for: a look-up obeys no time limit, and must not keep the process from ending."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[list[str]] = loop.create_future()

    def settle(error: Exception | None, found: list[str]) -> None:
        if outcome.done():
            return
        if error:
            outcome.set_exception(error)
        else:
            outcome.set_result(found)

    def work() -> None:
        found, failure = [], None
        try:
            found = _resolved(resolver, name, port)
        except Exception as error:  # handed over to whoever waits
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, failure, found)

    threading.Thread(target=work, name="outbound-name", daemon=True).start()
    return await outcome


def _resolved(resolver: Resolver, name: str, port: int) -> list[str]:
    try:
        return list(resolver(name, port))
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutboundError("name", f"the name {name} could not be looked up: {reason}") from None


def _check_hop(url: str, hops: list[str], own_hosts: frozenset[str], bounds: Bounds) -> None:
    if hops.count(url) >= MAX_SAME:
        raise OutboundError("loop", f"it redirects in circles: {url[:200]} was asked for twice already")
    if len(hops) > bounds.max_redirects:
        raise OutboundError("redirects", f"it redirects more than {bounds.max_redirects} times")
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() not in ("http", "https") or "@" in parts.netloc or len(url) > MAX_URL:
            raise OutboundError("address", f"{url[:100]!r} is no plain web address")
        name, port = split_port(parts.netloc)
        host = parse_host(name)
    except ValueError as error:  # a DestinationError is one
        raise OutboundError("address", f"{url[:100]!r} is no web address: {error}") from None
    try:
        check_loop(host, port or (443 if parts.scheme.lower() == "https" else 80), own_hosts)
    except DestinationError:
        raise OutboundError("loop", f"it leads back to our own short domain {host.text}") from None


@asynccontextmanager
async def _asked(client: httpx2.AsyncClient, url: str) -> AsyncIterator[httpx2.Response]:
    try:
        async with client.stream("GET", url, follow_redirects=False) as response:
            yield response
    except httpx2.TimeoutException:
        raise OutboundError("time", f"{_site(url)} did not answer in time") from None
    except httpx2.ConnectError as error:
        raise _not_connected(url, error) from None
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        raise OutboundError("protocol", f"{_site(url)} answered with something else than HTTP: {error}") from None


def _not_connected(url: str, error: Exception) -> OutboundError:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return OutboundError("tls", f"the certificate of {_site(url)} is not valid: {cause.verify_message}")
        if isinstance(cause, ssl.SSLError):
            return OutboundError("tls", f"no secure connection to {_site(url)}: {cause.reason or cause}")
    return OutboundError("connect", f"no connection to {_site(url)}: {str(error) or type(error).__name__}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


async def _body(response: httpx2.Response, bounds: Bounds) -> bytes:
    chunks, size = [], 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > bounds.max_bytes:
            raise OutboundError("size", f"the answer is larger than {bounds.max_bytes:,} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _site(url: str) -> str:
    return urlsplit(url).netloc[:100]
