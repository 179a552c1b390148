"""Rows of events; their id is the cursor."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch_all
from controlplane.events.schemas import EventView
from kit.database import AdvisoryLock
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
    """Record an event, as the last statement of a transaction: other writers wait until it ends.

    An event without a tenant concerns the platform. `actor` is the prefix of the requester's key.
    """
    await connection.execute(
        SQL.emit,
        {
            "lock": AdvisoryLock.EVENTS,
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
    cursor: int,
    tenant: str | None = None,
    subject: str | None = None,
    *,
    limit: int,
) -> list[EventView]:
    """Return the events that follow a cursor, oldest first."""
    return await fetch_all(
        connection,
        SQL.after,
        EventView,
        cursor=cursor,
        tenant=tenant,
        subject=subject,
        limit=limit,
    )


async def latest(
    connection: AsyncConnection,
    tenant: str | None = None,
    subject: str | None = None,
    *,
    limit: int,
) -> list[EventView]:
    """Return the last events, oldest first."""
    newest_first = await fetch_all(
        connection, SQL.latest, EventView, tenant=tenant, subject=subject, limit=limit
    )
    return newest_first[::-1]


async def has_existed(connection: AsyncConnection, tenant: str) -> bool:
    """Return whether a tenant exists or has existed: events outlive their tenant."""
    return bool(await connection.scalar(SQL.has_existed, {"tenant": tenant}))
