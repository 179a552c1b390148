"""`/api/v1/events`: events in order, with a cursor that never skips one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from blueprint.fields import Flag, Text, WrittenWhole
from controlplane.events import repository
from controlplane.events.schemas import EventPage
from controlplane.faults import NOT_FOUND
from controlplane.identity.access import GuardedRoute, Reader
from controlplane.problems import responses

router = APIRouter(tags=["events"], route_class=GuardedRoute)


@router.get("/events", responses=responses(NOT_FOUND))
async def list_events(
    access: Reader,
    cursor: Annotated[
        int,
        Query(ge=0, lt=2**63, strict=True, description="`next` of the previous page"),
        WrittenWhole,
    ] = 0,
    tenant: Annotated[Text | None, Query(examples=["acme"])] = None,
    subject: Annotated[Text | None, Query(examples=["host/mx1"])] = None,
    latest: Annotated[
        Flag, Query(description="the newest events, instead of those after `cursor`")
    ] = False,
    limit: Annotated[int, Query(ge=1, le=1000, strict=True), WrittenWhole] = 100,
) -> EventPage:
    """List events after a cursor, or the latest."""
    async with access.begin() as connection:
        if latest:
            items = await repository.latest(connection, tenant, subject, limit=limit)
        else:
            items = await repository.after(connection, cursor, tenant, subject, limit=limit)
        if (
            tenant is not None
            and not items
            and not await repository.has_existed(connection, tenant)
        ):
            raise NOT_FOUND(kind="tenant", name=tenant, plural="tenants")
    return EventPage(items=items, next=str(items[-1].id if items else cursor))
