"""oban for Python, the free edition: https://oban.pro/docs/py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from oban import Oban, worker
from oban.schema import install

from tests.bench.queue.contender import AT_RISK, Contender, Handler, Mode, Producer, Setting

handlers: list[Handler] = []
"""Of this process: its workers are classes."""


class Noop:
    """A worker."""

    new: Any

    async def process(self, job: Any) -> None:
        await handlers[-1](job.args["value"])


worker(queue="bench")(Noop)


class Enqueueing(Producer):
    """enqueueing_jobs.md; its Pro edition has faster bulk inserts."""

    def __init__(self, oban: Any) -> None:
        self._oban = oban

    async def single(self, number: float) -> None:
        await self._oban.enqueue(Noop.new({"value": number}))

    async def batch(self, numbers: Sequence[float]) -> None:
        await self._oban.enqueue_many(*(Noop.new({"value": number}) for number in numbers))


class Queue(Contender):
    """Acknowledges in batches, each time before it claims."""

    title = distribution = "oban"
    kill = "what is at risk, after 5 min (lifeline.rescue_after)"
    jobs = 12_000

    def settings(self, mode: Mode, concurrency: int) -> list[Setting]:
        """Return limits: jobs leave a queue's limit after they were acknowledged."""
        limit = concurrency if mode == "equal" else AT_RISK
        # production.md recommends its command line, which uses uvloop.
        queue = {"limit": limit, "uvloop": True}
        return [
            queue,
            # defining_queues.md: the pause between two claims (5 ms)
            queue | {"debounce_interval": 0.001},
            # production.md, "Sizing the connection pool"
            queue | {"debounce_interval": 0.001, "max_size": 20},
        ]

    async def prepare(self, layout: str) -> None:
        pool = await Oban.create_pool(self.url)
        await install(pool)
        await pool.close()

    @asynccontextmanager
    async def producer(self, size: int, layout: str, way: str) -> AsyncIterator[Producer]:
        pool = await Oban.create_pool(self.url, min_size=size, max_size=max(size, 10))
        async with Oban(pool=pool) as oban:
            yield Enqueueing(oban)
        await pool.close()

    async def work(self, concurrency: int, setting: Setting, handler: Handler) -> None:
        queue = {key: value for key, value in setting.items() if key != "max_size"}
        pool = await Oban.create_pool(self.url, max_size=setting.get("max_size", 10))
        handlers.append(handler)
        async with Oban(pool=pool, queues={"bench": queue}):
            await asyncio.Event().wait()

    async def waiting(self) -> int:
        query = "select count(*) from oban_jobs where state in ('available', 'executing')"
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            row = await (await connection.execute(query)).fetchone()
            return int(row[0]) if row else 0
