"""Listening sockets: opened by the supervisor, so that restarting a part loses no connection."""

from __future__ import annotations

import errno
import socket

from composition.faults import NOT_LISTENING, PORT_TAKEN


def listen(
    host: str, port: int | None, default: int = 0, setting: str = "PENGUIN_API"
) -> socket.socket:
    """Return a listening socket; `port` None is the default, or a free one where that is in use.

    Raises `serve.port_taken` and `serve.not_listening`.
    """
    chosen = default if port is None else port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With an explicit protocol asyncio sets TCP_NODELAY: else a keep-alive response takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, chosen))
        listener.listen(128)
    except OSError as error:
        listener.close()
        address = f"{host}:{chosen}"
        if error.errno != errno.EADDRINUSE:
            raise NOT_LISTENING(
                host=host, port=chosen, reason=error.strerror, setting=setting, where=address
            ) from None
        if port is None:
            return listen(host, 0, default, setting)
        raise PORT_TAKEN(host=host, port=chosen, setting=setting, where=address) from None
    return listener
