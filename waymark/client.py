"""The command line's side of the API: finds the private process, proves who asks, turns its problems into errors."""

import re
from collections.abc import Mapping
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx2

from waymark import __version__
from waymark.config import Config
from waymark.output import CommandError, ExitCode

CONNECT_S: Final = 3.0
ANSWER_S: Final = 30.0
UPLOAD_S: Final = 120.0
OWNER_FILE: Final = "owner.token"
EXIT_CODES: Final = {
    400: ExitCode.USAGE,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    412: ExitCode.CONFLICT,
    413: ExitCode.USAGE,
    422: ExitCode.USAGE,
    502: ExitCode.UNREACHABLE,
    503: ExitCode.UNREACHABLE,
    504: ExitCode.UNREACHABLE,
}
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")


class Unreachable(CommandError):  # noqa: N818  the condition; 5 is its exit code
    """Nothing that is ours answers."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.UNREACHABLE)


class Client:
    """``who`` says in messages whose token is sent; ``start`` what to do when nothing answers."""

    def __init__(self, url: str, token: str | None, *, who: str, start: str) -> None:
        self.url = url
        self._token = token
        self._who = who
        self._start = start
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = httpx2.Timeout(ANSWER_S, connect=CONNECT_S)
        # Without TLS no certificates need to be read, which takes longer than most commands.
        secure = urlsplit(url).scheme == "https"
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=timeout, trust_env=False, verify=secure)

    @classmethod
    def local(cls, config: Config) -> Self:
        """As the local owner: whoever can read the file that the private process writes at its start."""
        path = config.data_dir / OWNER_FILE
        start = "Start it with `waymark serve`; if it runs with another config file, name that one with --config."
        try:
            return cls(
                config.local_api_url, path.read_text("ascii").strip(), who=f"the owner token {path}", start=start
            )
        except PermissionError:
            raise CommandError(
                f"{path} cannot be read by this user, so nobody proves that you own this Waymark. Run the command as the "
                "user who runs `waymark serve`, or set WAYMARK_TOKEN to a token made with `waymark token add`."
            ) from None
        except (OSError, UnicodeDecodeError):
            return cls(config.local_api_url, None, who=f"no owner token in {config.data_dir}", start=start)

    @classmethod
    def for_user(cls, config: Config, environ: Mapping[str, str]) -> Self:
        """As WAYMARK_TOKEN says, at WAYMARK_URL if that is set; else as the local owner."""
        url, token = environ.get("WAYMARK_URL", "").rstrip("/"), environ.get("WAYMARK_TOKEN", "").strip()
        if not (url or token):
            return cls.local(config)
        if not token:
            raise CommandError(
                "WAYMARK_URL is set, but WAYMARK_TOKEN is not, and the owner file of this machine is never sent elsewhere. "
                "Make a token there with `waymark token add NAME --role editor` and set WAYMARK_TOKEN to it.",
                ExitCode.USAGE,
            )
        if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise CommandError(
                f"WAYMARK_URL is {url!r}, which is no address. Write it as https://HOST or http://HOST:PORT.",
                ExitCode.USAGE,
            )
        if not token.isascii() or not token.isprintable():
            raise CommandError("WAYMARK_TOKEN holds characters that no token has. Copy it again.", ExitCode.USAGE)
        start = "Check WAYMARK_URL, and that `waymark serve` runs there."
        return cls(url or config.local_api_url, token, who="the token in WAYMARK_TOKEN", start=start)

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        return self._ask("GET", path, parameters=parameters).json()

    def get_bytes(self, path: str, parameters: Mapping[str, Any] | None = None) -> bytes:
        return self._ask("GET", path, parameters=parameters).content

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        within_s: float = ANSWER_S,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The answer's document; None when it has none. Left-out and None parameters are the same."""
        response = self._ask(method, path, body, parameters, within_s, headers=headers)
        return response.json() if response.content else None

    def send_for_bytes(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        within_s: float = ANSWER_S,
    ) -> bytes:
        """For a file made of what is sent."""
        return self._ask(method, path, body, parameters, within_s).content

    def upload(
        self, path: str, content: bytes, parameters: Mapping[str, Any] | None = None, method: str = "POST"
    ) -> Any:
        return self._ask(method, path, None, parameters, UPLOAD_S, content).json()

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        within_s: float = ANSWER_S,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        asked = {name: value for name, value in (parameters or {}).items() if value is not None}
        timeout = httpx2.Timeout(within_s, connect=CONNECT_S)
        try:
            url, kind = f"/api/v1{path}", {"Content-Type": "application/octet-stream"} if content is not None else {}
            given: Any = {"json": body} if content is None else {"content": content}
            sent = {**kind, **(headers or {})}
            response = self._http.request(method, url, params=asked, timeout=timeout, headers=sent, **given)
        except (httpx2.ReadTimeout, httpx2.WriteTimeout):
            raise Unreachable(
                f"{self.url} took the request but did not answer within {within_s:g} s. It may be busy or stuck: "
                "`waymark doctor` says more."
            ) from None
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise Unreachable(f"nothing answers at {self.url}: {_reason(error)}. {self._start}") from None
        if response.is_success:
            return _documented(response, self.url)
        raise self._problem(response)

    def _problem(self, response: httpx2.Response) -> CommandError:
        status = response.status_code
        if status == 401:
            return CommandError(self._refused())
        try:
            problem = response.json()
            said = str(problem.get("detail") or problem["title"])
        except (ValueError, KeyError, AttributeError):
            return _stranger(self.url, status)
        if status == 404 and said == "Not Found":  # of the path, not of a code or token
            return CommandError(
                f"the Waymark at {self.url} does not know this request: it is of another version than this command "
                f"({__version__}). Restart it after an update, or use the command that came with it."
            )
        return CommandError(said, EXIT_CODES.get(status, ExitCode.FAILURE))

    def _refused(self) -> str:
        if self._token is None:
            return (
                f"the Waymark at {self.url} asks who you are, and there is {self._who}. Run the command in the folder of its "
                "config.toml or name that file with --config; from elsewhere set WAYMARK_TOKEN."
            )
        return (
            f"the Waymark at {self.url} does not accept {self._who}. Either the token was revoked or replaced, or another "
            "Waymark answers at this address: `waymark doctor` says which."
        )


def _documented(response: httpx2.Response, url: str) -> httpx2.Response:
    """Ours answer with JSON, a QR symbol or nothing; a web page is somebody else's."""
    if response.headers.get("content-type", "").startswith("text/html"):
        raise _stranger(url, response.status_code)
    return response


def _stranger(url: str, status: int) -> Unreachable:
    return Unreachable(
        f"what answers at {url} is not Waymark's private side (status {status}). Check [private] port in config.toml, "
        "or WAYMARK_URL if it is set: it must be the dashboard's address, not that of the short links."
    )


def _reason(error: Exception) -> str:
    if isinstance(error, httpx2.ConnectTimeout):
        return f"no connection within {CONNECT_S:g} s"
    if isinstance(error, httpx2.ConnectError) and "refused" in str(error).lower():
        return "the private process is not running (connection refused)"
    return _ERRNO.sub("", str(error)) or type(error).__name__
