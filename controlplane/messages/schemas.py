"""API schemas of messages, beside those of the sender."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from controlplane.schemas import Page
from sender.schemas import MessageView, OutgoingMessage

MOST = 1000
"""Messages of a batch."""
EXAMPLE: dict[str, Any] = {
    "from": "sales@acme.example",
    "to": "bob@rcpt.example",
    "subject": "Hello",
    "text": "Hello Bob",
}


ID = "0199b1c2-0000-7000-8000-000000000001"
EXAMPLE_RESPONSE: dict[str, Any] = {
    "id": ID,
    "tenant_id": "0199b1c2-0000-7000-8000-000000000000",
    "state": "accepted",
    "reason": "accepted",
    "from": "sales@acme.example",
    "to": "bob@rcpt.example",
    "subject": "Hello",
    "message_id": "<0199b1c2000070008000000000000001@acme.example>",
    "campaign": None,
    "priority": 100,
    "attempts": 1,
    "run_at": "2026-11-24T12:10:00Z",
    "expires_at": "2026-11-26T12:10:00Z",
    "address": "mx1-2",
    "queue_id": "4fXyZ12k3mz9qR",
    "created_at": "2026-11-24T12:10:00Z",
    "finished_at": "2026-11-24T12:10:01Z",
}
EXPLAINED: dict[str, Any] = {
    "message": EXAMPLE_RESPONSE,
    "stops": [],
    "decisions": [
        {
            "at": "2026-11-24T12:10:00Z",
            "kind": "enqueued",
            "state": "queued",
            "reason": None,
            "message": "queued",
            "details": {},
        }
    ],
    "meaning": {"words": "our host has accepted it", "acts": "nobody", "release": None},
}


class Queued(BaseModel):
    """A message that will be sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": ID}]})

    id: UUID


class Batch(BaseModel):
    """Messages that are queued together."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"messages": [EXAMPLE]}]},
    )

    messages: Annotated[tuple[OutgoingMessage, ...], Field(max_length=MOST)]
    """All are queued, or none."""


class QueuedBatch(BaseModel):
    """Messages that will be sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [{"id": ID}]}]})

    items: list[Queued]
    """In the order of the request."""


class MessagePage(Page[MessageView]):
    """Some messages, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE_RESPONSE], "next": None}]}
    )
