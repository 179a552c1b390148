"""How a stand-in is served: prints its port, and ends when told to or when the engine is gone."""

from __future__ import annotations

import os
import signal
import threading

import grpc

LOOK_AT_PARENT = 2
"""Seconds between looks whether the engine still lives: one that was killed says nothing."""


def serve_until_end(server: grpc.Server) -> None:
    """Serve on a free port of loopback; returns when it is over, for the caller to stop it."""
    port = server.add_insecure_port("127.0.0.1:0")
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    parent = os.getppid()
    server.start()
    print(port, flush=True)
    while not over.wait(LOOK_AT_PARENT) and os.getppid() == parent:
        pass
