"""Listening sockets: opened by the supervisor, so that restarting a part loses no connection."""

from __future__ import annotations

import errno
import socket

from composition.faults import NOT_LISTENING, PORT_TAKEN


def listen(
    host: str, port: int | None, usual: int = 0, setting: str = "PENGUIN_API"
) -> socket.socket:
    """Return a listening socket; `port` None is the usual one, or a free one where that is in use.

    Raises `serve.port_taken` and `serve.not_listening`.
    """
    wanted = usual if port is None else port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle off: else 40 ms per answer on a kept connection.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, wanted))
        made.listen(128)
    except OSError as error:
        made.close()
        address = f"{host}:{wanted}"
        if error.errno != errno.EADDRINUSE:
            raise NOT_LISTENING(
                host=host, port=wanted, reason=error.strerror, setting=setting, where=address
            ) from None
        if port is None:
            return listen(host, 0, usual, setting)
        raise PORT_TAKEN(host=host, port=wanted, setting=setting, where=address) from None
    return made
