"""A server on both address families of loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.types import ASGIApp

from lab.emulator_server import serve


@contextmanager
def dual_stack(app: ASGIApp) -> Iterator[int]:
    """Serve on 127.0.0.1 and ::1; yields the port, which is the same."""
    first = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = first.getsockname()[1]
    try:
        second = socket.create_server(("::1", port), family=socket.AF_INET6, backlog=128)
    except OSError as error:
        first.close()
        pytest.skip(f"no IPv6 on loopback: {error}")
    servers = [serve(app, first), serve(app, second)]
    yield port
    for server in servers:
        server.stop()
