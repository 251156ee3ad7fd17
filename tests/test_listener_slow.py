"""The listeners under real time, real attackers and real stops: minutes rather than seconds."""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.running import Running, wait_for
from tests.test_listener import (
    LAST,
    complaints,
    head,
    journal_scans,
    post,
    read_to_the_end,
    statuses,
)
from tests.test_tls import make_certificate

pytestmark = [pytest.mark.slow, pytest.mark.ci]
SCAN = head(line="GET /spring HTTP/1.1")
UNKNOWN = head(line="GET /-/nothing HTTP/1.1")  # answered by the app behind the slow way


def required(program: str, why: str) -> None:
    """Skips with the reason, or fails where nothing may be skipped."""
    if shutil.which(program):
        return
    reason = f"{program} is not installed; {why}"
    if os.environ.get("WAYMARK_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def waymark(tmp_path: Path) -> Iterator[Running]:
    with Running(tmp_path) as running:
        add_code(running)
        yield running
    assert complaints(running.log.read_text()) == []


def add_code(running: Running) -> None:
    running.cli("code", "add", "https://example.com/", "--slug", "spring")
    wait_for(lambda: running.scan("/spring").status == 302, "the code being live")


def connect(port: int, within_s: float = 10) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=within_s)


@pytest.mark.together
@pytest.mark.parametrize("side", ["public", "private"])
def test_in_real_time_a_head_has_five_seconds_and_an_idle_connection_fifteen(waymark: Running, side: str) -> None:
    """Ended neither much earlier nor much later; the bounds are wide enough for a busy machine."""
    port = waymark.public_port if side == "public" else waymark.private_port
    ended: dict[str, tuple[float, list[int]]] = {}

    def half_sent(connection: socket.socket) -> None:
        connection.sendall(b"GET /spring HTTP/1.1\r\nHost: loc")

    def drip(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for byte in SCAN:
                connection.sendall(bytes([byte]))
                time.sleep(1)

    def watch(name: str, send: Callable[[socket.socket], object]) -> None:
        with closing(connect(port, 40)) as connection:
            started = time.monotonic()
            sender = threading.Thread(target=send, args=(connection,))
            sender.start()
            received = read_to_the_end(connection)
            ended[name] = time.monotonic() - started, statuses(received)
            sender.join()

    cases: dict[str, Callable[[socket.socket], object]] = {
        "half a head": half_sent,
        "a byte a second": drip,
        "nothing": lambda _connection: None,
        "idle": lambda connection: connection.sendall(UNKNOWN),
    }
    threads = [threading.Thread(target=watch, args=case) for case in cases.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: answers for name, (_after_s, answers) in ended.items()} == {
        "half a head": [408],
        "a byte a second": [408],
        "nothing": [],
        "idle": [404],
    }
    for name in ("half a head", "a byte a second", "nothing"):
        assert 4 < ended[name][0] < 12, (name, ended[name])
    assert 12 < ended["idle"][0] < 25


@pytest.mark.together
def test_new_scans_are_answered_while_others_hold_every_connection_and_files_stay_free(tmp_path: Path) -> None:
    limit = 256
    running = Running(tmp_path, files=limit)
    running.start()
    try:
        running.cli("code", "add", "https://example.com/", "--slug", "spring")
        pid = running.child_pid("waymark.public")
        assert pid is not None
        with contextlib.ExitStack() as held:
            most = 0
            for number in range(600):
                connection = held.enter_context(closing(connect(running.public_port)))
                connection.sendall((b"", b"GET /spring HT", head(line="GET /spring HTTP/1.1"), post())[number % 4])
                if number % 20 == 0:
                    assert running.scan("/spring").status == 302, f"with {number} others"
                most = max(most, open_files(pid))
            burst = [held.enter_context(closing(socket.socket())) for _ in range(200)]
            for connection in burst:
                connection.setblocking(False)
                connection.connect_ex(("127.0.0.1", running.public_port))
            for _ in range(20):
                assert running.scan("/spring").status == 302
                most = max(most, open_files(pid))
        assert 80 < most < limit - 16, "files in use at most"
        assert complaints(running.log.read_text()) == []
    finally:
        running.stop()


@pytest.mark.together
@pytest.mark.parametrize("mode", [["-H"], ["-B", "-t", "POST"], ["-X", "-w", "1", "-y", "8", "-n", "1", "-z", "1"]])
def test_slowhttptest_takes_no_scan_away(tmp_path: Path, mode: list[str]) -> None:
    """Slow heads, slow bodies, slow readers; more of them than there may be connections."""
    required("slowhttptest", "it plays the attacker")
    running = Running(tmp_path, files=256)
    running.start()
    try:
        add_code(running)
        pid = running.child_pid("waymark.public")
        assert pid is not None
        url = f"http://127.0.0.1:{running.public_port}/spring"
        attack = ["slowhttptest", *mode, "-c", "200", "-r", "100", "-i", "2", "-l", "15", "-p", "3", "-u", url]
        with subprocess.Popen(attack, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as attacker:
            answers, most = Counter[int](), 0
            while attacker.poll() is None:
                answers[running.scan("/spring").status] += 1
                most = max(most, open_files(pid))
                time.sleep(0.02)
        assert set(answers) == {302}
        assert answers[302] > 50
        assert most < 256 - 16
        assert complaints(running.log.read_text()) == []
    finally:
        running.stop()


class Load:
    """Clients that scan until told to stop. What counts is what they saw: answers, and requests without one."""

    def __init__(self, port: int, *, keep_alive: bool, request: bytes) -> None:
        self.answers: Counter[int] = Counter()
        self.unanswered: list[str] = []
        self.stopping = threading.Event()
        self._port = port
        self._request = request if keep_alive else request[:-2] + b"Connection: close\r\n\r\n"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while not self.stopping.is_set():
            try:
                connection = connect(self._port)
            except ConnectionRefusedError:  # nobody listens any more
                return
            with closing(connection):
                try:
                    self._talk(connection)
                except OSError as error:
                    self.unanswered.append(repr(error))

    def _talk(self, connection: socket.socket) -> None:
        last = False
        while not last and not self.stopping.is_set():
            connection.sendall(self._request)
            received = b""
            while b"\r\n\r\n" not in received:
                part = connection.recv(65536)
                if not part:
                    self.unanswered.append(f"the connection ended after {received!r}")
                    return
                received += part
            self.answers[statuses(received)[0]] += 1
            last = b"connection: close" in received or b"Connection: close" in self._request


def test_a_worker_that_is_told_to_stop_answers_what_it_has_and_the_others_take_the_rest(tmp_path: Path) -> None:
    with Running(tmp_path, workers=2) as running:
        add_code(running)
        loads = [
            Load(running.public_port, keep_alive=keep_alive, request=request)
            for keep_alive in (True, False)
            for request in (SCAN, head("Cookie: a=b", line="GET /spring HTTP/1.1"))  # the fast way and the slow way
            for _ in range(2)
        ]
        for _ in range(3):
            time.sleep(1.0)
            pid = running.child_pid("waymark.public")
            assert pid is not None
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: running.child_pid("waymark.public") not in (None, pid), "the worker's end")  # noqa: B023
        time.sleep(1.0)
        for load in loads:
            load.stop()
        assert [problem for load in loads for problem in load.unanswered] == []
        assert {status for load in loads for status in load.answers} == {302}
        acknowledged = sum(load.answers[302] for load in loads)
        extra = len(journal_scans(running.data / "journal")) - acknowledged
        assert 0 < extra < 40  # those of add_code, and each client's last one, whose answer it did not wait for


@pytest.mark.together
def test_power_mode_finds_every_answered_scan_after_a_kill(tmp_path: Path) -> None:
    with Running(tmp_path, '[journal]\ndurability = "power"\n') as running:
        add_code(running)
        acknowledged = len(journal_scans(running.data / "journal"))  # by add_code
        for _ in range(4):
            pid = running.child_pid("waymark.public")
            assert pid is not None
            with closing(connect(running.public_port)) as connection:
                connection.sendall(SCAN * 3 + LAST)
                assert statuses(read_to_the_end(connection)) == [302] * 4
                os.kill(pid, signal.SIGKILL)
            acknowledged += 4
            wait_for(lambda: is_answering(running.public_port), "the next worker")
            acknowledged += 1
        wait_for(lambda: len(running.all_scans()) >= acknowledged, "every scan in the store")
        assert len(running.all_scans()) == acknowledged


def is_answering(port: int) -> bool:
    with contextlib.suppress(OSError), closing(connect(port)) as connection:
        connection.sendall(LAST)
        return statuses(read_to_the_end(connection)) == [302]
    return False


@pytest.mark.together
def test_tls_has_the_fast_way_and_the_same_limits(tmp_path: Path) -> None:
    required("openssl", "it makes the certificate for this test")
    make_certificate(tmp_path, "listener.example")
    running = Running(tmp_path)
    tls = f'tls_cert = "{tmp_path / "tls.crt"}"\ntls_key = "{tmp_path / "tls.key"}"\n'
    running.config.write_text(running.config.read_text().replace("[public]\n", f"[public]\n{tls}"))
    trust = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))

    def talk(*parts: bytes) -> list[int]:
        with trust.wrap_socket(connect(running.public_port), server_hostname="localhost") as connection:
            for part in parts:
                connection.sendall(part)
                time.sleep(0.05)
            return statuses(read_to_the_end(connection))

    with running:
        running.cli("code", "add", "https://example.com/", "--slug", "spring")
        wait_for(lambda: talk(LAST) == [302], "the code being live")
        assert talk(SCAN + SCAN, SCAN, LAST) == [302] * 4
        assert talk(SCAN[:30], SCAN[30:] + UNKNOWN + SCAN, LAST) == [302, 404, 302, 302]
        assert talk(SCAN + UNKNOWN + head("Host: twice")) == [302, 404, 400]
        assert talk(b"GET / HT") == [408]
        hold_handshakes(running)
    assert complaints(running.log.read_text()) == []


