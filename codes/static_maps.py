"""A redirect map without Waymark, so that printed codes outlive it: for nginx, and as a _redirects file. UTM fields are
added as the live redirect adds them. Rules, times and limits cannot be kept there: such a code leads to its default
destination, and a comment names what is missing. What a password guards or somebody paused is left out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import quote

from codes.options import Options, with_utm_defaults
from codes.parameters import with_parameters
from codes.register import PATH_SAFE, Code

MapFormat = Literal["nginx", "_redirects"]
BUCKET_BYTES: Final = 1024  # holds the longest code there can be
NGINX_MAX: Final = 4_000  # of one word of its configuration, which it reads in pieces of 4,096 bytes


@dataclass(frozen=True, slots=True)
class MapCode:
    """A code as a map has it; ``utm`` are its campaign's fields, ``planned`` whether a change of it is planned."""

    code: Code
    utm: Mapping[str, str] = field(default_factory=dict)
    planned: bool = False

    @property
    def target(self) -> str:
        """The default destination as a scan gets it."""
        options = with_utm_defaults(Options(utm=self.code.options.utm), self.utm)
        return with_parameters(self.code.destination, options)

    @property
    def left_out(self) -> str:
        """Why a map must not tell where it leads; empty when it may."""
        options = self.code.options
        if options.password_hash is not None:
            return "asks for a password"
        return "is paused" if options.paused is not None else ""

    @property
    def lost(self) -> tuple[str, ...]:
        """What it does beyond leading to its target, which a map cannot say."""
        options = self.code.options
        kept = {
            "rules": bool(self.code.rules),
            "its start or end": options.starts_at is not None or options.ends_at is not None,
            "its limit of scans": options.max_scans is not None,
            "the query it passes on": options.pass_query,
            "the scan's number": options.scan_id is not None,
            "planned changes": self.planned,
        }
        return tuple(words for words, is_set in kept.items() if is_set)


@dataclass(frozen=True, slots=True)
class MapHead:
    """Of which domain, how many codes, and how many of them the map cannot keep whole or leaves out."""

    domain: str
    codes: int
    lost: int = 0
    left_out: int = 0


def head_of(domain: str, codes: Iterable[MapCode]) -> MapHead:
    listed = list(codes)
    left_out = sum(bool(code.left_out) for code in listed)
    lost = sum(bool(code.lost) and not code.left_out for code in listed)
    return MapHead(domain, len(listed), lost, left_out)


def nginx_map(head: MapHead, codes: Iterable[MapCode], same_but_case: frozenset[str] = frozenset()) -> Iterator[str]:
    """``same_but_case`` are those in lower case that several codes are: nginx compares plain keys in any case."""
    yield f"# {head.codes} codes of {head.domain}: include it in http {{}} of nginx, and in the server of {head.domain} write\n"
    yield "#   location / { if ($waymark_target) { return 302 $waymark_target; } return 404; }\n"
    yield from _head_notes(head)
    yield f"map_hash_bucket_size {BUCKET_BYTES};\n"
    yield f"map_hash_max_size {max(2048, 2 * head.codes)};\n"
    yield "map $uri $waymark_target {\n"
    yield '    default "";\n'
    for entry in codes:
        code, target = entry.code, entry.target.replace("$", "%24")
        too_long = len(_quoted(target)) > NGINX_MAX
        yield from _notes(entry, "    ", "is longer than nginx takes" if too_long else "")
        if entry.left_out or too_long:
            continue
        # nginx decodes $uri, so keys are plain text; in a value $ would begin a variable.
        exact = code.legacy and code.code.lower() in same_but_case
        key = f"~^/{re.escape(code.code)}$" if exact else f"/{code.code}"
        yield f"    {_quoted(key)} {_quoted(target)};\n"
    yield "}\n"


def redirects_file(head: MapHead, codes: Iterable[MapCode]) -> Iterator[str]:
    """As static hosts read it: path, destination, status. They know no letter case to ignore: two spellings of each."""
    yield f"# {head.codes} codes of {head.domain}.\n"
    yield from _head_notes(head)
    for entry in codes:
        code = entry.code
        yield from _notes(entry, "")
        if entry.left_out:
            continue
        spellings = [code.code] if code.legacy else dict.fromkeys([code.code.lower(), code.code.upper()])
        for spelling in spellings:
            yield f"/{quote(spelling, safe=PATH_SAFE)} {entry.target.replace(' ', '%20')} 302\n"


def _head_notes(head: MapHead) -> Iterator[str]:
    yield "# Scans are not counted here.\n"
    if head.lost:
        yield f"# {head.lost} of them do more than a map can say; each has a comment with what is missing.\n"
    if head.left_out:
        yield f"# {head.left_out} of them are left out, since a password or a pause cannot be kept here.\n"


def _notes(entry: MapCode, indent: str, problem: str = "") -> Iterator[str]:
    named = f"{indent}# {_comment(entry.code.code)}"
    if entry.left_out or problem:
        yield f"{named}: left out, it {entry.left_out or problem}\n"
    elif entry.lost:
        yield f"{named}: without {', '.join(entry.lost)}; this is its default destination\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _comment(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
