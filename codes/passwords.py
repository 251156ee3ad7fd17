"""Passwords of codes: kept as argon2id hashes inside a version's options, never shown."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from codes.rules import RuleError

MAX_PASSWORD: Final = 200
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's least for argon2id


async def with_hashed_password(given: Any, current_hash: str | None) -> Any:
    """Options as a person gives them, with ``password`` (a text; true keeps the one there is) made a ``password_hash``.

    Raises RuleError. A hash itself is only taken where it comes from: from a stored version.
    """
    if not isinstance(given, Mapping):
        return given
    options = {name: value for name, value in given.items() if name not in ("password", "password_hash")}
    password = given.get("password")
    if password is True and current_hash:
        return {**options, "password_hash": current_hash}
    if password in (None, False, ""):
        return options
    if not isinstance(password, str) or len(password) > MAX_PASSWORD:
        raise RuleError(f"a password is a text of up to {MAX_PASSWORD} characters; true keeps the one there is.")
    return {**options, "password_hash": await asyncio.to_thread(_HASHER.hash, password)}


def is_password(password_hash: str, given: str) -> bool:
    """Some 20 ms of one core and 19 MB for that time: callers limit how often."""
    try:
        return _HASHER.verify(password_hash, given[:MAX_PASSWORD])
    except (Argon2Error, InvalidHashError):
        return False
