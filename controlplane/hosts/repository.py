"""Rows of hosts."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch_all
from kit.queries import Queries

SQL = Queries(__file__, text)


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
    hosts = await fetch_all(connection, SQL.load, HostRow, tenant_id=tenant_id)
    return {host.name: host for host in hosts}


async def save(connection: AsyncConnection, tenant_id: UUID, host: HostRow) -> None:
    """Write what is known of a host."""
    await connection.execute(SQL.save, {"tenant_id": tenant_id, **vars(host)})
