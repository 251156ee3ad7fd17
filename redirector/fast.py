"""The short way of answering: a strict, complete GET of a known code is answered here, everything else is handed over.

The first byte that is anything else moves the connection, for good, to LimitedProtocol and the Starlette app. Both ways give
the same answer bytes (but for Date) and the same record; tests/test_fast.py compares them.
"""

import asyncio
import re
import time
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from codes.alphabet import reserved_reason
from redirector.decision import Decision, decision_for
from redirector.facts import PREFETCH_HEADERS
from redirector.listener import HEAD_WITHIN_S, KEEP_ALIVE_S, MAX_HEAD_BYTES, Gate, LimitedProtocol
from redirector.recorder import Recorder
from redirector.routes import Route, RouteTable

MAX_HOT: Final = 20_000
MAX_HOT_HOST: Final = 260
MAX_LINES: Final = 64
MAX_NAMES: Final = 2_000

_TARGET: Final = re.compile(rb"GET /([0-9A-Za-z._~-]{1,64})(?:\?([\x21\x22\x24-\x7e]*))? HTTP/1\.1")
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PLAIN: Final = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), 0x09, 0x0A, 0x0D})

IGNORED, HOST, USER_AGENT, REFERRER, LANGUAGE, GPC, FORWARDED, CONNECTION, NOT_OURS = range(9)
PREFETCH_NAMES: Final = tuple(name.encode() for name in PREFETCH_HEADERS)
_SLOTS: Final = {
    b"host": HOST,
    b"user-agent": USER_AGENT,
    b"referer": REFERRER,
    b"accept-language": LANGUAGE,
    b"sec-gpc": GPC,
    b"connection": CONNECTION,
} | dict.fromkeys(
    (b"cookie", b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"http2-settings", *PREFETCH_NAMES),
    NOT_OURS,
)


class Hot:
    """What all fast connections of a worker share: ready answers, and the turn's scans waiting for their one write."""

    def __init__(self, table: RouteTable, recorder: Recorder) -> None:
        self.recorder = recorder
        self.slots: dict[bytes, int] = {}
        self._header = recorder.trust.header.encode() if recorder.trust.networks else None
        self._table = table
        self._journal = recorder.journal
        self._answers: dict[tuple[bytes, bytes], tuple[Route, Decision, bytes]] = {}
        self._changes = -1
        self._turn: list[tuple[FastProtocol, bytes, bool]] = []
        self._lines: list[bytes] = []
        self._unsynced: list[tuple[FastProtocol, bytes, bool]] = []
        self._sender: asyncio.Task[None] | None = None
        self._default_headers: Any = None
        self._prefix = b""

    def find(self, host: bytes, code: bytes) -> tuple[Route, Decision, bytes] | None:
        """(route, decision, answer after the Date header) of a code in memory."""
        if self._changes != self._table.changes:
            self._changes = self._table.changes
            self._answers.clear()
        answer = self._answers.get((host, code))
        return answer or self._build(host, code)

    def slot(self, name: bytes) -> int | None:
        """What a header is to us, by its spelling; None for what is no header name."""
        lower = name.lower()
        if not _TOKEN.fullmatch(name):
            return None
        slot = FORWARDED if lower == self._header else _SLOTS.get(lower, IGNORED)
        if len(self.slots) < MAX_NAMES:
            self.slots[name] = slot
        return slot

    def add(self, protocol: "FastProtocol", line: bytes, answer: bytes, *, close: bool) -> None:
        if not self._turn:
            protocol.loop.call_soon(self.flush)
        self._turn.append((protocol, answer, close))
        self._lines.append(line)

    def flush(self) -> None:
        """One journal write for all scans of this event-loop turn, and only then their answers."""
        if not self._turn:
            return
        turn, self._turn = self._turn, []
        lines, self._lines = self._lines, []
        self._journal.append_scans(lines)
        if self._journal.durability != "power":
            self._send(turn)
            return
        self._unsynced += turn
        if self._sender is None or self._sender.done():
            self._sender = turn[0][0].loop.create_task(self._send_when_durable())

    async def _send_when_durable(self) -> None:
        """One task for all, so that a connection's answers cannot overtake each other."""
        while self._unsynced:
            turn, self._unsynced = self._unsynced, []
            await self._journal.durable()
            self._send(turn)

    def _send(self, turn: list[tuple["FastProtocol", bytes, bool]]) -> None:
        now = time.monotonic()
        default_headers = turn[0][0].server_state.default_headers
        if default_headers is not self._default_headers:  # uvicorn makes a new list each second
            self._default_headers = default_headers
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in default_headers)
            self._prefix = b"HTTP/1.1 302 Found\r\n" + lines
        prefix = self._prefix
        for protocol, answer, close in turn:
            protocol.answered(prefix + answer, now, close=close)

    def _build(self, host: bytes, code: bytes) -> tuple[Route, Decision, bytes] | None:
        text = code.decode("ascii")
        domain = self._table.domain_for(host.decode("latin-1"))
        route = None if domain is None or reserved_reason(text) else self._table.find(domain.id, text)
        if route is None:
            return None
        decision = decision_for(route)
        rest = b"\r\ncache-control: private, no-store\r\ncontent-length: 0\r\n\r\n"
        answer = (route, decision, b"location: " + decision.destination.encode("latin-1") + rest)
        if len(self._answers) >= MAX_HOT:
            self._answers.clear()
        if len(host) <= MAX_HOT_HOST:  # any Host is answered by the default domain; not any is worth its memory
            self._answers[host, code] = answer
        return answer


