"""`/api/v1/tenants`: desired state in, observed state out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.document import Blueprint
from blueprint.loading import parse
from blueprint.render import render
from controlplane.conditions import repository as conditions
from controlplane.faults import (
    DOMAIN_TAKEN,
    KEYS_PENDING,
    TENANT_DELETING,
    TENANT_EXISTS,
    TENANT_NOT_FOUND,
)
from controlplane.identity.access import OperatorWriter, Reader, Writer
from controlplane.pagination import Limit, NameCursor, cut
from controlplane.problems import responses
from controlplane.tenants import repository, service
from controlplane.tenants.schemas import EXAMPLE, TenantPage, TenantView, view
from controlplane.tenants.service import Remembered
from sender.faults import IDEMPOTENCY_MISMATCH

router = APIRouter(tags=["tenants"])
Document = Annotated[dict[str, Any], Body(openapi_examples={"acme": {"value": EXAMPLE}})]
IdempotencyKey = Annotated[
    str | None, Header(min_length=1, max_length=200, examples=["acme-2026-11-24"])
]
Name = Annotated[str, Path(description="the tenant's name", examples=["acme"])]
OUTCOME = "Penguin-Outcome"
"""Response header: created, configured or unchanged."""


@router.post(
    "/tenants",
    status_code=201,
    responses=responses(TENANT_EXISTS, DOMAIN_TAKEN, IDEMPOTENCY_MISMATCH),
)
async def create_tenant(
    document: Document,
    request: Request,
    response: Response,
    access: OperatorWriter,
    idempotency_key: IdempotencyKey = None,
) -> TenantView:
    """Create a tenant. The same request with the same Idempotency-Key creates it once."""
    state = request.app.state
    tenant, now = parse(document, platform=state.platform), state.clock()
    async with access.begin() as connection:
        if idempotency_key is not None:
            before = await service.remembered(
                connection, access.owner, idempotency_key, document, now=now
            )
            if before is not None:
                response.headers["Idempotent-Replayed"] = "true"
                return _created(response, TenantView.model_validate(before.answer))
        row = await service.create(connection, tenant, now=now)
        shown = view(row, [], state.platform)
        if idempotency_key is not None:
            await service.remember(
                connection,
                access.owner,
                idempotency_key,
                document,
                Remembered(201, shown.model_dump(mode="json")),
                tenant_id=row.id,
                now=now,
            )
    return _created(response, shown)


@router.get("/tenants")
async def list_tenants(
    request: Request,
    access: Reader,
    cursor: NameCursor = "",
    limit: Limit = 20,
) -> TenantPage:
    """List tenants by name; a tenant's key sees its own."""
    platform = request.app.state.platform
    async with access.begin() as connection:
        rows = await repository.page(connection, after=cursor, limit=limit + 1)
        shown, following = cut(rows, limit, lambda row: row.name)
        known = await conditions.load_all(connection, [row.id for row in shown])
    items = [view(row, known[row.id], platform) for row in shown]
    return TenantPage(items=items, next=following)


@router.get("/tenants/{name}", responses=responses(TENANT_NOT_FOUND))
async def get_tenant(name: Name, request: Request, access: Reader) -> TenantView:
    """Return a tenant with its conditions."""
    async with access.begin() as connection:
        row = await service.find(connection, name)
        return await _shown(connection, row, request)


@router.put("/tenants/{name}", responses=responses(TENANT_NOT_FOUND, TENANT_DELETING, DOMAIN_TAKEN))
async def replace_tenant(
    name: Name, document: Document, request: Request, response: Response, access: Writer
) -> TenantView:
    """Write a tenant's document. The same one again changes nothing."""
    state = request.app.state
    tenant = parse(document, platform=state.platform)
    async with access.begin() as connection:
        row, outcome = await service.replace(connection, name, tenant, now=state.clock())
        response.headers[OUTCOME] = outcome
        return await _shown(connection, row, request)


@router.delete("/tenants/{name}", status_code=202, responses=responses(TENANT_NOT_FOUND))
async def delete_tenant(name: Name, request: Request, access: OperatorWriter) -> TenantView:
    """Ask for a tenant to be deleted; it is gone when GET answers 404."""
    async with access.begin() as connection:
        row = await service.delete(connection, name, now=request.app.state.clock())
        return await _shown(connection, row, request)


@router.get("/tenants/{name}/blueprint", responses=responses(TENANT_NOT_FOUND, KEYS_PENDING))
async def get_blueprint(name: Name, request: Request, access: Reader) -> Blueprint:
    """Return the rendered blueprint of the current generation; it holds no secret."""
    state = request.app.state
    async with access.begin() as connection:
        row = await service.find(connection, name)
        return await service.blueprint_of(connection, row, state.platform, now=state.clock())


@router.post("/blueprints")
async def render_blueprint(document: Document, request: Request, access: Reader) -> Blueprint:
    """Render a document without keeping anything: what would exist, and what it would cost."""
    tenant = parse(document, platform=request.app.state.platform)
    async with access.begin() as connection:
        row = await repository.find(connection, tenant.metadata.name)
    return render(
        tenant,
        platform=request.app.state.platform,
        keys=row.public_keys if row else None,
        generation=row.generation + 1 if row else 1,
    )


def _created(response: Response, shown: TenantView) -> TenantView:
    response.headers[OUTCOME] = "created"
    response.headers["Location"] = f"/api/v1/tenants/{shown.name}"
    return shown


async def _shown(
    connection: AsyncConnection, row: repository.TenantRow, request: Request
) -> TenantView:
    return view(row, await conditions.load(connection, row.id), request.app.state.platform)
