"""`/api/v1/operations`: operations and their logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse

from blueprint.fields import Flag
from controlplane.conditions.model import TENANT
from controlplane.events.repository import emit
from controlplane.faults import NOT_FOUND
from controlplane.identity.access import Access, GuardedRoute, OperatorWriter, Reader
from controlplane.operations import repository
from controlplane.operations.schemas import Cancelled, OperationPage, OperationView
from controlplane.pagination import IdCursor, Limit, paginate
from controlplane.problems import responses
from controlplane.tenants import service as tenants
from controlplane.tenants.endpoints import Name
from controlplane.tenants.schemas import Intervention

router = APIRouter(tags=["operations"], route_class=GuardedRoute)
OperationId = Annotated[UUID, Path(examples=["0199b1c2-0000-7000-8000-000000000000"])]
FOLLOW_SECONDS = 0.3


@router.get("/tenants/{name}/operations", responses=responses(NOT_FOUND))
async def list_operations_of_tenant(
    name: Name, access: Reader, cursor: IdCursor = None, limit: Limit = 20
) -> OperationPage:
    """List a tenant's operations, newest first."""
    async with access.begin() as connection:
        tenant_id = (await tenants.find(connection, name)).id
        rows = await repository.page(connection, tenant_id, before=cursor, limit=limit + 1)
    return _page(rows, limit)


@router.get("/operations")
async def list_operations(
    access: Reader, cursor: IdCursor = None, limit: Limit = 20
) -> OperationPage:
    """List the operations of all tenants that the key may see, newest first."""
    async with access.begin() as connection:
        rows = await repository.page(connection, access.tenant_id, before=cursor, limit=limit + 1)
    return _page(rows, limit)


@router.post("/tenants/{name}/cancel", responses=responses(NOT_FOUND))
async def cancel_operations(
    name: Name, body: Intervention, request: Request, access: OperatorWriter
) -> Cancelled:
    """Let the running operations of a tenant end at their next safe point.

    What they have done stays. One that is aborted is not repeated before a retry or an apply.
    """
    async with access.begin() as connection:
        tenant = await tenants.find(connection, name)
        asked = await repository.cancel(
            connection, tenant.id, actor=access.owner, reason=body.reason
        )
        items = await repository.running(connection, tenant.id)
        if asked:
            await emit(
                connection,
                tenant_id=tenant.id,
                tenant=tenant.name,
                at=request.app.state.clock(),
                subject=TENANT,
                kind="operation",
                reason="Cancelled",
                message=body.reason,
                actor=access.owner,
            )
    return Cancelled(items=items)


def _page(rows: list[OperationView], limit: int) -> OperationPage:
    shown, following = paginate(rows, limit, lambda row: row.id)
    return OperationPage(items=list(shown), next=following)


@router.get("/operations/{operation_id}", responses=responses(NOT_FOUND))
async def get_operation(operation_id: OperationId, access: Reader) -> OperationView:
    """Return one operation."""
    return await _find(access, operation_id)


@router.get(
    "/operations/{operation_id}/log",
    responses={
        **responses(NOT_FOUND),
        200: {"content": {"text/plain": {"example": "+ mx1 created"}}},
    },
    response_class=StreamingResponse,
)
async def get_log(
    operation_id: OperationId, access: Reader, follow: Flag = False
) -> StreamingResponse:
    """Return the lines of an operation's log; with `follow` until it has finished."""
    await _find(access, operation_id)
    return StreamingResponse(_lines(access, operation_id, follow), media_type="text/plain")


async def _lines(access: Access, operation_id: UUID, follow: bool) -> AsyncIterator[str]:
    cursor = 0
    while True:
        async with access.begin() as connection:
            # State first, so that lines written between the two queries are not missed.
            operation = await repository.find(connection, operation_id)
            lines = await repository.lines_after(connection, operation_id, cursor)
        for line in lines:
            cursor = line.number
            yield f"{line.at:%H:%M:%S} {line.line}\n"
        finished = operation is None or operation.finished_at is not None
        if not lines and (finished or not follow):
            return
        if not lines:
            await asyncio.sleep(FOLLOW_SECONDS)


async def _find(access: Access, operation_id: UUID) -> OperationView:
    async with access.begin() as connection:
        row = await repository.find(connection, operation_id)
    if row is None:
        raise NOT_FOUND(kind="operation", name=operation_id, plural="operations")
    return row
