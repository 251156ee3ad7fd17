"""``waymark serve``: binds the sockets, starts both sides, keeps them running, ends them together."""

import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from socket import socket
from types import FrameType
from typing import Final

from waymark.config import Config, ConfigError
from waymark.lock import data_lock
from waymark.sockets import bound_socket
from waymark.start import announce, wait_until_ready

log = logging.getLogger(__name__)

STOP_AFTER_S: Final = 20.0
CRASH_WITHIN_S: Final = 3.0
LONGEST_PAUSE_S: Final = 1.5  # with the time a start takes, everything is up again within 5 s of a fault's end
START_WITHIN_S: Final = 60.0
SCANS_WITHIN_S: Final = 10.0
POLL_S: Final = 0.1


@dataclass(slots=True)
class Child:
    name: str
    module: str
    options: list[str]
    fd: int
    worker: int | None = None  # which journal series a public worker writes
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started_at: float = 0.0
    start_at: float = 0.0

    def start(self) -> None:
        self.started_at = time.monotonic()
        self.process = self.spawn()

    def start_successor(self, worker: int) -> tuple["Child", int]:
        """A second process of the same kind beside this one, and a pipe that says when it answers."""
        successor = replace(self, worker=worker, process=None, failures=0, started_at=time.monotonic())
        reading, writing = os.pipe()
        try:
            successor.process = successor.spawn(writing)
        finally:
            os.close(writing)
        return successor, reading

    def spawn(self, ready_fd: int | None = None) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", self.module, "--fd", str(self.fd), *self.options]
        fds = [self.fd]
        if self.worker is not None:
            command += ["--worker", str(self.worker)]
        if ready_fd is not None:
            command += ["--ready-fd", str(ready_fd)]
            fds.append(ready_fd)
        # Its own session: Ctrl-C reaches the supervisor alone, which ends the children in order.
        return subprocess.Popen(command, pass_fds=fds, start_new_session=True)

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None


def serve(config: Config, config_path: Path | None, only: str | None = None) -> int:
    """Runs until SIGTERM or Ctrl-C; the exit code. Raises ConfigError for what the configuration causes."""
    prepare_data_folder(config.data_dir)
    with contextlib.ExitStack() as stack:
        if only != "public":
            stack.enter_context(data_lock(config.data_dir))
        sockets: dict[str, socket] = {}
        for side in ("public", "private"):
            if only in (None, side):
                settings = getattr(config, side)
                sockets[side] = stack.enter_context(bound_socket(side, settings.host, settings.port))
        supervisor = Supervisor(_children(config, config_path, sockets))
        return supervisor.run(config, only)


def prepare_data_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "journal").mkdir(exist_ok=True, mode=0o700)
        probe = folder / ".write-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"the data folder {folder} cannot be written: {error.strerror}. Give this user the right to write there, "
            "or set another [data] dir in config.toml."
        ) from error


class Supervisor:
    def __init__(self, children: list[Child]) -> None:
        self._children = children
        self._stopping = False
        self._reload_asked = False

    def run(self, config: Config, only: str | None) -> int:
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGHUP, self._on_signal)
        for child in self._children:
            child.start()
        try:
            problem = wait_until_ready(config, only, self._gone_child, START_WITHIN_S, lambda: self._stopping)
            if problem:
                sys.stderr.write(f"waymark: {problem}\n")
                if only is not None or not self._answers_scans(config):
                    return 1
                log.error("codes are answered all the same; the private side is started again until it comes up")
                only = "public"
            if not self._stopping:
                announce(config, only)
            while not self._stopping:
                self._restart_dead()
                if self._reload_asked:
                    self._reload_asked = False
                    self._restart_rolling()
                time.sleep(POLL_S)
        finally:
            self._stop()
        return 0

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload_asked = True
        else:
            self._stopping = True

    def _gone_child(self) -> str | None:
        return next((child.name for child in self._children if child.ended()), None)

    def _answers_scans(self, config: Config) -> bool:
        """What is printed must not wait until somebody has repaired the scan store."""
        workers = [child for child in self._children if child.worker is not None]

        def gone_worker() -> str | None:
            return next((worker.name for worker in workers if worker.ended()), None)

        return wait_until_ready(config, "public", gone_worker, SCANS_WITHIN_S, lambda: self._stopping) is None

    def _restart_dead(self) -> None:
        """At once, because a scan needs the public side back; one that dies while starting waits longer each time."""
        now = time.monotonic()
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                code = child.process.returncode
                child.process = None
                child.failures = 0 if now - child.started_at > CRASH_WITHIN_S else child.failures + 1
                pause = 0.0 if child.failures <= 2 else min(LONGEST_PAUSE_S, 0.1 * 2**child.failures)
                child.start_at = now + pause
                log.error("%s ended (%s); starting it again in %.1f s", child.name, _cause(code), pause)
            if child.process is None and now >= child.start_at:
                child.start()

    def _restart_rolling(self) -> None:
        """Every process anew, with the settings as they are now, without one scan refused: successors answer before their
        predecessors stop. The private side can only exist once; its connections wait in the socket's queue meanwhile.
        """
        log.info("rolling restart: each process is replaced in turn")
        workers = sum(child.worker is not None for child in self._children)
        for number, child in enumerate(list(self._children)):
            if self._stopping:
                return
            if child.worker is None:
                _end([child], STOP_AFTER_S)
                child.start()
            elif successor := self._ready_successor(child, (child.worker + workers) % (2 * workers)):
                self._children[number] = successor
                _end([child], STOP_AFTER_S)
        log.info("rolling restart: done")

    def _ready_successor(self, child: Child, worker: int) -> Child | None:
        successor, reading = child.start_successor(worker)
        try:
            ready, _, _ = select.select([reading], [], [], START_WITHIN_S)
            if ready and os.read(reading, 16):
                return successor
        finally:
            os.close(reading)
        log.error("the new %s did not come up; the old one stays", child.name)
        _end([successor], 1.0)
        return None

    def _stop(self) -> None:
        """The public side first, so that the private one can take in its last scans."""
        _end([child for child in self._children if child.worker is not None], STOP_AFTER_S)
        _end([child for child in self._children if child.worker is None], STOP_AFTER_S)


def _end(children: list[Child], within_s: float) -> None:
    alive = [child.process for child in children if child.process is not None and not child.ended()]
    for process in alive:
        process.terminate()
    deadline = time.monotonic() + within_s
    for process in alive:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.error("process %d does not stop; killing it", process.pid)
            process.kill()
            process.wait()


def _children(config: Config, config_path: Path | None, sockets: dict[str, socket]) -> list[Child]:
    options = ["--config", str(config_path)] if config_path else []
    children = []
    if "private" in sockets:
        children.append(Child("private", "waymark.private", options, sockets["private"].fileno()))
    if "public" in sockets:
        fd = sockets["public"].fileno()
        workers = range(config.public.workers)
        children.extend(Child(f"public-{worker}", "waymark.public", options, fd, worker) for worker in workers)
    return children


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):  # real-time signals have no names
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"
