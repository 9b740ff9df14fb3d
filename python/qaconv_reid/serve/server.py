"""From an application to an open port, until Ctrl-C."""

from __future__ import annotations

import errno
import socket

import uvicorn
from starlette.types import ASGIApp

from qaconv_reid.serve.problem import ServeError

__all__ = ["listen", "run"]

#: Seconds that requests under way have left after Ctrl-C.
_PATIENCE = 3


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; before anything long is begun.

    Args:
        host: a name or an address of this machine.
        port: 0 for any that is free.

    Raises:
        ServeError: the port is taken or may not be had, or there is no such host.
    """
    if not 0 <= port <= 65535:
        raise ServeError(f"--port: got {port}, wanted 0 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise ServeError(f"--host: got {host!r}, wanted this machine's: {error}") from None
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        # Else a second program could bind it too, until this one listens.
        bound.listen()
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            told = "which another program uses; wanted a free one (0 takes any)"
            raise ServeError(f"--port: got {port} on {host}, {told}") from None
        raise ServeError(f"--host, --port: got {host} and {port}: {error.strerror}") from None
    return bound


def run(app: ASGIApp, bound: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM; then it returns."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=_PATIENCE,
    )
    try:
        uvicorn.Server(config).run(sockets=[bound])
    except KeyboardInterrupt:  # sent again by uvicorn when it has ended
        pass
    finally:
        bound.close()
