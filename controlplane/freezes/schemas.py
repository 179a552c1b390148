"""API schemas of freezes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from controlplane.events.reasons import Reason

EXAMPLE: dict[str, Any] = {
    "what": "purchases",
    "reason": "the bill is being checked",
    "actor": "pm_live_3fK9aQ2z",
    "since": "2026-11-24T12:00:00Z",
}


class Frozen(StrEnum):
    """What can be frozen."""

    PURCHASES = "purchases"
    """No server is ordered."""
    DESTRUCTION = "destruction"
    """No server and no address is ended."""


class FreezeRequest(BaseModel):
    """What is to be frozen, or to go on, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"what": "purchases", "reason": EXAMPLE["reason"]}]},
    )

    what: Frozen
    reason: Reason


class FreezeView(BaseModel):
    """Why nothing of a kind is done."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [EXAMPLE]}, use_attribute_docstrings=True
    )

    what: Frozen
    reason: str
    actor: str
    """Prefix of the API key of the request."""
    since: datetime


class Freezes(BaseModel):
    """Everything that is frozen."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE]}]})

    items: list[FreezeView]
