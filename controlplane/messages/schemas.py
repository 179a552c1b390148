"""API schemas of messages, beside those of the sender."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from controlplane.schemas import Page
from sender.schemas import MessageEvent, MessageView, OutgoingMessage

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
EXAMPLE_EVENT: dict[str, Any] = {
    "id": "7310-42",
    "message_id": ID,
    "at": "2026-11-24T12:10:01Z",
    "state": "accepted",
    "reason": "accepted",
    "message": "accepted by mx1-2.acme.example",
    "details": {"address": "mx1-2", "queue_id": "4fXyZ12k3mz9qR"},
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


class CancelledPage(BaseModel):
    """What became of some messages that waited."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"cancelled": [ID], "in_work": [], "next": None}]}
    )

    cancelled: list[UUID]
    in_work: list[UUID]
    """In the hands of the sender: not cancelled; they leave, or wait again in a moment."""
    next: str | None
    """Cursor of the request that goes on; null: there were no more."""


class MessageEventPage(BaseModel):
    """Some events, oldest first; `next` is never null: later events follow it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE_EVENT], "next": "7310-42"}]}
    )

    items: list[MessageEvent]
    next: str
