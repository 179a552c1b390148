"""The part `public`: the endpoints without a key, with a login of their own.

`/u/{token}` unsubscribes; `/.well-known/acme-challenge/{token}` answers public authorities.
"""

from __future__ import annotations

import asyncio
import socket

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from composition.heartbeat import Progress, event_loop_progress
from composition.parts.settings import Part, PublicPart
from composition.process import start
from controlplane.certificates.endpoints import challenge_router
from controlplane.database import role_engine
from controlplane.requests import Limits
from controlplane.service import serve_http
from kit.database import Role
from sender.tokens import Tokens
from sender.unsubscribe import create_router


def public_app(engine: AsyncEngine, tokens: Tokens) -> FastAPI:
    """Return the application of the public endpoints."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)  # a redirect would lose the POST
    app.add_middleware(Limits)
    app.include_router(create_router(engine, tokens))
    app.include_router(challenge_router(engine))
    return app


async def work(settings: PublicPart, progress: Progress, stop: asyncio.Event) -> None:
    """Answer requests until `stop` is set, then finish those that run."""
    engine = role_engine(
        settings.dsn, settings.login(Role.PUBLIC), settings.passwords[Role.PUBLIC], pool_size=2
    )
    tokens = Tokens.of_settings(settings.token_key, settings.token_keys)
    app = public_app(engine, tokens)
    ticking = asyncio.create_task(event_loop_progress(progress))
    try:
        await serve_http(app, socket.socket(fileno=settings.socket), stop, lambda: None)
    finally:
        ticking.cancel()
        await engine.dispose()


if __name__ == "__main__":
    start(Part.PUBLIC, PublicPart, work)
