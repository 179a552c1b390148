"""`/api/v1/tenants/{name}/pause` and `/resume`: changes stop, observation and mail continue."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.faults import NOT_FOUND
from controlplane.identity.access import Access, GuardedRoute, OperatorWriter
from controlplane.problems import responses
from controlplane.tenants import repository
from controlplane.tenants.changing import Done, change
from controlplane.tenants.endpoints import Name
from controlplane.tenants.repository import Pause, TenantRow
from controlplane.tenants.schemas import Intervention, TenantView

router = APIRouter(tags=["tenants"], route_class=GuardedRoute)


@router.post("/tenants/{name}/pause", responses=responses(NOT_FOUND))
async def pause_tenant(
    name: Name, body: Intervention, request: Request, access: OperatorWriter
) -> TenantView:
    """Stop changing anything for a tenant. Observation, certificate renewal and mail continue."""
    pause = Pause(body.reason, access.owner, request.app.state.clock())
    return await _set(name, pause, body, request, access)


@router.post("/tenants/{name}/resume", responses=responses(NOT_FOUND))
async def resume_tenant(
    name: Name, body: Intervention, request: Request, access: OperatorWriter
) -> TenantView:
    """Apply a tenant's document again."""
    return await _set(name, None, body, request, access)


async def _set(
    name: str, pause: Pause | None, body: Intervention, request: Request, access: Access
) -> TenantView:
    """Pause or resume; the same request again changes nothing."""

    async def act(connection: AsyncConnection, row: TenantRow) -> Done | None:
        if pause == row.paused:
            return None
        await repository.set_pause(connection, row, pause)
        return Done("pause", "Paused" if pause else "Resumed", body.reason)

    return await change(name, request, access, act)
