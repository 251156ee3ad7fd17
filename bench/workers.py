"""Kept connections to every public worker of a Waymark, found through /proc: what each of them answers, not just one."""

import http.client
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from bench.plan import HOST
from bench.processes import BenchError, Child

MAX_TRIES: Final = 500  # connections come to whichever worker is quicker
_LOOPBACK: Final = "0100007F"  # 127.0.0.1 as /proc/net/tcp writes it


class Workers:
    def __init__(self, connections: Sequence[http.client.HTTPConnection]) -> None:
        self._connections = connections

    def all_lead_to(self, paths: Sequence[str], destination: str) -> bool:
        """Whether each worker answers each path with this destination."""
        return all(_leads_to(one, path) == destination for one in self._connections for path in paths)

    def wait_until_all_lead_to(self, paths: Sequence[str], destination: str, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not self.all_lead_to(paths, destination):
            if time.monotonic() > deadline:
                raise BenchError(f"not every worker leads to {destination} within {within_s:.0f} s")


@contextmanager
def connected(served: Child, port: int, workers: int) -> Iterator[Workers]:
    with ExitStack() as stack:
        found: dict[int, http.client.HTTPConnection] = {}
        for _ in range(MAX_TRIES):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            stack.enter_context(closing(connection))
            _leads_to(connection, "/-/health")
            found.setdefault(_accepted_by(served, port, connection), connection)
            if len(found) == workers:
                yield Workers(list(found.values()))
                return
        raise BenchError(f"{MAX_TRIES} connections came to {len(found)} of {workers} workers")


def _leads_to(connection: http.client.HTTPConnection, path: str) -> str | None:
    connection.request("GET", path, headers={"Host": HOST})
    answer = connection.getresponse()
    answer.read()
    return answer.headers["Location"]


def _accepted_by(served: Child, port: int, connection: http.client.HTTPConnection) -> int:
    """The pid that holds the other end."""
    own_port: int = connection.sock.getsockname()[1]
    ends = f"{_LOOPBACK}:{port:04X}", f"{_LOOPBACK}:{own_port:04X}"
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    inode = next(fields[9] for fields in lines if (fields[1], fields[2]) == ends)
    return next(pid for pid in served.tree() if f"socket:[{inode}]" in _open_files(pid))


def _open_files(pid: int) -> set[str]:
    found = set()
    with suppress(FileNotFoundError, ProcessLookupError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found.add(str(entry.readlink()))
    return found
