"""sender.queue of this project."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, ClassVar
from uuid import UUID

import psycopg
import sqlalchemy
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from sender.queue import Attempt, NewJob, Settings, Worker, enqueue, install, worker_pool
from tests.bench.queue.contender import AT_RISK, Contender, Handler, Mode, Producer, Setting

TENANT = UUID("01990000-0000-7000-8000-00000000000a")
BUCKET = "bench"


def new_job(number: float) -> NewJob:
    """Return the job that carries a number."""
    return NewJob(BUCKET, repr(number).encode())


def keyed_job(number: float) -> NewJob:
    """Return it with an idempotency key."""
    return NewJob(BUCKET, repr(number).encode(), key=repr(number))


class Pooled(Producer):
    """By psycopg's pool; with or without idempotency keys."""

    def __init__(self, pool: AsyncConnectionPool[Any], *, keyed: bool) -> None:
        self._pool = pool
        self._job = keyed_job if keyed else new_job

    async def single(self, number: float) -> None:
        await self.batch([number])

    async def batch(self, numbers: Sequence[float]) -> None:
        async with self._pool.connection() as connection:
            await enqueue(connection, TENANT, list(map(self._job, numbers)))


class BySqlalchemy(Producer):
    """In a transaction of SQLAlchemy, with its other statements."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def single(self, number: float) -> None:
        await self.batch([number])

    async def batch(self, numbers: Sequence[float]) -> None:
        async with self._engine.begin() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            assert raw is not None
            await enqueue(raw, TENANT, list(map(new_job, numbers)))


class Queue(Contender):
    """Ours."""

    title = "sender.queue"
    kill = "nothing after `begin`; without it, what is at risk"
    jobs = 40_000
    ways: ClassVar[Sequence[str]] = ("", "with keys", "through SQLAlchemy")

    def settings(self, mode: Mode, concurrency: int) -> list[Setting]:
        # uvloop, as the sender's process uses it
        return [{"at_risk": concurrency if mode == "equal" else AT_RISK, "uvloop": True}]

    async def prepare(self, layout: str) -> None:
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            await install(connection)

    @asynccontextmanager
    async def producer(self, size: int, layout: str, way: str) -> AsyncIterator[Producer]:
        if way == "through SQLAlchemy":
            url = sqlalchemy.make_url(self.url).set(drivername="postgresql+psycopg")
            engine = create_async_engine(url, pool_size=size)
            yield BySqlalchemy(engine)
            await engine.dispose()
            return
        options = {"autocommit": True}  # a call is one statement
        async with AsyncConnectionPool(self.url, min_size=size, open=False, kwargs=options) as pool:
            yield Pooled(pool, keyed=way == "with keys")

    async def work(self, concurrency: int, setting: Setting, handler: Handler) -> None:
        async def handle(attempt: Attempt) -> None:
            await handler(float(attempt.job.body))

        settings = Settings(concurrency=concurrency, **setting)
        async with worker_pool(self.url) as pool, self.lists() as lists:
            await Worker(pool, "bench", handle, settings, lists=lists).run(asyncio.Event())

    def lists(self) -> AbstractAsyncContextManager[Redis | None]:
        """Return where claimed jobs wait; None: in memory."""
        return nullcontext()

    async def waiting(self) -> int:
        query = "select (select count(*) from queue.ready) + (select count(*) from queue.claimed)"
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            row = await (await connection.execute(query)).fetchone()
            return int(row[0]) if row else 0
