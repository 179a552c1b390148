"""What people do with jobs: list, cancel, put off, move, replay, purge, resolve, erase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from psycopg.rows import class_row

from sender.queue.model import writable
from sender.queue.operations.statements import SQL, Connection, ids

Place = Literal["ready", "scheduled", "claimed", "unknown"]


@dataclass(frozen=True)
class FoundJob:
    """A job without an outcome, or with an unknown one."""

    id: UUID
    tenant_id: UUID
    bucket: str
    priority: int
    attempts: int
    due_at: datetime
    expires_at: datetime
    reason: str | None
    """Of the last outcome."""
    note: str | None
    """Of the intent."""
    since: datetime | None
    """When it was claimed or begun, or became unknown."""


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


async def jobs(
    connection: Connection,
    place: Place,
    *,
    tenant_id: UUID | None = None,
    buckets: Sequence[str] | None = None,
    limit: int = 100,
    before: UUID | None = None,
) -> list[FoundJob]:
    """List jobs, newest first; `before` is the last id of the page before."""
    values = {
        "tenant_id": tenant_id,
        "buckets": None if buckets is None else list(buckets),
        "limit": limit,
        "before": before,
    }
    queries = {
        "ready": SQL.ready_jobs,
        "scheduled": SQL.scheduled_jobs,
        "claimed": SQL.claimed_jobs,
        "unknown": SQL.unknown_jobs,
    }
    async with connection.cursor(row_factory=class_row(FoundJob)) as cursor:
        await cursor.execute(queries[place], values)
        return await cursor.fetchall()


async def waiting(
    connection: Connection,
    tenant_id: UUID,
    buckets: Sequence[str] | None = None,
    *,
    limit: int = 10_000,
) -> list[UUID]:
    """Return jobs of a tenant, or of some of its buckets, that are in nobody's hands.

    What is done with many is done in batches of these, each in a transaction of its own.
    """
    values = {
        "tenant_id": tenant_id,
        "buckets": None if buckets is None else list(buckets),
        "limit": limit,
    }
    cursor = await connection.execute(SQL.waiting_ids, values)
    return [row[0] for row in await cursor.fetchall()]


async def cancel(connection: Connection, job_ids: Sequence[UUID], reason: str) -> set[UUID]:
    """Give up jobs that wait; return those that were: others are in work, or over."""
    return await ids(connection, SQL.cancel, {"ids": list(job_ids), "reason": writable(reason)})


async def set_due(
    connection: Connection, job_ids: Sequence[UUID], due_at: datetime | None = None
) -> set[UUID]:
    """Let jobs that wait be due now, or later; return those that were waiting."""
    return await ids(connection, SQL.set_due, {"ids": list(job_ids), "due_at": due_at})


async def move(connection: Connection, job_ids: Sequence[UUID], bucket: str) -> set[UUID]:
    """Put jobs that wait into another bucket of their tenant; return those that were waiting."""
    values = {"ids": list(job_ids), "bucket": bucket}
    async with connection.transaction():
        await connection.execute(SQL.make_bucket, values)
        return await ids(connection, SQL.move, values)


async def erase(connection: Connection, job_ids: Sequence[UUID]) -> set[UUID]:
    """Empty bodies, words and notes of jobs that are over, and return them: records stay.

    Nothing can be replayed or resolved after that. Cancel those that wait before; those in work are
    over soon.
    """
    return await ids(connection, SQL.erase, {"ids": list(job_ids)})


async def dead_letters(
    connection: Connection, *, tenant_id: UUID | None, limit: int, before: UUID | None = None
) -> list[DeadLetter]:
    """List dead letters, newest first; `before` is the last id of the page before."""
    async with connection.cursor(row_factory=class_row(DeadLetter)) as cursor:
        await cursor.execute(
            SQL.dead_letters, {"tenant_id": tenant_id, "limit": limit, "before": before}
        )
        return await cursor.fetchall()


async def replay(connection: Connection, job_ids: Sequence[UUID]) -> set[UUID]:
    """Make dead letters due again; return those that were, and were not erased."""
    return await ids(connection, SQL.replay, {"ids": list(job_ids)})


async def purge(connection: Connection, job_ids: Sequence[UUID]) -> set[UUID]:
    """Delete dead letters for good; return those that were."""
    return await ids(connection, SQL.purge, {"ids": list(job_ids)})


async def resolve(
    connection: Connection, job_ids: Sequence[UUID], *, had_effect: bool
) -> set[UUID]:
    """Settle unknown outcomes; without effect, the jobs are due again."""
    return await ids(connection, SQL.resolve, {"ids": list(job_ids), "had_effect": had_effect})
