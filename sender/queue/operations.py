"""What people do with a queue as a whole, its tenants and buckets; with its jobs: jobs.py."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from sender.queue.store import SQL, writable

Connection = psycopg.AsyncConnection[Any]


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


@dataclass(frozen=True)
class Tenant:
    """What a tenant may have, and has."""

    weight: int
    most_waiting: int | None
    waiting: int
    """Jobs without an outcome, as the owner of the tenant counted them last."""


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
    until: datetime | None
    """None while it is held: until it is released."""
    reason: str | None
    words: str | None


@dataclass(frozen=True)
class HeldBucket:
    """A bucket whose jobs wait together."""

    name: str
    reason: str
    words: str | None
    until: datetime | None
    """None: until it is released."""


async def stats(connection: Connection) -> Stats:
    """Count what is where. Reads the whole queue: for people, not for loops."""
    async with connection.cursor(row_factory=class_row(Stats)) as cursor:
        await cursor.execute(SQL.stats)
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


async def hold(
    connection: Connection,
    tenant_id: UUID,
    names: Sequence[str],
    until: datetime | None,
    reason: str,
    words: str | None = None,
) -> int:
    """Claim no job of the buckets before `until` (None: until released); return how many exist."""
    values = {
        "tenant_id": tenant_id,
        "names": list(names),
        "until": until,
        "reason": writable(reason),
        "words": writable(words),
    }
    return len(await ids(connection, SQL.hold, values))


async def release(connection: Connection, tenant_id: UUID, names: Sequence[str]) -> int:
    """End a hold; return how many of the buckets exist."""
    values = {"tenant_id": tenant_id, "names": list(names)}
    return len(await ids(connection, SQL.release_buckets, values))


async def held(connection: Connection, tenant_id: UUID) -> list[HeldBucket]:
    """Return the buckets of a tenant that are held."""
    async with connection.cursor(row_factory=class_row(HeldBucket)) as cursor:
        await cursor.execute(SQL.held, {"tenant_id": tenant_id})
        return await cursor.fetchall()


async def holding_tenants(connection: Connection, slots: Collection[int]) -> set[UUID]:
    """Return the tenants of some slots that have jobs in held buckets."""
    return await ids(connection, SQL.holding_tenants, {"slots": list(slots)})


async def is_bound(connection: Connection) -> bool:
    """Say whether database and timeline are those that the queue is bound to."""
    cursor = await connection.execute(SQL.is_bound)
    return bool((await cursor.fetchone() or (False,))[0])


async def bind(connection: Connection) -> None:
    """Go on with this database as it is: nothing was done that it does not know."""
    await connection.execute(SQL.bind)


@dataclass(frozen=True)
class Recovered:
    """What was settled after a restore or a promotion."""

    claimed: int
    """Jobs in workers' hands at the moment that the database knows of."""
    waiting: int
    """Jobs that were due then."""


async def recover(
    connection: Connection, since: datetime, treat_as: Literal["unknown", "resend"]
) -> Recovered:
    """Settle what may have been claimed or begun since, then go on with this database.

    The database knows everything up to `since`; when in doubt, say later. `unknown`: every job that
    was claimed or, unless it was held, due becomes `unknown`; outcomes that workers still have in
    hand settle theirs, the others wait for `resolve`. `resend`: all of them are due again, and what
    was begun may happen twice. Does nothing if the queue is bound to this database.
    """
    waiting: set[UUID] = set()
    async with connection.transaction():
        if treat_as == "unknown":
            claimed = await ids(connection, SQL.recover_claimed_as_unknown, {})
            waiting = await ids(connection, SQL.recover_waiting_as_unknown, {"since": since})
        else:
            claimed = await ids(connection, SQL.recover_claimed_as_waiting, {})
        await bind(connection)
    return Recovered(len(claimed), len(waiting))


async def ids(connection: Connection, query: str, values: dict[str, Any]) -> set[Any]:
    """Run a statement that returns ids."""
    cursor = await connection.execute(query, values)
    return {row[0] for row in await cursor.fetchall()}
