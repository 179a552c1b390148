"""Whether recipients are suppressed, before anything is written or opened for their mail.

Each intent asks for it, too, in its own transaction. So this is only asked where it is likely: of a
tenant whose mail has met a suppressed recipient lately. All other mail costs nothing here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from psycopg import Error
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from sender.dispatch.store import SQL
from sender.suppression import recipient_hash

LATELY = 60.0
"""Seconds."""
Key = tuple[UUID, bytes]
"""A tenant and the hash of a recipient."""


class Suppressed:
    """Answers all that is asked in one turn of the event loop with one query."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool
        self._until: dict[UUID, float] = {}
        self._asked: dict[Key, asyncio.Future[str]] = {}
        self._asking: set[asyncio.Task[None]] = set()

    def met(self, tenant_id: UUID) -> None:
        """Take note that an intent was refused since its recipient is suppressed."""
        self._until[tenant_id] = time.monotonic() + LATELY

    async def reasons(self, tenant_id: UUID, address: str) -> str:
        """Return for which reasons an address gets no mail; empty: none is known so far."""
        if tenant_id not in self._until:
            return ""
        if self._until[tenant_id] < time.monotonic():
            del self._until[tenant_id]
            return ""
        key = tenant_id, recipient_hash(address)
        if key not in self._asked:
            self._asked[key] = asyncio.get_running_loop().create_future()
            if len(self._asked) == 1:
                task = asyncio.create_task(self._ask())
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
        found = await asyncio.shield(self._asked[key])  # others may wait for the same
        if found:
            self.met(tenant_id)
        return found

    async def _ask(self) -> None:
        asked, self._asked = self._asked, {}
        found: Mapping[Key, str] = {}
        try:
            found = await self._find(asked)
        except (Error, PoolTimeout):
            pass  # the intent asks again, and waits while the database is away
        finally:
            for key, answer in asked.items():
                answer.set_result(found.get(key, ""))

    async def _find(self, keys: Collection[Key]) -> dict[Key, str]:
        values = {"tenant_ids": [key[0] for key in keys], "recipients": [key[1] for key in keys]}
        async with self._pool.connection() as connection:
            cursor = await connection.execute(SQL.suppressed, values)
            return {
                (tenant, recipient): words for tenant, recipient, words in await cursor.fetchall()
            }
