"""Hosts of destinations: one spelling for each, which are odd, private or our own. Asks no DNS."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

import idna

from codes.lookalikes import find_lookalike
from codes.refusals import DestinationError

MAX_HOST: Final = 253
_MAX_RAW_HOST: Final = MAX_HOST + 1  # the final dot

_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT: Final = re.compile(r":([0-9]{1,5})?")

# RFC 6890 and its registry. The documentation ranges are left out: they lead nowhere, so refusing them protects nobody.
_PRIVATE_V4_TEXT: Final = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.168.0.0/16"
    " 198.18.0.0/15 224.0.0.0/4 240.0.0.0/4"
    " 168.63.129.16/32"  # the metadata host of one large cloud, public by number only
)
_PRIVATE_V4: Final = tuple(IPv4Network(text) for text in _PRIVATE_V4_TEXT.split())
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_SPECIAL_V6: Final = tuple(IPv6Network(text) for text in ("2001:2::/48", "2001:10::/28", "2001:20::/28"))

_PRIVATE_NAMES: Final = "localhost localdomain local internal intranet private corp home lan home.arpa"
# Public names whose addresses are local by design.
_LOOPING_NAMES: Final = "localtest.me lvh.me nip.io sslip.io xip.io"
_PRIVATE_SUFFIXES: Final = frozenset(f"{_PRIVATE_NAMES} {_LOOPING_NAMES}".split())


@dataclass(frozen=True, slots=True)
class Host:
    """``text`` as it stands in a normalised URL, with brackets around IPv6; ``address`` when it is one."""

    text: str
    address: IPv4Address | IPv6Address | None = None


def parse_host(raw: str) -> Host:
    """The host in its one spelling: lower-case A-labels without the final dot, or a plain address.

    Raises DestinationError ("host" or "numeric").
    """
    if raw.startswith("["):
        return _parse_ipv6(raw)
    if not raw:
        raise DestinationError("host", "the destination has no host name. Write it like https://example.com/page.")
    name = _mapped(raw).removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return Host(name, _parse_ipv4(raw, name))
    text = ".".join(_a_label(label, raw) for label in labels)
    if len(text) > MAX_HOST:
        raise _bad_host(raw, f"it has more than {MAX_HOST} characters")
    return Host(text)


def check_lookalike(host: Host) -> None:
    """Raises DestinationError when a label reads as another name: any mixture of scripts; under an ASCII top-level
    domain also a whole word of twins (under others that is simply how the language is written)."""
    labels = [idna.ulabel(label) if label.startswith("xn--") else label for label in host.text.split(".")]
    for label in labels:
        reason = find_lookalike(label, whole_word=labels[-1].isascii())
        if reason is not None:
            raise DestinationError(
                "lookalike",
                f"the host {'.'.join(labels)!r} may pass for another one: {reason}. "
                "Check where it leads and use an address of the same site that cannot be mistaken.",
            )


def check_private(host: Host) -> None:
    """Raises DestinationError for addresses and names that lead into somebody's own network."""
    if host.address is not None:
        private = not is_public_address(host.address)
    else:
        suffixes = _suffixes(host.text)
        private = "." not in host.text or not suffixes.isdisjoint(_PRIVATE_SUFFIXES)
    if private:
        raise DestinationError(
            "private",
            f"the host {host.text!r} is private or local, so phones elsewhere cannot reach it. "
            "Use a public address, or set block_private = false where everybody is on your network.",
        )


def check_loop(host: Host, port: int, own_hosts: frozenset[str]) -> None:
    """Raises DestinationError when the destination is one of our own short domains.

    A domain is ours on every port; an address or localhost given with a port only on that one, since other programs of
    the same machine are fair destinations.
    """
    ports = _own_ports(own_hosts).get(_machine(host), frozenset())
    if None in ports or port in ports:
        raise DestinationError(
            "loop",
            f"the host {host.text!r} is one of this installation's own short domains, so a scan could go round in "
            "circles. Use the address of the page that people should end up on.",
        )


