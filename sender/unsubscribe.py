"""The endpoints behind List-Unsubscribe: a POST suppresses, a GET shows a button (RFC 8058).

Link scanners follow every link with GET or HEAD, so neither changes anything. No cookie, no login,
no redirect, also where a client adds a slash: the address of the link alone says who and from
whom. What comes by mail is posted to `/u`.
"""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncEngine

from sender.clock import Clock, SystemClock
from sender.schemas import SuppressionReason
from sender.suppression import suppress
from sender.tokens import Subscription, TokenInvalid, Tokens
from sender.unsubscribing_mail import subscription_of

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>{title}</title></head>
<body><h1>{title}</h1>{body}</body>
</html>
"""
BUTTON = """<p>You will get no more mail from this sender.</p>
<form method="post"><button name="List-Unsubscribe" value="One-Click">Unsubscribe</button></form>"""
AWAY = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError)
"""The database is not there, or read-only: a mail program that gets 503 tries again."""
AGAIN = 503
log = structlog.get_logger(__name__)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def create_router(engine: AsyncEngine, tokens: Tokens, clock: Clock | None = None) -> APIRouter:
    """Return the routes GET, HEAD and POST `/u/{token}`, and POST `/u`, which takes a mail.

    `engine` connects as the role of the public.
    """
    router = APIRouter(include_in_schema=False)
    time = clock or SystemClock()

    async def end(subscription: Subscription, source: str) -> HTMLResponse | None:
        """Return the answer where it could not be stored."""
        try:
            async with engine.begin() as connection:  # committed before the answer
                await suppress(
                    connection,
                    tenant_id=subscription.tenant_id,
                    recipient=subscription.recipient,
                    reason=SuppressionReason.UNSUBSCRIBED,
                    source=source,
                    now=time.now(),
                )
        except AWAY as error:
            log.warning("unsubscribe.not_stored", error=type(error).__name__)
            return _page(AGAIN, "Not done yet", "<p>Please try again in a minute.</p>")
        return None

    @router.api_route("/u/{token}/", methods=["GET", "HEAD"])
    @router.api_route("/u/{token}", methods=["GET", "HEAD"])
    async def ask(token: str) -> HTMLResponse:
        return _page(200, "Unsubscribe", BUTTON) if _read(tokens, token) else _unknown()

    @router.post("/u/{token}/")
    @router.post("/u/{token}")
    async def unsubscribe(token: str) -> HTMLResponse:
        subscription = _read(tokens, token)
        if subscription is None:
            return _unknown()
        done = _page(200, "Unsubscribed", "<p>You will get no more mail from this sender.</p>")
        return await end(subscription, "one-click") or done

    @router.post("/u/")
    @router.post("/u")
    async def receive(request: Request) -> Response:
        subscription = subscription_of(await request.body(), tokens)
        if subscription is not None and (not_stored := await end(subscription, "mail")):
            return not_stored
        return Response(status_code=204)  # of any other mail: its relay could do nothing

    return router


def _read(tokens: Tokens, token: str) -> Subscription | None:
    try:
        return tokens.read_unsubscribe(token)
    except TokenInvalid:
        return None


def _unknown() -> HTMLResponse:
    return _page(404, "Unknown link", "<p>Open the link exactly as it is in the mail.</p>")


def _page(status: int, title: str, body: str) -> HTMLResponse:
    headers = HEADERS | ({"Retry-After": "60"} if status == AGAIN else {})
    return HTMLResponse(PAGE.format(title=title, body=body), status, headers=headers)
