"""The answers to challenges of HTTP-01 (RFC 8555 8.3), for anybody who knows a token."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.ext.asyncio import AsyncEngine

from controlplane.certificates.repository import answer


def challenge_router(engine: AsyncEngine) -> APIRouter:
    """Return the route; `engine` connects as the role of the public."""
    router = APIRouter(include_in_schema=False)

    @router.get("/.well-known/acme-challenge/{token}")
    async def answers(token: str) -> Response:
        async with engine.connect() as connection:
            found = await answer(connection, token)
        if found is None:
            return PlainTextResponse("no such challenge\n", 404)
        return Response(found, media_type="application/octet-stream")

    return router
