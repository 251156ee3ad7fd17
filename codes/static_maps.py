"""A redirect map without Waymark, so that printed codes outlive it: for nginx, and as a _redirects file. Rules cannot be
kept there: such a code leads to its default destination, and a comment says so.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from codes.options import NO_OPTIONS
from codes.register import PATH_SAFE, Code

MapFormat = Literal["nginx", "_redirects"]
BUCKET_BYTES: Final = 1024  # holds the longest code there can be


@dataclass(frozen=True, slots=True)
class MapHead:
    """How many lines there will be, and of which domain."""

    domain: str
    codes: int
    with_rules: int


def nginx_map(head: MapHead, codes: Iterable[Code], same_but_case: frozenset[str] = frozenset()) -> Iterator[str]:
    """``same_but_case`` are those in lower case that several codes are: nginx compares plain keys in any case."""
    yield f"# {head.codes} codes of {head.domain}: include it in http {{}} of nginx, and in the server of {head.domain} write\n"
    yield "#   location / { if ($waymark_target) { return 302 $waymark_target; } return 404; }\n"
    yield f"# {_rules_note(head)}\n"
    yield f"map_hash_bucket_size {BUCKET_BYTES};\n"
    yield f"map_hash_max_size {max(2048, 2 * head.codes)};\n"
    yield "map $uri $waymark_target {\n"
    yield '    default "";\n'
    for code in codes:
        yield from _notes(code, "    ")
        # nginx decodes $uri, so keys are plain text; in a value $ would begin a variable.
        exact = code.legacy and code.code.lower() in same_but_case
        key = f"~^/{re.escape(code.code)}$" if exact else f"/{code.code}"
        yield f"    {_quoted(key)} {_quoted(code.destination.replace('$', '%24'))};\n"
    yield "}\n"


def redirects_file(head: MapHead, codes: Iterable[Code]) -> Iterator[str]:
    """As static hosts read it: path, destination, status. They know no letter case to ignore: two spellings of each."""
    yield f"# {head.codes} codes of {head.domain}.\n"
    yield f"# {_rules_note(head)}\n"
    for code in codes:
        yield from _notes(code, "")
        spellings = [code.code] if code.legacy else dict.fromkeys([code.code.lower(), code.code.upper()])
        for spelling in spellings:
            yield f"/{quote(spelling, safe=PATH_SAFE)} {code.destination.replace(' ', '%20')} 302\n"


def has_behaviour(code: Code) -> bool:
    """Whether scans may go elsewhere than to the default destination, or get a parameter more."""
    return bool(code.rules) or code.options != NO_OPTIONS


def _rules_note(head: MapHead) -> str:
    if not head.with_rules:
        return "Scans are not counted here."
    return f"Scans are not counted here, and {head.with_rules} codes with rules or options lead to their default destination."


def _notes(code: Code, indent: str) -> Iterator[str]:
    if has_behaviour(code):
        yield f"{indent}# {_comment(code.code)}: has rules or options; this is its default destination\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _comment(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
