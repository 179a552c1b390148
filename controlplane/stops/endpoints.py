"""`/api/v1/stop`, `/start` and `/stops`: stop and start mail, and list stops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from blueprint.fields import Text
from controlplane.faults import (
    NOT_FOUND,
    OPERATORS_ONLY,
    STOPPED_BY_OPERATOR,
    TENANT_MISSING,
)
from controlplane.identity.access import GuardedRoute, Reader, Writer
from controlplane.pagination import IdCursor, Limit, paginate
from controlplane.problems import responses
from controlplane.stops import service
from controlplane.stops.schemas import Started, StopPage, StopRequest, StopView
from controlplane.tenants import repository as tenant_rows
from controlplane.tenants import service as tenants
from sender import stops
from sender.schemas import Stop

router = APIRouter(tags=["stops"], route_class=GuardedRoute)


@router.post("/stop", responses=responses(NOT_FOUND, TENANT_MISSING, OPERATORS_ONLY))
async def stop_mail(body: StopRequest, request: Request, access: Writer) -> StopView:
    """Stop mail of the platform, a tenant, or a part of its mail; queued mail is retained."""
    async with access.begin() as connection:
        stopped, tenant = await service.stop(
            connection, body, access, now=request.app.state.clock()
        )
    return _view(stopped, {tenant.id: tenant.name} if tenant else {})


@router.post("/start", responses=responses(NOT_FOUND, TENANT_MISSING, STOPPED_BY_OPERATOR))
async def start_mail(body: StopRequest, request: Request, access: Writer) -> Started:
    """Start mail again; held messages are due at once."""
    async with access.begin() as connection:
        changed, remaining, tenant = await service.start(
            connection, body, access, now=request.app.state.clock()
        )
    names = {tenant.id: tenant.name} if tenant else {}
    return Started(changed=changed, stops=[_view(stop, names) for stop in remaining])


@router.get("/stops", responses=responses(NOT_FOUND))
async def list_stops(
    access: Reader,
    tenant: Annotated[
        Text | None,
        Query(description="only stops that concern mail of this tenant", examples=["acme"]),
    ] = None,
    cursor: IdCursor = None,
    limit: Limit = 20,
) -> StopPage:
    """List the stops in force, newest first; a tenant's key sees its own and the platform's."""
    async with access.begin() as connection:
        tenant_id = None if tenant is None else (await tenants.find(connection, tenant)).id
        rows = await stops.list_stops(
            connection, tenant_id=tenant_id, limit=limit + 1, before=cursor
        )
        names = await tenant_rows.names(connection, [row.tenant_id for row in rows])
    shown, following = paginate(rows, limit, lambda row: row.id)
    return StopPage(items=[_view(row, names) for row in shown], next=following)


def _view(stop: Stop, names: Mapping[UUID, str]) -> StopView:
    return StopView(
        **stop.model_dump(exclude={"tenant_id"}),
        tenant=names[stop.tenant_id] if stop.tenant_id else None,
    )
