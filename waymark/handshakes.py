"""The TLS listener: each connection counts at the gate from its first moment, not only once the handshake is done.

The event loop's own TLS server keeps connections to itself until then, and any number of silent ones with them.
"""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from redirector.listener import HEAD_WITHIN_S, Gate

log = logging.getLogger(__name__)

TLS_GOODBYE_S: Final = 2.0
ACCEPTS_AT_ONCE: Final = 100  # between two of these, requests are answered
ACCEPT_AGAIN_S: Final = 0.1


class TlsServer:
    """Accepts by itself; with ``close`` and ``wait_closed`` it looks like the event loop's servers."""

    def __init__(
        self, listener: socket.socket, gate: Gate, context: ssl.SSLContext, new_protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        self._listener = listener
        self._gate = gate
        self._context = context
        self._new_protocol = new_protocol
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._under_way: dict[asyncio.Task[None], Handshake] = {}  # the event loop itself holds tasks only weakly
        listener.setblocking(False)
        listener.listen(gate.backlog)
        self._loop.add_reader(listener, self._accept)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._listener)

    async def wait_closed(self) -> None:
        """Whoever has not finished by then never began a request."""
        for handshake in self._under_way.values():
            handshake.abort()
        if self._under_way:
            await asyncio.wait(self._under_way)

    def _accept(self) -> None:
        for _number in range(ACCEPTS_AT_ONCE):
            try:
                connection, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("accepting connections: %s", error.strerror)
                self._loop.remove_reader(self._listener)
                self._loop.call_later(ACCEPT_AGAIN_S, self._accept_again)
                return
            handshake = Handshake(connection, self._gate, self._new_protocol)
            if self._gate.admit(handshake):
                task = self._loop.create_task(handshake.run(self._context))
                self._under_way[task] = handshake
                task.add_done_callback(self._under_way.pop)
            else:
                connection.close()  # a word of why would need the handshake first

    def _accept_again(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._accept)


class Handshake(asyncio.Protocol):
    """Holds a connection's place at the gate until TLS stands; then the protocol from ``new_protocol`` takes over."""

    idle_within_s = HEAD_WITHIN_S + 1.0  # the handshake's own end comes first

    def __init__(self, connection: socket.socket, gate: Gate, new_protocol: Callable[[], asyncio.Protocol]) -> None:
        self.waiting_since: float | None = time.monotonic()
        self.transport = self  # to the gate: the event loop gives out the real one only after the handshake
        self._connection = connection
        self._gate = gate
        self._new_protocol = new_protocol
        self._ended = False

    async def run(self, context: ssl.SSLContext) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self,
                self._connection,
                ssl=context,
                ssl_handshake_timeout=HEAD_WITHIN_S,
                ssl_shutdown_timeout=TLS_GOODBYE_S,
            )
        except OSError:  # ssl.SSLError, a connection that ends, a handshake that takes too long
            self._connection.close()
        finally:
            self._gate.leave(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._gate.leave(self)
        protocol = self._new_protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def is_closing(self) -> bool:
        return self._ended

    def abort(self) -> None:
        self._ended = True
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    drop = abort
