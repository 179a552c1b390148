"""The greeting of a TCP server."""

from __future__ import annotations

import socket

from tests.support.waiting import SECONDS


def greeting(address: str, port: int, seconds: float = SECONDS) -> bytes:
    """Return the first bytes that a port sends; empty if nothing answers in time."""
    try:
        with socket.create_connection((address, port), seconds) as stream:
            return stream.recv(64)
    except OSError:
        return b""
