"""The last try of people's mail, of each domain."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch, fetch_all
from controlplane.hosts.identities import Noted
from kit.queries import Queries
from kit.readings import Reading

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class RoundTrip:
    """What the last try of a domain's mail has shown."""

    domain: str
    host: str
    configured: str | None
    """Digest of what its host was configured with."""
    at: datetime
    is_right: bool | None
    """None: nothing is known, since nobody answered."""
    noted: Noted | None = None
    """What was wrong, or a remark."""
    unsuccessful: int = 0
    """Tries since the last that was right."""
    wrong: int = 0
    """Those of them that were wrong."""
    wrong_since: datetime | None = None
    """Time of the first of these."""


async def load(connection: AsyncConnection, tenant_id: UUID) -> dict[str, RoundTrip]:
    """Return the last tries of a tenant's mail, by domain."""
    return await fetch(connection, reading(tenant_id))


def reading(tenant_id: UUID) -> Reading[TextClause, dict[str, RoundTrip]]:
    """Read the last tries of a tenant's mail, by domain."""
    return Reading(
        SQL.load_round_trips,
        {"tenant_id": tenant_id},
        lambda rows: {row["domain"]: _round_trip(**row) for row in rows},
    )


async def find(connection: AsyncConnection, tenant_id: UUID, domain: str) -> RoundTrip | None:
    """Return the last try of a domain's mail."""
    values = {"tenant_id": tenant_id, "domain": domain}
    rows = await fetch_all(connection, SQL.find_round_trip, _round_trip, **values)
    return rows[0] if rows else None


async def save(connection: AsyncConnection, tenant_id: UUID, row: RoundTrip) -> None:
    """Keep the last try of a domain's mail."""
    noted = row.noted and json.dumps(asdict(row.noted))
    await connection.execute(
        SQL.save_round_trip, {**vars(row), "noted": noted, "tenant_id": tenant_id}
    )


async def keep_only(connection: AsyncConnection, tenant_id: UUID, domains: Collection[str]) -> None:
    """Forget all other domains of a tenant: one that is declared again is tried again."""
    await connection.execute(
        SQL.keep_round_trips, {"tenant_id": tenant_id, "domains": list(domains)}
    )


def _round_trip(noted: Mapping[str, Any] | None, **columns: Any) -> RoundTrip:
    return RoundTrip(noted=Noted(**noted) if noted else None, **columns)
