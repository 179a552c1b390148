"""Does one step with one queue, in its environment: python -m tests.bench.queue.step NAME STEP.

Reads its values, among them the store's URL, from standard input, and prints its result as the last
line. Both are JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import itertools
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.bench.queue.contender import Contender

FILL = 1_000
"""Jobs of one batch when a queue is filled."""
TICK = 0.01
"""Seconds between two batches of a steady load."""
Result = TypeVar("Result")


async def describe(contender: Contender, *, modes: list[list[Any]]) -> Any:
    """Say what there is to measure."""
    version = (
        importlib.metadata.version(contender.distribution) if contender.distribution else "this"
    )
    return {
        "title": contender.title,
        "version": version,
        "python": platform.python_version(),
        "redis": contender.redis,
        "durable": contender.durable,
        "kill": contender.kill,
        "jobs": contender.jobs,
        "ways": list(contender.ways),
        "settings": [contender.settings(mode, concurrency) for mode, concurrency in modes],
    }


async def prepare(contender: Contender, *, layout: str) -> Any:
    """Create the tables."""
    await contender.prepare(layout)


async def fill(contender: Contender, *, layout: str, count: int) -> Any:
    """Enqueue jobs for a drain."""
    async with contender.producer(10, layout, "") as producer:
        for first in range(0, count, FILL):
            await producer.batch([float(n) for n in range(first, min(first + FILL, count))])


async def enqueue(
    contender: Contender, *, count: int, producers: int, size: int, layout: str, way: str
) -> Any:
    """Return jobs a second that producers commit, each with one task, in batches or one by one."""
    async with contender.producer(producers, layout, way) as producer:
        numbers = iter(range(count + 1, 2 * count + 1))

        async def produce() -> None:
            while batch := [float(number) for number in itertools.islice(numbers, size)]:
                await (producer.single(batch[0]) if size == 1 else producer.batch(batch))

        for number in range(producers):  # connections, plans and caches are warm
            await producer.single(float(number))
        began = time.monotonic()
        await asyncio.gather(*(produce() for _ in range(producers)))
        return count / (time.monotonic() - began)


async def drain(
    contender: Contender,
    *,
    count: int,
    concurrency: int,
    setting: dict[str, Any],
    limit: float,
    journal: str | None = None,
) -> Any:
    """Return jobs a second, from the first call of the handler to the last acknowledgement."""
    handled, first = itertools.count(1), 0.0
    all_handled = asyncio.Event()
    file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if journal else None

    async def handler(_number: float) -> None:
        nonlocal first
        seen = next(handled)
        if seen == 1:
            first = time.monotonic()
        if seen == count:
            all_handled.set()
        if file is not None:
            os.write(file, b".")

    await contender.waiting()  # imports and caches are warm

    async def acknowledged() -> float:
        await all_handled.wait()
        while await contender.waiting():  # noqa: ASYNC110 - another process's event
            await asyncio.sleep(0.005)
        return count / (time.monotonic() - first)

    rate = await _before(acknowledged(), contender.work(concurrency, setting, handler), limit)
    return {"handled": next(handled) - 1} if rate is None else {"rate": rate}


async def listen(
    contender: Contender, *, count: int, concurrency: int, setting: dict[str, Any], limit: float
) -> Any:
    """Print a line when ready; return how long after they were enqueued jobs began, in ms."""
    delays: list[float] = []
    all_handled = asyncio.Event()

    async def handler(sent: float) -> None:
        delays.append(time.monotonic() - sent)
        if len(delays) == count:
            all_handled.set()

    async def finished() -> bool:
        await asyncio.sleep(1)
        print("ready", flush=True)
        return await all_handled.wait()

    if not await _before(finished(), contender.work(concurrency, setting, handler), limit):
        return {"handled": len(delays)}
    delays.sort()
    return {"p50": 1000 * _part(delays, 0.5), "p99": 1000 * _part(delays, 0.99)}


async def pace(contender: Contender, *, count: int, rate: float, layout: str) -> Any:
    """Enqueue at a steady rate jobs that carry the time; return the rate that was reached."""
    sent = 1
    async with contender.producer(1, layout, "") as producer:
        await producer.single(time.monotonic())
        began = time.monotonic()
        while sent < count:
            due = min(count, int((time.monotonic() - began) * rate) + 1)
            if due - sent == 1:
                await producer.single(time.monotonic())
            elif due > sent:
                await producer.batch([time.monotonic()] * (due - sent))
            sent = max(due, sent)
            await asyncio.sleep(max(TICK, 0 if rate > 1 / TICK else 1 / rate))
    return count / (time.monotonic() - began)


async def waiting(contender: Contender) -> Any:
    """Count the jobs that are not acknowledged."""
    return await contender.waiting()


STEPS: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {
    step.__name__: step for step in (describe, prepare, fill, enqueue, drain, listen, pace, waiting)
}
UNSTOPPED = ("drain", "listen")
"""Steps that leave a worker running: how it stops is not measured."""


async def _before(
    end: Coroutine[Any, Any, Result], work: Coroutine[Any, Any, None], limit: float
) -> Result | None:
    """Return what `end` returns while a worker works; None if it takes too long."""
    ending, working = asyncio.ensure_future(end), asyncio.ensure_future(work)
    await asyncio.wait({ending, working}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        working.result()
    return ending.result() if ending.done() else None


def _part(ascending: list[float], part: float) -> float:
    return ascending[min(len(ascending) - 1, int(len(ascending) * part))]


def main(name: str, step: str) -> None:
    """Run one step."""
    logging.disable(logging.INFO)
    values = json.load(sys.stdin)
    module = importlib.import_module(f"tests.bench.queue.contenders.{name}")
    contender: Contender = module.Queue(values.pop("url", ""), values.pop("redis_url"))
    run = asyncio.run
    if values.get("setting", {}).pop("uvloop", False):
        run = importlib.import_module("uvloop").run

    async def once() -> None:
        print(json.dumps(await STEPS[step](contender, **values)), flush=True)
        if step in UNSTOPPED:
            os._exit(0)

    run(once())


if __name__ == "__main__":
    main(*sys.argv[1:])
