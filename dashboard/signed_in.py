"""Who may see a page: people with a session, by their role; anybody else goes to the login and back."""

from typing import Annotated, Any

from fastapi import Depends, Request

from dashboard.access import Forbidden, Identity, TheParts, find_identity
from dashboard.accounts import Role


class SignInFirst(Exception):  # noqa: N818
    """A page was asked for by nobody we know: to the login, and back afterwards."""


def signed_in(role: Role) -> Any:
    async def dependency(request: Request, parts: TheParts) -> Identity:
        identity = await find_identity(request, parts)
        if identity is None or identity.way != "session":
            raise SignInFirst
        if not identity.may(role):
            raise Forbidden(f"Your role is {identity.role}; this page needs {role}. An owner can change that.")
        return identity

    return Depends(dependency)


Reader = Annotated[Identity, signed_in("viewer")]
Writer = Annotated[Identity, signed_in("editor")]
Keeper = Annotated[Identity, signed_in("owner")]
