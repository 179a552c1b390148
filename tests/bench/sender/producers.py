"""Enqueueing as the API does it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from kit.database import Role
from sender.database import sqlalchemy_url
from sender.outbox import enqueue_all
from sender.schemas import OutgoingMessage
from tests.bench.sender.world import Tenant
from tests.support.installation import login

BATCH = 100
Make = Callable[[int, str], OutgoingMessage]
"""Returns the message with a number, from a mailbox."""


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[AsyncConnection]:
    """Connect with the rights of the API."""
    options = {"options": f"-c role={login(Role.API)}"}
    engine = create_async_engine(sqlalchemy_url(dsn), connect_args=options, poolclass=NullPool)
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


async def enqueue(
    connection: AsyncConnection, tenant: Tenant, messages: Sequence[OutgoingMessage]
) -> None:
    """Enqueue messages of a tenant; the caller commits."""
    statement = text("select set_config('app.current_tenant_id', :tenant, true)")
    await connection.execute(statement, {"tenant": str(tenant.id)})
    await enqueue_all(connection, tenant_id=tenant.id, messages=messages, idempotency_key=None)


async def fill(
    dsn: str,
    tenants: Sequence[Tenant],
    count: int,
    make: Make,
    ready: Callable[[], None],
    *,
    beside: bool,
) -> None:
    """Enqueue for all mailboxes in turn: in one transaction, or batch by batch.

    `ready` is called before the first commit.
    """
    batches = [
        (tenant, [make(number, tenant.mailbox(turn)) for turn, number in part])
        for tenant, part in _batches(tenants, count)
    ]
    async with connected(dsn) as connection:
        if beside:
            ready()
        for tenant, messages in batches:
            await enqueue(connection, tenant, messages)
            if beside:
                await connection.commit()
        if not beside:
            ready()
            await connection.commit()


def _batches(
    tenants: Sequence[Tenant], count: int
) -> Iterator[tuple[Tenant, list[tuple[int, int]]]]:
    """Yield batches of numbers, each with its turn among those of its tenant."""
    parts = [list(enumerate(range(at, count, len(tenants)))) for at in range(len(tenants))]
    for first in range(0, len(parts[0]), BATCH):
        for tenant, part in zip(tenants, parts, strict=True):
            yield tenant, part[first : first + BATCH]
