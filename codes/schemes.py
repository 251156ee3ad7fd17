"""Destinations that are no web pages: mail, calls, messages, places, and the apps an installation lists."""

import re
import unicodedata
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, unquote, unquote_to_bytes

from codes.hosts import check_lookalike, parse_host
from codes.refusals import DestinationError

# Schemes that run code, read local files, or dress up another address. No list of an installation opens them.
_FORBIDDEN_NAMES: Final = (
    "javascript vbscript livescript jscript ecmascript mocha script x-javascript data file blob about view-source"
    " filesystem intent android-app content jar res resource chrome chrome-extension moz-extension ms-browser-extension"
    " safari-extension safari-web-extension edge opera brave wyciwyg feed pcast mhtml mk its ms-its ms-help help hcp"
    " shell ms-msdt search search-ms ms-search ms-officecmd ms-cxh ms-cxh-full ms-appinstaller itms-services"
    " telprompt tel-prompt callto"  # these dial, without the care that tel: gets here
)
FORBIDDEN_SCHEMES: Final = frozenset(_FORBIDDEN_NAMES.split())

MAX_RECIPIENTS: Final = 10
_EXAMPLES: Final = {
    "mailto": "mailto:shop@example.com?subject=Hello",
    "tel": "tel:+49-30-123456",
    "sms": "sms:+4930123456?body=Hello",
    "geo": "geo:52.5163,13.3777?q=Gate",
}

_MUST_ENCODE: Final = re.compile(r'%(?![0-9A-Fa-f]{2})|[^!-~]|["<>\\`]')
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
_CONTROL_IN_TEXT: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_LOCAL_PART: Final = re.compile(r"[^\s\x00-\x20\x7f\"(),:;<>@\[\\\]]{1,64}")
_MAIL_FIELDS: Final = frozenset({"to", "cc", "bcc", "subject", "body"})
_SMS_FIELDS: Final = frozenset({"body"})
_MAP_FIELDS: Final = frozenset({"q", "z"})

_NUMBER: Final = re.compile(r"(\+?)([0-9().-]+)((?:;ext=[0-9]{1,10})?)")
_COORDINATES: Final = re.compile(
    r"(-?[0-9]{1,3}(?:\.[0-9]{1,15})?),(-?[0-9]{1,3}(?:\.[0-9]{1,15})?)(?:,-?[0-9]{1,6}(?:\.[0-9]{1,15})?)?"
    r"(?:;crs=wgs84)?(?:;u=[0-9]{1,9}(?:\.[0-9]{1,15})?)?",
    re.IGNORECASE,
)


def percent_encoded(text: str) -> str:
    """Spaces, non-ASCII, stray percent signs and the few printable characters that break headers or HTML, encoded;
    everything else byte for byte as it was."""
    return _MUST_ENCODE.sub(lambda found: quote(found[0], safe=""), text)


def check_mailto(rest: str) -> str:
    if rest.startswith("//"):
        raise _bad_form("mailto", "it has slashes after the colon", _EXAMPLES["mailto"])
    recipients, _, fields = rest.partition("?")
    checked = ",".join(_mail_address(item) for item in _listed("mailto", recipients)) if recipients else ""
    if not checked and not fields:
        raise _bad_form("mailto", "it names nobody to write to", _EXAMPLES["mailto"])
    return f"mailto:{checked}" + _checked_fields("mailto", fields, _MAIL_FIELDS)


def check_tel(rest: str) -> str:
    return "tel:" + _phone_number("tel", rest)


def check_sms(rest: str) -> str:
    recipients, _, fields = rest.partition("?")
    numbers = recipients.replace(";", ",")
    checked = ",".join(_phone_number("sms", item) for item in _listed("sms", numbers)) if recipients else ""
    if not checked and not fields:
        raise _bad_form("sms", "it names neither a number nor a text", _EXAMPLES["sms"])
    return f"sms:{checked}" + _checked_fields("sms", fields, _SMS_FIELDS)


def check_geo(rest: str) -> str:
    place, _, fields = rest.partition("?")
    found = _COORDINATES.fullmatch(place)
    if not found or abs(float(found[1])) > 90 or abs(float(found[2])) > 180:
        raise _bad_form("geo", "it is not a latitude and a longitude in degrees", _EXAMPLES["geo"])
    return f"geo:{place}" + _checked_fields("geo", fields, _MAP_FIELDS)


def check_app(scheme: str, rest: str) -> str:
    """The address of an app that the installation lists; what is inside is the app's business, except disguises."""
    if not rest.strip("/"):
        raise _bad_form(scheme, "nothing follows the colon", f"{scheme}://page")
    inner = unicodedata.normalize("NFKC", _fully_decoded(rest)).lstrip("/ \t\r\n").lower()
    nested = re.match(r"[a-z][a-z0-9+.\s-]{0,40}:", inner)
    if nested and "".join(nested[0][:-1].split()) in FORBIDDEN_SCHEMES:
        raise DestinationError(
            "scheme",
            f"the {scheme}: address only wraps a {nested[0]} address, which is never allowed. "
            "Use the page's own address.",
        )
    _check_app_authority(scheme, rest)
    return f"{scheme}:{percent_encoded(rest)}"


