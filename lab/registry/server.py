"""The registry of the lab as a whole: storage, front, and the faults that it can be put into."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab import authority
from lab.emulator_server import RunningServer, serve
from lab.registry.front import FAULTS, NAMES, Front
from lab.registry.storage import Connection, Storage, Wrap, directly

AWAY = "away"
"""The fault of a registry that no connection reaches, until it is cleared."""
PORT = 443


class Registry:
    """Serves images as `ghcr.io`, with a certificate of the lab's authority."""

    def __init__(
        self,
        directory: Path,
        images: Path,
        listen: Callable[[], socket.socket],
        wrap: Wrap = directly,
    ) -> None:
        """Keep what is pushed in `images`; `listen` returns a socket at its address."""
        self._directory = directory
        self._listen = listen
        self._storage = Storage(directory, images, wrap)
        self._front = Front(self._storage.connect)
        self._server: RunningServer | None = None
        self._lock = threading.Lock()

    @property
    def ca_file(self) -> Path:
        """The certificate by which clients trust it."""
        return self._directory / "ca.crt"

    def start(self) -> str:
        """Start it, and return its URL."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._storage.start()
        ca = authority.create(self._directory)
        listener = self._listen()
        names = [*(f"DNS:{name}" for name in NAMES), f"IP:{listener.getsockname()[0]}"]
        self._certificate = authority.issue(ca, self._directory, NAMES[0], names)
        self._server = serve(self._front.app(), listener, self._certificate)
        return self._server.url

    def stop(self) -> None:
        """End it."""
        self._leave()
        self._storage.stop()

    def connect(self) -> Connection:
        """Return a connection to the registry behind the front, to push images."""
        return self._storage.connect()

    def inject(self, name: str, times: int = 1) -> None:
        """Let it fail; raises ValueError for what is not a fault of it."""
        if name == AWAY:
            self._leave()
        elif name in FAULTS:
            self._front.faults.inject(name, times)
        else:
            raise ValueError(f"{name} is not a fault; use one of: {', '.join((AWAY, *FAULTS))}")

    def clear(self) -> None:
        """End all faults."""
        self._front.faults.clear()
        with self._lock:
            if self._server is None:
                self._server = serve(self._front.app(), self._listen(), self._certificate)

    def active(self) -> dict[str, int]:
        """Return the faults in force, with their counts."""
        away = {AWAY: -1} if self._server is None else {}
        return self._front.faults.active() | away

    def route(self) -> Route:
        """Return the route by which faults are injected, listed, and cleared."""

        async def endpoint(request: Request) -> Response:
            if request.method == "POST":
                body = await request.json()
                name, times = str(body.get("fault")), body.get("times", 1)
                try:
                    await run_in_threadpool(self.inject, name, times)
                except ValueError as mistake:
                    return JSONResponse({"error": str(mistake)}, 400)
            elif request.method == "DELETE":
                await run_in_threadpool(self.clear)
            return JSONResponse(self.active())

        return Route("/_lab/registry", endpoint, methods=["GET", "POST", "DELETE"])

    def _leave(self) -> None:
        """Accept no connection any more, and end those that are open."""
        with self._lock:
            if self._server is not None:
                self._server.stop()
                self._server = None
