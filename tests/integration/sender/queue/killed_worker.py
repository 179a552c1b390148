"""A worker process that prints a word at a point of its first job and waits there to be killed."""

from __future__ import annotations

import asyncio
import sys

from sender.queue import Attempt, Settings, Worker, worker_pool


async def main(dsn: str, mode: str) -> None:
    """Stop `before` the intent, or `after` it."""

    async def handler(attempt: Attempt) -> None:
        if mode == "after":
            await attempt.begin("to mx1-2")
        print(mode, flush=True)
        await asyncio.Event().wait()

    settings = Settings(poll=0.01, lease=1, concurrency=1, at_risk=5)
    async with worker_pool(dsn) as pool:
        await Worker(pool, "killed", handler, settings).run(asyncio.Event())


asyncio.run(main(*sys.argv[1:]))
