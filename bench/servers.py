"""The servers that a redirect is compared with, each started on one core with the same answer: nginx, Go, bare uvicorn."""

import getpass
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from bench.machine import find_program
from bench.plan import DESTINATION
from bench.processes import BenchError, Child, free_port, listening, running, server_cores, wait_for
from bench.running import Installation, answers, code_name

_NGINX: Final = """\
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log {folder}/access.log combined buffer=64k flush=1s;
  keepalive_requests 100000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      add_header Cache-Control "private, no-store" always;
      return 302 "{destination}";
    }}
  }}
}}
"""


class Server(Protocol):
    """Started anew for each measurement, so that no idle neighbour takes part of the core."""

    name: str

    @property
    def url(self) -> str: ...

    def started(self) -> AbstractContextManager[Child]: ...


@dataclass(slots=True)
class Waymark:
    name: str
    installation: Installation

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.installation.public_port}/{code_name(1)}"

    def started(self) -> AbstractContextManager[Child]:
        return self.installation.public(server_cores())


@dataclass(slots=True)
class Bare:
    folder: Path
    name: str = "bare uvicorn + Starlette, no journal"
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{code_name(1)}"

    @contextmanager
    def started(self) -> Iterator[Child]:
        with listening(self.port) as listener:
            command = [sys.executable, "-m", "bench.bare", "--fd", str(listener.fileno())]
            with running(command, self.folder / "bare.log", server_cores(), listener.fileno()) as child:
                listener.close()
                yield _when_it_answers(child, self.port)


@dataclass(slots=True)
class Nginx:
    folder: Path
    name: str = "nginx `return 302`, buffered access_log"
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{code_name(1)}"

    @contextmanager
    def started(self) -> Iterator[Child]:
        path = find_program("nginx")
        assert path is not None
        (self.folder / "access.log").unlink(missing_ok=True)
        settings = self.folder / "nginx.conf"
        # Started by root it would give itself to nobody, who may not enter this folder.
        user = f"user {getpass.getuser()};" if getpass.getuser() == "root" else ""
        settings.write_text(_NGINX.format(folder=self.folder, port=self.port, user=user, destination=f"{DESTINATION}1"))
        command = [path, "-p", str(self.folder), "-c", str(settings), "-e", str(self.folder / "error.log")]
        with running(command, self.folder / "nginx.log", server_cores()) as child:
            yield _when_it_answers(child, self.port)


@dataclass(slots=True)
class Go:
    folder: Path
    name: str = "Go net/http, no log"
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{code_name(1)}"

    @contextmanager
    def started(self) -> Iterator[Child]:
        command = [str(self._built()), f"127.0.0.1:{self.port}"]
        with running(command, self.folder / "go.log", server_cores()) as child:
            yield _when_it_answers(child, self.port)

    def _built(self) -> Path:
        program = self.folder / "go-redirect"
        if not program.exists():
            path = find_program("go")
            assert path is not None
            source = Path(__file__).parent / "go" / "main.go"
            done = subprocess.run(
                [path, "build", "-o", str(program), str(source)],
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            if done.returncode:
                raise BenchError(f"go build failed: {done.stderr.strip()}")
        return program


def others(folder: Path) -> tuple[list[Server], list[str]]:
    """Those that can be started here, and a line for each that cannot."""
    found: list[Server] = [Bare(folder)]
    missing = []
    if find_program("go"):
        found.append(Go(folder))
    else:
        missing.append("Go is not installed: its row is left out (Debian: apt-get install golang-go).")
    if find_program("nginx"):
        found.append(Nginx(folder))
    else:
        missing.append("nginx is not installed: no ratios (Debian: apt-get install nginx-light).")
    return found, missing


def _when_it_answers(child: Child, port: int) -> Child:
    wait_for(lambda: answers(port, f"/{code_name(1)}") == 302, "a server answers", child=child)
    return child
