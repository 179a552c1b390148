"""Serves the HTTP interface inside a process that somebody else composes."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

USUAL_PORT = 8400


class PortTaken(Exception):
    """Somebody else listens there."""

    code = "serve.port_taken"
    remedy = "stop the other program, or set PENGUIN_API__PORT (0 takes a free one)"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"port {port} of {host} is taken")
        self.where = f"{host}:{port}"


class NotListening(Exception):
    """The address is not this machine's, or the port needs more rights."""

    code = "serve.not_listening"
    remedy = "set PENGUIN_API__HOST to an address of this machine, PENGUIN_API__PORT above 1023"

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(f"cannot listen at port {port} of {host}: {error.strerror}")
        self.where = f"{host}:{port}"


def listen(host: str, port: int | None) -> socket.socket:
    """Return a listening socket; `port` None is the usual one, or a free one where it is taken.

    Raises PortTaken and NotListening.
    """
    wanted = USUAL_PORT if port is None else port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # TCP by name, or asyncio leaves Nagle on: 40 ms for each answer on a connection that is kept.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, wanted))
        made.listen(128)
    except OSError as error:
        made.close()
        if error.errno != errno.EADDRINUSE:
            raise NotListening(host, wanted, error) from None
        if port is None:
            return listen(host, 0)
        raise PortTaken(host, wanted) from None
    return made


class _Server(uvicorn.Server):
    """Leaves signals to whoever composes the process, and says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_http(
    app: FastAPI, listener: socket.socket, stop: asyncio.Event, ready: Callable[[], None]
) -> None:
    """Answer requests until `stop` is set, then finish those that run."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=10
    )
    server = _Server(config, ready)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving
