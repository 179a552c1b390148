"""Rows of events; their number is the cursor."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def emit(
    connection: AsyncConnection,
    *,
    tenant_id: UUID,
    tenant: str,
    at: datetime,
    subject: str,
    kind: str,
    reason: str,
    message: str,
) -> None:
    """Record that something happened."""
    await connection.execute(
        text(
            "insert into oltp.events (tenant_id, tenant, at, subject, kind, reason, message) "
            "values (:tenant_id, :tenant, :at, :subject, :kind, :reason, :message)"
        ),
        {
            "tenant_id": tenant_id,
            "tenant": tenant,
            "at": at,
            "subject": subject,
            "kind": kind,
            "reason": reason,
            "message": message,
        },
    )


async def after(
    connection: AsyncConnection, cursor: int, *, tenant: str | None, limit: int
) -> list[dict[str, Any]]:
    """Return the events that follow a cursor, oldest first."""
    rows = await connection.execute(
        text(
            "select id, tenant, at, subject, kind, reason, message from oltp.events "
            "where id > :cursor and (cast(:tenant as text) is null or tenant = :tenant) "
            "order by id limit :limit"
        ),
        {"cursor": cursor, "tenant": tenant, "limit": limit},
    )
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name


async def latest(connection: AsyncConnection, *, tenant: str, limit: int) -> list[dict[str, Any]]:
    """Return a tenant's last events, oldest first."""
    rows = await connection.execute(
        text(
            "select id, tenant, at, subject, kind, reason, message from oltp.events "
            "where tenant = :tenant order by id desc limit :limit"
        ),
        {"tenant": tenant, "limit": limit},
    )
    return [dict(row._mapping) for row in rows][::-1]  # noqa: SLF001 - SQLAlchemy's public name
