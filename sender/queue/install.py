"""The queue's tables, and connections for its workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from sender.queue.store import SQL

SCHEMA = Path(__file__).with_name("schema.sql")
PLANS = {"enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off"}
"""Every statement of a worker finds its rows by keys, however wrong the statistics are: those of a
queue always are."""


async def install(connection: psycopg.AsyncConnection[Any]) -> None:
    """Create the tables in the caller's transaction."""
    await connection.execute(SCHEMA.read_text())
    await connection.execute(SQL.bind_first)


def worker_pool(dsn: str, size: int = 5) -> AsyncConnectionPool[Any]:
    """Return a pool for one worker; open it with `async with`."""
    return AsyncConnectionPool(
        dsn,
        min_size=size,
        max_size=size,
        open=False,
        kwargs={"options": " ".join(f"-c {name}={value}" for name, value in PLANS.items())},
    )
