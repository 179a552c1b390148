"""`/api/v1/platform/freeze`, `/unfreeze` and `/freezes`: what is done for no tenant."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.events.repository import emit
from controlplane.freezes import repository
from controlplane.freezes.schemas import FreezeRequest, Freezes
from controlplane.identity.access import Access, GuardedRoute, OperatorWriter, Reader
from controlplane.schedule.repository import request_pass_for_reason

router = APIRouter(tags=["platform"], route_class=GuardedRoute)
REASON = "HostwindsFrozen"
"""Of the conditions of tenants for which something would have been done."""


@router.get("/platform/freezes")
async def list_freezes(access: Reader) -> Freezes:
    """List what is frozen for the whole platform, why, by whom and since when."""
    async with access.begin() as connection:
        return Freezes(items=await repository.frozen(connection))


@router.post("/platform/freeze")
async def freeze(body: FreezeRequest, request: Request, access: OperatorWriter) -> Freezes:
    """Let no order, or no end of a server or address, begin; a call that is under way ends."""
    async with access.begin() as connection:
        await repository.freeze(connection, body.what, reason=body.reason, actor=access.owner)
        await _record(connection, "Frozen", body, access, now=request.app.state.clock())
        return Freezes(items=await repository.frozen(connection))


@router.post("/platform/unfreeze")
async def unfreeze(body: FreezeRequest, request: Request, access: OperatorWriter) -> Freezes:
    """Let it go on; tenants that wait for it are looked at now."""
    now = request.app.state.clock()
    async with access.begin() as connection:
        if await repository.unfreeze(connection, body.what):
            await _record(connection, "Unfrozen", body, access, now=now)
            await request_pass_for_reason(connection, REASON, now=now)
        return Freezes(items=await repository.frozen(connection))


async def _record(
    connection: AsyncConnection,
    reason: str,
    body: FreezeRequest,
    access: Access,
    *,
    now: datetime,
) -> None:
    await emit(
        connection,
        tenant_id=None,
        tenant=None,
        at=now,
        subject="platform",
        kind="freeze",
        reason=reason,
        message=f"{body.what}: {body.reason}",
        actor=access.owner,
    )
