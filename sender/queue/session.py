"""The connection of one exchange after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors
from psycopg_pool import AsyncConnectionPool


class Session:
    """A connection that is kept from one exchange to the next, since its plans are made.

    Its user sends `begin` and `commit`: psycopg would wait for the answer to each of its own.
    """

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool
        self._connection: AsyncConnection[Any] | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """Yield the connection; after an error, the next one is another."""
        try:
            if self._connection is None:
                self._connection = await self._pool.getconn()
                await self._connection.set_autocommit(True)
            yield self._connection
        except errors.ReadOnlySqlTransaction:
            if self._connection:
                await self._connection.close()  # to a server that is not the primary any more
            await self.close()
            raise
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Give the connection back to the pool."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if not connection.closed:
                await connection.rollback()  # does nothing after a commit
                await connection.set_autocommit(False)
        except psycopg.Error:
            await connection.close()
        finally:
            await self._pool.putconn(connection)
