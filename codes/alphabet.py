"""How codes are spelled: making them, checking own slugs, lookup keys, and what people type. Knows no database."""

import re
import secrets
import unicodedata
from typing import Final

CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CAMPAIGN_LENGTH: Final = 10
JOB_LENGTH: Final = 16
MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 32
MAX_TYPED: Final = 512

_SLUG: Final = re.compile(r"[a-z0-9-]{3,64}")
_NOT_SLUG: Final = re.compile(r"[^a-z0-9-]+")
_LOOK_ALIKES: Final = str.maketrans({"o": "0", "i": "1", "l": "1"})

# What browsers, phones and crawlers ask every host for by themselves: such a request is no scan. Names with a dot can
# only arrive by import, since own slugs have none.
_RESERVED_NAMES: Final = {
    "-": "Waymark's own pages live there",
    ".": "browsers read it as this folder",
    "..": "browsers read it as the folder above",
    ".well-known": "certificates and app links are proven there",
    "favicon.ico": "browsers ask for it by themselves",
    "robots.txt": "crawlers ask for it by themselves",
    "humans.txt": "crawlers ask for it by themselves",
    "ads.txt": "crawlers ask for it by themselves",
    "security.txt": "security scanners ask for it by themselves",
    "sitemap.xml": "crawlers ask for it by themselves",
    "index.html": "it is read as the start page",
    "index.htm": "it is read as the start page",
    "index.php": "scanners for holes ask for it by themselves",
    "browserconfig.xml": "browsers ask for it by themselves",
    "manifest.json": "browsers ask for it by themselves",
    "site.webmanifest": "browsers ask for it by themselves",
    "apple-app-site-association": "iPhones ask for it by themselves",
}
_RESERVED_PREFIX: Final = "apple-touch-icon"

_STATUS_PAGES: Final = "j"  # in the address of a job's page, its code comes behind it
_WEB_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*:/{1,3}", re.IGNORECASE)
_SLASHES: Final = str.maketrans({"\\": "/", "\u2044": "/", "\u2215": "/", "\u29f8": "/"})
# U+30FC is what the hyphen key gives on a Japanese keyboard; NFKC has already turned the full-width forms around.
_HYPHENS: Final = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u30fc\u02d7", "-"))
_WRAPPING: Final = ".,;:!?'\"`()<>[]{}\u2018\u2019\u201c\u201d\u00ab\u00bb\u3002\u3001\u060c"


class CodeError(ValueError):
    """A code that cannot be used; the message says what, why and what to do."""


def fold(code: str) -> str:
    """The lookup key: two codes with the same key are the same code to somebody who types (O=0, I=L=1, no case)."""
    return code.casefold().translate(_LOOK_ALIKES)


_RESERVED_KEYS: Final = {fold(name): reason for name, reason in _RESERVED_NAMES.items()}
_RESERVED_KEY_PREFIX: Final = fold(_RESERVED_PREFIX)


def new_code(length: int = CAMPAIGN_LENGTH) -> str:
    """A random upper-case Crockford base32 code: 5 bits a character, never reserved."""
    if not MIN_LENGTH <= length <= MAX_LENGTH:
        raise CodeError(
            f"generated codes have {MIN_LENGTH} to {MAX_LENGTH} characters, not {length}: "
            "shorter ones can be guessed, longer ones make the symbol dense. Choose a length in between."
        )
    while True:
        code = "".join(secrets.choice(CROCKFORD) for _ in range(length))
        if reserved_reason(code) is None:
            return code


def check_slug(text: str) -> str:
    """The slug as it is stored, lower-case. Raises CodeError."""
    slug = text.strip(" ").lower()
    if not 3 <= len(slug) <= 64:
        raise CodeError(
            f"the slug {text[:80]!r} has {len(slug)} characters; own slugs have 3 to 64. Choose another one."
        )
    # Tested before lower-casing is trusted: the Kelvin sign, for one, becomes a plain k by it.
    if not (text.isascii() and _SLUG.fullmatch(slug)):
        raise CodeError(_slug_fault(text.strip(" ")))
    reason = reserved_reason(slug)
    if reason is not None:
        raise CodeError(f"the slug {slug!r} is reserved: {reason}. Choose another one.")
    return slug


def reserved_reason(code: str) -> str | None:
    """Why a code may not be used (also an imported one, with slashes or dots), or None when it may."""
    first = code.split("/", 1)[0].lower()
    if not first:
        return "it is empty, and the start page lives there"
    if len(first) == 1 and first.isalpha():
        return "one-letter paths are kept for Waymark's own pages"
    key = fold(first)
    if key.startswith(_RESERVED_KEY_PREFIX):
        return "iPhones ask for it by themselves"
    return _RESERVED_KEYS.get(key)


def normalise_typed(text: str) -> str:
    """What somebody typed or pasted, as one code: without the address around it, plain digits, plain hyphens.

    Spelling and case stay, because imported codes are looked up exactly; "" when nothing is left.
    """
    if len(text) > MAX_TYPED:
        return ""
    plain = "".join(_plain(character) for character in unicodedata.normalize("NFKC", text))
    plain = " ".join(plain.translate(_HYPHENS).translate(_SLASHES).split())
    return _code_in_address(plain).strip(_WRAPPING + " ")


def typed_candidates(text: str) -> tuple[str, ...]:
    """What to look up, in this order, for something typed: without spaces, spaces as hyphens, without either.

    Own slugs may hold hyphens; people put them into generated codes, and spaces into both.
    """
    typed = normalise_typed(text)
    hyphened = re.sub(r" ?- ?| ", "-", typed)
    joined = typed.replace(" ", "").replace("-", "")
    return tuple(dict.fromkeys(candidate for candidate in (typed.replace(" ", ""), hyphened, joined) if candidate))


def _slug_fault(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    suggestion = _NOT_SLUG.sub("-", decomposed).strip("-")
    remedy = f"Try {suggestion!r}." if _SLUG.fullmatch(suggestion) else "Choose another one."
    return (
        f"the slug {text!r} is not made of letters a-z, digits and hyphens only, so it would not print well. {remedy}"
    )


def _plain(character: str) -> str:
    """Decimal digits of any script as 0-9; what cannot be seen (joiners, direction marks) is dropped."""
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    return "" if category in ("Cf", "Cs", "Co", "Cn") else character


def _code_in_address(text: str) -> str:
    scheme = _WEB_ADDRESS.match(text)
    path = re.split(r"[?#]", text[scheme.end() :] if scheme else text, maxsplit=1)[0]
    first, *others = (segment.strip() for segment in path.split("/"))
    code = next((segment for segment in others if segment and segment.lower() != _STATUS_PAGES), "")
    if scheme:
        return code
    has_host = "." in first or ":" in first or first.lower() in ("", _STATUS_PAGES)
    return code if has_host and code else first
