"""Whether the purchase journal lets anything be bought and ended, and how requests wait there."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch_all
from kit.queries import Queries

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class Rate:
    """The requests of all processes to a provider, since the journal was created."""

    provider: str
    requests: int
    waited: float
    """Seconds that they have waited for their turn together."""
    refusals: int
    """How often the provider has refused all further requests for a time."""


async def is_restored(connection: AsyncConnection) -> bool:
    """Return whether the database is another one than the journal belongs to, or was set back."""
    if not (await connection.execute(SQL.has_journal)).scalar_one():
        return False
    return not (await connection.execute(SQL.is_bound)).scalar_one()


async def rates(connection: AsyncConnection) -> list[Rate]:
    """Return the rates of requests by provider; none without a journal."""
    if not (await connection.execute(SQL.has_rates)).scalar_one():
        return []
    return await fetch_all(connection, SQL.rates, Rate)
