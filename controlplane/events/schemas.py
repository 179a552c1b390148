"""API schemas of events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from controlplane.schemas import Page

EXAMPLE_RESPONSE: dict[str, Any] = {
    "id": 7,
    "tenant": "acme",
    "at": "2026-11-24T12:06:00Z",
    "subject": "host/mx1",
    "kind": "Ready=True",
    "reason": "Ready",
    "message": "",
    "actor": None,
}


class EventView(BaseModel):
    """One event."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_RESPONSE]})

    id: int
    tenant: str | None
    """Null: the whole platform."""
    at: datetime
    subject: str
    kind: str
    reason: str
    message: str
    actor: str | None
    """Prefix of the API key of the request; null: the control plane itself."""


class EventPage(Page[EventView]):
    """Some events, by id; `next` is never null: later events follow it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [EXAMPLE_RESPONSE], "next": "812:815:812,813//0"}]
        }
    )
