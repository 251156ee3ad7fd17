"""A rolling restart (SIGHUP) of the real processes under load: no request refused, cut off or lost."""

import http.client
import os
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.running import IPHONE, Running, wait_for

PAUSE_S = 0.005  # between a client's scans: the processes that restart need the machine too


class Client(threading.Thread):
    """Scans one after the other, on one connection as long as it lasts or on a new one each time."""

    def __init__(self, waymark: Running, name: str, *, keep_alive: bool) -> None:
        super().__init__(name=name)
        self.acknowledged: list[str] = []
        self.failures: list[str] = []
        self._port = waymark.public_port
        self._keep_alive = keep_alive
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)) as connection:
                while self._scan(connection) and self._keep_alive and not self._stop_asked.is_set():
                    pass

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(30)

    def _scan(self, connection: http.client.HTTPConnection) -> bool:
        """Whether the connection may be used again."""
        scan_id = f"{self.name}-{len(self.acknowledged)}"
        try:
            connection.request("GET", f"/roll?utm_content={scan_id}", headers={"User-Agent": IPHONE})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(f"{scan_id}: {error!r}")
            return False
        if answer.status != 302:
            self.failures.append(f"{scan_id}: status {answer.status}")
        self.acknowledged.append(scan_id)
        time.sleep(PAUSE_S)
        return not answer.will_close


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_a_rolling_restart_fails_no_request(tmp_path: Path) -> None:
    with Running(tmp_path, workers=2) as waymark:
        waymark.cli("code", "add", "https://example.com/", "--slug", "roll")
        assert len(public_pids(waymark)) == 2
        clients = [Client(waymark, f"c{n}", keep_alive=n % 2 == 0) for n in range(4)]
        for client in clients:
            client.start()
        for _restart in range(2):
            before = public_pids(waymark)
            assert waymark.process is not None
            os.kill(waymark.process.pid, signal.SIGHUP)
            wait_for_successors(waymark, before)
        for client in clients:
            client.stop()

        assert [failure for client in clients for failure in client.failures] == []
        acknowledged = {scan for client in clients for scan in client.acknowledged}
        wait_for(lambda: len(stored(waymark)) >= len(acknowledged), "every scan in the store", 60)
        found = stored(waymark)
        assert len(found) == len(set(found)) == len(acknowledged)
        assert waymark.get("/accounting")["exact"]


def wait_for_successors(waymark: Running, before: set[int]) -> None:
    wait_for(lambda: not before & public_pids(waymark), "every public process being a new one", 60)


def public_pids(waymark: Running) -> set[int]:
    return set(waymark.child_pids("waymark.public"))


def stored(waymark: Running) -> list[str]:
    return [scan["query"]["utm_content"] for scan in waymark.all_scans(code="roll")]
