"""API schemas of the schedule."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

EXAMPLE: dict[str, Any] = {
    "due_at": "2026-11-24T12:10:00Z",
    "why": "retried",
    "unfinished_passes": 2,
    "waits_for": None,
    "worker": None,
}


class Why(StrEnum):
    """Why a pass is due."""

    REQUESTED = "requested"
    """By a person, or by a change of the document."""
    PLATFORM = "platform"
    """What concerns all tenants has changed, such as the images of hosts."""
    WOKEN = "woken"
    """What the tenant waits for, or what it has at its provider, has changed."""
    RETRIED = "retried"
    """The last pass has left something unfinished."""
    REGULAR = "regular"
    """Every tenant is looked at from time to time."""


class Pool(StrEnum):
    """Whose slots an operation needs one of."""

    ENGINE = "engine"
    """Runs of the Pulumi engine."""
    HOSTS = "hosts"
    """What is done on hosts."""


class Priority(IntEnum):
    """Why a pass is due; of two requests for a tenant the smaller counts."""

    USER = 0
    PLATFORM = 1
    WAKE = 2
    RETRY = 3
    RESYNC = 4

    @property
    def why(self) -> Why:
        """Return it as the API shows it."""
        return WHY[self]


WHY = {
    Priority.USER: Why.REQUESTED,
    Priority.PLATFORM: Why.PLATFORM,
    Priority.WAKE: Why.WOKEN,
    Priority.RETRY: Why.RETRIED,
    Priority.RESYNC: Why.REGULAR,
}


class NextLook(BaseModel):
    """When the reconciler looks at a tenant next, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [EXAMPLE]}, use_attribute_docstrings=True
    )

    due_at: datetime | None
    """A time that is over: as soon as a worker is free. Null: when it is requested."""
    why: Why
    unfinished_passes: int
    """Passes in a row that have left something unfinished: each wait is longer than the last."""
    waits_for: Pool | None
    """Whose slot an operation of it waits for; null: none."""
    worker: str | None
    """Who is looking now: machine, process and worker; null: nobody."""
