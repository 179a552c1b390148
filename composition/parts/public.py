"""The part `public`: the endpoints without a key, with a login of their own.

`/u/{token}` unsubscribes; `/.well-known/acme-challenge/{token}` answers public authorities.
By HTTPS each name shows its own certificate. The part opens the keys of these with a key that opens
nothing else: it is the one that strangers reach.
"""

from __future__ import annotations

import asyncio
import socket

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from composition.heartbeat import Progress, event_loop_progress
from composition.parts.settings import Part, PublicPart
from composition.process import start
from controlplane.certificates.contexts import Contexts, from_database
from controlplane.certificates.endpoints import challenge_router
from controlplane.certificates.proof import proof_router
from controlplane.database import role_engine
from controlplane.requests import Limits
from controlplane.service import serve_http
from controlplane.tls import Secure
from kit.database import Role
from sender.tokens import Tokens
from sender.unsubscribe import create_router
from vault import KeyRing, Vault


def public_app(engine: AsyncEngine, tokens: Tokens, installation: str = "") -> FastAPI:
    """Return the application of the public endpoints."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)  # a redirect would lose the POST
    app.add_middleware(Limits)
    app.include_router(create_router(engine, tokens))
    app.include_router(challenge_router(engine))
    app.include_router(proof_router(installation))
    return app


def secure(settings: PublicPart, engine: AsyncEngine) -> Secure | None:
    """Return where HTTPS comes in; None: nowhere."""
    if settings.https is None:
        return None
    ring = KeyRing.parse(settings.https.keys.get_secret_value())
    contexts = Contexts(from_database(engine), Vault(ring), other=settings.https.certificate)
    return Secure(socket.socket(fileno=settings.https.socket), contexts.of)


async def work(settings: PublicPart, progress: Progress, stop: asyncio.Event) -> None:
    """Answer requests until `stop` is set, then finish those that run."""
    login, password = settings.login(Role.PUBLIC), settings.passwords[Role.PUBLIC]
    engine = role_engine(settings.dsn, login, password, pool_size=2)
    reading = role_engine(settings.dsn, login, password, pool_size=1)
    tokens = Tokens.of_settings(settings.token_key, settings.token_keys)
    app = public_app(engine, tokens, settings.installation)
    ticking = asyncio.create_task(event_loop_progress(progress))
    try:
        plain = socket.socket(fileno=settings.socket)
        await serve_http(app, plain, stop, lambda: None, secure=secure(settings, reading))
    finally:
        ticking.cancel()
        await reading.dispose()
        await engine.dispose()


def main() -> None:
    """Run the part."""
    start(Part.PUBLIC, PublicPart, work)
