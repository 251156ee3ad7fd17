"""Which code a page is about: its text in the path, its short domain in ``?domain=`` when it is not the default one."""

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.errors import NotFound
from codes.register import Code, find_code


def asked_domain(request: Request) -> str | None:
    """None searches the default domain first, then the others."""
    return request.query_params.get("domain", "").strip()[:260] or None


def other_domain(code: Code) -> str:
    """What its pages' addresses have to name; empty for a code of the default domain, which is found without."""
    return "" if code.on_default else code.domain


async def get_asked_code(connection: AsyncConnection, request: Request, text: str) -> Code:
    """Raises NotFound."""
    domain = asked_domain(request)
    found = await find_code(connection, text, domain)
    if found is None or found.kind == "job":
        place = f" on {domain}" if domain else ""
        raise NotFound(f"There is no code {text!r}{place}. It may be mistyped; the list of codes has them all.")
    return found
