"""If-Match and If-None-Match (RFC 9110, 13.1) as what a change expects to find."""

import re
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request
from starlette.responses import Response

from codes.alphabet import CodeError
from jobs.expected import Expected, Stale

_MATCH: Final = 'The version that the change is meant for, as in ETag: "3"; one of several; or * for any. Else 412.'
_NONE: Final = "* to make it only if there is none. Else 412."
IfMatch = Annotated[str | None, Header(max_length=2000, description=_MATCH)]
IfNoneMatch = Annotated[str | None, Header(max_length=200, description=_NONE)]
# Without its quotation marks a number is still no doubt.
_TAG: Final = re.compile(r'\s*(?:(?P<weak>W/)?"(?P<tag>[^"]*)"|(?P<bare>[0-9a-f]{1,16}))?\s*(?:,|$)')


TAGGED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"headers": {"ETag": {"description": "The version.", "schema": {"type": "string"}}}},
}


def tag(response: Response, version: int | str) -> None:
    response.headers["ETag"] = f'"{version}"'


def _change(request: Request, if_match: IfMatch = None) -> Expected:
    return expected_in(_lines(request, "if-match"))


def _put(request: Request, if_match: IfMatch = None, if_none_match: IfNoneMatch = None) -> Expected:
    return expected_in(_lines(request, "if-match"), _lines(request, "if-none-match"))


OfChange = Annotated[Expected, Depends(_change)]
OfPut = Annotated[Expected, Depends(_put)]


def expected_in(if_match: str | None, if_none_match: str | None = None) -> Expected:
    """Tags are compared strongly: a weak one stays as it is, and matches nothing. Raises Stale, CodeError."""
    if if_none_match is not None and if_none_match.strip() != "*":
        raise CodeError(f"If-None-Match is {if_none_match[:40]!r}; it takes * here, to make something new.")
    absent = if_none_match is not None
    if if_match is None or if_match.strip() == "*":
        return Expected(exists=if_match is not None, absent=absent)
    versions, place = set(), 0
    while place < len(if_match):
        found = _TAG.match(if_match, place)
        if found is None:
            raise Stale(f'If-Match is {if_match[:40]!r}, which is no version. Send what ETag says, such as "3".')
        versions.add(f'W/"{found["tag"]}"' if found["weak"] else found["tag"] or found["bare"] or "")
        place = found.end()
    return Expected(frozenset(versions), absent=absent)


def _lines(request: Request, name: str) -> str | None:
    """Several lines are one list."""
    lines = request.headers.getlist(name)
    return ", ".join(lines) if lines else None
