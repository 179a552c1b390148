"""`/api/v1/platform/limits` and `/tenants/{name}/limits`: what purchases are limited to."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request

from blueprint.naming import fence_name
from controlplane.events.repository import emit
from controlplane.faults import NOT_FOUND
from controlplane.identity.access import GuardedRoute, OperatorReader, OperatorWriter
from controlplane.limits import repository
from controlplane.limits.repository import LimitRow
from controlplane.limits.schemas import (
    LimitChange,
    LimitPage,
    LimitScope,
    LimitView,
    WideLimitChange,
)
from controlplane.pagination import Limit, NameCursor, paginate
from controlplane.problems import responses
from controlplane.schedule.repository import request_pass_for_reason
from controlplane.tenants import service as tenants
from controlplane.tenants.endpoints import Name

router = APIRouter(tags=["platform"], route_class=GuardedRoute)
REASON = "HostwindsLimitReached"
"""Of the conditions of tenants for which something would have been ordered."""


@router.get("/platform/limits")
async def list_limits(
    access: OperatorReader, cursor: NameCursor = "", limit: Limit = 20
) -> LimitPage:
    """List what purchases are limited to: on the platform, for each tenant, and for one tenant."""
    async with access.begin() as connection:
        rows = await repository.page(connection, after=cursor, limit=limit + 1)
    shown, following = paginate(rows, limit, lambda row: row.scope)
    return LimitPage(items=[_view(row) for row in shown], next=following)


@router.post("/platform/limits")
async def set_limits(body: WideLimitChange, request: Request, access: OperatorWriter) -> LimitView:
    """Limit all purchases, or those of each tenant; tenants that wait for it are looked at now."""
    return await _set(request, access, str(body.scope), body)


@router.post("/tenants/{name}/limits", responses=responses(NOT_FOUND))
async def set_limits_of_tenant(
    name: Name, body: LimitChange, request: Request, access: OperatorWriter
) -> LimitView:
    """Limit the purchases of a tenant, above or below the limit of each tenant."""
    async with access.begin() as connection:
        tenant = await tenants.find(connection, name)
    scope = fence_name(request.app.state.platform.installation, tenant.name)
    return await _set(request, access, scope, body, tenant_id=tenant.id)


async def _set(
    request: Request,
    access: OperatorWriter,
    scope: str,
    body: LimitChange,
    tenant_id: UUID | None = None,
) -> LimitView:
    now = request.app.state.clock()
    async with access.begin() as connection:
        view = _view(await repository.change(connection, scope, body, actor=access.owner))
        await emit(
            connection,
            tenant_id=tenant_id,
            tenant=view.tenant,
            at=now,
            subject=view.scope if view.tenant is None else "tenant",
            kind="limits",
            reason="LimitsSet",
            message=f"{_words(view)}: {body.reason}",
            actor=access.owner,
        )
        await request_pass_for_reason(connection, REASON, now=now)
    return view


def _view(row: LimitRow) -> LimitView:
    tenant = row.scope.partition("/")[2] or None
    return LimitView(
        scope=LimitScope.TENANT if tenant else LimitScope(row.scope),
        tenant=tenant,
        monthly_usd_cents=row.monthly_cents,
        orders_a_day=row.orders_a_day,
        reason=row.reason,
        actor=row.actor,
        since=row.since,
    )


def _words(view: LimitView) -> str:
    cents, orders = view.monthly_usd_cents, view.orders_a_day
    monthly = "no limit of cost" if cents is None else f"{cents / 100:.2f} USD a month"
    daily = "no limit of orders" if orders is None else f"{orders} orders a day"
    return f"{monthly}, {daily}"
