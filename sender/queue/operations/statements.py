"""The statements of this room, each in the caller's transaction."""

from __future__ import annotations

from typing import Any

import psycopg

from kit.queries import Queries

Connection = psycopg.AsyncConnection[Any]
SQL: Queries[str] = Queries(__file__, str)
BLOCKS = 2_500
"""Of a table with more blocks, so many are read to estimate what is in it."""
COUNTED = 10_000
"""Jobs of a bucket above which it is only said that there are more."""


async def ids(connection: Connection, query: str, values: dict[str, Any]) -> set[Any]:
    """Run a statement that returns ids."""
    cursor = await connection.execute(query, values)
    return {row[0] for row in await cursor.fetchall()}
