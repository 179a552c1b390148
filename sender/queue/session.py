"""The connection of one exchange after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor, errors
from psycopg_pool import AsyncConnectionPool


class Cursors:
    """Keeps a cursor of each connection for each statement.

    A cursor that runs its last statement again knows how to convert parameters and rows, which
    takes as long to find out as a few parameters take to convert.
    """

    def __init__(self) -> None:
        self._kept: dict[AsyncConnection[Any], dict[str, AsyncCursor[Any]]] = {}

    def of(self, connection: AsyncConnection[Any], query: str) -> AsyncCursor[Any]:
        """Return the cursor for a statement."""
        kept = self._kept.get(connection)
        if kept is None:
            self._kept = {one: its for one, its in self._kept.items() if not one.closed}
            kept = self._kept[connection] = {}
        if query not in kept:
            kept[query] = connection.cursor(binary=True)
        return kept[query]

    async def run(
        self, connection: AsyncConnection[Any], query: str, values: Mapping[str, Any] | None = None
    ) -> AsyncCursor[Any]:
        """Run a statement; the cursor has its rows until it is run on this connection again."""
        return await self.of(connection, query).execute(query, values)


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
