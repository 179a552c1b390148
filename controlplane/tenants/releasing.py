"""`/api/v1/tenants/{name}/release`: do not wait for mail that hosts have to send."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.faults import NOT_FOUND
from controlplane.identity.access import GuardedRoute, OperatorWriter
from controlplane.problems import responses
from controlplane.tenants.changing import Done, change
from controlplane.tenants.draining import release_now
from controlplane.tenants.endpoints import Name
from controlplane.tenants.repository import TenantRow
from controlplane.tenants.schemas import Intervention, TenantView

router = APIRouter(tags=["tenants"], route_class=GuardedRoute)


@router.post("/tenants/{name}/release", responses=responses(NOT_FOUND))
async def release_draining(
    name: Name, body: Intervention, request: Request, access: OperatorWriter
) -> TenantView:
    """Release the addresses and domains that drain now, of a tenant that is deleted all.

    Mail on these addresses is lost, and its messages are marked where their host can be asked; mail
    of these domains that hosts still have fails DKIM.
    """

    async def act(connection: AsyncConnection, row: TenantRow) -> Done:
        await release_now(connection, row.id, always=row.deleting)
        return Done("draining", "NotWaitedFor", body.reason)

    return await change(name, request, access, act)
