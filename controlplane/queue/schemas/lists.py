"""Lists of mail that is held, of unknown outcome, or dead."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from controlplane.queue.schemas import ID
from controlplane.schemas import Page
from kit.faults import Actor

HELD: dict[str, Any] = {
    "id": 7,
    "tenant": "acme",
    "bucket": "sales@acme.example",
    "mails": 1200,
    "has_more": False,
    "code": "warmup_cap_reached",
    "words": "every address has reached its cap of at most 50 a day",
    "acts": "nobody",
    "release": "the next UTC day",
    "since": "2026-11-24T12:10:00Z",
    "until": "2026-11-25T00:00:00Z",
    "oldest_due_at": "2026-11-24T09:00:00Z",
}
UNKNOWN: dict[str, Any] = {
    "id": ID,
    "tenant": "acme",
    "from": "sales@acme.example",
    "to": "bob@rcpt.example",
    "address": "mx1-2",
    "code": "worker_lost",
    "since": "2026-11-24T12:10:00Z",
}
DEAD: dict[str, Any] = {
    "id": ID,
    "tenant": "acme",
    "from": "sales@acme.example",
    "to": "bob@rcpt.example",
    "attempts": 1,
    "code": "envelope_refused",
    "words": "rejected by mx1-2.acme.example",
    "died_at": "2026-11-24T12:10:00Z",
    "can_be_replayed": True,
}


class HeldView(BaseModel):
    """A bucket whose mail waits together."""

    model_config = ConfigDict(json_schema_extra={"examples": [HELD]})

    id: int
    tenant: str | None
    """Null: the tenant is gone."""
    bucket: str
    mails: int
    has_more: bool
    """True: it has more, which were not counted."""
    code: str
    words: str | None
    acts: Actor | None
    """Who must act; null for a reason that this version does not know."""
    release: str | None
    """What releases it."""
    since: datetime
    until: datetime | None
    """Null: it has no end of its own; `release` says what releases it."""
    oldest_due_at: datetime


class HeldPage(Page[HeldView]):
    """Some held buckets."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [HELD], "next": None}]})


class UnknownView(BaseModel):
    """A mail of unknown outcome."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [UNKNOWN]}, validate_by_alias=True, validate_by_name=True
    )

    id: UUID
    tenant: str | None
    sender: str | None = Field(alias="from")
    recipient: str | None = Field(alias="to")
    address: str | None
    """The address that it was handed over to; null: no hand-over is known."""
    code: str | None
    since: datetime


class UnknownPage(Page[UnknownView]):
    """Some mails of unknown outcome, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [UNKNOWN], "next": None}]})


class DeadView(BaseModel):
    """A dead letter."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [DEAD]}, validate_by_alias=True, validate_by_name=True
    )

    id: UUID
    tenant: str | None
    sender: str | None = Field(alias="from")
    recipient: str | None = Field(alias="to")
    attempts: int
    code: str | None
    words: str | None
    died_at: datetime
    can_be_replayed: bool
    """False: its content was erased."""


class DeadPage(Page[DeadView]):
    """Some dead letters, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [DEAD], "next": None}]})
