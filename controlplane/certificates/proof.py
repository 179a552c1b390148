"""The answer by which a name is proven to lead to the public endpoints of an installation."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from controlplane.certificates import PROOF


def proof_router(installation: str) -> APIRouter:
    """Return the route, which answers with the installation's id."""
    router = APIRouter(include_in_schema=False)

    @router.get(PROOF)
    async def answers() -> PlainTextResponse:
        return PlainTextResponse(installation, headers={"Cache-Control": "no-store"})

    return router
