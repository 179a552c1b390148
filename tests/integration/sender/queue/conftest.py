"""A queue in a database of its own, with workers that end with the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import pytest

from sender.queue import (
    Attempt,
    Handler,
    Outcome,
    Settings,
    Worker,
    enqueue,
    install,
    lists_client,
    worker_pool,
)
from sender.queue.model import NewJob
from sender.queue.operations import Stats, stats
from tests.integration.conftest import fresh_database
from tests.support.waiting import reached
from tools.servers import Postgres

ACME = UUID("01990000-0000-7000-8000-00000000000a")
GLOBEX = UUID("01990000-0000-7000-8000-00000000000b")
QUICK = Settings(poll=0.01, lease=60)


@dataclass
class Seen:
    """What a handler was called with."""

    outcome: Outcome | None = None
    bodies: list[bytes] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)

    async def __call__(self, attempt: Attempt) -> Outcome | None:
        self.bodies.append(attempt.job.body)
        self.attempts.append(attempt.job.attempts)
        return self.outcome


@dataclass
class Queue:
    """A queue as tests use it."""

    dsn: str
    connection: psycopg.AsyncConnection[Any]
    redis_url: str | None = None
    """Where its workers' jobs wait in lists; None: they do not."""

    async def put(self, *jobs: NewJob, tenant: UUID = ACME, urgent: bool = False) -> list[UUID]:
        """Enqueue and commit."""
        return [one.id for one in await enqueue(self.connection, tenant, jobs, urgent=urgent)]

    async def stats(self) -> Stats:
        return await stats(self.connection)

    async def state(self, job: UUID) -> tuple[str, str | None, int]:
        """Return state, reason and spent attempts of a job."""
        rows = await self.connection.execute(
            "select state, reason, attempts from queue.records where id = %s", (job,)
        )
        row = await rows.fetchone()
        assert row is not None
        return (row[0], row[1], row[2])

    async def emptied(self) -> None:
        """Wait until nothing waits and nothing is in work."""
        await reached(self.stats, lambda now: not (now.ready or now.scheduled or now.claimed))

    async def arrivals_read(self) -> None:
        """Wait until the worker knows of everything that was written."""

        async def unread() -> int:
            rows = await self.connection.execute("select count(*) from queue.arrivals")
            return int((await rows.fetchone() or (0,))[0])

        await reached(unread, lambda count: count == 0)

    @asynccontextmanager
    async def working(
        self, handler: Handler, settings: Settings = QUICK, **more: Any
    ) -> AsyncIterator[Worker]:
        """Run a worker; it is stopped at the end."""
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(worker_pool(self.dsn))
            if self.redis_url:
                more["lists"] = await stack.enter_async_context(lists_client(self.redis_url))
            worker = Worker(pool, "worker", handler, settings, **more)
            stop = asyncio.Event()
            running = asyncio.create_task(worker.run(stop))
            try:
                yield worker
            finally:
                stop.set()
                await running

    async def work_off(self, handler: Handler, settings: Settings = QUICK, **more: Any) -> None:
        """Run a worker until the queue is empty."""
        async with self.working(handler, settings, **more):
            await self.emptied()


@pytest.fixture(scope="session")
def queue_database(postgres_server: Postgres) -> Iterator[str]:
    """The URL of a database with a queue, which the tests use in turn."""
    with fresh_database(postgres_server) as url:
        yield url


BOTH_WAYS = pytest.mark.parametrize("queue", ["direct", "lists"], indirect=True)
"""For tests of what the queue promises whether its jobs wait in lists or not."""


@pytest.fixture
async def queue(queue_database: str, request: pytest.FixtureRequest) -> AsyncIterator[Queue]:
    is_by_lists = getattr(request, "param", "direct") == "lists"
    redis_url = request.getfixturevalue("valkey") if is_by_lists else None
    async with await psycopg.AsyncConnection.connect(queue_database, autocommit=True) as connection:
        async with connection.transaction():
            await connection.execute("drop schema if exists queue cascade")
            await install(connection)
        yield Queue(queue_database, connection, redis_url)
