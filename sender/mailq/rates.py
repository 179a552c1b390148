"""How fast mail leaves, from the events of the last minute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from psycopg.rows import class_row

from sender.mailq.selection import SQL, Connection

WINDOW = timedelta(minutes=1)
MOST = 5_000
"""Hand-overs of which the wait is looked up."""
MOST_TENANTS = 100


@dataclass(frozen=True)
class Rate:
    """Mails with an outcome within `WINDOW`."""

    state: str
    reason: str | None
    mails: int


@dataclass(frozen=True)
class HandedOver:
    """Mails of a tenant that hosts have accepted within `WINDOW`."""

    tenant_id: UUID
    mails: int


@dataclass(frozen=True)
class Waits:
    """Seconds from when mails were due, and not held, to their hand-over; None: there was none."""

    p50: float | None
    p95: float | None


async def rates(connection: Connection) -> list[Rate]:
    """Count the outcomes of the last minute, also of attempts that are repeated later."""
    async with connection.cursor(row_factory=class_row(Rate)) as cursor:
        await cursor.execute(SQL.rates, {"window": WINDOW})
        return await cursor.fetchall()


async def handed_over(connection: Connection) -> list[HandedOver]:
    """Count the hand-overs of the last minute by tenant, of those with most."""
    async with connection.cursor(row_factory=class_row(HandedOver)) as cursor:
        await cursor.execute(SQL.handed_over, {"window": WINDOW, "most": MOST_TENANTS})
        return await cursor.fetchall()


async def waits(connection: Connection) -> Waits:
    """Measure the hand-overs of the last minute; of many, the last ones."""
    async with connection.cursor(row_factory=class_row(Waits)) as cursor:
        await cursor.execute(SQL.waits, {"window": WINDOW, "most": MOST})
        found = await cursor.fetchone()
    assert found is not None  # noqa: S101 - an aggregate has one row
    return found
