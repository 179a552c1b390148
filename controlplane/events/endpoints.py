"""`/api/v1/events`: events, with a cursor that never skips one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from blueprint.fields import Flag, Text, WrittenWhole
from controlplane.events import repository
from controlplane.events.cursor import Cursor
from controlplane.events.schemas import EventPage
from controlplane.faults import NOT_FOUND
from controlplane.identity.access import GuardedRoute, Reader
from controlplane.problems import responses

router = APIRouter(tags=["events"], route_class=GuardedRoute)


@router.get("/events", responses=responses(NOT_FOUND))
async def list_events(
    access: Reader,
    cursor: Annotated[
        Text,
        Query(description="`next` of the previous page", max_length=20_000, examples=["0"]),
    ] = "0",
    tenant: Annotated[Text | None, Query(examples=["acme"])] = None,
    subject: Annotated[Text | None, Query(examples=["host/mx1"])] = None,
    latest: Annotated[
        Flag, Query(description="the newest events, instead of those after `cursor`")
    ] = False,
    limit: Annotated[int, Query(ge=1, le=1000, strict=True), WrittenWhole] = 100,
) -> EventPage:
    """List events after a cursor, or the latest.

    Who goes on by `next` misses none, and waits for no transaction: events of one that commits late
    follow those that have a larger id.
    """
    behind = Cursor.parse(cursor)
    async with access.begin() as connection:
        if latest:
            items, after = await repository.latest(connection, tenant, subject, limit=limit)
        else:
            items, after = await repository.after(connection, behind, tenant, subject, limit=limit)
        if (
            tenant is not None
            and not items
            and not await repository.has_existed(connection, tenant)
        ):
            raise NOT_FOUND(kind="tenant", name=tenant, plural="tenants")
    return EventPage(items=items, next=str(after))
