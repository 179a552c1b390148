"""`/api/v1/tenants/{name}/next-look`: when the reconciler looks at a tenant, and why."""

from __future__ import annotations

from fastapi import APIRouter

from controlplane.faults import NOT_FOUND
from controlplane.identity.access import GuardedRoute, Reader
from controlplane.problems import responses
from controlplane.schedule import repository
from controlplane.schedule.schemas import NextLook
from controlplane.tenants import service
from controlplane.tenants.endpoints import Name

router = APIRouter(tags=["tenants"], route_class=GuardedRoute)


@router.get("/tenants/{name}/next-look", responses=responses(NOT_FOUND))
async def get_next_look(name: Name, access: Reader) -> NextLook:
    """Return when the reconciler looks at a tenant next, why, and who is looking now."""
    async with access.begin() as connection:
        row = await service.find(connection, name)
        look = await repository.next_look(connection, row.id)
    if look is None:  # deleted meanwhile
        raise NOT_FOUND(kind="tenant", name=name, plural="tenants")
    return look
