"""A worker process that prints a word at a point of its first job and waits there for a signal."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace

import structlog

from sender.queue import Attempt, Lost, Settings, Worker, lists_client, worker_pool


async def main(dsn: str, mode: str, redis_url: str) -> None:
    """Stop `before` the intent or `after` it, `try` to begin after a line, or work under `load`."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    calls = 0

    async def handler(attempt: Attempt) -> None:
        if mode == "after":
            await attempt.begin("to mx1-2")
        print(mode, flush=True)
        if mode == "try":
            await asyncio.to_thread(sys.stdin.readline)
            try:
                await attempt.begin()
            except Lost:
                print("lost", flush=True)
                raise
            print("begun", flush=True)
        await asyncio.Event().wait()

    async def dialogue(attempt: Attempt) -> None:
        nonlocal calls
        await attempt.begin("to mx1-2")
        calls += 1
        if calls == 300:
            print(mode, flush=True)
        if calls > 1000:  # not all are done before the signal comes
            await stop.wait()
        answered = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, answered.set)
        await answered.wait()

    settings = Settings(poll=0.01, concurrency=1, at_risk=5)
    if mode in ("before", "after"):
        settings = replace(settings, lease=1)
    if mode == "load":
        settings = Settings(poll=0.01)
    async with worker_pool(dsn) as pool:
        worker = Worker(
            pool,
            "killed",
            dialogue if mode == "load" else handler,
            settings,
            lists=lists_client(redis_url) if redis_url else None,
        )
        await worker.run(stop)


asyncio.run(main(*sys.argv[1:]))
