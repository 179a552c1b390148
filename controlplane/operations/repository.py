"""Rows of operations: written before anything outside is touched, closed afterwards."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import storable

COLUMNS = (
    "id, tenant, kind, phase, generation, digest, process, host, progress, started_at, "
    "heartbeat_at, finished_at, outcome, error_code, error_message, remedy"
)

LAST = UUID(int=2**128 - 1)
"""Behind every id."""


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
    """Record what is about to be done, and by which process."""
    await connection.execute(
        text(
            "insert into oltp.operations (id, tenant_id, tenant, kind, phase, generation, digest, "
            "process, host, started_at, heartbeat_at) values (:id, :tenant_id, :tenant, :kind, "
            ":phase, :generation, :digest, :process, :host, :now, :now)"
        ),
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
    """Say that the process of a tenant's open operation is alive."""
    await connection.execute(
        text(
            "update oltp.operations set heartbeat_at = :now "
            "where tenant_id = :id and finished_at is null"
        ),
        {"id": tenant_id, "now": now},
    )


async def finish(
    connection: AsyncConnection,
    id_: UUID,
    *,
    outcome: str,
    now: datetime,
    code: str | None = None,
    message: str | None = None,
    remedy: str | None = None,
) -> None:
    """Close an operation; one that was aborted meanwhile stays so."""
    await connection.execute(
        text(
            "update oltp.operations set finished_at = :now, heartbeat_at = :now, "
            "outcome = :outcome, error_code = :code, error_message = :message, remedy = :remedy "
            "where id = :id and finished_at is null"
        ),
        {
            "id": id_,
            "outcome": outcome,
            "now": now,
            "code": code,
            "message": message and storable(message),
            "remedy": remedy and storable(remedy),
        },
    )


async def abort_unfinished(
    connection: AsyncConnection, tenant_id: UUID, *, now: datetime
) -> list[UUID]:
    """Close what a dead process left open; only the holder of the tenant's lease may ask."""
    rows = await connection.execute(
        text(
            "update oltp.operations set finished_at = :now, outcome = 'aborted', "
            "error_code = 'operation.aborted', "
            "error_message = 'the process ended before the operation did', "
            "remedy = 'nothing to do: the next visit looks first' "
            "where tenant_id = :id and finished_at is null returning id"
        ),
        {"id": tenant_id, "now": now},
    )
    return [row.id for row in rows]


async def add_lines(
    connection: AsyncConnection,
    id_: UUID,
    tenant_id: UUID,
    lines: Sequence[tuple[datetime, str]],
) -> None:
    """Append to an operation's log; the last line is its progress, and a sign of life."""
    if not lines:
        return
    lines = [(at, storable(line)) for at, line in lines]
    await connection.execute(
        text(
            "insert into oltp.operation_lines (operation_id, tenant_id, at, line) "
            "values (:id, :tenant_id, :at, :line)"
        ),
        [{"id": id_, "tenant_id": tenant_id, "at": at, "line": line} for at, line in lines],
    )
    at, line = lines[-1]
    await connection.execute(
        text("update oltp.operations set progress = :line, heartbeat_at = :at where id = :id"),
        {"id": id_, "line": line, "at": at},
    )


async def find(connection: AsyncConnection, id_: UUID) -> dict[str, Any] | None:
    """Return one operation."""
    row = (
        await connection.execute(
            text(f"select {COLUMNS} from oltp.operations where id = :id"),  # noqa: S608 - constant
            {"id": id_},
        )
    ).one_or_none()
    return None if row is None else dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name


async def page(
    connection: AsyncConnection, tenant_id: UUID | None, *, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Return operations of a tenant, or of all, newest first; ids grow with time."""
    of_tenant = "" if tenant_id is None else "and tenant_id = :tenant_id "
    rows = await connection.execute(
        text(
            f"select {COLUMNS} from oltp.operations where id < :before "  # noqa: S608 - constant
            f"{of_tenant}order by id desc limit :limit"
        ),
        {"tenant_id": tenant_id, "before": before or LAST, "limit": limit},
    )
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name


async def succeeded_last(connection: AsyncConnection, tenant_id: UUID, phase: str) -> str | None:
    """Return the digest of a phase's newest operation; None when that one did not succeed."""
    found = await connection.execute(
        text(
            "select outcome, digest from oltp.operations "
            "where tenant_id = :id and phase = :phase order by id desc limit 1"
        ),
        {"id": tenant_id, "phase": phase},
    )
    last = found.one_or_none()
    return str(last.digest) if last is not None and last.outcome == "succeeded" else None


async def lines_after(
    connection: AsyncConnection, id_: UUID, cursor: int, *, limit: int = 1000
) -> list[dict[str, Any]]:
    """Return lines of an operation's log after a cursor."""
    rows = await connection.execute(
        text(
            "select number, at, line from oltp.operation_lines "
            "where operation_id = :id and number > :cursor order by number limit :limit"
        ),
        {"id": id_, "cursor": cursor, "limit": limit},
    )
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name
