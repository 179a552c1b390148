"""API schemas of the schedule."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

EXAMPLE: dict[str, Any] = {
    "due_at": "2026-11-24T12:10:00Z",
    "why": "retried",
    "unfinished_passes": 2,
    "worker": None,
}


class Why(StrEnum):
    """Why a pass is due."""

    REQUESTED = "requested"
    """By a person, or by a change of the document."""
    RETRIED = "retried"
    """The last pass has left something unfinished."""
    REGULAR = "regular"
    """Every tenant is looked at from time to time."""


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
    worker: str | None
    """Who is looking now: machine, process and worker; null: nobody."""
