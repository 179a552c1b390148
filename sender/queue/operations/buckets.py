"""What waits, and why: the queue as a whole, its tenants and its buckets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from sender.queue.model import writable
from sender.queue.operations.statements import BLOCKS, COUNTED, SQL, Connection, ids


@dataclass(frozen=True)
class Stats:
    """The queue at one moment."""

    ready: int
    scheduled: int
    claimed: int
    begun: int
    """Of the claimed ones: with an intent."""
    unknown: int
    dead: int
    held_buckets: int
    oldest_seconds: float | None
    """How long the oldest job is due, held or not."""
    oldest_unknown_seconds: float | None
    workers: int
    is_estimate: bool
    """Counted in a sample of a large queue."""


@dataclass(frozen=True)
class Tenant:
    """What a tenant may have, and has."""

    weight: int
    most_waiting: int | None
    waiting: int
    """Jobs without an outcome, as the owner of the tenant counted them last."""


@dataclass(frozen=True)
class NewHold:
    """A bucket to hold."""

    tenant_id: UUID
    name: str
    until: datetime | None
    """None: it has no end."""
    reason: str
    words: str | None = None
    look_at: datetime | None = None
    """Where it has no end: when a job is claimed nevertheless; None: none before it is released."""


@dataclass(frozen=True)
class HeldBucket:
    """A bucket whose jobs wait together."""

    name: str
    reason: str
    words: str | None
    since: datetime
    until: datetime | None
    """None: it has no end."""


@dataclass(frozen=True)
class HeldJobs(HeldBucket):
    """A held bucket with what waits in it."""

    id: int
    tenant_id: UUID
    urgent: bool
    jobs: int
    """That are due; at most `COUNTED` and one are counted."""
    oldest_due_at: datetime


@dataclass(frozen=True)
class BucketState:
    """A bucket at one moment."""

    id: int
    tenant_id: UUID
    name: str
    urgent: bool
    ready: int
    """Due, held or not."""
    scheduled: int
    claimed: int
    oldest_due_at: datetime | None
    is_held: bool
    since: datetime | None
    """Since when it is held for this reason."""
    until: datetime | None
    """None while it is held: it has no end."""
    reason: str | None
    words: str | None


async def stats(connection: Connection, *, blocks: int = BLOCKS) -> Stats:
    """Count what is where; of tables with more blocks, so many are read."""
    async with connection.cursor(row_factory=class_row(Stats)) as cursor:
        await cursor.execute(SQL.stats, {"blocks": blocks})
        found = await cursor.fetchone()
    assert found is not None  # noqa: S101 - a select without a table has one row
    return found


async def set_tenant(
    connection: Connection, tenant_id: UUID, *, weight: int = 1, most_waiting: int | None = None
) -> None:
    """Set a tenant's share, 1 to 1000, and how many jobs without an outcome it may have."""
    values = {"tenant_id": tenant_id, "weight": weight, "most_waiting": most_waiting}
    await connection.execute(SQL.set_tenant, values)


async def tenant(connection: Connection, tenant_id: UUID) -> Tenant | None:
    """Return a tenant; None: it has never enqueued, and nothing was set."""
    async with connection.cursor(row_factory=class_row(Tenant)) as cursor:
        await cursor.execute(SQL.tenant, {"tenant_id": tenant_id})
        return await cursor.fetchone()


async def buckets(connection: Connection, tenant_id: UUID | None = None) -> list[BucketState]:
    """List the buckets of a tenant or of all, with what waits in them, and why."""
    async with connection.cursor(row_factory=class_row(BucketState)) as cursor:
        await cursor.execute(SQL.bucket_states, {"tenant_id": tenant_id})
        return await cursor.fetchall()


async def held(connection: Connection, tenant_id: UUID) -> list[HeldBucket]:
    """Return the buckets of a tenant that are held."""
    async with connection.cursor(row_factory=class_row(HeldBucket)) as cursor:
        await cursor.execute(SQL.held, {"tenant_id": tenant_id})
        return await cursor.fetchall()


async def held_buckets(
    connection: Connection,
    *,
    tenant_id: UUID | None = None,
    reason: str | None = None,
    limit: int = 100,
    after: int = 0,
) -> list[HeldJobs]:
    """List held buckets with due jobs; `after` is the last id of the page before."""
    values = {
        "tenant_id": tenant_id,
        "reason": reason,
        "limit": limit,
        "after": after,
        "counted": COUNTED,
    }
    async with connection.cursor(row_factory=class_row(HeldJobs)) as cursor:
        await cursor.execute(SQL.held_buckets, values)
        return await cursor.fetchall()


async def holding_tenants(connection: Connection, slots: Collection[int]) -> set[UUID]:
    """Return the tenants of some slots that have jobs in held buckets."""
    return await ids(connection, SQL.holding_tenants, {"slots": list(slots)})


async def hold(
    connection: Connection,
    tenant_id: UUID,
    names: Sequence[str],
    until: datetime | None,
    reason: str,
    words: str | None = None,
) -> int:
    """Claim no job of the buckets before `until` (None: until released); return how many exist."""
    holds = [NewHold(tenant_id, name, until, reason, words) for name in names]
    return await hold_each(connection, holds)


async def hold_each(connection: Connection, holds: Sequence[NewHold]) -> int:
    """Hold buckets, each for its own reason; return how many exist."""
    values = {
        "tenant_ids": [one.tenant_id for one in holds],
        "names": [one.name for one in holds],
        "untils": [one.until or one.look_at for one in holds],
        "endless": [one.until is None for one in holds],
        "reasons": [writable(one.reason) for one in holds],
        "words": [writable(one.words) for one in holds],
    }
    return len(await ids(connection, SQL.hold, values))


async def release(connection: Connection, tenant_id: UUID, names: Sequence[str]) -> int:
    """End a hold; return how many of the buckets exist."""
    values = {"tenant_id": tenant_id, "names": list(names)}
    return len(await ids(connection, SQL.release_buckets, values))
