"""The private listener's outer wall: which Host headers are answered, and the security headers on every answer."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.problems import problem

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[dict[str, str]] = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
}


class Guard:
    """A page elsewhere can point its own name at this machine (DNS rebinding): only our names are answered."""

    def __init__(
        self,
        app: ASGIApp,
        allowed_hosts: frozenset[str],
        max_body_bytes: int,
        larger: Mapping[str, int] | None = None,
    ) -> None:
        self._larger = larger or {}  # by path, with * for any part: bodies that are files
        self._app = app
        self._allowed = allowed_hosts
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _value in message["headers"]}
                extra = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in present]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        hosts = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or _host_name(hosts[0]) not in self._allowed:
            detail = (
                f"The Host header {', '.join(hosts)[:200]!r} is not one of ours; add it to [private] allowed_hosts."
            )
            await problem(421, "Misdirected request", detail)(scope, receive, guarded_send)
            return
        # The framework counts what arrives; what only announces too much it would answer in plain text.
        most = next((most for path, most in self._larger.items() if fnmatchcase(scope["path"], path)), None)
        most = most or self._max_body_bytes
        if any(_whole(value) > most for name, value in scope["headers"] if name == b"content-length"):
            detail = f"The body is larger than {most} bytes; send less."
            await problem(413, "Content too large", detail)(scope, receive, guarded_send)
            return
        await self._app(scope, receive, guarded_send)


def _host_name(host: str) -> str:
    """Without the port: a tunnel or container may map another one."""
    if host.startswith("["):
        name, bracket, _port = host.partition("]")
        return name + bracket
    return host.partition(":")[0]


def _whole(value: bytes) -> int:
    return int(value[:20]) if value.isdigit() else 0
