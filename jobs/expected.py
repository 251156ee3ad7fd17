"""Against lost updates: what must be there for a change to happen, and what one version of a thing is called."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from codes.errors import Conflict


class Stale(Conflict):
    """Somebody changed it meanwhile."""


@dataclass(frozen=True, slots=True)
class Expected:
    """``versions``: it is at one of these, None: at any; ``exists``: it is there at all; ``absent``: it is not."""

    versions: frozenset[str] | None = None
    exists: bool = False
    absent: bool = False

    def check(self, version: str | None, what: str, called: str = "version") -> None:
        """``version`` of what there is; None: there is none. Raises Stale."""
        if version is None:
            if self.exists or self.versions is not None:
                raise Stale(f"{what} does not exist (any more). Put it without If-Match to make it.")
            return
        if self.absent:
            raise Stale(f"{what} exists already, at {called} {version}. Put it without If-None-Match to change it.")
        if self.versions is None or version in self.versions:
            return
        wanted = ", ".join(sorted(self.versions))[:100]
        if any(one.startswith("W/") for one in self.versions):
            raise Stale(f'{what} is at {called} {version}, and a weak tag such as {wanted} is none. Send "{version}".')
        raise Stale(
            f"{what} is at {called} {version}, not {wanted}: somebody changed it meanwhile. Read it again, then decide."
        )


WHATEVER: Final = Expected()


def version_of(*written: Any) -> str:
    """Another one for anything else that JSON can write."""
    return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()[:16]
