"""What people do with a queue: look, hold, release, replay, purge, resolve."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from sender.queue.store import SQL

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
class HeldBucket:
    """A bucket whose jobs wait together."""

    name: str
    reason: str
    words: str | None
    until: datetime | None
    """None: until it is released."""


@dataclass(frozen=True)
class DeadLetter:
    """A job that is not tried again by itself."""

    id: UUID
    tenant_id: UUID
    bucket_id: int
    priority: int
    attempts: int
    reason: str | None
    words: str | None
    died_at: datetime


async def stats(connection: Connection) -> Stats:
    """Count what is where. Reads the whole queue: for people, not for loops."""
    async with connection.cursor(row_factory=class_row(Stats)) as cursor:
        await cursor.execute(SQL.stats)
        found = await cursor.fetchone()
    assert found is not None  # noqa: S101 - a select without a table has one row
    return found


async def hold(
    connection: Connection,
    tenant_id: UUID,
    buckets: Sequence[str],
    until: datetime | None,
    reason: str,
    words: str | None = None,
) -> int:
    """Claim no job of the buckets before `until` (None: until released); return how many exist.

    `reason` is a stable code, `words` are for people.
    """
    values = {"tenant_id": tenant_id, "names": list(buckets), "until": until}
    values |= {"reason": reason, "words": words}
    return len(await _ids(connection, SQL.hold, values))


async def release(connection: Connection, tenant_id: UUID, buckets: Sequence[str]) -> int:
    """End a hold; return how many of the buckets exist."""
    values = {"tenant_id": tenant_id, "names": list(buckets)}
    return len(await _ids(connection, SQL.release_buckets, values))


async def held(connection: Connection, tenant_id: UUID) -> list[HeldBucket]:
    """Return the buckets of a tenant that are held."""
    async with connection.cursor(row_factory=class_row(HeldBucket)) as cursor:
        await cursor.execute(SQL.held, {"tenant_id": tenant_id})
        return await cursor.fetchall()


async def holding_tenants(connection: Connection, slots: Collection[int]) -> set[UUID]:
    """Return the tenants of some slots that have jobs in held buckets."""
    return await _ids(connection, SQL.holding_tenants, {"slots": list(slots)})


async def is_bound(connection: Connection) -> bool:
    """Say whether database and timeline are those that the queue is bound to."""
    cursor = await connection.execute(SQL.is_bound)
    return bool((await cursor.fetchone() or (False,))[0])


async def bind(connection: Connection) -> None:
    """Go on with this database, after a restore or a promotion."""
    await connection.execute(SQL.bind)


async def dead_letters(
    connection: Connection, *, tenant_id: UUID | None, limit: int, before: UUID | None = None
) -> list[DeadLetter]:
    """List dead letters, newest first; `before` is the last id of the page before."""
    async with connection.cursor(row_factory=class_row(DeadLetter)) as cursor:
        await cursor.execute(
            SQL.dead_letters, {"tenant_id": tenant_id, "limit": limit, "before": before}
        )
        return await cursor.fetchall()


async def replay(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Make dead letters due again; return those that were."""
    return await _ids(connection, SQL.replay, {"ids": list(ids)})


async def purge(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Delete dead letters for good; return those that were."""
    return await _ids(connection, SQL.purge, {"ids": list(ids)})


async def resolve(connection: Connection, ids: Sequence[UUID], *, had_effect: bool) -> set[UUID]:
    """Settle unknown outcomes; without effect, the jobs are due again."""
    return await _ids(connection, SQL.resolve, {"ids": list(ids), "had_effect": had_effect})


async def _ids(connection: Connection, query: str, values: dict[str, Any]) -> set[Any]:
    cursor = await connection.execute(query, values)
    return {row[0] for row in await cursor.fetchall()}
