"""The heartbeat of a part: when each of its loops last began an iteration."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from psycopg.errors import DiskFull, ReadOnlySqlTransaction
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from composition.parts.settings import Part
from controlplane.health import heartbeats
from kit.paths import state_dir
from kit.pausing import pause

INTERVAL_SECONDS = 1.0
log = structlog.get_logger()

Trouble = Callable[[], Awaitable[str]]
"""Returns a problem of the part in a few words; empty when there is none."""


async def no_trouble() -> str:
    """Return that there is no problem."""
    return ""


class Progress:
    """When each loop of this process last began an iteration."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._loops: dict[str, float] = {}
        self.trouble: Callable[[], str] = str
        """Returns a problem that a loop of this process has noticed; empty when there is none."""
        self.unwritten = ""
        """Why the last heartbeat could not be written; empty when it was."""

    def tick(self, loop: str) -> None:
        """Record that a loop begins an iteration."""
        self._loops[loop] = self._clock()

    def idle(self) -> float:
        """Return for how many seconds the slowest loop has been in one iteration."""
        return self._clock() - min(self._loops.values(), default=self._began)


async def event_loop_progress(progress: Progress) -> None:
    """Record that the event loop, which answers all requests, is running."""
    while True:
        progress.tick("requests")
        await asyncio.sleep(INTERVAL_SECONDS)


def _unwritten(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, DiskFull):
        return "the disk of PostgreSQL is full: nothing can be written"
    if isinstance(cause, ReadOnlySqlTransaction):
        return "PostgreSQL is read-only"
    return f"PostgreSQL cannot be written to ({type(cause).__name__})"


async def beat(
    engine: AsyncEngine,
    part: Part,
    progress: Progress,
    stop: asyncio.Event,
    trouble: Trouble = no_trouble,
) -> None:
    """Write the row of this part until `stop` is set, then remove it: the part ended normally."""
    instance = f"{socket.gethostname()}:{state_dir()}"
    while not stop.is_set():
        try:
            problem = await trouble() or progress.trouble()
            async with engine.begin() as connection:
                await heartbeats.write(
                    connection,
                    heartbeats.Heartbeat(
                        part=part,
                        instance=instance,
                        process=os.getpid(),
                        silent=0.0,
                        idle=progress.idle(),
                        trouble=problem,
                    ),
                )
            progress.unwritten = ""
        except (SQLAlchemyError, OSError) as error:
            if not progress.unwritten:
                log.warning("heartbeat not written", error=type(error).__name__)
            progress.unwritten = _unwritten(error)
        await pause(stop, INTERVAL_SECONDS)
    with suppress(SQLAlchemyError, OSError):
        async with engine.begin() as connection:
            await heartbeats.delete(connection, part, instance)
