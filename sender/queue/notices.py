"""Notifications of those who enqueue, as long as few jobs come.

A notification makes commits wait for each other, so none is sent where many jobs come: their worker
looks often enough. Nothing depends on them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psycopg
import structlog
from psycopg import sql
from psycopg_pool import AsyncConnectionPool

from sender.queue.outages import AWAY
from sender.queue.store import Store

MOST = 100
"""Calls of `enqueue` a second above which no notifications are wanted."""
WINDOW = 0.5
"""Seconds for which calls are counted."""
RETRY = 1.0
CHECK = 5.0
"""Seconds after which the channel is compared with that of the worker, which may have changed."""
log = structlog.get_logger(__name__)


class Notices:
    """The notifications that one worker gets."""

    def __init__(
        self, pool: AsyncConnectionPool[Any], store: Store, wake: Callable[[], None]
    ) -> None:
        self._pool = pool
        self._store = store
        self._wake = wake
        self._since = time.monotonic()
        self._first = 0
        self._wanted_on = ""
        """The channel for which notifications are wanted."""

    async def adapt(self) -> None:
        """Want notifications, or do not, after the calls of the last moments."""
        now = time.monotonic()
        if now - self._since < WINDOW:
            return
        rate = (self._store.last_arrival - self._first) / (now - self._since)
        self._since, self._first = now, self._store.last_arrival
        wanted = self._store.channel if rate <= MOST else ""
        if wanted != self._wanted_on:
            await self._store.want_notices(wanted=bool(wanted))
            self._wanted_on = wanted

    async def listen(self) -> None:
        """Wake the worker at each notification, until cancelled."""
        while True:
            try:
                async with self._pool.connection() as connection:
                    try:
                        await self._receive(connection)
                    finally:
                        await connection.close()  # it is not as others of the pool any more
            except Exception as error:
                if not isinstance(error, AWAY):
                    log.exception("queue.notices_failed")
                await asyncio.sleep(RETRY)

    async def _receive(self, connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.set_autocommit(True)
        channel = ""
        while True:
            if channel != self._store.channel:
                channel = self._store.channel
                await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
            async for _ in connection.notifies(timeout=CHECK, stop_after=1):
                self._wake()
