"""The statements of this room, each in the caller's transaction."""

from __future__ import annotations

from typing import Any

import psycopg

from kit.queries import Queries

Connection = psycopg.AsyncConnection[Any]
SQL: Queries[str] = Queries(__file__, str)


async def ids(connection: Connection, query: str, values: dict[str, Any]) -> set[Any]:
    """Run a statement that returns ids."""
    cursor = await connection.execute(query, values)
    return {row[0] for row in await cursor.fetchall()}
