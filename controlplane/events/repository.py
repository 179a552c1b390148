"""Rows of events, and pages of them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch_all
from controlplane.events.cursor import Cursor
from controlplane.events.schemas import EventView
from kit.queries import Queries

SQL = Queries(__file__, text)


async def emit(
    connection: AsyncConnection,
    *,
    tenant_id: UUID | None,
    tenant: str | None,
    at: datetime,
    subject: str,
    kind: str,
    reason: str,
    message: str,
    actor: str | None = None,
) -> None:
    """Record an event.

    One without a tenant concerns the platform. `actor` is the prefix of the requester's key.
    """
    await connection.execute(
        SQL.emit,
        {
            "tenant_id": tenant_id,
            "tenant": tenant,
            "at": at,
            "subject": subject,
            "kind": kind,
            "reason": reason,
            "message": message,
            "actor": actor,
        },
    )


async def after(
    connection: AsyncConnection,
    cursor: Cursor,
    tenant: str | None = None,
    subject: str | None = None,
    *,
    limit: int,
) -> tuple[list[EventView], Cursor]:
    """Return the events that follow a cursor, oldest first, and the cursor after them.

    Those of open transactions follow when these have committed; nothing waits for them.
    """
    until = cursor.until or await _snapshot(connection)
    of_seen = {} if cursor.seen is None else {"seen": cursor.seen}
    items = await fetch_all(
        connection,
        SQL.first if cursor.seen is None else SQL.since,
        EventView,
        until=until,
        last=cursor.last,
        tenant=tenant,
        subject=subject,
        limit=limit,
        **of_seen,
    )
    if len(items) == limit:
        return items, Cursor(items[-1].id, cursor.seen, until)
    return items, Cursor(seen=until)


async def latest(
    connection: AsyncConnection,
    tenant: str | None = None,
    subject: str | None = None,
    *,
    limit: int,
) -> tuple[list[EventView], Cursor]:
    """Return the last events, oldest first, and the cursor after them."""
    until = await _snapshot(connection)
    newest_first = await fetch_all(
        connection,
        SQL.latest,
        EventView,
        until=until,
        tenant=tenant,
        subject=subject,
        limit=limit,
    )
    return newest_first[::-1], Cursor(seen=until)


async def _snapshot(connection: AsyncConnection) -> str:
    """Return which transactions have ended by now."""
    snapshot: str = (await connection.execute(SQL.snapshot)).scalar_one()
    return snapshot


async def has_existed(connection: AsyncConnection, tenant: str) -> bool:
    """Return whether a tenant exists or has existed: events outlive their tenant."""
    return bool(await connection.scalar(SQL.has_existed, {"tenant": tenant}))
