"""Rows of operations: written before an external system is changed, closed afterwards."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch_all, fetch_one
from controlplane.operations.schemas import OperationView
from kit.database import storable
from kit.faults import Fault
from kit.queries import Queries
from kit.readings import Reading, Rows

SQL = Queries(__file__, text)
MAX_ID = UUID(int=2**128 - 1)
"""Greater than every id."""


@dataclass(frozen=True)
class LogLine:
    """A line of an operation's log."""

    number: int
    at: datetime
    line: str


@dataclass(frozen=True)
class Cancellation:
    """Who has cancelled an operation, and why."""

    actor: str
    reason: str


async def start(
    connection: AsyncConnection,
    *,
    id_: UUID,
    tenant_id: UUID,
    tenant: str,
    kind: str,
    phase: str,
    generation: int,
    digest: str | None,
    now: datetime,
) -> None:
    """Record an operation that is about to run, and its process."""
    await connection.execute(
        SQL.start,
        {
            "id": id_,
            "tenant_id": tenant_id,
            "tenant": tenant,
            "kind": kind,
            "phase": phase,
            "generation": generation,
            "digest": digest,
            "process": os.getpid(),
            "host": socket.gethostname(),
            "now": now,
        },
    )


async def beat(connection: AsyncConnection, tenant_id: UUID, *, now: datetime) -> None:
    """Record a heartbeat of the process of a tenant's open operation."""
    await connection.execute(SQL.beat, {"tenant_id": tenant_id, "now": now})


async def cancel(connection: AsyncConnection, tenant_id: UUID, *, actor: str, reason: str) -> bool:
    """Ask the running operations of a tenant to end; False where there is none to be asked."""
    values = {"tenant_id": tenant_id, "actor": actor, "reason": storable(reason)}
    return (await connection.execute(SQL.cancel, values)).rowcount > 0


async def running(connection: AsyncConnection, tenant_id: UUID) -> list[OperationView]:
    """Return the running operations of a tenant, oldest first."""
    return await fetch_all(connection, SQL.running, OperationView, tenant_id=tenant_id)


async def cancellation(connection: AsyncConnection, id_: UUID) -> Cancellation | None:
    """Return who has cancelled an operation, None where it was not cancelled."""
    return await fetch_one(connection, SQL.cancellation, Cancellation, id=id_)


async def finish(
    connection: AsyncConnection,
    id_: UUID,
    *,
    outcome: str,
    now: datetime,
    peak_memory: int | None = None,
    code: str | None = None,
    message: str | None = None,
    remedy: str | None = None,
) -> None:
    """Close an operation, unless it was aborted meanwhile."""
    await connection.execute(
        SQL.finish,
        {
            "id": id_,
            "outcome": outcome,
            "now": now,
            "peak_memory": peak_memory,
            "code": code,
            "message": message and storable(message),
            "remedy": remedy and storable(remedy),
        },
    )


async def abort_unfinished(
    connection: AsyncConnection, tenant_id: UUID, fault: Fault, *, now: datetime
) -> Sequence[UUID]:
    """Abort operations of a dead process; only the holder of the tenant's lease may call it."""
    rows = await connection.scalars(
        SQL.abort_unfinished,
        {
            "tenant_id": tenant_id,
            "now": now,
            "code": fault.code.name,
            "message": fault.message,
            "remedy": fault.remedy,
        },
    )
    return rows.all()


def is_unfinished(tenant_id: UUID) -> Reading[TextClause, bool]:
    """Read whether an operation of a tenant is open."""
    return Reading(SQL.unfinished, {"tenant_id": tenant_id}, bool)


async def add_lines(
    connection: AsyncConnection,
    id_: UUID,
    tenant_id: UUID,
    lines: Sequence[tuple[datetime, str]],
) -> None:
    """Append to an operation's log; the last line is its progress and a heartbeat."""
    if not lines:
        return
    rows = [
        {"id": id_, "tenant_id": tenant_id, "at": at, "line": storable(line)} for at, line in lines
    ]
    await connection.execute(SQL.add_lines, rows)
    await connection.execute(SQL.set_progress, rows[-1])


async def find(connection: AsyncConnection, id_: UUID) -> OperationView | None:
    """Return one operation."""
    return await fetch_one(connection, SQL.find, OperationView, id=id_)


async def page(
    connection: AsyncConnection, tenant_id: UUID | None, *, before: UUID | None, limit: int
) -> list[OperationView]:
    """Return operations of a tenant, or of all, newest first; ids grow with time."""
    return await fetch_all(
        connection,
        SQL.page,
        OperationView,
        tenant_id=tenant_id,
        before=before or MAX_ID,
        limit=limit,
    )


async def record_state(
    connection: AsyncConnection, tenant_id: UUID, phase: str, state: str | None
) -> None:
    """Record for the open operation of a phase when the engine wrote the state that it left."""
    values = {"tenant_id": tenant_id, "phase": phase, "state": state}
    await connection.execute(SQL.record_state, values)


@dataclass(frozen=True)
class Applied:
    """What the newest operation of a phase has applied."""

    digest: str
    state: str | None
    """When the state was written that it left; None: by a version that did not record it."""
    cloud: str | None
    """The digest of what concerns the providers; None: by a version that did not record it."""


def last_applied(tenant_id: UUID, phase: str) -> Reading[TextClause, Applied | None]:
    """Read what a phase's newest operation has applied; None if it did not succeed."""

    def applied(rows: Rows) -> Applied | None:
        if not rows or rows[0]["outcome"] != "succeeded":
            return None
        return Applied(str(rows[0]["digest"]), rows[0]["state"], rows[0]["cloud"])

    return Reading(SQL.find_last, {"tenant_id": tenant_id, "phase": phase}, applied)


def last_end(tenant_id: UUID, phase: str) -> Reading[TextClause, datetime | None]:
    """Read when a phase's newest operation that has ended did so; None: there was none."""
    return Reading(
        SQL.last_end,
        {"tenant_id": tenant_id, "phase": phase},
        lambda rows: rows[0]["finished_at"] if rows else None,
    )


async def last_written(
    connection: AsyncConnection, tenant_id: UUID, phase: str, *, kind: str, digest: str
) -> datetime | None:
    """Return when a phase has last written everything: the end of its newest operation of a kind,
    or of the first one that succeeded with a digest."""
    values = {"tenant_id": tenant_id, "phase": phase, "kind": kind, "digest": digest}
    written: datetime | None = await connection.scalar(SQL.last_written, values)
    return written


async def lines_after(
    connection: AsyncConnection, id_: UUID, cursor: int, *, limit: int = 1000
) -> list[LogLine]:
    """Return lines of an operation's log after a cursor."""
    return await fetch_all(connection, SQL.lines_after, LogLine, id=id_, cursor=cursor, limit=limit)
