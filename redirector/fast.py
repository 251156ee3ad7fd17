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

from redirector.framing import MAX_HEAD_BYTES
from redirector.hot import Hot
from redirector.listener import HEAD_WITHIN_S, KEEP_ALIVE_S, Gate, LimitedProtocol
from redirector.recorder import Client

_QUERY: Final = re.compile(r"[\x21\x22\x24-\x7e]*")


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
        self._client: Client | None = None
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

    def answered(self, answer: bytes, now: float, close: bool) -> None:
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

    def _take(self, data: bytes) -> bool:
        """Journals and answers the request if it is ours; False, with nothing done, if it is not."""
        first, _break, block = data.partition(b"\r\n")
        hot = self.hot
        head = hot.heads.get(block) or hot.read(block)
        if head is None or first[:5] != b"GET /" or first[-9:] != b" HTTP/1.1" or len(data) > MAX_HEAD_BYTES - 4:
            return False
        code, _mark, query = first[5:-9].partition(b"?")
        text = query.decode("latin-1")
        answer = hot.find(head.host, code)
        if answer is None or (query and (not _QUERY.fullmatch(text) or b"hl=" in query)):  # hl: a language asked for
            return False
        client = self._client
        if client is None or hot.proxied:
            client = self._client = hot.recorder.client(self.peer, head.forwarded)
        decided, rest = answer
        line = hot.recorder.line(decided, head.told, client, query_string=text)
        close = head.close or self.gate.draining
        self._unanswered += 1
        self.waiting_since = None
        if close:
            self._closing = True
            rest = rest[:-2] + b"connection: close\r\n\r\n"
        hot.add(self, line, rest, close)
        return True

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
