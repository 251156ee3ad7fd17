"""``waymark serve``: binds the sockets, starts both sides, keeps them running, ends them together."""

import contextlib
import logging
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
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
START_WITHIN_S: Final = 60.0
POLL_S: Final = 0.1


@dataclass(slots=True)
class Child:
    name: str
    command: list[str]
    fd: int
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started_at: float = 0.0
    start_at: float = 0.0

    def start(self) -> None:
        self.started_at = time.monotonic()
        # Its own session: Ctrl-C reaches the supervisor alone, which ends the children in order.
        self.process = subprocess.Popen(self.command, pass_fds=[self.fd], start_new_session=True)

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

    def run(self, config: Config, only: str | None) -> int:
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        for child in self._children:
            child.start()
        try:
            problem = wait_until_ready(config, only, self._gone_child, START_WITHIN_S, lambda: self._stopping)
            if problem:
                sys.stderr.write(f"waymark: {problem}\n")
                return 1
            if not self._stopping:
                announce(config, only)
            while not self._stopping:
                self._restart_dead()
                time.sleep(POLL_S)
        finally:
            self._stop()
        return 0

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _gone_child(self) -> str | None:
        return next((child.name for child in self._children if child.ended()), None)

    def _restart_dead(self) -> None:
        """At once the first time, then with growing pauses: a scan needs the public side back quickly."""
        now = time.monotonic()
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                code = child.process.returncode
                child.process = None
                child.failures = 0 if now - child.started_at > 60 else child.failures + 1
                pause = 0.0 if child.failures <= 1 else min(10.0, 0.25 * 2**child.failures)
                child.start_at = now + pause
                log.error("%s ended (%s); starting it again in %.1f s", child.name, _cause(code), pause)
            if child.process is None and now >= child.start_at:
                child.start()

    def _stop(self) -> None:
        """The public side first, so that the private one can take in its last scans."""
        deadline = time.monotonic() + STOP_AFTER_S
        for child in sorted(self._children, key=lambda child: child.name == "private"):
            if child.process is None or child.process.poll() is not None:
                continue
            child.process.terminate()
            try:
                child.process.wait(max(1.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("%s does not stop; killing it", child.name)
                child.process.kill()
                child.process.wait()


def _children(config: Config, config_path: Path | None, sockets: dict[str, socket]) -> list[Child]:
    options = ["--config", str(config_path)] if config_path else []
    children = []
    if "private" in sockets:
        fd = sockets["private"].fileno()
        children.append(Child("private", [*_python("waymark.private"), "--fd", str(fd), *options], fd))
    if "public" in sockets:
        fd = sockets["public"].fileno()
        for worker in range(config.public.workers):
            command = [*_python("waymark.public"), "--fd", str(fd), "--worker", str(worker), *options]
            children.append(Child(f"public-{worker}", command, fd))
    return children


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", module]


def _cause(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
