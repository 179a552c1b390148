"""`/api/v1/events`: what happened, in order, with a cursor that never skips."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from controlplane.events import repository
from controlplane.faults import TENANT_NOT_FOUND
from controlplane.identity.access import GuardedRoute, Reader
from controlplane.pagination import Page
from controlplane.problems import responses

router = APIRouter(tags=["events"], route_class=GuardedRoute)


SHOWN: dict[str, Any] = {
    "id": 7,
    "tenant": "acme",
    "at": "2026-11-24T12:06:00Z",
    "subject": "host/mx1",
    "kind": "Ready=True",
    "reason": "Ready",
    "message": "",
    "actor": None,
}
"""An event as the API shows it."""


class EventView(BaseModel):
    """Something that happened."""

    model_config = ConfigDict(json_schema_extra={"examples": [SHOWN]})

    id: int
    tenant: str | None
    """None: the whole platform."""
    at: datetime
    subject: str
    kind: str
    reason: str
    message: str
    actor: str | None
    """Prefix of the key that asked for it; None: the control plane itself."""


class EventPage(Page[EventView]):
    """Some events, oldest first; `next` is never null: later events follow it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [SHOWN], "next": "7"}]})


@router.get("/events", responses=responses(TENANT_NOT_FOUND))
async def list_events(
    access: Reader,
    cursor: Annotated[int, Query(ge=0, lt=2**63, description="`next` of the page before")] = 0,
    tenant: Annotated[str | None, Query(examples=["acme"])] = None,
    subject: Annotated[str | None, Query(examples=["host/mx1"])] = None,
    latest: Annotated[
        bool, Query(description="the last ones, instead of those after cursor")
    ] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> EventPage:
    """List events after a cursor, or the latest."""
    async with access.begin() as connection:
        if latest:
            rows = await repository.latest(connection, tenant, subject, limit=limit)
        else:
            rows = await repository.after(connection, cursor, tenant, subject, limit=limit)
        if tenant is not None and not rows and not await repository.knows(connection, tenant):
            raise TENANT_NOT_FOUND(name=tenant)
    items = [EventView(**row) for row in rows]
    return EventPage(items=items, next=str(items[-1].id if items else cursor))
