"""Serves an emulator over HTTP on loopback, in a thread of the caller's process."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.authority import Certificate


@dataclass(frozen=True)
class RunningServer:
    """An emulator that is served at `url`."""

    url: str
    _server: uvicorn.Server
    _thread: threading.Thread

    def stop(self) -> None:
        """Stop serving; returns when the thread has ended."""
        self._server.should_exit = True
        self._thread.join()


def serve(
    app: ASGIApp, listener: socket.socket | None = None, tls: Certificate | None = None
) -> RunningServer:
    """Start serving, on a free port of loopback unless a listening socket is given.

    It accepts connections when this returns; by TLS only when a certificate is given.
    """
    if listener is None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    # asyncio sets this only on sockets with an explicit protocol; else a response takes 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    host, port, *_ = listener.getsockname()
    config = uvicorn.Config(
        _closing(app) if tls else app,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=1,
        access_log=False,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name=f"emulator-{port}", daemon=True
    )
    thread.start()
    name = f"[{host}]" if ":" in host else host
    return RunningServer(f"{'https' if tls else 'http'}://{name}:{port}", server, thread)


def _closing(app: ASGIApp) -> ASGIApp:
    """Let each connection end with its answer.

    The server waits for the other side when it ends an idle one (TLS), so it could not go away.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await app(scope, receive, send_last)

    return answer
