"""The dispatcher's queries, and its view of the database's time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from kit.queries import Queries
from sender.queue.arrays import register_in

SQL: Queries[str] = Queries(__file__, str)
PREPARE = 5
"""Executions after which a statement is prepared."""


async def configure(connection: AsyncConnection[Any]) -> None:
    """Prepare a connection's statements, unless a pooler gives each transaction another session."""
    register_in(connection.adapters)
    cursor = await connection.execute(SQL.session)
    row = await cursor.fetchone()
    await connection.commit()
    if row is not None and row[0] == connection.info.backend_pid:
        connection.prepare_threshold = PREPARE


@dataclass
class DatabaseClock:
    """The time of the database, which all processes share, as of the last `set`."""

    _at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _since: float = field(default_factory=time.monotonic)

    async def set(self, connection: AsyncConnection[Any]) -> None:
        """Read the database's time."""
        cursor = await connection.execute(SQL.time)
        row = await cursor.fetchone()
        if row is not None:
            self._at, self._since = row[0].astimezone(UTC), time.monotonic()

    def now(self) -> datetime:
        """Return the moment, in UTC."""
        return self._at + timedelta(seconds=time.monotonic() - self._since)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
