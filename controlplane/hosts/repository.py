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
    host_key: str | None
    """Line of host_keys, from first contact on."""
    applied_digest: str | None
    """What was applied_digest last."""


async def load(connection: AsyncConnection, tenant_id: UUID) -> dict[str, HostRow]:
    """Return what is known of a tenant's hosts, by name."""
    rows = await connection.execute(
        text(
            "select name, incarnation, service_id, host_key, applied_digest from oltp.hosts "
            "where tenant_id = :id"
        ),
        {"id": tenant_id},
    )
    return {
        row.name: HostRow(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
        for row in rows
    }


async def save(connection: AsyncConnection, tenant_id: UUID, host: HostRow) -> None:
    """Write what is known of a host."""
    await connection.execute(
        text(
            "insert into oltp.hosts (tenant_id, name, incarnation, service_id, host_key, "
            "applied_digest) values (:id, :name, :incarnation, :service_id, :host_key, "
            ":applied_digest) "
            "on conflict (tenant_id, name) do update set incarnation = excluded.incarnation, "
            "service_id = excluded.service_id, host_key = excluded.host_key, "
            "applied_digest = excluded.applied_digest"
        ),
        {"id": tenant_id, **host.__dict__},
    )
