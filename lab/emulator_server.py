"""Serves an emulator over HTTP on loopback, in a thread of the process that wants it."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp


@dataclass(frozen=True)
class RunningServer:
    """An emulator that answers at `url`."""

    url: str
    _server: uvicorn.Server
    _thread: threading.Thread

    def stop(self) -> None:
        """Stop answering; returns when the thread has ended."""
        self._server.should_exit = True
        self._thread.join()


def serve(app: ASGIApp, port: int = 0, host: str = "127.0.0.1") -> RunningServer:
    """Start serving; port 0 takes a free one. It accepts from the moment this returns."""
    listener = socket.create_server((host, port), backlog=128)
    taken = listener.getsockname()[1]
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", timeout_graceful_shutdown=1, access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name=f"emulator-{taken}", daemon=True
    )
    thread.start()
    return RunningServer(f"http://{host}:{taken}", server, thread)
