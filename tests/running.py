"""A whole Waymark for tests: the real `waymark serve` in a folder of its own, on free ports, ended by pid."""

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self, TypeVar

import httpx2

from waymark.cli import run
from waymark.output import ExitCode

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
PIXEL = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36"
)
INSTAGRAM = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/15E148 Instagram 341.0.3.26.98 (iPhone14,5; iOS 17_5; en_US; en; scale=3.00; 1170x2532; 618023787)"
)
Found = TypeVar("Found")
_typing_alone = threading.Lock()  # standard output is this process's one


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(found: Callable[[], Found | None], what: str, within_s: float = 30.0) -> Found:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        result = found()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f"did not happen within {within_s:.0f} s: {what}")


class Running:
    """Use as a context manager. ``get`` asks the API as local owner.

    ``cli`` runs the command line against it in this process, several times quicker than ``program``, which starts one.
    """

    def __init__(self, folder: Path, settings: str = "", *, workers: int = 1, files: int | None = None) -> None:
        self.folder = folder
        self._files = files  # how many each process may have open, at most
        self._workers = workers
        self.data = folder / "data"
        self.public_port, self.private_port = free_port(), free_port()
        self.config = folder / "config.toml"
        self.config.write_text(
            f"[public]\nport = {self.public_port}\n[private]\nport = {self.private_port}\n"
            f'[data]\ndir = "data"\n{settings}'
            + ("" if "[outbound]" in settings else "[outbound]\ncheck_destinations = false\n")
        )
        self.process: subprocess.Popen[str] | None = None
        self.log = folder / "serve.log"
        self._said = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def short_url(self) -> str:
        return f"http://localhost:{self.public_port}"

    @property
    def dashboard_url(self) -> str:
        return f"http://localhost:{self.private_port}"

    def start(self) -> None:
        self._said = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "waymark.cli",
                    "serve",
                    f"--workers={self._workers}",
                    "--config",
                    str(self.config),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                preexec_fn=self._limit_files,
            )
        ready = wait_for(lambda: self._is_up() or self._has_ended(), f"the start; log:\n{self.log.read_text()}", 120)
        assert ready == "up", self.log.read_text()

    def stop(self) -> int:
        """SIGTERM, as a service manager does it; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def child_pid(self, module: str) -> int | None:
        """The pid of one of our own children, by the module it runs."""
        return next(iter(self.child_pids(module)), None)

    def child_pids(self, module: str) -> list[int]:
        assert self.process is not None
        return [pid for pid in _children_of(self.process.pid) if module in _command_of(pid)]

    def kill(self, module: str) -> int:
        """kill -9 of the child that runs this module; its pid, which is nobody's any more afterwards."""
        pid = wait_for(lambda: self.child_pid(module), f"a process of {module}")
        with suppress(ProcessLookupError):  # it has ended by itself just now
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: pid not in self.child_pids(module), f"the end of {module}")
        return pid

    def cli(self, *words: str, code: int = 0) -> str:
        ended, said, complaint = self._typed(*words)
        assert ended == code, f"{words}: exit {ended}\n{said}\n{complaint}"
        return said

    def back_up(self) -> Any:
        """What `waymark backup` says of the one it made; it has to wait while the daily one is being made."""
        return wait_for(self._backed_up, "a backup", 60)

    def program(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "waymark.cli", *words, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "NO_COLOR": "1"},
        )
        assert done.returncode == code, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def cli_json(self, *words: str) -> Any:
        return json.loads(self.cli(*words, "--json"))

    def get(self, path: str, **query: Any) -> Any:
        token = self.data / "owner.token"
        known = token.read_text()
        answer = self._ask(path, known, query)
        if answer.status_code == 401:  # a private process that is just starting anew has another one
            wait_for(lambda: token.read_text() != known, "a new token")
            answer = self._ask(path, token.read_text(), query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _ask(self, path: str, token: str, query: dict[str, Any]) -> httpx2.Response:
        url = f"http://127.0.0.1:{self.private_port}/api/v1{path}"
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.get(url, params=query, headers=headers, trust_env=False, verify=False, timeout=30)

    def all_scans(self, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get("/scans", limit=1000, **query, **cursor)
            found.extend(page["scans"])
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    def scan(self, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
        """One request on a connection of its own, as a phone makes it; header names with _ for -."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.public_port, timeout=10)) as connection:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            answer.read()
            return answer

    def _backed_up(self) -> Any:
        ended, said, complaint = self._typed("backup", "--json")
        assert ended in (0, ExitCode.CONFLICT), complaint
        return json.loads(said) if ended == 0 else None

    def _typed(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of a command in this process."""
        with _typing_alone, TemporaryFile("w+") as out, TemporaryFile("w+") as err, Path(os.devnull).open() as nothing:
            before = sys.stdin, sys.stdout, sys.stderr, dict(os.environ)
            os.environ["NO_COLOR"] = "1"
            sys.stdin, sys.stdout, sys.stderr = nothing, out, err
            try:
                ended = run([*words, "--config", str(self.config)])
            finally:
                sys.stdin, sys.stdout, sys.stderr = before[:3]
                os.environ.clear()
                os.environ.update(before[3])
            out.seek(0)
            err.seek(0)
            return ended, out.read(), err.read()

    def _limit_files(self) -> None:
        if self._files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self._files, self._files))

    def _is_up(self) -> str | None:
        return "up" if "Ctrl-C stops it" in self.log.read_text()[self._said :] else None

    def _has_ended(self) -> str | None:
        assert self.process is not None
        return "ended" if self.process.poll() is not None else None


def _children_of(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # a thread that ended just now
            yield from [int(child) for child in (task / "children").read_text().split()]


def _command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:  # it ended just now
        return []
