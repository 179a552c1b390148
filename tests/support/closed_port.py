"""A port at which nothing listens."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def closed_port(ip: str = "127.0.0.1") -> Iterator[int]:
    """Yield a port that no other program gets, at which the test may listen later."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((ip, 0))
        yield int(taken.getsockname()[1])
