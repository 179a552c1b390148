"""API schemas of operations."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from controlplane.schemas import Page

EXAMPLE_RESPONSE: dict[str, Any] = {
    "id": "0199b1c2-0000-7000-8000-000000000000",
    "tenant": "acme",
    "kind": "create",
    "phase": "cloud",
    "generation": 1,
    "digest": "sha256:3f9a2c",
    "process": 4242,
    "host": "control-1",
    "progress": "mx1: created Instance",
    "started_at": "2026-11-24T12:00:00Z",
    "heartbeat_at": "2026-11-24T12:00:40Z",
    "finished_at": "2026-11-24T12:00:40Z",
    "outcome": "succeeded",
    "error_code": None,
    "error_message": None,
    "remedy": None,
    "cancelled_by": None,
    "cancel_reason": None,
    "peak_memory": 157286400,
}


class OperationView(BaseModel):
    """One change of an external system."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [EXAMPLE_RESPONSE]}, use_attribute_docstrings=True
    )

    id: UUID
    tenant: str
    kind: str
    phase: str
    generation: int
    digest: str | None
    process: int
    host: str
    progress: str
    started_at: datetime
    heartbeat_at: datetime
    finished_at: datetime | None
    outcome: str | None
    error_code: str | None
    error_message: str | None
    remedy: str | None
    cancelled_by: str | None
    """Prefix of the API key of an operator; it ends at its next safe point."""
    cancel_reason: str | None
    peak_memory: int | None
    """Bytes that the largest of its processes has had; null while it runs, or without one."""


class Cancelled(BaseModel):
    """What a cancellation concerns."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE_RESPONSE]}]},
        use_attribute_docstrings=True,
    )

    items: list[OperationView]
    """The running operations of the tenant, all of them cancelled; none where none runs."""


class OperationPage(Page[OperationView]):
    """Some operations, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE_RESPONSE], "next": None}]}
    )
