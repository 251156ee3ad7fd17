"""The one destination validator: every way in (API, CLI, dashboard, import) calls it, nothing else decides. No I/O."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from codes.hosts import check_lookalike, check_loop, check_private, parse_host, split_port
from codes.refusals import DestinationError, Reason
from codes.schemes import FORBIDDEN_SCHEMES, HARMLESS_SCHEMES, check_app, percent_encoded

__all__ = ["MAX_BYTES", "DestinationError", "DestinationPolicy", "Reason", "check_destination"]

# Counted after normalising, when a character is a byte. Leaves room for the other headers of a 302 in the 8 KB that
# proxies commonly allow for all of them.
MAX_BYTES: Final = 4096
SITES: Final = 1_000  # remembered as checked: many codes lead to few sites

_MAX_SUGGESTED: Final = 300
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
# Also line separators, direction overrides, byte order mark, lone surrogates: nobody types them, and they hide things.
_CONTROL: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)
_MAIL_ADDRESS: Final = re.compile(r"[^\s@:/?#]+@[^\s@:/?#]+\.[^\s@:/?#]+")
_PHONE_NUMBER: Final = re.compile(r"\+[0-9][0-9 ().-]{4,30}")
_END_OF_AUTHORITY: Final = re.compile(r"[/?#]")
_MISPLACED_SLASHES: Final = re.compile(r"https?(?:[:;][/\\]*|[/\\]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DestinationPolicy:
    """What an installation allows. Own hosts as in the Host header (with port, if any); app schemes lower-case."""

    own_hosts: frozenset[str] = frozenset()
    app_schemes: frozenset[str] = frozenset()
    block_private: bool = False


def check_destination(text: str, policy: DestinationPolicy) -> str:
    """The destination in the form that is stored and sent: printable ASCII, up to MAX_BYTES. Raises DestinationError.

    Encoded line breaks (%0D%0A) in a path or query stay encoded and so can do no harm in a header; they are kept.
    """
    normalised = _normalised(_trimmed(text), policy)
    if len(normalised) > MAX_BYTES:
        raise _too_long(len(normalised))
    return normalised


def _trimmed(text: str) -> str:
    if len(text) > MAX_BYTES:
        raise _too_long(len(text))
    control = _CONTROL.search(text)
    if control:
        raise DestinationError(
            "control",
            f"the destination holds a line break or an invisible character (U+{ord(control[0]):04X}, "
            f"position {control.start() + 1}). Remove it, or type the address by hand.",
        )
    trimmed = text.strip(" ")
    if not trimmed:
        raise DestinationError("empty", "the destination is empty. Give an address like https://example.com/page.")
    return trimmed


def _normalised(text: str, policy: DestinationPolicy) -> str:
    found = _SCHEME.fullmatch(text)
    if found is None:
        raise _without_scheme(text, policy)
    scheme, rest = found[1].lower(), found[2]
    if scheme in _DEFAULT_PORTS:
        return _web_address(scheme, rest, text, policy)
    if scheme in HARMLESS_SCHEMES:
        return HARMLESS_SCHEMES[scheme](rest)
    if scheme in FORBIDDEN_SCHEMES:
        raise DestinationError(
            "scheme",
            f"addresses that begin with {scheme}: are never allowed, because they can run code, open files or hide "
            "another address. Use the page's https:// address.",
        )
    if scheme in policy.app_schemes:
        return check_app(scheme, rest)
    if "." in scheme or re.match(r"[0-9]{1,5}(?:[/?#]|\Z)", rest):
        raise _without_scheme(text, policy)  # a host with a port, such as example.com:8080/page
    raise DestinationError(
        "scheme",
        f"addresses that begin with {scheme[:40]}: are not allowed here. Use http, https, mailto, tel, sms or geo, "
        "or have the scheme added to app_schemes in the settings.",
    )


def _web_address(scheme: str, rest: str, text: str, policy: DestinationPolicy) -> str:
    if not rest.startswith("//"):
        raise _without_scheme(text, policy)
    authority = _END_OF_AUTHORITY.split(rest[2:], maxsplit=1)[0]
    return f"{scheme}://{_checked_site(scheme, authority, policy)}{percent_encoded(rest[2 + len(authority) :])}"


@lru_cache(maxsize=SITES)
def _checked_site(scheme: str, authority: str, policy: DestinationPolicy) -> str:
    """Host and port as they are stored."""
    _check_authority(authority)
    name, port = split_port(authority)
    host = parse_host(name)
    effective = port or _DEFAULT_PORTS[scheme]
    check_loop(host, effective, policy.own_hosts)
    check_lookalike(host)
    if policy.block_private:
        check_private(host)
    shown_port = "" if effective == _DEFAULT_PORTS[scheme] else f":{effective}"
    return f"{host.text}{shown_port}"


def _check_authority(authority: str) -> None:
    """What is between // and the path may be a host and a port only. Raises DestinationError."""
    decoded = unicodedata.normalize("NFKC", _percent_decoded(authority))
    if "@" in decoded:
        raise DestinationError(
            "credentials",
            "the destination has a user name or password before an @, which browsers send along and which hides where "
            "it leads. Remove everything between // and the host name.",
        )
    if _CONTROL.search(decoded):
        raise DestinationError(
            "control", "the host name holds an encoded line break or control character. Type the address by hand."
        )
    if "\\" in decoded or "%" in authority:
        raise DestinationError(
            "host",
            f"the host {authority[:80]!r} holds backslashes or percent signs, which programs read in different ways. "
            "Write the plain name of the site.",
        )


def _percent_decoded(text: str) -> str:
    for _ in range(2):  # twice: %2540 is an @ for programs that decode once too often
        text = re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), text)
    return text


def _without_scheme(text: str, policy: DestinationPolicy) -> DestinationError:
    suggestion = _suggestion(text, policy)
    remedy = f"Did you mean {suggestion} ?" if suggestion else "Give a full address like https://example.com/page."
    return DestinationError("scheme", f"the destination has no https:// or other scheme at its beginning. {remedy}")


def _suggestion(text: str, policy: DestinationPolicy) -> str | None:
    if len(text) > _MAX_SUGGESTED:
        return None
    if _MAIL_ADDRESS.fullmatch(text):
        candidate = f"mailto:{text}"
    elif _PHONE_NUMBER.fullmatch(text):
        candidate = f"tel:{text}"
    else:
        bare = _MISPLACED_SLASHES.sub("", text, count=1) if _MISPLACED_SLASHES.match(text) else text
        candidate = f"https://{bare.lstrip('/')}"
    try:
        normalised = _normalised(candidate, policy)
    except DestinationError:
        return None
    host = re.match(r"https://([^/?#]*)", normalised)
    word_only = host is not None and "." not in host[1]  # more likely a slip than a host
    return None if word_only else normalised


def _too_long(length: int) -> DestinationError:
    return DestinationError(
        "length",
        f"the destination has {length} characters; up to {MAX_BYTES} work everywhere. "
        "Shorten it, for example by dropping parameters the page does not need.",
    )
