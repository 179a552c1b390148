"""The rows of stops."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import uuid_utils
from sqlalchemy import TextClause, text

from kit.queries import Queries
from kit.readings import Reading
from sender.database import Connection
from sender.schemas import Stop
from sender.stops.matching import Target, widest_first

SQL = Queries(__file__, text)


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
        SQL.find,
        {"scope": target.scope.value, "tenant_id": target.tenant_id, "name": target.name},
    )
    row = found.mappings().first()
    return None if row is None else Stop.model_validate(dict(row))


async def stops_of(connection: Connection, *tenant_ids: UUID) -> list[Stop]:
    """Return the platform's stops and those of some tenants, the widest first."""
    reading = stops_reading(*tenant_ids)
    rows = await connection.execute(reading.query, reading.values)
    return reading.result([dict(row) for row in rows.mappings()])


def stops_reading(*tenant_ids: UUID) -> Reading[TextClause, list[Stop]]:
    """Read the platform's stops and those of some tenants, the widest first."""
    return Reading(SQL.of_tenants, {"tenant_ids": list(tenant_ids)}, widest_first)


async def list_stops(
    connection: Connection, *, tenant_id: UUID | None, limit: int, before: UUID | None = None
) -> list[Stop]:
    """List stops, newest first: of one tenant with the platform's, or all that one may see.

    `before` is the last id of the page before.
    """
    rows = await connection.execute(
        SQL.list, {"tenant_id": tenant_id, "limit": limit, "before": before}
    )
    return [Stop.model_validate(dict(row)) for row in rows.mappings()]
