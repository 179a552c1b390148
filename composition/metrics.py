"""Serves the metrics of a part while it works, without authentication."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controlplane.service import serve_http
from kit.metrics import CONTENT_TYPE


@asynccontextmanager
async def served(descriptor: int, text: Callable[[], str]) -> AsyncIterator[None]:
    """Answer `/metrics` on a listening socket during the block."""

    async def answer(_request: Request) -> Response:
        return Response(text(), media_type=CONTENT_TYPE)

    app, ended = Starlette(routes=[Route("/metrics", answer)]), asyncio.Event()
    listener = socket.socket(fileno=descriptor)
    serving = asyncio.create_task(serve_http(app, listener, ended, lambda: None))
    try:
        yield
    finally:
        ended.set()
        await serving
