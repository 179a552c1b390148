"""Workers are notified of new jobs while few come, and poll while many do."""

from __future__ import annotations

import operator
from functools import partial

from sender.queue import NewJob, Settings
from tests.support.waiting import reached

from .conftest import Queue, Seen

RARELY = Settings(poll=3600)
"""Longer than a test waits."""


async def wants_notice(queue: Queue) -> bool:
    rows = await queue.connection.execute("select bool_or(wants_notice) from queue.workers")
    return bool((await rows.fetchone() or (False,))[0])


async def test_idle_worker_begins_a_new_job_at_once(queue: Queue) -> None:
    seen = Seen()

    async def begun() -> int:
        return len(seen.bodies)

    async with queue.working(seen, Settings(poll=0.3)) as worker:
        await reached(partial(wants_notice, queue))
        worker.settings = RARELY
        await queue.put(NewJob("b", b"0"))
        for number in range(1, 20):
            await reached(begun, partial(operator.le, number))
            await queue.put(NewJob("b", b"%d" % number))
        await reached(begun, lambda count: count == 20)
