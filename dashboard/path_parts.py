"""References with a slash as one part of an address: the framework's routes see paths decoded, where %2F is one more slash."""

import re
from typing import Annotated, Final
from urllib.parse import unquote

from pydantic import AfterValidator
from starlette.types import ASGIApp, Receive, Scope, Send

_SLASH: Final = "\x1f"  # a control character: no reference has one
_OTHER: Final = "\x1e"  # sent as such, it is no slash, and no reference has this one either
_OF_JOBS: Final = re.compile(r"/(?:api/v1/)?jobs/")


def slashes_back(text: str) -> str:
    return text.replace(_SLASH, "/")


PathReference = Annotated[str, AfterValidator(slashes_back)]


class KeptSlashes:
    """In addresses of jobs. A %252F stands for the letters %2F, as everywhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _OF_JOBS.match(scope["path"]):
            parts = scope["raw_path"].decode("latin-1").split("/")
            kept = [unquote(part).replace(_SLASH, _OTHER).replace("/", _SLASH) for part in parts]
            scope = {**scope, "path": "/".join(kept)}
        await self._app(scope, receive, send)
