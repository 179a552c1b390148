"""Enqueues at a steady rate, as a process.

A line of its input with a number asks for so many more at once; each line is answered by a count.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

from sender.queue import NewJob, enqueue
from tests.bench.sender.loops import runner
from tests.bench.soak.store import SQL

TICK = 0.02
"""Seconds between two looks at what is due."""
BODY = b"x" * 200
BATCH = 1_000
MOST = 100
"""Jobs at the same time: what is late comes later."""


Place = tuple[UUID, list[str]]
"""A tenant with its buckets that are not held."""


class Producer:
    """Enqueues into all buckets in turn."""

    def __init__(self, pool: AsyncConnectionPool[Any], places: Sequence[Place]) -> None:
        self._pool = pool
        self._turns = itertools.cycle(places)
        self._keys = itertools.count()
        self.jobs = 0

    async def put(self, count: int) -> None:
        """Enqueue jobs of one tenant, in one transaction; single ones have a key."""
        tenant, names = next(self._turns)
        key = f"{time.time_ns()}-{next(self._keys)}" if count == 1 else None
        buckets = itertools.cycle(names)
        jobs = [NewJob(next(buckets), BODY, key=key) for _ in range(count)]
        async with self._pool.connection() as connection:
            await enqueue(connection, tenant, jobs)
        self.jobs += count

    async def steadily(self, rate: float) -> None:
        """Enqueue jobs one by one, so many a second."""
        began, due = time.monotonic(), 0
        while True:
            now_due = int((time.monotonic() - began) * rate)
            now_due = min(now_due, due + MOST)
            await asyncio.gather(*(self.put(1) for _ in range(due, now_due)))
            due = now_due
            await asyncio.sleep(TICK)

    async def at_once(self, count: int) -> None:
        """Enqueue so many jobs in batches."""
        for _ in range(0, count, BATCH):
            await self.put(BATCH)


async def produce(dsn: str, rate: str) -> None:
    """Enqueue until the input ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with psycopg.connect(dsn) as connection:
        places = connection.execute(SQL.served_buckets).fetchall()
    async with AsyncConnectionPool(dsn, min_size=4, max_size=16, open=False) as pool:
        producer = Producer(pool, places)
        producing = asyncio.create_task(producer.steadily(float(rate)))
        while line := await reader.readline():
            if producing.done():
                producing.result()
            await producer.at_once(int(line.strip() or 0))
            print(json.dumps({"jobs": producer.jobs}), flush=True)
        producing.cancel()


if __name__ == "__main__":
    runner("uvloop")(produce(*sys.argv[1:]))
