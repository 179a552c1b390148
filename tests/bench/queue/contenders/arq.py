"""arq: https://arq-docs.helpmanual.io."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from arq.constants import default_queue_name
from arq.worker import Worker, func

from tests.bench.queue.contender import Contender, Handler, Mode, Producer, Setting


class Enqueueing(Producer):
    """Many are enqueued at the same time, since there is no batch."""

    def __init__(self, redis: Any, size: int) -> None:
        self._redis = redis
        self._connections = asyncio.Semaphore(max(size, 20))

    async def single(self, number: float) -> None:
        await self._redis.enqueue_job("noop", number)

    async def batch(self, numbers: Sequence[float]) -> None:
        async def enqueue(number: float) -> None:
            async with self._connections:
                await self.single(number)

        await asyncio.gather(*map(enqueue, numbers))


class Queue(Contender):
    """Polls; the append-only file of its Redis is synchronised each second."""

    title = distribution = "arq"
    redis = True
    durable = False
    kill = "what is at risk, after job_timeout (300 s) and 10 s"
    jobs = 1_000

    def settings(self, mode: Mode, concurrency: int) -> list[Setting]:
        """Return the same for both modes: a job is claimed when it can begin."""
        return [
            {},
            # Its reference, class Worker: `keep_result` (3600 s), `poll_delay` (0.5 s),
            # `queue_read_limit` (five times max_jobs)
            {"keep_result": 0, "poll_delay": 0.01},
            {"keep_result": 0, "poll_delay": 0.1, "queue_read_limit": 1000},
        ]

    async def _pool(self) -> Any:
        return await create_pool(RedisSettings.from_dsn(self.url))

    async def prepare(self, layout: str) -> None:
        pass

    @asynccontextmanager
    async def producer(self, size: int, layout: str, way: str) -> AsyncIterator[Producer]:
        redis = await self._pool()
        yield Enqueueing(redis, size)
        await redis.aclose()

    async def work(self, concurrency: int, setting: Setting, handler: Handler) -> None:
        async def noop(_context: Any, value: float) -> None:
            await handler(value)

        functions = [func(noop, name="noop")]
        redis = await self._pool()
        await Worker(functions, redis_pool=redis, max_jobs=concurrency, **setting).async_run()

    async def waiting(self) -> int:
        redis = await self._pool()
        count = int(await redis.zcard(default_queue_name))
        await redis.aclose()
        return count
