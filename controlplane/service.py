"""Serves the HTTP interface inside a process composed elsewhere."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from controlplane.tls import Secure, accept


class _Server(uvicorn.Server):
    """Leave signals to the process that it runs in; report when it answers."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], secure: Secure | None
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._secure = secure
        self._accepting: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._secure is not None:
            connected = self.server_state.connections.__len__
            self._accepting = asyncio.create_task(accept(self._secure, self._protocol, connected))
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait({self._accepting})
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        """Return what the server itself makes for a connection at a plain socket."""
        return self.config.http_protocol_class(  # type: ignore[call-arg] # as in its own startup
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_http(
    app: ASGIApp,
    listener: socket.socket,
    stop: asyncio.Event,
    ready: Callable[[], None],
    *,
    secure: Secure | None = None,
) -> None:
    """Answer requests until `stop` is set, then finish those that run.

    With `secure`, those of TLS connections too.
    """
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=10
    )
    server = _Server(config, ready, secure)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving
