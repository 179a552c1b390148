"""pgqueuer, on asyncpg: https://pgqueuer.readthedocs.io."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.queries import Queries

from tests.bench.queue.contender import AT_RISK, Contender, Handler, Mode, Producer, Setting


class Enqueueing(Producer):
    """guides/performance-tuning.md: a pool for producers."""

    def __init__(self, queries: Any) -> None:
        self._queries = queries

    async def single(self, number: float) -> None:
        await self._queries.enqueue("noop", repr(number).encode(), 0)

    async def batch(self, numbers: Sequence[float]) -> None:
        bodies = [repr(number).encode() for number in numbers]
        await self._queries.enqueue(["noop"] * len(bodies), bodies, [0] * len(bodies))


class Queue(Contender):
    """Claims and acknowledges in batches."""

    title = distribution = "pgqueuer"
    kill = "what is at risk, 30 s later (heartbeat_timeout)"
    jobs = 24_000

    def settings(self, mode: Mode, concurrency: int) -> list[Setting]:
        """Return numbers of managers in the process, and batches.

        guides/performance-tuning.md: `max_concurrent_tasks` must be twice the batch at least, and
        limits the picked jobs of a manager; it also limits handlers. comparisons/benchmarks.md:
        five managers, batches of 10; uvloop, as its command line and benchmark use it.
        """
        limit = concurrency if mode == "equal" else AT_RISK
        return [
            {"managers": managers, "batch": limit // managers // 2, "uvloop": True}
            for managers in (1, 2, 5 if limit == AT_RISK else 4)
        ]

    async def prepare(self, layout: str) -> None:
        connection = await asyncpg.connect(self.url)
        queries = Queries(AsyncpgDriver(connection))
        await queries.install()
        await queries.optimize_autovacuum()  # its checklist: "Run `pgq autovac`"
        await connection.close()

    @asynccontextmanager
    async def producer(self, size: int, layout: str, way: str) -> AsyncIterator[Producer]:
        async with asyncpg.create_pool(self.url, min_size=size, max_size=size) as pool:
            yield Enqueueing(Queries(AsyncpgPoolDriver(pool)))

    async def work(self, concurrency: int, setting: Setting, handler: Handler) -> None:
        async def noop(job: Any) -> None:
            await handler(float(job.payload))

        async with asyncio.TaskGroup() as group:
            for _ in range(setting["managers"]):
                manager = PgQueuer(AsyncpgDriver(await asyncpg.connect(self.url)))
                manager.entrypoint("noop")(noop)
                batch = setting["batch"]
                group.create_task(manager.run(batch_size=batch, max_concurrent_tasks=2 * batch))

    async def waiting(self) -> int:
        connection = await asyncpg.connect(self.url)
        try:
            return int(await connection.fetchval("select count(*) from pgqueuer"))
        finally:
            await connection.close()
