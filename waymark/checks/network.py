"""Checks of the network: who answers on our ports, whose headers are believed, which address a scan would get."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Final, Self
from urllib.parse import urlsplit

import httpx2

from redirector.facts import client_address, cut_address
from waymark.checks import Check, fail, ok, warn
from waymark.config import Config, ConfigError
from waymark.sockets import bound_socket
from waymark.wiring import LOCAL_NAMES, proxy_trust

ANSWER_S: Final = 3.0
_FIELD_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_FORWARDING = frozenset({"x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip"})


class Answer(Enum):
    OURS = "ours"
    NOBODY = "nobody"
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class Side:
    """One of our two listeners, and what answers there now; ``facts`` is what the public side says of its readiness."""

    name: str
    host: str
    port: int
    answer: Answer
    facts: dict[str, object] | None = None

    @property
    def where(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A made-up request: from which address, with which headers (lower-case names, in their order)."""

    sender: str
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, sender: str, headers: Sequence[str]) -> Self:
        """Raises ValueError with a sentence for people."""
        try:
            address = str(ip_address(sender.strip().strip("[]")))
        except ValueError:
            raise ValueError(
                f"--from {sender!r} is no IP address. Write one such as 203.0.113.9 or 2001:db8::1."
            ) from None
        parsed = []
        for header in headers:
            name, colon, value = header.partition(":")
            if not colon or not _FIELD_NAME.fullmatch(name.strip().lower()):
                raise ValueError(f"--header {header!r} is no header. Write it as 'x-forwarded-for: 198.51.100.7'.")
            parsed.append((name.strip().lower(), value.strip()))
        return cls(address, tuple(parsed))


def find_public(config: Config) -> Side:
    scheme = "https" if config.public.tls_cert else "http"
    return _side("public", scheme, config.public.host, config.public.port, "/-/ready", "ready")


def find_private(config: Config) -> Side:
    return _side("private", "http", config.private.host, config.private.port, "/-/health", "status")


def check_port(config: Config, side: Side) -> Iterator[Check]:
    topic = f"{side.name} port"
    if side.port == 0:
        yield warn(topic, "0: the system picks another free port at each start.", f"Set [{side.name}] port.")
    elif side.answer is Answer.OURS:
        yield ok(topic, f"{side.where}, Waymark answers")
    elif side.answer is Answer.STRANGER:
        says = f"{side.where} is taken by another program."
        yield fail(topic, says, f"Stop it (`ss -ltnp` shows which it is), or set another [{side.name}] port.")
    else:
        try:
            bound_socket(side.name, side.host, side.port).close()
        except ConfigError as error:
            yield fail(topic, str(error))
        else:
            yield ok(topic, f"{side.where}, free")


def check_sides(public: Side, private: Side, *, locked: bool) -> Iterator[Check]:
    """Running or stopped as a whole, and whether the public side can do all its work."""
    topic = "service"
    running = [side for side in (public, private) if side.answer is Answer.OURS]
    if locked and private not in running:
        says = f"a process holds the data folder, but no private side answers at {private.where}."
        yield warn(topic, says, "It may be starting, or run with another config file: name that one with --config.")
    elif not running:
        yield ok(topic, "stopped; `waymark serve` starts it")
    elif len(running) == 1:
        missing = private if running[0] is public else public
        says = f"the {running[0].name} side runs, the {missing.name} side does not."
        yield warn(topic, says, f"Start it: `waymark serve --only {missing.name}`.")
    else:
        yield ok(topic, "running, both sides")
    if public.facts and not public.facts.get("ready"):
        told = ", ".join(f"{name} {value}" for name, value in public.facts.items() if name != "ready")
        yield warn(topic, f"the public side is not ready: {told}.", "Look again in a moment; its log says more.")


def check_proxy(config: Config) -> Iterator[Check]:
    topic, header = "proxy", config.proxy.header.lower()
    trust = proxy_trust(config)
    if not _FIELD_NAME.fullmatch(header):
        yield fail(
            topic, f"[proxy] header {config.proxy.header!r} is no header name.", "Write one such as x-forwarded-for."
        )
    elif any(network.prefixlen == 0 for network in trust.networks):
        says = f"[proxy] trusted is everybody: whoever sends {header} chooses the address that is counted."
        yield fail(topic, says, "List only your proxies' addresses.")
    elif not trust.networks and _is_behind_proxy(config):
        says = f"{config.short_url} cannot reach {config.public.host} directly, so a proxy is in front, and none is trusted."
        remedy = 'Scans would all get its address: add that to [proxy] trusted, e.g. ["127.0.0.1", "::1"].'
        yield warn(topic, says, remedy)
    elif trust.networks:
        yield ok(topic, f"{', '.join(map(str, trust.networks))} may name the client in {header}")
    else:
        yield ok(topic, "none is trusted: a scan's address is that of its connection")


def check_client_address(config: Config, asked: Asked) -> Iterator[Check]:
    topic, trust = "client address", proxy_trust(config)
    values = [value for name, value in asked.headers if name == trust.header]
    found = client_address(asked.sender, values, trust)
    says = (
        f"a scan from {asked.sender} counts as {found.address}: {found.why}. Written as {cut_address(found.address)}."
    )
    ignored = sorted({name for name, _value in asked.headers if name in _FORWARDING | {trust.header}} - {trust.header})
    if values and not trust.networks:
        ignored.append(trust.header)
    if ignored:
        yield warn(topic, f"{says} Not believed: {', '.join(ignored)}.", _how_to_believe(asked, bool(trust.networks)))
    else:
        yield ok(topic, says)


def _how_to_believe(asked: Asked, trusts: bool) -> str:
    if trusts:
        return "Only the one header named by [proxy] header counts; name the one your proxy sets."
    return f"If {asked.sender} is your proxy, add it to [proxy] trusted; else this is as it should be."


def _is_behind_proxy(config: Config) -> bool:
    """The public side listens on this machine alone, yet codes lead to a name elsewhere."""
    host = urlsplit(config.short_url).hostname or ""
    here = config.public.host in LOCAL_NAMES | {"::1"}
    return here and host not in LOCAL_NAMES | {"::1"}


def _side(name: str, scheme: str, host: str, port: int, path: str, key: str) -> Side:
    if port == 0:
        return Side(name, host, port, Answer.NOBODY)
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    url = f"{scheme}://{f'[{reached}]' if ':' in reached else reached}:{port}{path}"
    try:
        # Our own certificate is for another name.
        response = httpx2.get(url, timeout=ANSWER_S, trust_env=False, verify=False)
        facts = response.json()
    except httpx2.ConnectError as error:
        # Refused is nobody; a TLS handshake that fails is somebody.
        stranger = "ssl" in str(error).lower()
        return Side(name, host, port, Answer.STRANGER if stranger else Answer.NOBODY)
    except (httpx2.TransportError, ValueError):
        return Side(name, host, port, Answer.STRANGER)
    if not isinstance(facts, dict) or key not in facts:
        return Side(name, host, port, Answer.STRANGER)
    return Side(name, host, port, Answer.OURS, facts)
