"""Partitions of messages and events, and whether the database lets mail go."""

from __future__ import annotations

from typing import Any

import structlog
from psycopg import AsyncConnection, Error
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from kit.database import AdvisoryLock, connection_options
from sender.dispatch.store import SQL
from sender.queue.outages import AWAY

log = structlog.get_logger(__name__)


async def maintain(pool: AsyncConnectionPool[Any], *, records: int, events: int) -> None:
    """Make partitions of the next days, drop those older than so many days, forget the deleted."""
    values = {"records": records, "events": events, "lock": AdvisoryLock.MAINTENANCE}
    try:
        async with pool.connection() as connection:
            await connection.execute(SQL.allow_minutes)
            await connection.execute(SQL.maintain, values)
            await connection.execute(SQL.forget_months)
            await connection.execute(SQL.forget_deleted)
            await connection.execute(SQL.forget_without_mail, values)
            await connection.execute(SQL.forget_domains)
    except (Error, PoolTimeout) as error:  # or others use what would be dropped: another time
        log.warning("sender.not_maintained", error=str(error))


async def trouble(dsn: str) -> str:
    """Return why nothing is sent, as the database has it; empty when there is no such problem."""
    try:
        async with await AsyncConnection.connect(
            dsn, **connection_options("penguin-sender")
        ) as one:
            cursor = await one.execute(SQL.health)
            is_read_only, is_other = await cursor.fetchone() or (False, False)
    except AWAY:
        return "PostgreSQL does not answer"
    if is_read_only:
        return "PostgreSQL is read-only"
    if is_other:
        return "the database was restored or promoted: nothing is sent until it is accepted"
    return ""
