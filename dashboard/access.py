"""Who is asking and what they may do: bearer tokens, the local owner's file, sessions with their CSRF token."""

import hmac
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from dashboard.accounts import ROLES, Role
from dashboard.parameters import check_parameters
from dashboard.parts import Parts, parts_of

COOKIE: Final = "waymark_session"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

bearer_scheme = HTTPBearer(auto_error=False, description="An API token from `waymark token add` (wm_...).")


class Unauthorised(Exception):  # noqa: N818
    """Nobody known is asking; 401."""


class Forbidden(Exception):  # noqa: N818
    """Known, but not allowed; 403 with the message."""


@dataclass(frozen=True, slots=True)
class Identity:
    name: str
    role: Role
    way: Literal["token", "session", "local"]
    csrf: str = ""

    def may(self, role: Role) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


async def find_identity(request: Request, parts: Parts) -> Identity | None:
    """From the Authorization header if there is one, else from the session cookie."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme:
        return await _identity_for_bearer(scheme, secret.strip(), parts)
    cookie = request.cookies.get(COOKIE)
    session = await parts.accounts.find_session(cookie) if cookie else None
    if session is None:
        return None
    return Identity(session.user.name, session.user.role, "session", session.csrf)


async def _identity_for_bearer(scheme: str, secret: str, parts: Parts) -> Identity | None:
    if scheme.lower() != "bearer" or not secret:
        return None
    local = parts.settings.local_token
    if local and hmac.compare_digest(secret.encode(), local.encode()):
        return Identity("local owner", "owner", "local")
    token = await parts.accounts.find_token(secret)
    return Identity(token.name, token.role, "token") if token else None


def require(role: Role) -> Any:
    """A FastAPI dependency of an operation: the identity asking, at least of this role; its parameters are known ones."""

    async def dependency(
        request: Request,
        parts: Annotated[Parts, Depends(parts_of)],
        _documented: Annotated[object, Depends(bearer_scheme)],
    ) -> Identity:
        identity = await find_identity(request, parts)
        if identity is None:
            raise Unauthorised
        if identity.way == "session" and request.method not in SAFE_METHODS:
            check_csrf(identity, request.headers.get("x-csrf-token", ""))
        if not identity.may(role):
            raise Forbidden(
                f"{identity.name} has the role {identity.role}; this needs the role {role}. Ask an owner for a token."
            )
        check_parameters(request)
        return identity

    return Depends(dependency)


def check_csrf(identity: Identity, sent: str) -> None:
    if not identity.csrf or not hmac.compare_digest(sent.encode(), identity.csrf.encode()):
        raise Forbidden("the form is from an earlier session or another site; load the page again and repeat it.")


Viewer = Annotated[Identity, require("viewer")]
Editor = Annotated[Identity, require("editor")]
Owner = Annotated[Identity, require("owner")]
TheParts = Annotated[Parts, Depends(parts_of)]
