"""`/api/v1/tenants/{name}/release`: do not wait for mail that hosts have to send."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from controlplane.conditions import repository as conditions
from controlplane.conditions.model import TENANT
from controlplane.events.reasons import Reason
from controlplane.events.repository import emit
from controlplane.faults import NOT_FOUND
from controlplane.identity.access import GuardedRoute, OperatorWriter
from controlplane.problems import responses
from controlplane.schedule.repository import Priority, request_pass
from controlplane.tenants import service
from controlplane.tenants.draining import release_now
from controlplane.tenants.endpoints import Name
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
    now = request.app.state.clock()
    async with access.begin() as connection:
        row = await service.find(connection, name, for_update=True)
        await release_now(connection, row.id, always=row.deleting)
        await request_pass(connection, row.id, Priority.USER, now=now)
        await emit(
            connection,
            tenant_id=row.id,
            tenant=name,
            at=now,
            subject=TENANT,
            kind="draining",
            reason="NotWaitedFor",
            message=body.reason,
            actor=access.owner,
        )
        loaded = await conditions.load(connection, row.id)
    return service.view(row, loaded, request.app.state.platform)
