"""Runs one app on an inherited listening socket until SIGTERM; shared by both processes."""

import asyncio
import logging
import os
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from redirector.fast import fast_protocol_with
from redirector.listener import KEEP_ALIVE_S, Gate, protocol_with
from waymark.handshakes import TlsServer

log = logging.getLogger(__name__)

CERTIFICATE_EVERY_S: Final = 5.0
DEFER_ACCEPT_S: Final = 1  # a connection without a request comes to us a little later, and is dropped like any other
SWEEP_EVERY_S: Final = 1.0
UNREAD_FOR_MS: Final = 30_000
DRAIN_S: Final = 0.5


class Server(uvicorn.Server):
    """uvicorn with some additions: endless answers are told to end, idle connections are swept, certificates renewed,
    and accepted connections are read before closing.
    """

    def __init__(
        self, config: uvicorn.Config, gate: Gate, on_stop: Callable[[], None] | None, ready_fd: int | None = None
    ) -> None:
        super().__init__(config)
        self._gate = gate
        self._on_stop = on_stop
        self._ready_fd = ready_fd

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, with limits for TLS, which it has no setting for."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self.servers = [await self._server(listener) for listener in sockets or []]
        self.started = True
        if self._ready_fd is not None:
            os.write(self._ready_fd, b"ready")
            os.close(self._ready_fd)
        self._sweep_task = asyncio.create_task(self._sweep())
        if self.config.ssl_certfile and self.config.ssl_keyfile:
            files = (Path(self.config.ssl_certfile), Path(self.config.ssl_keyfile))
            self._certificate_task = asyncio.create_task(self._follow_certificate(*files))

    async def _server(self, listener: socket.socket) -> Any:
        if self.config.ssl is not None:
            return TlsServer(listener, self._gate, self.config.ssl, self._new_protocol)
        loop = asyncio.get_running_loop()
        return await loop.create_server(self._new_protocol, sock=listener, backlog=self._gate.backlog)

    def _new_protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            self._gate.sweep()

    async def _follow_certificate(self, certificate: Path, key: Path) -> None:
        """A renewed certificate is used from the next connection on; a half-written pair is tried again."""
        known = _stamps(certificate, key)
        while True:
            await asyncio.sleep(CERTIFICATE_EVERY_S)
            current = _stamps(certificate, key)
            if current == known or self.config.ssl is None:
                continue
            try:
                self.config.ssl.load_cert_chain(certificate, key)
            except (OSError, ssl.SSLError) as error:
                log.error("the renewed TLS certificate %s cannot be used yet: %s", certificate, error)
            else:
                known = current
                log.info("TLS certificate %s reloaded", certificate)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._on_stop is not None:
            self._on_stop()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        # Requests on their way are still read and answered, each answer the last of its connection: nobody is cut off.
        self._gate.draining = True
        for _step in range(int(DRAIN_S / 0.05)):
            await asyncio.sleep(0.05)
            if not self._gate.open:
                break
        await super().shutdown(sockets=None)


def _stamps(*paths: Path) -> list[int]:
    return [path.stat().st_mtime_ns if path.exists() else 0 for path in paths]


def run_app(
    app: Any,
    fd: int,
    *,
    fast: bool = False,
    on_stop: Callable[[], None] | None = None,
    ready_fd: int | None = None,
    tls: tuple[Path, Path] | None = None,
) -> None:
    """``fast``: known codes are answered by FastProtocol, which needs the public app's state."""
    raise_file_limit()
    listener = socket.socket(fileno=fd)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # a peer that reads no answer, or is gone, does not hold its connection
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_FOR_MS)
    if fast and hasattr(socket, "TCP_DEFER_ACCEPT"):  # a scan wakes the worker once, with its request, not twice
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT_S)
    gate = Gate()
    limited = protocol_with(gate)
    config = uvicorn.Config(
        app,
        proxy_headers=False,  # our own walk over trusted proxies decides who the client is
        server_header=False,
        date_header=True,
        access_log=False,
        log_config=None,
        lifespan="on",
        http=fast_protocol_with(gate, limited) if fast else limited,
        loop="uvloop",
        ws="none",
        timeout_keep_alive=int(KEEP_ALIVE_S),
        timeout_graceful_shutdown=10,
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )
    end_with_parent()
    try:
        Server(config, gate, on_stop, ready_fd).run(sockets=[listener])
    except KeyboardInterrupt:
        return


def raise_file_limit() -> None:
    """To what this process may have: every connection is an open file, and the usual soft limit is that of select()."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # "unlimited" may be more than the kernel gives
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def set_up_logging(name: str) -> None:
    level = os.environ.get("WAYMARK_LOG", "INFO").upper()
    logging.basicConfig(
        level=level if level in ("DEBUG", "INFO", "WARNING", "ERROR") else "INFO",
        format=f"%(asctime)s {name} %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
    )
    for noisy in ("alembic", "httpx2", "httpcore2", "fontTools"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It repeats with a traceback what the apps log in one line, a refused start above all.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


def end_with_parent() -> None:
    """Linux: a killed supervisor takes its children along, so that ports and locks are free for the next start."""
    try:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM)
    except (OSError, AttributeError):
        logging.getLogger(__name__).debug("no parent-death signal on this system")
