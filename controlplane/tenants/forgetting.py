"""`/api/v1/tenants/{name}/forget-zones`: give up records in zones that the token does not reach."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.tenant import DomainName
from controlplane.faults import NOT_FOUND
from controlplane.identity.access import GuardedRoute, OperatorWriter
from controlplane.problems import responses
from controlplane.schedule.repository import request_pass
from controlplane.schedule.schemas import Priority
from controlplane.tenants import repository
from controlplane.tenants.changing import Done, change
from controlplane.tenants.endpoints import Name
from controlplane.tenants.repository import TenantRow
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

    async def act(connection: AsyncConnection, row: TenantRow) -> Done | None:
        added = set(body.zones) - set(row.forgotten_zones)
        if not added:  # asked again: a pass looks again
            await request_pass(connection, row.id, Priority.USER, now=request.app.state.clock())
            return None
        await repository.set_forgotten_zones(connection, row, added.union(row.forgotten_zones))
        names = ", ".join(sorted(added))
        return Done("zones", "Forgotten", f"records in {names}, if out of reach")

    return await change(name, request, access, act)
