"""`/api/v1/tenants/{name}/forget-zones`: give up records in zones that the token does not reach."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from blueprint.tenant import DomainName
from controlplane.conditions import repository as conditions
from controlplane.conditions.model import TENANT
from controlplane.events.repository import emit
from controlplane.faults import NOT_FOUND
from controlplane.identity.access import GuardedRoute, OperatorWriter
from controlplane.problems import responses
from controlplane.schedule.repository import Priority, request_pass
from controlplane.tenants import repository, service
from controlplane.tenants.endpoints import Name
from controlplane.tenants.schemas import TenantView

router = APIRouter(tags=["tenants"], route_class=GuardedRoute)
EXAMPLE: dict[str, Any] = {"zones": ["acme.example"]}


class ForgetRequest(BaseModel):
    """Names of zones, as the condition shows them."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    zones: list[DomainName] = Field(min_length=1, max_length=100)


@router.post("/tenants/{name}/forget-zones", responses=responses(NOT_FOUND))
async def forget_zones(
    name: Name, body: ForgetRequest, request: Request, access: OperatorWriter
) -> TenantView:
    """Give up a tenant's records in these zones, as long as the token does not reach them."""
    now = request.app.state.clock()
    async with access.begin() as connection:
        row = await service.find(connection, name, for_update=True)
        added = set(body.zones) - set(row.forgotten_zones)
        if added:
            await repository.set_forgotten_zones(connection, row, added.union(row.forgotten_zones))
            await emit(
                connection,
                tenant_id=row.id,
                tenant=name,
                at=now,
                subject=TENANT,
                kind="zones",
                reason="Forgotten",
                message=f"records in {', '.join(sorted(added))}, if out of reach",
                actor=access.owner,
            )
        await request_pass(connection, row.id, Priority.USER, now=now)
        loaded = await conditions.load(connection, row.id)
    return service.view(row, loaded, request.app.state.platform)
