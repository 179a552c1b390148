"""procrastinate: https://procrastinate.readthedocs.io."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import procrastinate
import psycopg

from tests.bench.queue.contender import Contender, Handler, Mode, Producer, Setting


class Deferring(Producer):
    """howto/basics/defer.md and batch_defer.md."""

    def __init__(self, task: Any) -> None:
        self._task = task

    async def single(self, number: float) -> None:
        await self._task.defer_async(value=number)

    async def batch(self, numbers: Sequence[float]) -> None:
        await self._task.batch_defer_async(*({"value": number} for number in numbers))


class Queue(Contender):
    """Claims one job at a time."""

    title = distribution = "procrastinate"
    kill = "jobs in work stay `doing`; a task of one's own must retry stalled ones"
    jobs = 2_000

    def settings(self, mode: Mode, concurrency: int) -> list[Setting]:
        """Return the same for both modes: it knows no batches."""
        return [
            {},
            # howto/production/delete_finished_jobs.md
            {"delete_jobs": "successful"},
            # howto/production/connections.md: a larger pool, no connection that listens
            {"delete_jobs": "successful", "listen_notify": False, "max_size": 20},
        ]

    def _app(self, **pool: Any) -> Any:
        return procrastinate.App(
            connector=procrastinate.PsycopgConnector(conninfo=self.url, **pool)
        )

    async def prepare(self, layout: str) -> None:
        async with self._app().open_async() as app:
            await app.schema_manager.apply_schema_async()

    @asynccontextmanager
    async def producer(self, size: int, layout: str, way: str) -> AsyncIterator[Producer]:
        async with self._app(min_size=size, max_size=max(size, 2)).open_async() as app:
            yield Deferring(app.configure_task("noop"))

    async def work(self, concurrency: int, setting: Setting, handler: Handler) -> None:
        options = dict(setting)
        pool = {"max_size": options.pop("max_size")} if "max_size" in options else {}

        async def noop(value: float) -> None:
            await handler(value)

        async with self._app(**pool).open_async() as app:
            app.task(name="noop")(noop)
            await app.run_worker_async(concurrency=concurrency, **options)

    async def waiting(self) -> int:
        query = "select count(*) from procrastinate_jobs where status in ('todo', 'doing')"
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            row = await (await connection.execute(query)).fetchone()
            return int(row[0]) if row else 0
