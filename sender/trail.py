"""Every decision about a message is a row, so that it can be explained afterwards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from sender.database import SQL
from sender.schemas import State

Connection = AsyncConnection | AsyncSession
"""Whatever the caller's transaction runs on."""


@dataclass(frozen=True)
class Step:
    """One row of the trail; see `sender.schemas.Decision` for the meaning of the fields."""

    job_id: UUID
    tenant_id: UUID
    at: datetime
    kind: str
    state: State
    message: str
    reason: str | None = None
    details: Mapping[str, str | int | None] = field(default_factory=dict)


async def record(connection: Connection, steps: Sequence[Step]) -> None:
    """Append steps within the caller's transaction."""
    if not steps:
        return
    rows = [
        {
            "job_id": step.job_id,
            "tenant_id": step.tenant_id,
            "at": step.at,
            "kind": step.kind,
            "state": step.state.value,
            "reason": step.reason,
            "message": step.message,
            "details": json.dumps(dict(step.details)),
        }
        for step in steps
    ]
    await connection.execute(SQL.insert_event, rows)
