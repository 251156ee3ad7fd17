"""Child processes of the bench: pinned to cores, ended by their own pid whatever happens, read through /proc."""

import ctypes
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

log = logging.getLogger(__name__)

ROOT: Final = Path(__file__).resolve().parent.parent  # from where `-m bench....` finds the bench
END_WITHIN_S: Final = 30.0
_PARENT_DEATH_SIGNAL: Final = 1  # prctl's PR_SET_PDEATHSIG
_LIBC: Final = ctypes.CDLL(None)
_TICKS: Final = os.sysconf("SC_CLK_TCK")
Found = TypeVar("Found")


class BenchError(Exception):
    """This part cannot be measured here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Child:
    pid: int
    process: subprocess.Popen[bytes]
    log: Path

    def cpu_s(self) -> float:
        """Of the process and its living descendants, in user and system mode."""
        return sum(_cpu_s(pid) for pid in self.tree())

    def memory(self) -> int:
        """Resident bytes of the one that holds most: with nginx the worker, not its master."""
        return max(map(_resident, self.tree()), default=0)

    def tree(self) -> list[int]:
        found = [self.pid]
        for pid in found:
            found.extend(_children_of(pid))
        return found

    def ended(self) -> bool:
        return self.process.poll() is not None

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


@contextmanager
def running(command: Sequence[str], log: Path, cores: set[int] | None = None, fd: int | None = None) -> Iterator[Child]:
    """A session of its own: Ctrl-C reaches the bench alone, which ends its children one after the other."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=clean_environment(),
            start_new_session=True,
            pass_fds=[] if fd is None else [fd],
            preexec_fn=_prepared(cores),
        )
    try:
        yield Child(process.pid, process, log)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(END_WITHIN_S)
    except subprocess.TimeoutExpired:
        log.warning("process %d does not stop; killing it", process.pid)
    finally:  # a second Ctrl-C included: nothing stays behind
        process.kill()
        process.wait()


def clean_environment() -> dict[str, str]:
    """Without WAYMARK_...: a bench must never meet the database of a Waymark in use."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WAYMARK_")}


def server_cores() -> set[int] | None:
    """The core that the measured server has for itself; None where there is only one, or none can be chosen."""
    available = _available_cores()
    return {available[0]} if len(available) > 1 else None


def load_cores() -> set[int] | None:
    available = _available_cores()
    return set(available[1:]) if len(available) > 1 else None


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(4096)
        listener.setblocking(False)
        listener.set_inheritable(True)
        yield listener


def wait_for(found: Callable[[], Found | None], what: str, within_s: float = 60.0, child: Child | None = None) -> Found:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        result = found()
        if result:
            return result
        if child is not None and child.ended():
            raise BenchError(f"a server ended before {what}; it said:\n{child.said()}")
        time.sleep(0.02)
    said = f"; it said:\n{child.said()}" if child else ""
    raise BenchError(f"did not happen within {within_s:.0f} s: {what}{said}")


def _available_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]


def _prepared(cores: set[int] | None) -> Callable[[], None]:
    def prepare() -> None:
        with suppress(AttributeError):  # Linux: even a killed bench leaves no server behind
            _LIBC.prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if cores:
            os.sched_setaffinity(0, cores)

    return prepare


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0


def _children_of(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found.extend(int(child) for child in (task / "children").read_text().split())
    return found
