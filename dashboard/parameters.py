"""Parameters in the address that an operation does not have: refused, since a misspelt filter would answer for everything."""

from difflib import get_close_matches
from typing import Any

from fastapi import Request


class ParameterError(ValueError):
    """The message names the parameter, and what there is instead."""


def check_parameters(request: Request) -> None:
    """Of the operation that ``request`` was routed to. Raises ParameterError."""
    known = known_parameters(request.scope["route"].dependant)
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is None:
        return
    alike = get_close_matches(unknown, known, 1, cutoff=0.7)
    there_are = f"there are: {', '.join(sorted(known))}" if known else "there are none here"
    hint = f"did you mean {alike[0]!r}?" if alike else f"{there_are}."
    raise ParameterError(f"{unknown[:60]!r} is no parameter of this operation; {hint}")


def known_parameters(dependant: Any) -> set[str]:
    """By the names that are sent, of an operation and of all that it depends on."""
    names = {field.alias for field in dependant.query_params}
    return names.union(*(known_parameters(part) for part in dependant.dependencies))
