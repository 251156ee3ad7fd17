"""An open-loop client in a process of its own: sends when a request is due, whatever became of those before.

Every second request comes on a connection of its own, as from a phone; the others share kept connections. Its one line of
output holds for each answer when it was due, sent and done. SIGTERM ends it early, once it says
that it is under way.
"""

import argparse
import asyncio
import gc
import json
import re
import selectors
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from analytics.demo_agents import AGENTS
from bench.numbers import due_times
from bench.people import BUILDS, with_build
from bench.plan import HOST
from bench.running import code_name

MAX_OPEN: Final = 900  # select() takes no descriptor above 1023
LAST_ANSWER_WITHIN_S: Final = 10.0
LEAD_S: Final = 0.3
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
UNDER_WAY: Final = "under way"  # on the standard error, when it may be ended


@dataclass(slots=True)
class Tally:
    """Seconds since the start; one entry per answer."""

    due: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    own: list[bool] = field(default_factory=list)
    failed: int = 0

    def take(self, request: "Request", done: float) -> None:
        self.due.append(request.due)
        self.sent.append(request.sent)
        self.done.append(done)
        self.own.append(request.own)


@dataclass(slots=True)
class Request:
    due: float
    own: bool
    data: bytes
    sent: float = 0.0


class Connection(asyncio.Protocol):
    def __init__(self, load: "OpenLoad") -> None:
        self._load = load
        self._request: Request | None = None
        self._answer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self, request: Request) -> None:
        assert self.transport is not None
        self._request = request
        request.sent = self._load.now()
        self.transport.write(request.data)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        request = self._request
        if request is None or not _is_whole(self._answer):
            return
        done = self._load.now()
        expected, self._answer, self._request = self._answer.startswith(self._load.expected), b"", None
        self._load.on_answer(self, request, done if expected else None)

    def connection_lost(self, exc: Exception | None) -> None:
        request, self._request = self._request, None
        self._load.on_lost(self, request)


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    if b"302" in head[:12]:  # a redirect has no body
        return True
    length = _LENGTH.search(head)
    return length is not None and len(body) >= int(length[1])


class OpenLoad:
    """Scans of the codes there are, or, with ``paths``, pages of these."""

    def __init__(
        self, port: int, rate: float, seconds: float, codes: int, seed: int, paths: Sequence[str] = ()
    ) -> None:
        self.tally = Tally()
        self.expected = b"HTTP/1.1 200" if paths else b"HTTP/1.1 302"
        self._paths = paths
        self._port = port
        self._due = due_times(rate, seconds)
        self._random = Random(seed)
        self._codes = codes
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self._opening = 0
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._start = 0.0
        self._stopped = False
        self.begun = asyncio.Event()

    @property
    def started_at(self) -> float:
        """On the clock that all processes of a machine share."""
        return self._start

    def stop(self) -> None:
        """No request that is not due yet; those under way are waited for."""
        self._stopped = True

    def now(self) -> float:
        return self._loop.time() - self._start

    async def run(self) -> None:
        requests = [
            Request(due, number % 2 == 0, self._request(number % 2 == 0)) for number, due in enumerate(self._due)
        ]
        self._start = self._loop.time() + LEAD_S
        self.begun.set()
        for request in requests:
            if self._stopped:
                break
            wait = request.due - self.now()
            if wait > 0:
                await asyncio.sleep(wait)
            self._fire(request)
        deadline = self.now() + LAST_ANSWER_WITHIN_S
        while self._under_way and self.now() < deadline:
            await asyncio.sleep(0.01)
        self.tally.failed += self._under_way
        await self._close()

    def on_answer(self, connection: Connection, request: Request, done: float | None) -> None:
        if done is None:
            self._fail()
        else:
            self._under_way -= 1
            self.tally.take(request, done)
        assert connection.transport is not None
        if request.own:
            connection.transport.close()
        else:
            self._idle.append(connection)

    def on_lost(self, connection: Connection, request: Request | None) -> None:
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if request is not None:
            self._fail()

    def _fire(self, request: Request) -> None:
        self._under_way += 1
        if not request.own and self._idle:
            self._idle.pop().send(request)
            return
        task = self._loop.create_task(self._connect(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, request: Request) -> None:
        if len(self._connections) + self._opening >= MAX_OPEN:
            self._fail()
            return
        self._opening += 1
        try:
            _transport, connection = await self._loop.create_connection(
                lambda: Connection(self), "127.0.0.1", self._port
            )
        except OSError:
            self._fail()
        else:
            self._connections.add(connection)
            connection.send(request)
        finally:
            self._opening -= 1

    def _fail(self) -> None:
        self._under_way -= 1
        self.tally.failed += 1

    async def _close(self) -> None:
        for connection in self._connections:
            if connection.transport is not None:
                connection.transport.close()
        await asyncio.sleep(0.05)  # they close in the next turns of the loop

    def _request(self, own: bool) -> bytes:
        random = self._random
        agent = with_build(random.choice(AGENTS).text, random.randrange(BUILDS))
        path = random.choice(self._paths) if self._paths else f"/{code_name(random.randint(1, self._codes))}"
        ending = "Connection: close\r\n\r\n" if own else "\r\n"
        head = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: {agent}\r\nAccept: text/html\r\n"
        return f"{head}Accept-Language: de-DE,de;q=0.9\r\nAccept-Encoding: gzip\r\n{ending}".encode()


async def run(port: int, rate: float, seconds: float, codes: int, seed: int = 1) -> Tally:
    load = OpenLoad(port, rate, seconds, codes, seed)
    await load.run()
    return load.tally


async def _run_until_told(port: int, rate: float, seconds: float, codes: int, paths: Sequence[str]) -> OpenLoad:
    load = OpenLoad(port, rate, seconds, codes, seed=1, paths=paths)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.stop)
    running = asyncio.create_task(load.run())
    await load.begun.wait()
    print(UNDER_WAY, file=sys.stderr, flush=True)
    await running
    return load


def precise_loop() -> asyncio.AbstractEventLoop:
    """epoll and uvloop wake in whole milliseconds; select() is exact, and a redirect takes a fraction of one."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.client")
    for name, kind in (("port", int), ("rate", float), ("seconds", float), ("codes", int)):
        parser.add_argument(name, type=kind)
    parser.add_argument("--paths", type=Path, help="a file with a path a line, asked for instead of codes")
    asked = parser.parse_args()
    paths = asked.paths.read_text().split() if asked.paths else ()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # a collection would make the client late
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        load = runner.run(_run_until_told(asked.port, asked.rate, asked.seconds, asked.codes, paths))
    answer: dict[str, Any] = {name: getattr(load.tally, name) for name in ("due", "sent", "done", "own", "failed")}
    answer["started_at"] = load.started_at
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
