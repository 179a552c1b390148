"""awa: https://github.com/hardbyte/awa/tree/main/docs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import awa
import psycopg

from tests.bench.queue.contender import AT_RISK, Contender, Handler, Mode, Producer, Setting

PARTITIONS = 4


@dataclass
class Noop:
    """A job."""

    value: float


def queue_of(layout: str) -> Any:
    """Return the queue, of several partitions or of one."""
    return awa.PartitionedQueue("bench", PARTITIONS if layout == "partitioned" else 1)


class Inserting(Producer):
    """configuration.md: partitions by turns; `enqueue_many_copy` for many."""

    def __init__(self, client: Any, queue: Any) -> None:
        self._client = client
        self._queue = queue

    async def single(self, number: float) -> None:
        await self._client.insert(Noop(number), **self._queue.route_by_index(int(number)))

    async def batch(self, numbers: Sequence[float]) -> None:
        routes = [self._queue.route_by_index(index) for index in range(len(numbers))]
        await self._client.enqueue_many_copy([Noop(number) for number in numbers], opts=routes)


class Queue(Contender):
    """Its runtime is written in Rust; claims and acknowledges in batches."""

    title = "awa-pg"
    distribution = "awa-pg"
    kill = "what is at risk, 90 s later (heartbeat_staleness)"
    jobs = 8_000

    def settings(self, mode: Mode, concurrency: int) -> list[Setting]:
        """Return workers for each partition.

        configuration.md, "Choosing a throughput lever": partitions first, then claimers. A worker
        is occupied until its job is acknowledged (adr/013), so its own batches need as many
        workers as jobs at risk.
        """
        limit = concurrency if mode == "equal" else AT_RISK
        return [
            {"workers": limit},
            {"workers": limit, "claimers": 2},
            {"workers": limit // PARTITIONS, "layout": "partitioned"},
        ]

    def _client(self, connections: int = 10) -> Any:
        # Its driver wants a host before the socket's directory.
        return awa.AsyncClient(self.url.replace("@/", "@localhost/"), connections)

    async def prepare(self, layout: str) -> None:
        client = await self._start({"workers": 1, "layout": layout}, _nothing)
        await asyncio.sleep(2)  # its first worker activates the storage of fresh installations
        await client.shutdown()
        await client.close()

    @asynccontextmanager
    async def producer(self, size: int, layout: str, way: str) -> AsyncIterator[Producer]:
        client = self._client(size)
        yield Inserting(client, queue_of(layout))
        await client.close()

    async def work(self, concurrency: int, setting: Setting, handler: Handler) -> None:
        await self._start(setting, handler)
        await asyncio.Event().wait()

    async def _start(self, setting: Setting, handler: Handler) -> Any:
        async def noop(job: Any) -> None:
            await handler(job.args.value)

        client = self._client()
        await client.migrate()
        queue = queue_of(setting.get("layout", ""))
        client.task(Noop, queue=queue.physical_queues[0])(noop)
        await client.start(
            queue.queue_configs(setting["workers"], claimers=setting.get("claimers"))
        )
        return client

    async def waiting(self) -> int:
        # Its view of jobs does not show those that are claimed for a short time.
        query = """
            select (select sum(last_value) from pg_sequences
                    where schemaname = 'awa' and sequencename like 'queue_enqueue_seq_%')
                - (select count(*) from awa.jobs where state = 'completed')
        """
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            row = await (await connection.execute(query)).fetchone()
            return int(row[0]) if row else 0


async def _nothing(_number: float) -> None:
    pass
