"""Fixtures of the sender's tests on real servers: an empty queue, and engines of each role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
import uuid_utils
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from sender import migrations
from sender.queue import enqueue
from sender.schemas import OutgoingMessage


def engine_as(dsn: str, role: str) -> AsyncEngine:
    """Return an engine whose connections act as a role that cannot bypass the row policies."""
    return create_async_engine(
        migrations.sqlalchemy_url(dsn),
        connect_args={"options": f"-c role={role}"},
        poolclass=NullPool,
    )


@pytest.fixture
def migrated(database: str) -> str:
    """The superuser's URL of a database with the sender's schemas."""
    migrations.upgrade(database)
    return database


@pytest.fixture
async def api(migrated: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_as(migrated, "penguin_api")
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine(migrated: str) -> AsyncIterator[AsyncEngine]:
    """The sender's own engine."""
    made = engine_as(migrated, "penguin_sender")
    yield made
    await made.dispose()


@pytest.fixture
def tenant_id() -> UUID:
    return UUID(str(uuid_utils.uuid7()))


@asynccontextmanager
async def tenant_transaction(engine: AsyncEngine, tenant_id: UUID):
    """A transaction that sees one tenant."""
    async with engine.begin() as connection:
        await connection.execute(
            text("select set_config('app.current_tenant_id', :tenant, true)"),
            {"tenant": str(tenant_id)},
        )
        yield connection


def mail(**changes: object) -> OutgoingMessage:
    """A message that nothing is wrong with."""
    fields = {
        "from": "sales@acme.example",
        "to": "bob@rcpt.example",
        "subject": "Hello",
        "text": "Hello Bob",
    }
    return OutgoingMessage.model_validate(fields | changes)


@pytest.fixture
def submit(api: AsyncEngine, tenant_id: UUID) -> Callable[..., Awaitable[UUID]]:
    """Enqueue a message as the API would."""

    async def submit(key: str | None = None, **changes: object) -> UUID:
        async with tenant_transaction(api, tenant_id) as connection:
            return await enqueue(
                connection, tenant_id=tenant_id, message=mail(**changes), idempotency_key=key
            )

    return submit
