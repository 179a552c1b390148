"""`/api/v1/tenants/{name}/release`: do not wait for mail that hosts have to send."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.events.reasons import Reason
from controlplane.faults import NOT_FOUND
from controlplane.identity.access import GuardedRoute, OperatorWriter
from controlplane.problems import responses
from controlplane.tenants.changing import Done, change
from controlplane.tenants.draining import release_now
from controlplane.tenants.endpoints import Name
from controlplane.tenants.repository import TenantRow
from controlplane.tenants.schemas import TenantView

router = APIRouter(tags=["tenants"], route_class=GuardedRoute)
EXAMPLE: dict[str, Any] = {"reason": "the host does not answer any more"}


class ReleaseRequest(BaseModel):
    """Why it is not waited."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    reason: Reason


@router.post("/tenants/{name}/release", responses=responses(NOT_FOUND))
async def release_addresses(
    name: Name, body: ReleaseRequest, request: Request, access: OperatorWriter
) -> TenantView:
    """Release the addresses that drain now, of a tenant that is deleted all, with the mail on them.

    Messages that are lost are marked, where their host can be asked.
    """

    async def act(connection: AsyncConnection, row: TenantRow) -> Done:
        await release_now(connection, row.id, always=row.deleting)
        return Done("draining", "NotWaitedFor", body.reason)

    return await change(name, request, access, act)
