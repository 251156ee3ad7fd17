"""The HTTP protocol of both listeners: uvicorn's, behind the limits it lacks. Knows no routes and no scans.

A request's head is held back until it is whole, within size and time, and soundly framed (redirector/framing.py); only
then the parser sees it.
"""

import asyncio
import re
import resource
import time
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from redirector.framing import (
    BUSY,
    MAX_HEAD_BYTES,
    TOO_LARGE,
    TOO_SLOW,
    Refusal,
    body_framing,
    malformed,
    refusal_bytes,
)

HEAD_WITHIN_S: Final = 5.0
BODY_WITHIN_S: Final = 30.0
KEEP_ALIVE_S: Final = 15.0
RESERVED_FILES: Final = 128  # database, journal, sockets of our own: never spent on connections
MAX_BACKLOG: Final = 4096

_BAD_BYTES: Final = re.compile(rb"\x00|(?<!\r)\n|\r\n[ \t]")


class Gate:
    """All connections of one process: how many there may be, and which one goes when there is no room."""

    def __init__(self, max_connections: int | None = None) -> None:
        cap, self.backlog = _connection_cap_and_backlog()
        self.max_connections = max_connections or cap
        self.open: set[Any] = set()  # protocols with transport, waiting_since, idle_within_s and drop()
        self.draining = False  # the server is about to stop: every answer is the last of its connection

    def admit(self, protocol: Any) -> bool:
        """Makes room by ending a tenth of the longest waiting ones; False when every connection is at work."""
        if len(self.open) >= self.max_connections:
            waiting = sorted(
                (known for known in self.open if known.waiting_since is not None), key=lambda known: known.waiting_since
            )
            for known in waiting[: max(1, self.max_connections // 10)]:
                self.leave(known)
                known.transport.abort()  # close() would wait for a peer that does not read, or for TLS's good-bye
        if len(self.open) >= self.max_connections:
            return False
        self.open.add(protocol)
        return True

    def leave(self, protocol: Any) -> None:
        self.open.discard(protocol)

    def sweep(self) -> None:
        """Ends connections that waited too long; called once a second, cheaper than a timer for each.

        They count until they are really gone: one whose peer does not read the last answer still holds its file.
        """
        now = time.monotonic()
        for known in list(self.open):
            since = known.waiting_since
            if since is not None and now - since > known.idle_within_s and not known.transport.is_closing():
                known.drop()


class LimitedProtocol(HttpToolsProtocol):
    """Use a subclass made by ``protocol_with``: every process has a gate of its own."""

    gate: Gate
    idle_within_s = KEEP_ALIVE_S

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.waiting_since: float | None = time.monotonic()  # None while a whole request is here and not answered
        self._head = bytearray()
        self._framing = (0, False)
        self._body_left = 0
        self._chunked = False
        self._without_body = 0  # bytes of a chunked message since its last byte of body
        self._ended = False  # nothing more is read
        self._refusal: Refusal | None = None  # to be sent behind the answers under way
        self._active: RequestResponseCycle | None = None  # uvicorn's ``cycle`` is the newest, maybe not yet begun
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.gate.admit(self):
            self._expect(HEAD_WITHIN_S)
        else:
            self._refuse(BUSY)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unexpect()
        self.gate.leave(self)
        self.pipeline.clear()
        super().connection_lost(exc)
        if self._active is not None:
            self._active.disconnected = True  # uvloop raises for what is written from now on
            self._active.message_event.set()

    def drop(self) -> None:
        """For connections on which nothing is under way."""
        self._ended = True
        self.transport.close()

    def shutdown(self) -> None:
        """uvicorn's word that the server stops: what is here is answered."""
        if self._is_at_work():
            self.cycle.keep_alive = False
        else:
            self.drop()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Who has said all, and half-closed, still gets the answers. TLS knows no such thing."""
        if not self._is_at_work() or self._is_in_body() or self.cycle.response_started or self.scheme == "https":
            return None
        self._ended = True
        self._unexpect()
        self.cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        while data and not self._ended and not self.transport.is_closing():
            if self._chunked:
                self._take_chunks(data)
                return
            data = self._take_body(data) if self._body_left else self._take_head(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(
            name, value.strip(b" \t")
        )  # the parser leaves trailing tabs (RFC 9112, 5.1: they are no value)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.headers = []  # takes the trailers, which are no headers (RFC 9110, 6.5.1), out of the app's sight
        self._body_left, self._chunked = self._framing
        if self._chunked or self.gate.draining:
            self.cycle.keep_alive = False  # what follows a chunked body in the same read could not be looked at
        if self._is_in_body():
            self._expect(BODY_WITHIN_S)

    def on_body(self, body: bytes) -> None:
        self._without_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._chunked:
            self._unexpect()
            self._ended = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_at_work():
            return
        self.waiting_since = time.monotonic()
        if self._refusal is not None:
            self._send(self._refusal)

    def send_400_response(self, msg: str) -> None:
        """uvicorn's answer to what its parser refuses would overtake answers under way."""
        self._refuse(malformed("its method, its target or its chunks cannot be read"))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._active = cycle
        super()._start_asgi_task(cycle, app)

    def _take_head(self, data: bytes) -> bytes:
        """Feeds the parser one whole, sound head; returns what follows it."""
        if not self._head and (self._timer is None or data.strip(b"\r\n")):
            self._expect(HEAD_WITHIN_S)
        searched = max(0, len(self._head) - 3)
        self._head += data
        if self._head.startswith(b"\r\n"):
            del self._head[:2]  # RFC 9112, 2.2: one empty line before a request is ignored
        end = self._head.find(b"\r\n\r\n", searched)
        if end < 0:
            if len(self._head) > MAX_HEAD_BYTES:
                self._refuse(TOO_LARGE)
            elif _BAD_BYTES.search(self._head, searched):
                self._refuse(malformed("it has a bare line feed, a folded line or a NUL"))
            return b""
        head, rest = bytes(self._head[: end + 4]), bytes(self._head[end + 4 :])
        self._head.clear()
        self._unexpect()
        framing = body_framing(head)
        if isinstance(framing, Refusal):
            self._refuse(framing)
            return b""
        self.waiting_since = None
        self._framing = framing
        self._feed(head)
        if self.gate.draining and self.cycle is not None:
            self.cycle.keep_alive = False
        return rest

    def _take_body(self, data: bytes) -> bytes:
        part, rest = data[: self._body_left], data[self._body_left :]
        self._body_left -= len(part)
        if not self._body_left:
            self._unexpect()
        self._feed(part)
        return rest

    def _take_chunks(self, data: bytes) -> None:
        self._without_body += len(data)
        self._feed(data)
        if self._without_body > MAX_HEAD_BYTES:
            self._refuse(TOO_LARGE)  # chunk extensions or trailers without end

    def _feed(self, data: bytes) -> None:
        super().data_received(data)

    def _is_at_work(self) -> bool:
        active = self._active
        return active is not None and not active.response_complete and not active.disconnected

    def _is_in_body(self) -> bool:
        return self._chunked or self._body_left > 0

    def _expect(self, within_s: float) -> None:
        self._unexpect()
        self._timer = self.loop.call_later(within_s, self._on_time_over)

    def _unexpect(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time_over(self) -> None:
        self._timer = None
        if self.flow.read_paused:  # the rest may be here long since: earlier requests wait for us, not we for it
            self._expect(BODY_WITHIN_S if self._is_in_body() else HEAD_WITHIN_S)
        elif self._head or self._is_in_body():
            self._refuse(TOO_SLOW)
        else:
            self._close_unless_at_work()  # a connection without a request needs no answer

    def _close_unless_at_work(self) -> None:
        if not self._is_at_work():
            self.drop()

    def _refuse(self, refusal: Refusal) -> None:
        """Ends the connection with an answer of our own, which waits for the answers to sound requests before it."""
        if self._ended:
            return
        self._ended = True
        self._unexpect()
        if self._is_in_body():
            if self.pipeline:
                self.pipeline.popleft()  # the newest, whose body this is; the app never saw it
            elif self.cycle.response_started:
                self.cycle.keep_alive = False  # it has its answer, or is getting it
                self._close_unless_at_work()
                return
            else:
                self.cycle.disconnected = True  # the app waits for a body that does not come
                self.cycle.message_event.set()
        if self._is_at_work():
            self._refusal = refusal
        else:
            self._send(refusal)

    def _send(self, refusal: Refusal) -> None:
        if not self.transport.is_closing():
            self.transport.write(refusal_bytes(refusal, self.server_state.default_headers))
            self.transport.close()


def protocol_with(gate: Gate) -> type[LimitedProtocol]:
    """The class for uvicorn's ``http=`` setting."""
    return type("GatedProtocol", (LimitedProtocol,), {"gate": gate})


def _connection_cap_and_backlog() -> tuple[int, int]:
    """The event loop accepts a whole backlog before it asks the gate, so that many files are kept free as well."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = 200_000 if soft == resource.RLIM_INFINITY else soft
    backlog = max(16, min(files // 4, MAX_BACKLOG))
    return max(16, min(files - RESERVED_FILES - backlog, 100_000)), backlog
