"""The question before a restore, asked and answered in a real terminal."""

import os
import pty
import re
import select
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.running import Running

QUESTION = r"Replace codes and scans by those of \d{4}-\d\d-\d\d \d\d:\d\d.*\[y/N\]:"


class Terminal:
    """A command of ours with a terminal of its own: it sees a person, whom the test plays."""

    def __init__(self, pid: int, master: int) -> None:
        self._pid, self._master = pid, master
        self.shown = ""

    def wait_for(self, pattern: str, within_s: float = 120) -> None:
        deadline = time.monotonic() + within_s
        while not re.search(pattern, self.shown, re.DOTALL):
            assert time.monotonic() < deadline, f"{pattern!r} was not shown:\n{self.shown}"
            assert self._read(), f"it ended without {pattern!r}:\n{self.shown}"

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def exit_code(self) -> int:
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _read(self) -> bool:
        """False when nobody writes any more: Linux says so by EIO."""
        ready, _, _ = select.select([self._master], [], [], 120)
        assert ready, f"it neither says anything nor ends:\n{self.shown}"
        try:
            data = os.read(self._master, 4096)
        except OSError:
            return False
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@contextmanager
def terminal(*words: str) -> Iterator[Terminal]:
    pid, master = pty.fork()
    if pid == 0:
        os.environ["NO_COLOR"] = "1"
        os.execv(sys.executable, [sys.executable, "-m", "waymark.cli", *words])
    started = Terminal(pid, master)
    try:
        yield started
    finally:
        os.close(master)  # hangs up on what still runs
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


def codes_in(waymark: Running) -> list[str]:
    with closing(sqlite3.connect(waymark.data / "waymark.db")) as database:
        return [code for (code,) in database.execute("SELECT code FROM codes ORDER BY id")]


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_a_person_is_asked_before_codes_are_put_back(tmp_path: Path) -> None:
    waymark = Running(tmp_path)
    with waymark:
        waymark.cli("code", "add", "https://example.com/1", "--slug", "first")
        backup = waymark.back_up()["name"]
        waymark.cli("code", "add", "https://example.com/2", "--slug", "later")
    command = ("restore", backup, "--config", str(waymark.config))
    for keys, why in (("n\r", "no"), ("\r", "nothing typed is no"), ("\x03", "Ctrl-C"), ("\x04", "end of input")):
        with terminal(*command) as asked:
            asked.wait_for(QUESTION)
            assert "1 code made since" in asked.shown.replace("\n", " "), why
            asked.type(keys)
            assert asked.exit_code() == 1, why
        assert "nothing was changed" in asked.shown, why
        assert "Traceback" not in asked.shown
        assert codes_in(waymark) == ["first", "later"], why
    with terminal(*command) as asked:
        asked.wait_for(QUESTION)
        asked.type("maybe\r")
        asked.wait_for(r"invalid input.*\[y/N\]:")
        asked.type("y\r")
        assert asked.exit_code() == 0
    assert "restored" in asked.shown
    assert codes_in(waymark) == ["first"]
