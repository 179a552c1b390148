"""Workers that take whatever tenant is due, as long as the process lives."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from datetime import timedelta

import structlog
from sqlalchemy.exc import OperationalError

from controlplane.database import CONTROLLER
from controlplane.reconciler.context import Ports
from controlplane.reconciler.visit import AGAIN, GONE, LEFT, STALLED, Result, visit
from controlplane.schedule.repository import Lease, Priority, backoff, claim, release

log = structlog.get_logger()
AWAY = timedelta(seconds=5)
"""How long a worker waits that could not even look what is due."""


async def run(ports: Ports, stop: asyncio.Event) -> None:
    """Visit tenants until `stop` is set; a visit that runs ends at its next step."""
    workers = [
        asyncio.create_task(_work(ports, stop, number)) for number in range(ports.settings.workers)
    ]
    await asyncio.gather(*workers)


async def _work(ports: Ports, stop: asyncio.Event, number: int) -> None:
    owner = f"{socket.gethostname()}/{os.getpid()}/{number}"
    while not stop.is_set():
        pause = ports.settings.poll
        try:
            if await step(ports, owner, stop):
                continue
        except Exception:
            # The database most likely, and a worker must be there when it is back. Its disk may be
            # the log's, too: to tell it twice a second would fill that.
            log.exception("worker failed")
            pause = AWAY
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause.total_seconds())


async def step(ports: Ports, owner: str, stop: asyncio.Event) -> bool:
    """Visit the most urgent tenant; False when none is due."""
    async with ports.database.begin(CONTROLLER) as connection:
        held = await claim(connection, owner=owner, now=ports.clock(), lease=ports.settings.lease)
    if held is None:
        return False
    try:
        result = await visit(ports, held, stop)
    except OperationalError:
        raise
    except Exception:
        log.exception("visit failed", tenant_id=str(held.tenant_id))
        result = AGAIN
    if result not in (GONE, LEFT):
        await _give_back(ports, held, result, stopping=stop.is_set())
    return True


async def _give_back(ports: Ports, held: Lease, result: Result, *, stopping: bool) -> None:
    settings, now = ports.settings, ports.clock()
    attempts = held.attempts + 1 if result is AGAIN else 0
    if result is STALLED:
        due, priority = None, Priority.RETRY
    elif stopping:
        due, priority, attempts = now, Priority.RETRY, held.attempts
    elif result is AGAIN:
        wait = backoff(
            held.attempts, base=settings.retry_base, cap=settings.retry_cap, rng=ports.rng
        )
        due, priority = now + wait, Priority.RETRY
    else:
        due, priority = now + settings.resync, Priority.RESYNC
    async with ports.database.begin(CONTROLLER) as connection:
        await release(connection, held, due_at=due, priority=priority, attempts=attempts, now=now)
