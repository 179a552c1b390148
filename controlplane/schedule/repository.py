"""The schedule is the queue: one row per tenant, taken under a lease with a fencing token."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch_all, fetch_one
from controlplane.schedule.schemas import NextLook, Pool, Priority, Why
from kit.queries import Queries

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class Lease:
    """The right to reconcile a tenant; a later lease has a larger token."""

    tenant_id: UUID
    token: int
    attempts: int
    """Failed passes in a row before this one."""
    requests: int
    """Requests for a pass that this one serves."""
    priority: Priority
    due_at: datetime


@dataclass(frozen=True)
class DueTenant:
    """A tenant that is due and has no lease."""

    tenant_id: UUID
    token: int
    """Of its last lease."""
    requests: int
    """Requests for a pass so far."""
    due_at: datetime


@dataclass(frozen=True)
class Backlog:
    """Passes that are due for one reason, and that nobody works on."""

    why: Why
    passes: int
    seconds: float
    """For how long the oldest has been due."""


def backoff(attempts: int, *, base: timedelta, cap: timedelta, rng: random.Random) -> timedelta:
    """Return a wait between zero and `base`, doubled per failed attempt ("full jitter")."""
    ceiling = min(cap.total_seconds(), base.total_seconds() * float(2 ** min(attempts, 30)))
    return timedelta(seconds=ceiling * rng.random())


async def request_pass(
    connection: AsyncConnection, tenant_id: UUID, priority: Priority, *, now: datetime
) -> None:
    """Request a pass now; a running one is followed by another."""
    values = {"tenant_id": tenant_id, "now": now, "priority": int(priority)}
    if (await connection.execute(SQL.make_due, values)).rowcount == 0:
        await connection.execute(SQL.add, values)


async def request_pass_of_all(connection: AsyncConnection, *, now: datetime) -> None:
    """Make every tenant due now, since something of the platform has changed."""
    await connection.execute(SQL.make_all_due, {"now": now, "priority": int(Priority.PLATFORM)})


async def request_pass_for_reason(
    connection: AsyncConnection, reason: str, *, now: datetime
) -> None:
    """Make the tenants due now that wait for one reason."""
    values = {"now": now, "priority": int(Priority.WAKE), "reason": reason}
    await connection.execute(SQL.make_due_for_reason, values)


async def next_look(connection: AsyncConnection, tenant_id: UUID) -> NextLook | None:
    """Return when a tenant is looked at next; None when it was deleted."""
    return await fetch_one(connection, SQL.next_look, _next_look, tenant_id=tenant_id)


async def backlog(connection: AsyncConnection, *, now: datetime) -> list[Backlog]:
    """Return what is due now, by why it is."""
    values = {"priorities": [int(priority) for priority in Priority], "now": now}
    return await fetch_all(connection, SQL.backlog, _backlog, **values)


async def claim(
    connection: AsyncConnection,
    *,
    owner: str,
    now: datetime,
    lease: timedelta,
    order: Sequence[Priority] = tuple(Priority),
) -> Lease | None:
    """Lease the longest due tenant of the first priority in `order` that has one."""
    values = {"owner": owner, "now": now, "lease": lease, "order": [int(each) for each in order]}
    return await fetch_one(connection, SQL.claim, _lease, **values)


async def raise_epoch(connection: AsyncConnection) -> None:
    """Let tokens of later leases be larger than any that was given out, known here or not."""
    await connection.execute(SQL.raise_epoch)


async def renew(connection: AsyncConnection, held: Lease, *, lease: timedelta) -> bool:
    """Extend a lease; False when another worker has taken the tenant."""
    done = await connection.execute(
        SQL.renew, {"tenant_id": held.tenant_id, "token": held.token, "lease": lease}
    )
    return done.rowcount == 1


async def release(
    connection: AsyncConnection,
    held: Lease,
    *,
    due_at: datetime | None,
    priority: Priority,
    attempts: int,
    now: datetime,
    waits_for: str | None = None,
) -> None:
    """End a lease. `due_at` None: not due before the next request.

    `waits_for` is the pool of a slot that the tenant waits for.
    """
    await connection.execute(
        SQL.release,
        {
            "tenant_id": held.tenant_id,
            "token": held.token,
            "requests": held.requests,
            "due_at": due_at,
            "priority": int(priority),
            "attempts": attempts,
            "now": now,
            "waits_for": waits_for,
        },
    )


async def list_due(
    connection: AsyncConnection,
    priority: Priority,
    *,
    until: datetime,
    after: DueTenant | None,
    count: int,
) -> list[DueTenant]:
    """Return tenants that are due for one reason by a time, the longest first, beyond `after`."""
    values = {
        "priority": int(priority),
        "until": until,
        "after": after.due_at if after else datetime.min.replace(tzinfo=UTC),
        "after_id": after.tenant_id if after else UUID(int=0),
        "count": count,
    }
    return await fetch_all(connection, SQL.list_due, DueTenant, **values)


async def postpone(
    connection: AsyncConnection, tenants: Sequence[DueTenant], *, due_at: datetime
) -> int:
    """Make tenants due later that are still as they were listed; return how many."""
    values = {
        "ids": [one.tenant_id for one in tenants],
        "tokens": [one.token for one in tenants],
        "requests": [one.requests for one in tenants],
        "due_at": due_at,
    }
    return (await connection.execute(SQL.postpone, values)).rowcount


async def wake_next(connection: AsyncConnection, pool: str, count: int, *, now: datetime) -> None:
    """Make the tenants due that have waited longest for slots of a pool."""
    await connection.execute(SQL.wake_next, {"pool": pool, "count": count, "now": now})


async def count_waiting(connection: AsyncConnection) -> dict[str, int]:
    """Return how many tenants wait for a slot, by pool."""
    rows = await connection.execute(SQL.count_waiting)
    return {row["waits_for"]: row["count"] for row in rows.mappings()}


def _next_look(
    due_at: datetime | None,
    priority: int,
    attempts: int,
    waits_for: str | None,
    worker: str | None,
) -> NextLook:
    why = Priority(priority).why
    pool = None if waits_for is None else Pool(waits_for)
    return NextLook(
        due_at=due_at, why=why, unfinished_passes=attempts, waits_for=pool, worker=worker
    )


def _backlog(priority: int, passes: int, seconds: float) -> Backlog:
    return Backlog(Priority(priority).why, passes, seconds)


def _lease(priority: int, **columns: Any) -> Lease:
    return Lease(**columns, priority=Priority(priority))
