"""What operators do with a tenant beside its document: one event, one pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.conditions import repository as conditions
from controlplane.conditions.model import TENANT
from controlplane.events.repository import emit
from controlplane.identity.access import Access
from controlplane.schedule.repository import request_pass
from controlplane.schedule.schemas import Priority
from controlplane.tenants import service
from controlplane.tenants.repository import TenantRow
from controlplane.tenants.schemas import TenantView


class Done(NamedTuple):
    """What was changed, for its event."""

    kind: str
    reason: str
    message: str


Act = Callable[[AsyncConnection, TenantRow], Awaitable[Done | None]]
"""Changes a tenant whose row is locked; None: nothing was to be changed."""


async def change(name: str, request: Request, access: Access, act: Act) -> TenantView:
    """Change a tenant, record it and request a pass; return the tenant as it is then."""
    now = request.app.state.clock()
    async with access.begin() as connection:
        row = await service.find(connection, name, for_update=True)
        done = await act(connection, row)
        if done is not None:
            await request_pass(connection, row.id, Priority.USER, now=now)
            await emit(
                connection,
                tenant_id=row.id,
                tenant=name,
                at=now,
                subject=TENANT,
                actor=access.owner,
                **done._asdict(),
            )
            row = await service.find(connection, name)
        loaded = await conditions.load(connection, row.id)
    return service.view(row, loaded, request.app.state.platform)
