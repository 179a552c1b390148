"""Stops: no mail leaves for the platform, a tenant, a domain or an address until it is started."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import uuid_utils

from sender.database import SQL, Connection
from sender.schemas import Stop, StopScope


@dataclass(frozen=True)
class Target:
    """What is stopped or started. Only the platform belongs to no tenant."""

    scope: StopScope
    tenant_id: UUID | None = None
    name: str | None = None
    """A domain in lower case, or an address (`mx1-2`); None for platform and tenant."""


async def stop(
    connection: Connection,
    target: Target,
    *,
    reason: str,
    actor: str,
    by_operator: bool,
    now: datetime,
) -> None:
    """Stop mail; a stop that is in force gets the new reason and actor."""
    await connection.execute(
        SQL.stop,
        {
            "id": UUID(str(uuid_utils.uuid7())),
            "scope": target.scope.value,
            "tenant_id": target.tenant_id,
            "name": target.name,
            "reason": reason,
            "actor": actor,
            "by_operator": by_operator,
            "now": now,
        },
    )


async def start(connection: Connection, target: Target) -> None:
    """End a stop; where there is none nothing changes. What it held back goes on by itself."""
    await connection.execute(
        SQL.start,
        {"scope": target.scope.value, "tenant_id": target.tenant_id, "name": target.name},
    )


async def find(connection: Connection, target: Target) -> Stop | None:
    """Return the stop of exactly this target."""
    found = await connection.execute(
        SQL.find_stop,
        {"scope": target.scope.value, "tenant_id": target.tenant_id, "name": target.name},
    )
    row = found.mappings().first()
    return None if row is None else Stop.model_validate(dict(row))


async def stops_of(connection: Connection, tenant_id: UUID) -> list[Stop]:
    """Return the stops that concern a tenant, the widest first."""
    rows = await connection.execute(SQL.stops_of_tenant, {"tenant_id": tenant_id})
    return [Stop.model_validate(dict(row)) for row in rows.mappings()]


async def list_stops(
    connection: Connection, *, tenant_id: UUID | None, limit: int, before: UUID | None = None
) -> list[Stop]:
    """List stops, newest first: of one tenant with the platform's, or all that one may see.

    `before` is the last id of the page before.
    """
    rows = await connection.execute(
        SQL.list_stops, {"tenant_id": tenant_id, "limit": limit, "before": before}
    )
    return [Stop.model_validate(dict(row)) for row in rows.mappings()]
