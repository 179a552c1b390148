"""`/api/v1/keys`: operators create, list and revoke API keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, status

from blueprint.fields import Text
from controlplane.events.repository import emit
from controlplane.faults import KEY_OF_REQUEST, NOT_FOUND, SCOPE_MISSING
from controlplane.identity.access import GuardedRoute, OperatorReader, OperatorWriter
from controlplane.identity.keys import Scope, create_key
from controlplane.identity.repository import KeyRow, add_key, list_keys, revoke_key
from controlplane.keys.schemas import KeyPage, KeyRequest, KeyView, NewKeyView
from controlplane.pagination import Limit, NameCursor, paginate
from controlplane.problems import responses
from controlplane.tenants import repository as tenant_rows
from controlplane.tenants import service as tenants

router = APIRouter(tags=["keys"], route_class=GuardedRoute)
Prefix = Annotated[
    Text, Path(description="the first 16 characters of the key", examples=["pm_live_3fK9aQ2z"])
]


@router.post("/keys", status_code=status.HTTP_201_CREATED, responses=responses(NOT_FOUND))
async def create_api_key(body: KeyRequest, request: Request, access: OperatorWriter) -> NewKeyView:
    """Create a key of a tenant or an operator; it is readable only in this response."""
    scopes = sorted(set(body.scopes))
    if beyond := set(scopes) - access.scopes:
        raise SCOPE_MISSING(scope=min(beyond))
    key, now = create_key(request.app.state.pepper), request.app.state.clock()
    async with access.begin() as connection:
        row = None
        if body.tenant is not None:
            row = await tenants.find(connection, body.tenant)
        tenant_id = row.id if row else None
        await add_key(connection, key, tenant_id=tenant_id, scopes=scopes, now=now)
        await emit(
            connection,
            tenant_id=tenant_id,
            tenant=body.tenant,
            at=now,
            subject=f"key/{key.prefix}",
            kind="key",
            reason="KeyCreated",
            message=", ".join(scopes),
            actor=access.owner,
        )
    return NewKeyView(
        prefix=key.prefix, tenant=body.tenant, scopes=scopes, created_at=now, key=key.secret
    )


@router.get("/keys", responses=responses(NOT_FOUND))
async def list_api_keys(
    access: OperatorReader,
    tenant: Annotated[
        Text | None, Query(description="only keys of this tenant", examples=["acme"])
    ] = None,
    cursor: NameCursor = "",
    limit: Limit = 20,
) -> KeyPage:
    """List the keys in force by prefix."""
    async with access.begin() as connection:
        tenant_id = None if tenant is None else (await tenants.find(connection, tenant)).id
        rows = await list_keys(connection, tenant_id=tenant_id, limit=limit + 1, after=cursor)
        names = await tenant_rows.names(connection, [row.tenant_id for row in rows])
    shown, following = paginate(rows, limit, lambda row: row.prefix)
    return KeyPage(items=[_view(row, names) for row in shown], next=following)


@router.delete(
    "/keys/{prefix}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(NOT_FOUND, KEY_OF_REQUEST),
)
async def revoke_api_key(prefix: Prefix, request: Request, access: OperatorWriter) -> None:
    """Revoke a key: the next request with it is refused."""
    if prefix == access.owner:
        raise KEY_OF_REQUEST(prefix=prefix)
    now = request.app.state.clock()
    async with access.begin() as connection:
        row = await revoke_key(connection, prefix, now=now)
        if row is None:
            raise NOT_FOUND(kind="key", name=prefix, plural="keys")
        names = await tenant_rows.names(connection, [row.tenant_id])
        await emit(
            connection,
            tenant_id=row.tenant_id,
            tenant=names[row.tenant_id] if row.tenant_id else None,
            at=now,
            subject=f"key/{prefix}",
            kind="key",
            reason="KeyRevoked",
            message="",
            actor=access.owner,
        )


def _view(row: KeyRow, names: Mapping[UUID, str]) -> KeyView:
    return KeyView(
        prefix=row.prefix,
        tenant=names[row.tenant_id] if row.tenant_id else None,
        scopes=[Scope(scope) for scope in sorted(row.scopes)],
        created_at=row.created_at,
    )
