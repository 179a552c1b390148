"""One server for the emulators of many tests: to start and stop one takes longer than a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from lab.emulator_server import serve


class Emulator:
    """A server whose application each test sets."""

    app: ASGIApp
    url: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the current application."""
        await self.app(scope, receive, send)


@contextmanager
def served() -> Iterator[Emulator]:
    """Serve on a free port of loopback."""
    emulator = Emulator()
    server = serve(emulator)
    emulator.url = server.url
    yield emulator
    server.stop()
