"""Rows of events; their number is the cursor."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.database import AdvisoryLock

"""Advisory lock of whoever writes an event."""


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
    """Record that something happened, as the last that a transaction does.

    Without a tenant it concerns the whole platform. `actor` is the prefix of the key that asked.

    Transactions with events commit one after the other: numbers become visible in their order,
    and who reads behind a number misses none.
    """
    await connection.execute(
        text(
            "with turn as materialized (select pg_advisory_xact_lock(:turn)) "
            "insert into oltp.events (tenant_id, tenant, at, subject, kind, reason, message, "
            "actor) select cast(:tenant_id as uuid), :tenant, :at, :subject, :kind, :reason, "
            ":message, :actor from turn"
        ),
        {
            "turn": AdvisoryLock.EVENTS,
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
) -> list[dict[str, Any]]:
    """Return the events that follow a cursor, oldest first."""
    return await _read(connection, "id > :cursor", "id", tenant, subject, limit, cursor=cursor)


async def latest(
    connection: AsyncConnection,
    tenant: str | None = None,
    subject: str | None = None,
    *,
    limit: int,
) -> list[dict[str, Any]]:
    """Return the last events, oldest first."""
    return (await _read(connection, "true", "id desc", tenant, subject, limit))[::-1]


async def knows(connection: AsyncConnection, tenant: str) -> bool:
    """Tell whether a tenant exists, or existed: its events stay."""
    found = await connection.execute(
        text(
            "select exists(select 1 from oltp.tenants where name = :tenant) "
            "or exists(select 1 from oltp.events where tenant = :tenant)"
        ),
        {"tenant": tenant},
    )
    return bool(found.scalar_one())


async def _read(
    connection: AsyncConnection,
    which: str,
    order: str,
    tenant: str | None,
    subject: str | None,
    limit: int,
    **values: int,
) -> list[dict[str, Any]]:
    of_tenant = "" if tenant is None else " and tenant = :tenant"
    of_subject = "" if subject is None else " and subject = :subject"
    rows = await connection.execute(
        text(
            "select id, tenant, at, subject, kind, reason, message, actor from oltp.events "  # noqa: S608 - constants
            f"where {which}{of_tenant}{of_subject} order by {order} limit :limit"
        ),
        {"tenant": tenant, "subject": subject, "limit": limit, **values},
    )
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name
