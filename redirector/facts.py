"""What a request says about itself: client address, user agent, referrer, language, query, privacy and prefetch signs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from jobs.status_sources import PAGES

MAX_AGENT: Final = 512
MAX_REFERRER: Final = 500
MAX_VALUE: Final = 200
MAX_PAIRS: Final = 20
PREFETCH_HEADERS: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
PREFETCH_WORDS: Final = ("prefetch", "prerender", "preview")

# With Sec-GPC the raw user agent is not written: only which platform it is, a phrase that millions share.
_GPC_PLATFORMS: Final = (
    ("ipad", "Mozilla/5.0 (iPad; CPU OS)"),
    ("iphone", "Mozilla/5.0 (iPhone; CPU iPhone OS)"),
    ("android", "Mozilla/5.0 (Linux; Android)"),
    ("windows", "Mozilla/5.0 (Windows NT 10.0)"),
    ("macintosh", "Mozilla/5.0 (Macintosh; Intel Mac OS X)"),
    ("cros", "Mozilla/5.0 (X11; CrOS x86_64)"),
    ("linux", "Mozilla/5.0 (X11; Linux x86_64)"),
)
_LANGUAGE = re.compile(r"\s*([A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,2})\s*(?:[;,]|$)")

Networks = tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, slots=True)
class ProxyTrust:
    """Which peers may name the client's address, and in which one header."""

    networks: Networks
    header: str  # lower case: x-forwarded-for, forwarded, x-real-ip, cf-connecting-ip ...


@dataclass(frozen=True, slots=True)
class ClientAddress:
    address: str
    why: str  # for people: where the address came from


def networks_from(cidrs: Sequence[str]) -> Networks:
    """Raises ValueError naming the first text that is no network."""
    return tuple(ip_network(cidr, strict=False) for cidr in cidrs)


def client_address(peer: str, header_values: Sequence[str], trust: ProxyTrust) -> ClientAddress:
    """Walks the one configured header right to left and stops at the first address that is not a trusted proxy."""
    if not trust.networks:
        return ClientAddress(peer, "the connection itself; no proxy is trusted")
    if not _is_trusted(peer, trust.networks):
        return ClientAddress(peer, "the connection itself; the peer is not in [proxy] trusted")
    address = peer
    for hop in reversed(_hops(header_values, trust.header)):
        parsed = _parse_address(hop)
        if parsed is None:
            return ClientAddress(address, f"the last readable address in {trust.header}")
        address = parsed
        if not _is_trusted(address, trust.networks):
            return ClientAddress(address, f"{trust.header}, right to left, behind the trusted proxy {peer}")
    if address == peer:
        return ClientAddress(peer, f"the connection itself; the trusted proxy sent no {trust.header}")
    return ClientAddress(address, f"{trust.header}; every hop in it is trusted")


def cut_address(address: str) -> str:
    """IPv4 to /24, IPv6 to /48, as text; empty for what is no address. An IPv4 inside an IPv6 is cut as an IPv4."""
    if ":" not in address:
        network, _dot, _host = address.rpartition(".")
        return f"{network}.0/24" if network.count(".") == 2 else ""
    parsed = _parse_ipv6(address)
    if parsed is None:
        return ""
    inside = parsed.ipv4_mapped or parsed.sixtofour  # 2002::/16 has all of the IPv4 address in its first 48 bits
    if inside:
        return cut_address(str(inside))
    return str(IPv6Network((int(parsed) >> 80 << 80, 48)))


def prefix_of(written: str) -> str:
    """The cut form of an address as the journal has it, cut already or whole."""
    return written if not written or "/" in written else cut_address(written)


def uncounted_reason(method: str, headers: Mapping[str, str]) -> str | None:
    """HEAD and prefetch get the same answer, but nobody looked: the scan is recorded, not counted."""
    if method == "HEAD":
        return "head"
    for name in PREFETCH_HEADERS:
        value = headers.get(name)
        if value and any(word in value.lower() for word in PREFETCH_WORDS):
            return "prefetch"
    return None


def trimmed_agent(user_agent: str, *, gpc: bool) -> str:
    if not gpc:
        return user_agent[:MAX_AGENT]
    lower = user_agent.lower()
    mobile = " Mobile" if "mobile" in lower else ""
    for word, platform in _GPC_PLATFORMS:
        if word in lower:
            return platform + mobile
    return "Mozilla/5.0" if user_agent.strip() else ""


def trimmed_referrer(referrer: str) -> str:
    """Origin + path: no query, no fragment, no credentials, no token of a status page. Empty: there is none, or no http(s)."""
    if not referrer:
        return ""
    try:
        parts = urlsplit(referrer[:4096])
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https", "android-app") or not parts.hostname:
        return ""
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    host = name + (f":{port}" if port else "")
    path = PAGES if parts.path.startswith(PAGES) else parts.path
    return f"{parts.scheme}://{host}{path}"[:MAX_REFERRER]


def first_language(accept_language: str) -> str:
    found = _LANGUAGE.match(accept_language)
    return found[1].lower() if found else ""


def kept_query(query_string: str, keys: frozenset[str]) -> dict[str, str]:
    """Only utm_* and the configured keys; anything else a link may carry about a person is not written."""
    if not query_string or ("utm_" not in query_string.lower() and not keys):
        return {}
    kept: dict[str, str] = {}
    for name, value in parse_qsl(query_string[:8192], keep_blank_values=False, max_num_fields=None):
        key = name.lower()
        if (key.startswith("utm_") or name in keys) and len(kept) < MAX_PAIRS:
            kept.setdefault((key if key.startswith("utm_") else name)[:60], value[:MAX_VALUE])
    return kept


def _is_trusted(address: str, networks: Networks) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in networks)


def _hops(values: Sequence[str], header: str) -> list[str]:
    if header != "forwarded":
        return [hop.strip() for value in values for hop in value.split(",")]
    return [_forwarded_for(hop) for value in values for hop in _unquoted_lists(value).split(",")]


def _unquoted_lists(value: str) -> str:
    """Commas and semicolons inside quotes separate nothing. Seen from the right, where the trusted proxies wrote."""
    parts = value.replace('\\"', "").split('"')
    inside = range(len(parts) - 2, -1, -2)
    for index in inside:
        parts[index] = parts[index].replace(",", " ").replace(";", " ")
    return '"'.join(parts)


def _forwarded_for(element: str) -> str:
    """RFC 7239: the for= parameter of one forwarded-element."""
    for pair in element.split(";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            return value.strip().strip('"')
    return ""


def _parse_address(text: str) -> str | None:
    """An address with or without a port or brackets."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(parsed)


def _parse_ipv6(address: str) -> IPv6Address | None:
    try:
        return IPv6Address(address.partition("%")[0])
    except ValueError:
        return None