@pytest.mark.together
def test_handshakes_that_never_end_neither_keep_a_scan_out_nor_take_every_file(tmp_path: Path) -> None:
    required("openssl", "it makes the certificate for this test")
    make_certificate(tmp_path, "listener.example")
    limit = 256
    running = Running(tmp_path, files=limit)
    tls = f'tls_cert = "{tmp_path / "tls.crt"}"\ntls_key = "{tmp_path / "tls.key"}"\n'
    running.config.write_text(running.config.read_text().replace("[public]\n", f"[public]\n{tls}"))
    trust = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))

    def scan() -> list[int]:
        with trust.wrap_socket(connect(running.public_port), server_hostname="localhost") as connection:
            connection.sendall(LAST)
            return statuses(read_to_the_end(connection))

    with running, contextlib.ExitStack() as held:
        running.cli("code", "add", "https://example.com/", "--slug", "spring")
        wait_for(lambda: scan() == [302], "the code being live")
        pid, most = running.child_pid("waymark.public"), 0
        assert pid is not None
        for number in range(600):
            silent = held.enter_context(closing(connect(running.public_port)))
            with contextlib.suppress(ConnectionError):  # it may have had to go already
                silent.sendall(b"\x16\x03"[: number % 3])
            if number % 20 == 0:
                assert scan() == [302], f"with {number} others"
            most = max(most, open_files(pid))
        assert 80 < most < limit - 16
        assert running.child_pid("waymark.public") == pid
    assert complaints(running.log.read_text()) == []


def hold_handshakes(running: Running) -> None:
    """Connections that never finish a word of TLS go as well."""
    pid = running.child_pid("waymark.public")
    assert pid is not None
    before = open_files(pid)
    with contextlib.ExitStack() as held:
        for _ in range(50):
            held.enter_context(closing(connect(running.public_port))).sendall(b"\x16")
        wait_for(lambda: open_files(pid) >= before + 40, "the connections being there")
        wait_for(lambda: open_files(pid) <= before, "the connections being ended", 20)


def open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
