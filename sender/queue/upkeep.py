"""Partitions of the next days, and the end of what was kept for long enough."""

from __future__ import annotations

from typing import Any

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool

from kit.database import AdvisoryLock
from sender.queue.settings import Settings
from sender.queue.store import SQL

AHEAD = 3
"""Days for which partitions exist. Without any, the default partitions are used."""
BATCH = 5_000
"""Rows of one transaction."""
BUCKETS = 1_000
"""Buckets of one transaction, which locks their table for so long."""
log = structlog.get_logger(__name__)


class Upkeep:
    """What one of the workers does for all, step by step: what is locked is left for later."""

    def __init__(self, pool: AsyncConnectionPool[Any], settings: Settings) -> None:
        self._pool = pool
        self._values = {
            "ahead": AHEAD,
            "bodies": settings.keep_bodies,
            "records": settings.keep_records,
            "keys": settings.keep_keys,
            "most": BATCH,
            "buckets": BUCKETS,
        }

    async def run(self) -> None:
        """Do what there is to do."""
        for query in (
            SQL.make_partitions,
            SQL.drop_bodies,
            SQL.drop_carried_bodies,
            SQL.drop_default_bodies,
            SQL.drop_records,
            SQL.drop_default_records,
            SQL.drop_dead,
            SQL.drop_buckets,
            SQL.drop_keys,
        ):
            try:
                while await self._step(query):
                    pass
            except psycopg.Error as error:
                log.info("queue.upkeep_postponed", step=query.split("\n")[0], error=str(error))

    async def _step(self, query: str) -> int:
        """Return how much was done."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(SQL.begin_upkeep, {"lock": AdvisoryLock.QUEUE_UPKEEP})
            row = await cursor.fetchone()
            if row is None or not row[0]:
                return 0
            cursor = await connection.execute(query, self._values)
            if cursor.description is None:
                return int(cursor.rowcount)
            row = await cursor.fetchone()
            return int(row[0]) if row else 0
