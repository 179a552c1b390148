"""`/api/v1/tenants/{name}/pause` and `/resume`: changes stop, observation and mail continue."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from controlplane.conditions import repository as conditions
from controlplane.conditions.model import TENANT
from controlplane.events.reasons import Reason
from controlplane.events.repository import emit
from controlplane.faults import NOT_FOUND
from controlplane.identity.access import Access, GuardedRoute, OperatorWriter
from controlplane.problems import responses
from controlplane.schedule.repository import Priority, request_pass
from controlplane.tenants import repository, service
from controlplane.tenants.endpoints import Name
from controlplane.tenants.repository import Pause
from controlplane.tenants.schemas import TenantView

router = APIRouter(tags=["tenants"], route_class=GuardedRoute)
EXAMPLE: dict[str, Any] = {"reason": "the provider is being migrated"}


class PauseRequest(BaseModel):
    """The reason why a tenant is paused or resumed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    reason: Reason


@router.post("/tenants/{name}/pause", responses=responses(NOT_FOUND))
async def pause_tenant(
    name: Name, body: PauseRequest, request: Request, access: OperatorWriter
) -> TenantView:
    """Stop changing anything for a tenant. Observation, certificate renewal and mail continue."""
    pause = Pause(body.reason, access.owner, request.app.state.clock())
    return await _set(name, pause, body, request, access)


@router.post("/tenants/{name}/resume", responses=responses(NOT_FOUND))
async def resume_tenant(
    name: Name, body: PauseRequest, request: Request, access: OperatorWriter
) -> TenantView:
    """Apply a tenant's document again."""
    return await _set(name, None, body, request, access)


async def _set(
    name: str, pause: Pause | None, body: PauseRequest, request: Request, access: Access
) -> TenantView:
    """Pause or resume; the same request again changes nothing."""
    now = request.app.state.clock()
    async with access.begin() as connection:
        row = await service.find(connection, name, for_update=True)
        if pause != row.paused:
            await repository.set_pause(connection, row, pause)
            await request_pass(connection, row.id, Priority.USER, now=now)
            await emit(
                connection,
                tenant_id=row.id,
                tenant=name,
                at=now,
                subject=TENANT,
                kind="pause",
                reason="Paused" if pause else "Resumed",
                message=body.reason,
                actor=access.owner,
            )
            row = await service.find(connection, name)
        loaded = await conditions.load(connection, row.id)
    return service.view(row, loaded, request.app.state.platform)
