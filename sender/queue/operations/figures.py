"""Figures of a queue: how much is where, for how long, and whether it is served."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from psycopg.rows import class_row

from sender.queue.operations.statements import BLOCKS, COUNTED, SQL, Connection

OVERDUE = timedelta(hours=1)
"""An outcome that is unknown for longer is reported."""
LAG = timedelta(minutes=15)
"""A bucket whose first job is due, and not held, for longer lags."""
HEADS = 2_000
"""Buckets whose first job is looked at."""


@dataclass(frozen=True)
class Depth:
    """Jobs of one state and reason."""

    state: str
    """`due`, `held`, `scheduled`, `claimed`, `begun`, `unknown` or `dead`."""
    reason: str | None
    """Of the hold, or of the last outcome."""
    jobs: int
    oldest_seconds: float
    """How long the first of them has been due (and, if it is `due`, not held), or in this state."""
    is_estimate: bool
    """Found in a sample of a large queue."""


@dataclass(frozen=True)
class BusyBucket:
    """A bucket with due jobs."""

    id: int
    tenant_id: UUID
    name: str
    urgent: bool
    jobs: int
    """At most `COUNTED` and one are counted."""
    is_held: bool
    until: datetime | None
    """None while it is held: it has no end."""
    reason: str | None
    oldest_seconds: float


@dataclass(frozen=True)
class Health:
    """Whether the queue is served."""

    is_restored: bool
    """Nothing is claimed: the database was restored or promoted, and nobody has recovered it."""
    workers: int
    unserved_slots: int
    """Of 256; their tenants have no worker."""
    overdue_seconds: float | None
    """How long a scheduled job has been due: workers look for them all the time."""
    lagging_buckets: int
    """Not held, with a first job that has been due for longer than `LAG`."""
    oldest_seconds: float | None
    """Of the first jobs of buckets that are not held."""
    overdue_unknown: int
    """Outcomes that have been unknown for longer than `OVERDUE`."""


@dataclass(frozen=True)
class UnknownJob:
    """A job whose outcome is unknown."""

    id: UUID
    tenant_id: UUID
    reason: str | None


async def depths(connection: Connection, *, blocks: int = BLOCKS) -> list[Depth]:
    """Count by state and reason; of tables with more blocks, so many are read."""
    async with connection.cursor(row_factory=class_row(Depth)) as cursor:
        await cursor.execute(SQL.depths, {"blocks": blocks})
        return await cursor.fetchall()


async def busiest_buckets(
    connection: Connection, *, limit: int = 20, blocks: int = BLOCKS
) -> list[BusyBucket]:
    """Return the buckets whose jobs wait longest, held ones last.

    Of a table with more blocks, so many are read: they show which buckets are looked at, beside
    `HEADS` of those that are not held.
    """
    values = {"limit": limit, "blocks": blocks, "heads": HEADS, "counted": COUNTED}
    async with connection.cursor(row_factory=class_row(BusyBucket)) as cursor:
        await cursor.execute(SQL.busiest_buckets, values)
        return await cursor.fetchall()


async def health(connection: Connection) -> Health:
    """Say whether the queue is served; cheap, whatever waits."""
    async with connection.cursor(row_factory=class_row(Health)) as cursor:
        await cursor.execute(SQL.health, {"most": HEADS, "lag": LAG, "after": OVERDUE})
        found = await cursor.fetchone()
    assert found is not None  # noqa: S101 - a select without a table has one row
    return found


async def workers(connection: Connection) -> list[str]:
    """Return the names of the processes that work on the queue."""
    cursor = await connection.execute(SQL.workers)
    return [name for (name,) in await cursor.fetchall()]


async def report_unknown(connection: Connection, *, most: int = 1000) -> list[UnknownJob]:
    """Return outcomes that have been unknown for longer than `OVERDUE`, each once."""
    async with connection.cursor(row_factory=class_row(UnknownJob)) as cursor:
        await cursor.execute(SQL.report_unknown, {"after": OVERDUE, "most": most})
        return await cursor.fetchall()
