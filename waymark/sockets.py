"""Listening sockets: bound once, inherited by every process that answers on them."""

import errno
import socket
from contextlib import ExitStack

from waymark.config import ConfigError


def bound_socket(section: str, host: str, port: int) -> socket.socket:
    """Raises ConfigError with the remedy when the address cannot be used."""
    with ExitStack() as stack:
        try:
            family, kind, proto, _name, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = stack.enter_context(socket.socket(family, kind, proto))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(4096)
        except (OSError, OverflowError, UnicodeError) as error:
            raise ConfigError(_bind_problem(section, host, port, error)) from error
        listener.setblocking(False)
        listener.set_inheritable(True)
        stack.pop_all()
        return listener


def _bind_problem(section: str, host: str, port: int, error: Exception) -> str:
    code = getattr(error, "errno", None)
    if code == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is taken by another program. Stop it (`ss -ltnp` shows which it is), "
            f"or set another [{section}] port in config.toml."
        )
    if code == errno.EACCES:
        return f"port {port} needs more rights than this user has. Use a port above 1023 in [{section}] and a proxy in front."
    return f"[{section}] cannot listen on {host}:{port}: {error}. Check host and port in config.toml."
