"""`/api/v1/tenants/{name}/refresh`: compare what is recorded with what the providers have."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.faults import NOT_FOUND, TENANT_DELETING
from controlplane.identity.access import GuardedRoute, OperatorWriter
from controlplane.problems import responses
from controlplane.tenants import repository
from controlplane.tenants.changing import Done, change
from controlplane.tenants.endpoints import Name
from controlplane.tenants.repository import TenantRow
from controlplane.tenants.schemas import TenantView

router = APIRouter(tags=["tenants"], route_class=GuardedRoute)


@router.post("/tenants/{name}/refresh", responses=responses(NOT_FOUND, TENANT_DELETING))
async def refresh_tenant(name: Name, request: Request, access: OperatorWriter) -> TenantView:
    """Let the next operation read servers, addresses and records again, and repair what differs.

    It is repeated until it has succeeded. That of a paused tenant begins when it is resumed, and of
    a stalled one at the latest when it is retried. What has ended is not bought again by it.
    """
    now = request.app.state.clock()

    async def act(connection: AsyncConnection, row: TenantRow) -> Done:
        if row.deleting:
            raise TENANT_DELETING(name=row.name)
        await repository.ask_refresh(connection, row, now)
        return Done("refresh", "RefreshAsked", "its state is compared with the providers")

    return await change(name, request, access, act)
