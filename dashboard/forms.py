"""Sent forms: reading them, and whether they come from our own page (CSRF)."""

import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Final

from fastapi import Request
from starlette.datastructures import FormData
from starlette.responses import Response

from dashboard.access import Forbidden, Identity, check_csrf

FORM_COOKIE: Final = "waymark_form"  # guards the forms before anybody is signed in
MAX_FIELDS: Final = 30
_FORM_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{32}")
_STALE: Final = "the form was open too long or comes from another site; load the page again and repeat it."


async def read_form(
    request: Request, identity: Identity | None = None, *, max_fields: int = MAX_FIELDS
) -> dict[str, str]:
    """Text fields by name. Raises Forbidden unless the form carries the session's (or the form cookie's) token."""
    _check_origin(request)
    data: FormData = await request.form(max_files=0, max_fields=max_fields)
    fields = {name: value for name, value in data.items() if isinstance(value, str)}
    if identity is not None:
        check_csrf(identity, fields.get("csrf", ""))
    else:
        _check_form_cookie(request, fields.get("csrf", ""))
    return fields


def check_form(request: Request, identity: Identity, fields: Mapping[str, str]) -> None:
    """For a form that was read otherwise, since it brings a file. Raises Forbidden."""
    _check_origin(request)
    check_csrf(identity, fields.get("csrf", ""))


def form_token(request: Request) -> str:
    known = request.cookies.get(FORM_COOKIE, "")
    return known if _FORM_TOKEN.fullmatch(known) else secrets.token_urlsafe(24)


def keep_form_token(response: Response, token: str, *, secure: bool) -> Response:
    response.set_cookie(FORM_COOKIE, token, max_age=3600, httponly=True, samesite="strict", secure=secure)
    return response


def _check_origin(request: Request) -> None:
    _, _, origin = request.headers.get("origin", "").partition("://")  # "null" under some privacy settings
    if origin and origin.lower() != request.headers.get("host", "").lower():
        raise Forbidden(_STALE)


def _check_form_cookie(request: Request, sent: str) -> None:
    known = request.cookies.get(FORM_COOKIE, "")
    if not known or not hmac.compare_digest(sent.encode(), known.encode()):
        raise Forbidden(_STALE)
