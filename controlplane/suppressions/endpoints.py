"""`/api/v1/suppressions`: whom a tenant sends no more mail; list, add, look up, remove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request

from blueprint.fields import Text
from controlplane.events.repository import emit
from controlplane.faults import NOT_FOUND, TENANT_MISSING
from controlplane.identity.access import GuardedRoute, MessageReader, MessageSender, Writer
from controlplane.pagination import IdCursor, Limit, paginate
from controlplane.problems import responses
from controlplane.suppressions.schemas import (
    CheckRequest,
    RemovalRequest,
    Suppressed,
    SuppressionPage,
    SuppressionsOf,
    SuppressionView,
    SuppressRequest,
)
from controlplane.tenants import service as tenants
from sender import suppression
from sender.faults import NOT_JUSTIFIED
from sender.schemas import Suppression, SuppressionReason
from sender.suppression import recipient_hash

router = APIRouter(tags=["suppressions"], route_class=GuardedRoute)
SOURCE = "api"
TenantName = Annotated[
    Text | None, Query(description="whose suppressions; for operators", examples=["acme"])
]


@router.get("/suppressions", responses=responses(NOT_FOUND, TENANT_MISSING))
async def list_suppressions(
    access: MessageReader,
    tenant: TenantName = None,
    reason: SuppressionReason | None = None,
    cursor: IdCursor = None,
    limit: Limit = 20,
) -> SuppressionPage:
    """List a tenant's suppressions, newest first."""
    async with access.begin() as connection:
        row = await tenants.of_request(connection, access, tenant)
        rows = await suppression.list_suppressions(
            connection, tenant_id=row.id, reason=reason, before=cursor, limit=limit + 1
        )
    shown, following = paginate(rows, limit, lambda item: item.id)
    return SuppressionPage(items=_views(shown), next=following)


@router.post("/suppressions", responses=responses(NOT_FOUND, TENANT_MISSING))
async def add_suppressions(
    body: SuppressRequest, request: Request, access: MessageSender, tenant: TenantName = None
) -> Suppressed:
    """Send no more mail of a tenant to some addresses: all of them, or none if one is not valid."""
    recipients = {recipient_hash(address) for address in body.addresses}
    async with access.begin() as connection:
        row = await tenants.of_request(connection, access, tenant)
        added = await suppression.suppress_all(
            connection,
            tenant_id=row.id,
            recipients=recipients,
            reason=body.reason,
            source=SOURCE,
            added_by=access.owner,
            now=request.app.state.clock(),
        )
    return Suppressed(added=added, known=len(recipients) - added)


@router.post("/suppressions/check", responses=responses(NOT_FOUND, TENANT_MISSING))
async def check_suppression(
    body: CheckRequest, access: MessageReader, tenant: TenantName = None
) -> SuppressionsOf:
    """Look up whether, and why, an address gets no more mail of a tenant."""
    async with access.begin() as connection:
        row = await tenants.of_request(connection, access, tenant)
        found = await suppression.find(
            connection, tenant_id=row.id, recipient=recipient_hash(body.address)
        )
    return SuppressionsOf(items=_views(found))


@router.post("/suppressions/remove", responses=responses(NOT_FOUND, TENANT_MISSING, NOT_JUSTIFIED))
async def remove_suppression(
    body: RemovalRequest, request: Request, access: Writer, tenant: TenantName = None
) -> SuppressionsOf:
    """Allow mail to an address again; return what was removed. It is recorded as an event."""
    async with access.begin() as connection:
        row = await tenants.of_request(connection, access, tenant)
        removed = await suppression.remove(
            connection,
            tenant_id=row.id,
            recipient=recipient_hash(body.address),
            reason=body.reason,
            justified=body.justification is not None,
        )
        if removed:
            reasons = ", ".join(item.reason for item in removed)
            await emit(
                connection,
                tenant_id=row.id,
                tenant=row.name,
                at=request.app.state.clock(),
                subject=f"suppression/{removed[0].recipient}",
                kind="suppression",
                reason="Removed",
                message=": ".join(filter(None, (reasons, body.justification))),
                actor=access.owner,
            )
    return SuppressionsOf(items=_views(removed))


def _views(rows: Sequence[Suppression]) -> list[SuppressionView]:
    return [SuppressionView(**row.model_dump(exclude={"tenant_id"})) for row in rows]