def is_public_address(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is on the public internet, also when an IPv4 one is wrapped into IPv6."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _PRIVATE_V4)
    wrapped = _wrapped_v4(address)
    if wrapped:
        return all(is_public_address(inner) for inner in wrapped)
    return address in _GLOBAL_V6 and not any(address in network for network in _SPECIAL_V6)


def split_port(authority: str) -> tuple[str, int | None]:
    """Host and port of an authority without credentials; None when no port is given. Raises DestinationError."""
    end = authority.rfind("]") + 1
    if authority.startswith("[") and not end:
        raise _bad_host(authority, "its bracket is not closed")
    colon = authority.find(":", end)
    if colon < 0:
        return authority, None
    found = _PORT.fullmatch(authority[colon:])
    port = int(found[1]) if found and found[1] else None
    if found is None or port == 0 or (port or 0) > 65535:
        raise DestinationError(
            "port",
            f"{authority[colon + 1 :][:40]!r} is not a port: those are numbers from 1 to 65535. "
            "Correct it, or leave it out.",
        )
    return authority[:colon], port


def _parse_ipv6(raw: str) -> Host:
    try:
        # A zone ("%eth0") means something on one machine only.
        if not raw.endswith("]") or "%" in raw:
            raise ValueError  # noqa: TRY301  one message for every way an address can be wrong
        address = IPv6Address(raw[1:-1])
    except ValueError:
        raise _bad_host(raw, "it is not an IPv6 address in brackets, like [2001:db8::1]") from None
    return Host(f"[{address.compressed}]", address)


def _parse_ipv4(raw: str, name: str) -> IPv4Address:
    """Four plain decimal numbers only: browsers also read 127.1, octal and hexadecimal, and filters are fooled so."""
    try:
        if name != raw.lower():
            raise ValueError  # noqa: TRY301
        return IPv4Address(name)
    except ValueError:
        raise DestinationError(
            "numeric",
            f"the host {raw[:80]!r} is a number in an unusual spelling, which hides where it leads. "
            "Write the name of the site, or its address as four decimal numbers.",
        ) from None


def _mapped(raw: str) -> str:
    """Lower-case, full-width and similar letters made plain, ideographic full stops made dots (UTS 46)."""
    if len(raw) > _MAX_RAW_HOST:
        raise _bad_host(raw, f"it has more than {MAX_HOST} characters")
    if raw.isascii():
        return raw.lower()
    try:
        return idna.uts46_remap(raw, std3_rules=False, transitional=False)
    except ValueError:
        raise _bad_host(raw, "it holds characters that host names cannot have") from None


def _a_label(label: str, raw: str) -> str:
    try:
        if not label.isascii():
            return idna.alabel(label).decode("ascii")
        # A label that does not survive decoding and encoding is no name anybody could register.
        if label.startswith("xn--") and idna.alabel(idna.ulabel(label)).decode("ascii") != label:
            raise ValueError  # noqa: TRY301
    except ValueError:
        raise _bad_host(raw, f"{label[:70]!r} is not a valid internationalised name") from None
    if not _LABEL.fullmatch(label):
        raise _bad_host(raw, "names are letters, digits and hyphens between dots, up to 63 in each part")
    return label


def _wrapped_v4(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses inside a mapped, NAT64, 6to4 or Teredo address; packets for it end up at them."""
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    if address.sixtofour:
        return [address.sixtofour]
    return list(address.teredo) if address.teredo else []


def _suffixes(name: str) -> set[str]:
    labels = name.split(".")
    return {".".join(labels[start:]) for start in range(len(labels))}


@lru_cache(maxsize=16)
def _own_ports(own_hosts: frozenset[str]) -> dict[str, frozenset[int | None]]:
    ports: dict[str, frozenset[int | None]] = {}
    for entry in own_hosts:
        try:
            name, port = split_port(entry)
            host = parse_host(name)
        except DestinationError:
            continue  # what cannot be read as a host cannot be reached as a destination either
        machine = _machine(host)
        only = port if host.address is not None or machine == "localhost" else None
        ports[machine] = ports.get(machine, frozenset()) | {only}
    return ports


def _machine(host: Host) -> str:
    """One name for this machine, however it is spelt, since what listens on `localhost` is found under 127.0.0.1, too."""
    if host.address is None:
        local = host.text == "localhost" or host.text.endswith(".localhost")
    else:
        wrapped = _wrapped_v4(host.address) if isinstance(host.address, IPv6Address) else []
        local = any(address.is_loopback or address.is_unspecified for address in (host.address, *wrapped))
    return "localhost" if local else host.text


def _bad_host(raw: str, why: str) -> DestinationError:
    return DestinationError("host", f"the host {raw[:80]!r} cannot be used: {why}. Check the address for a slip.")
