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


class Health:
    """Asks the database whether it lets mail go: by one session, and by a new one after trouble."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._session: AsyncConnection[Any] | None = None

    async def trouble(self) -> str:
        """Return why nothing is sent, as the database has it; empty when there is no problem."""
        try:
            is_read_only, is_other = await self._ask()
        except AWAY:
            await self.close()
            return "PostgreSQL does not answer"
        if not is_read_only and not is_other:
            return ""
        await self.close()  # another server may answer a new session
        if is_read_only:
            return "PostgreSQL is read-only"
        return "the database was restored or promoted: nothing is sent until it is accepted"

    async def close(self) -> None:
        """End the session."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(self) -> tuple[bool, bool]:
        if self._session is not None:
            try:
                return await _health(self._session)
            except AWAY:  # the session has been ended
                await self.close()
        self._session = await AsyncConnection.connect(
            self._dsn, autocommit=True, **connection_options("penguin-sender")
        )
        return await _health(self._session)


async def _health(session: AsyncConnection[Any]) -> tuple[bool, bool]:
    cursor = await session.execute(SQL.health)
    return await cursor.fetchone() or (False, False)
