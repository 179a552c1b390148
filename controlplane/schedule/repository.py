"""The schedule is the queue: one row per tenant, taken under a lease with a fencing token."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class Priority(IntEnum):
    """Who wants the visit; smaller comes first."""

    USER = 0
    RETRY = 1
    RESYNC = 2


@dataclass(frozen=True)
class Lease:
    """The right to visit one tenant; a larger token has been given later."""

    tenant_id: UUID
    token: int
    attempts: int
    """Failed visits in a row before this one."""
    requests: int
    """Wishes for a visit that this one answers."""


def backoff(attempts: int, *, base: timedelta, cap: timedelta, rng: random.Random) -> timedelta:
    """Return a wait between nothing and `base` doubled per failed attempt ("full jitter")."""
    ceiling = min(cap.total_seconds(), base.total_seconds() * float(2 ** min(attempts, 30)))
    return timedelta(seconds=ceiling * rng.random())


async def request_visit(
    connection: AsyncConnection, tenant_id: UUID, priority: Priority, *, now: datetime
) -> None:
    """Wish for a visit now; one that runs is followed by another."""
    done = await connection.execute(
        text(
            "update oltp.schedule set due_at = least(due_at, :now), "
            "priority = least(priority, :priority), requests = requests + 1, attempts = 0 "
            "where tenant_id = :id"
        ),
        {"id": tenant_id, "now": now, "priority": int(priority)},
    )
    if done.rowcount == 0:
        await connection.execute(
            text(
                "insert into oltp.schedule (tenant_id, due_at, priority) "
                "values (:id, :now, :priority)"
            ),
            {"id": tenant_id, "now": now, "priority": int(priority)},
        )


async def claim(
    connection: AsyncConnection, *, owner: str, now: datetime, lease: timedelta
) -> Lease | None:
    """Take the most urgent tenant that is due and that nobody holds."""
    row = (
        await connection.execute(
            text(
                "with next as (select tenant_id from oltp.schedule where due_at <= :now "
                "and (lease_until is null or lease_until < :now) "
                "order by priority, due_at limit 1 for update skip locked) "
                "update oltp.schedule s set lease_owner = :owner, lease_until = :until, "
                "token = nextval('oltp.fencing') from next where s.tenant_id = next.tenant_id "
                "returning s.tenant_id, s.token, s.attempts, s.requests"
            ),
            {"now": now, "owner": owner, "until": now + lease},
        )
    ).one_or_none()
    return None if row is None else Lease(row.tenant_id, row.token, row.attempts, row.requests)


async def renew(
    connection: AsyncConnection, held: Lease, *, now: datetime, lease: timedelta
) -> bool:
    """Give a sign of life; False when somebody else has taken the tenant."""
    done = await connection.execute(
        text(
            "update oltp.schedule set lease_until = :until "
            "where tenant_id = :id and token = :token and lease_owner is not null"
        ),
        {"id": held.tenant_id, "token": held.token, "until": now + lease},
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
) -> None:
    """Give a tenant back. `due_at` None: not before somebody wishes.

    A wish that came during the visit makes the tenant due at once.
    """
    await connection.execute(
        text(
            "update oltp.schedule set lease_owner = null, lease_until = null, "
            "due_at = case when requests = :requests then "
            "coalesce(cast(:due_at as timestamptz), 'infinity') else :now end, "
            "priority = case when requests = :requests then :priority else priority end, "
            "attempts = case when requests = :requests then :attempts else 0 end "
            "where tenant_id = :id and token = :token"
        ),
        {
            "id": held.tenant_id,
            "token": held.token,
            "requests": held.requests,
            "due_at": due_at,
            "priority": int(priority),
            "attempts": attempts,
            "now": now,
        },
    )
