"""`/api/v1/events`: what happened, in order, with a cursor that never skips."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from controlplane.events import repository
from controlplane.identity.access import Reader
from controlplane.problems import responses

router = APIRouter(tags=["events"])


class EventView(BaseModel):
    """Something that happened."""

    id: int
    tenant: str
    at: datetime
    subject: str
    kind: str
    reason: str
    message: str


class EventPage(BaseModel):
    """Some events, oldest first."""

    items: list[EventView]
    next: int
    """Cursor to ask with for what comes later."""


@router.get("/events", responses=responses())
async def list_events(
    access: Reader,
    cursor: Annotated[int, Query(ge=0)] = 0,
    tenant: str | None = None,
    latest: Annotated[
        bool, Query(description="the last ones, instead of those after cursor")
    ] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> EventPage:
    """List events after a cursor, or a tenant's latest."""
    async with access.begin() as connection:
        if latest and tenant is not None:
            rows = await repository.latest(connection, tenant=tenant, limit=limit)
        else:
            rows = await repository.after(connection, cursor, tenant=tenant, limit=limit)
    items = [EventView(**row) for row in rows]
    return EventPage(items=items, next=items[-1].id if items else cursor)
