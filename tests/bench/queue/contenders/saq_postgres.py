"""saq on PostgreSQL: https://saq-py.readthedocs.io."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from saq import Queue as SaqQueue
from saq import Worker

from tests.bench.queue.contender import AT_RISK, Contender, Handler, Mode, Producer, Setting


class Enqueueing(Producer):
    """benchmarks/simple.py: many are enqueued at the same time, since there is no batch."""

    def __init__(self, queue: Any, **job: Any) -> None:
        self._queue = queue
        self._job = job

    async def single(self, number: float) -> None:
        await self._queue.enqueue("noop", value=number, **self._job)

    async def batch(self, numbers: Sequence[float]) -> None:
        await asyncio.gather(*map(self.single, numbers))


def concurrencies(mode: Mode, concurrency: int) -> int:
    """Return how many processes of its worker may be busy: each has one job at risk."""
    return concurrency if mode == "equal" else AT_RISK


class Queue(Contender):
    """Claims as many as processes wait; acknowledges one at a time."""

    title = "saq, PostgreSQL"
    distribution = "saq"
    kill = "what is at risk, after the job's timeout (10 s) and a sweep (60 s)"
    jobs = 3_000
    pool_option = "max_size"

    def settings(self, mode: Mode, concurrency: int) -> list[Setting]:
        return [
            {"concurrency": concurrency},
            # queue.md: connections, or operations, at the same time (20)
            {"concurrency": concurrencies(mode, concurrency), self.pool_option: 50},
            # job.md: a negative `ttl` deletes a job that is done; else it is kept for 600 s
            {"concurrency": concurrencies(mode, concurrency), "layout": "deleted"},
        ]

    async def _connected(self, **options: Any) -> Any:
        queue = SaqQueue.from_url(self.url, **options)
        await queue.connect()
        return queue

    async def prepare(self, layout: str) -> None:
        queue = await self._connected()
        await queue.disconnect()

    @asynccontextmanager
    async def producer(self, size: int, layout: str, way: str) -> AsyncIterator[Producer]:
        queue = await self._connected(**({self.pool_option: size} if size > 4 else {}))
        yield Enqueueing(queue, **({"ttl": -1} if layout == "deleted" else {}))
        await queue.disconnect()

    async def work(self, concurrency: int, setting: Setting, handler: Handler) -> None:
        async def noop(_context: Any, *, value: float) -> None:
            await handler(value)

        options = {k: v for k, v in setting.items() if k not in ("concurrency", "layout")}
        queue = await self._connected(**options)
        await Worker(queue, [("noop", noop)], concurrency=setting["concurrency"]).start()

    async def waiting(self) -> int:
        queue = await self._connected()
        try:
            return int(await queue.count("incomplete"))
        finally:
            await queue.disconnect()