HARMLESS_SCHEMES: Final[dict[str, Callable[[str], str]]] = {
    "mailto": check_mailto,
    "tel": check_tel,
    "sms": check_sms,
    "geo": check_geo,
}


def _check_app_authority(scheme: str, rest: str) -> None:
    authority = re.split(r"[/?#]", rest.lstrip("/"), maxsplit=1)[0] if rest.startswith("//") else ""
    decoded = unicodedata.normalize("NFKC", _fully_decoded(authority))
    if "@" in decoded:
        raise DestinationError(
            "credentials", f"the {scheme}: address has a user name before an @, which hides where it leads. Remove it."
        )
    odd = _CONTROL.search(decoded.encode()) or not authority.isascii()
    if odd or any(character in decoded for character in "[]\\"):
        raise _bad_form(scheme, "its first part holds characters that do not belong there", f"{scheme}://page")


def _listed(scheme: str, addresses: str) -> list[str]:
    """The parts of a comma-separated list, few enough to be checked in no time."""
    items = addresses.split(",")
    if len(items) > MAX_RECIPIENTS:
        raise _bad_form(scheme, f"it names more than {MAX_RECIPIENTS} recipients", _EXAMPLES[scheme])
    return items


def _mail_address(text: str) -> str:
    decoded = unquote(text.strip(" "), errors="replace")
    if _CONTROL.search(decoded.encode()):
        raise _encoded_control("mailto")
    local, at, domain = decoded.rpartition("@")
    if not at or not _LOCAL_PART.fullmatch(local) or "." not in domain or "%" in domain or "\ufffd" in local:
        raise _bad_form("mailto", f"{text[:80]!r} is not a mail address", _EXAMPLES["mailto"])
    host = parse_host(domain)
    check_lookalike(host)
    if host.address is not None:
        raise _bad_form("mailto", "mail goes to a named domain, not to an address of numbers", _EXAMPLES["mailto"])
    return quote(local, safe="!$'*+-./=^_`{|}~") + "@" + host.text


def _phone_number(scheme: str, text: str) -> str:
    """Digits with the usual separators, spaces dropped, ``;ext=`` kept: it is dialled only after a person agrees.

    Other parameters and pauses are refused: what they send after the call is answered cannot be seen beforehand.
    """
    decoded = unicodedata.normalize("NFKC", _fully_decoded(text))
    if "*" in decoded or "#" in decoded:
        raise DestinationError(
            "ussd",
            f"the {scheme}: number holds * or #, with which phones run service codes instead of calling somebody. "
            "Use a plain phone number.",
        )
    number = unquote(text, errors="replace").replace(" ", "").replace("\u00a0", "")
    found = _NUMBER.fullmatch(number)
    digits = sum(character.isdigit() for character in found[2]) if found else 0
    if found is None or not 2 <= digits <= 15:
        what = f"{text[:40]!r} is not a phone number of 2 to 15 digits"
        raise _bad_form(scheme, what, _EXAMPLES[scheme])
    return number


def _checked_fields(scheme: str, fields: str, allowed: frozenset[str]) -> str:
    if not fields:
        return ""
    unused = set(allowed)
    for field in fields.split("&"):
        name, equals, value = field.partition("=")
        if not equals or name.lower() not in unused:
            names = ", ".join(sorted(allowed))
            raise _bad_form(scheme, f"{name[:40]!r} is not one of its fields ({names}), each once", _EXAMPLES[scheme])
        unused.remove(name.lower())
        _check_field(scheme, name.lower(), value)
    # A bare # would start a fragment, and cut the text off there.
    return "?" + percent_encoded(fields).replace("#", "%23")


def _check_field(scheme: str, name: str, value: str) -> None:
    """Line breaks belong into a text body only: anywhere else they would start another header."""
    forbidden = _CONTROL_IN_TEXT if name == "body" else _CONTROL
    if forbidden.search(unquote_to_bytes(value)):
        raise _encoded_control(scheme)
    if name in ("to", "cc", "bcc"):
        for address in _listed(scheme, value):
            _mail_address(address)


def _fully_decoded(text: str) -> str:
    """Percent-decoded until nothing changes, at most four times: the depth at which no program decodes any more."""
    for _ in range(4):
        decoded = unquote(text, errors="replace")
        if decoded == text:
            break
        text = decoded
    return text


def _encoded_control(scheme: str) -> DestinationError:
    return DestinationError(
        "control",
        f"the {scheme}: address holds an encoded line break or control character outside of its text. Remove it.",
    )


def _bad_form(scheme: str, what: str, example: str) -> DestinationError:
    return DestinationError("form", f"the {scheme}: address cannot be used: {what}. Write it like {example}.")