class FastProtocol(asyncio.Protocol):
    """Use a subclass made by ``fast_protocol_with``."""

    limited: type[LimitedProtocol]
    gate: Gate

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.config = config
        self.server_state = server_state
        self.app_state = app_state
        self.loop = _loop or asyncio.get_running_loop()
        self.hot: Hot = app_state["hot"]
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.peer = ""
        self.waiting_since: float | None = time.monotonic()
        self.idle_within_s = HEAD_WITHIN_S
        self._unanswered = 0
        self._closing = False
        self._half_closed = False
        self._write_paused = False
        self._rest: bytes | None = None  # for the slow way, once the answers before it are on the disk and sent

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if isinstance(address, tuple) else ""
        if self.gate.admit(self):
            self.server_state.connections.add(self)  # type: ignore[arg-type]
        else:
            self._hand_over(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest = None
        self._leave()

    def eof_received(self) -> bool | None:
        """Who has said all, and half-closed, still gets the answers. TLS knows no such thing."""
        if not self._unanswered or self.transport.get_extra_info("sslcontext"):
            return None
        self._half_closed = True
        self._closing = self._rest is None
        return True

    def pause_writing(self) -> None:
        self._write_paused = True
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._rest is None:
            self.transport.resume_reading()

    def shutdown(self) -> None:
        """uvicorn's word that the server stops: what is here is answered."""
        if not self._unanswered:
            self.drop()
        elif self._rest is None:
            self._closing = True

    def drop(self) -> None:
        self._closing = True
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        while data and not self._closing:  # after "Connection: close" nothing more is read
            end = data.find(b"\r\n\r\n")
            if end < 0 or not self._take(data[:end]):
                self._hand_over(data)
                return
            data = data[end + 4 :]

    def answered(self, answer: bytes, now: float, *, close: bool) -> None:
        self._unanswered -= 1
        transport = self.transport
        if transport.is_closing():  # uvloop raises for what is written after the end, and the rest of the turn with it
            return
        transport.write(answer)
        if close or (self._closing and not self._unanswered):
            transport.close()
        elif not self._unanswered:
            self.waiting_since = now
            self.idle_within_s = KEEP_ALIVE_S
            if self._rest is not None:
                self._pass_on(self._rest)

    def _take(self, head: bytes) -> bool:
        """Journals and answers the request if it is ours; False, with nothing done, if it is not."""
        lines = head.split(b"\r\n")
        breaks = len(lines) - 1
        target = _TARGET.fullmatch(lines[0])
        if (
            target is None
            or breaks > MAX_LINES
            or len(head) > MAX_HEAD_BYTES - 4
            or head.count(b"\n") != breaks
            or head.count(b"\r") != breaks
            or head.translate(None, _PLAIN)
        ):
            return False
        hot = self.hot
        slots = hot.slots
        found: list[bytes | None] = [None] * 9
        forwarded: list[str] = []
        for line in lines[1:]:
            name, _colon, value = line.partition(b":")
            slot = slots.get(name)
            if slot is None:
                slot = hot.slot(name)
            if slot == IGNORED and _colon:
                continue
            if slot == FORWARDED:
                forwarded.append(value.strip(b" \t").decode("latin-1"))
            elif slot is None or slot == NOT_OURS or not _colon or found[slot] is not None:
                return False
            else:
                found[slot] = value.strip(b" \t")
        host, connection = found[HOST], found[CONNECTION]
        if host is None:
            return False
        close = connection is not None and connection.lower() == b"close"
        if connection is not None and not close and connection.lower() != b"keep-alive":
            return False
        answer = hot.find(host, target[1])
        if answer is None:
            return False
        self._answer(answer, target[2], found, forwarded, close=close or self.gate.draining)
        return True

    def _answer(
        self,
        answer: tuple[Route, Decision, bytes],
        query: bytes | None,
        found: list[bytes | None],
        forwarded: list[str],
        *,
        close: bool,
    ) -> None:
        route, decision, rest = answer
        line = self.hot.recorder.line(
            route,
            decision,
            uncounted=None,
            peer=self.peer,
            forwarded=forwarded,
            user_agent=_text(found[USER_AGENT]),
            referrer=_text(found[REFERRER]),
            accept_language=_text(found[LANGUAGE]),
            query_string=_text(query),
            sec_gpc=_text(found[GPC]),
            host=_text(found[HOST]),
        )
        self._unanswered += 1
        self.waiting_since = None
        if close:
            self._closing = True
            rest = rest[:-2] + b"connection: close\r\n\r\n"
        self.hot.add(self, line, rest, close=close)

    def _hand_over(self, data: bytes) -> None:
        """For good: the slow way has every rule of HTTP in it, this one has none."""
        self.hot.flush()  # answers leave in the order of their requests
        if self._unanswered and not self.transport.is_closing():  # power mode: they wait for the disk
            self._rest = data
            self.transport.pause_reading()
        else:
            self._pass_on(data)

    def _pass_on(self, data: bytes) -> None:
        transport = self.transport
        self._rest = None
        if transport.is_closing():
            return
        self._leave()
        protocol = self.limited(self.config, self.server_state, self.app_state, self.loop)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._write_paused:
            protocol.pause_writing()
        transport.resume_reading()
        if data:
            protocol.data_received(data)
        if self._half_closed and not protocol.eof_received():
            transport.close()

    def _leave(self) -> None:
        self.gate.leave(self)
        self.server_state.connections.discard(self)


def fast_protocol_with(gate: Gate, limited: type[LimitedProtocol]) -> type[FastProtocol]:
    """The class for uvicorn's ``http=`` setting on the public side."""
    return type("GatedFastProtocol", (FastProtocol,), {"gate": gate, "limited": limited})


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("latin-1")
