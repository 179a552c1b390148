"""Rows of hosts."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True)
class HostRow:
    """What the control plane knows of a host beside its specification."""

    name: str
    incarnation: int
    service_id: int | None
    known_host: str | None
    configured: str | None


async def load(connection: AsyncConnection, tenant_id: UUID) -> dict[str, HostRow]:
    """Return what is known of a tenant's hosts, by name."""
    rows = await connection.execute(
        text(
            "select name, incarnation, service_id, known_host, configured from oltp.hosts "
            "where tenant_id = :id"
        ),
        {"id": tenant_id},
    )
    return {
        row.name: HostRow(row.name, row.incarnation, row.service_id, row.known_host, row.configured)
        for row in rows
    }


async def save(connection: AsyncConnection, tenant_id: UUID, host: HostRow) -> None:
    """Write what is known of a host."""
    await connection.execute(
        text(
            "insert into oltp.hosts (tenant_id, name, incarnation, service_id, known_host, "
            "configured) values (:id, :name, :incarnation, :service_id, :known_host, :configured) "
            "on conflict (tenant_id, name) do update set incarnation = excluded.incarnation, "
            "service_id = excluded.service_id, known_host = excluded.known_host, "
            "configured = excluded.configured"
        ),
        {"id": tenant_id, **host.__dict__},
    )
