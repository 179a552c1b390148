"""Serves a stand-in: prints its port, ends at a signal or when the engine is gone."""

from __future__ import annotations

import os
import signal
import threading

import grpc

PARENT_CHECK_SECONDS = 2
"""Between two checks whether the engine still runs: a killed one sends no signal."""


def serve_until_end(server: grpc.Server) -> None:
    """Serve on a free loopback port until a signal, or until the engine has ended."""
    port = server.add_insecure_port("127.0.0.1:0")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    parent = os.getppid()
    server.start()
    print(port, flush=True)
    while not stopping.wait(PARENT_CHECK_SECONDS) and os.getppid() == parent:
        pass
