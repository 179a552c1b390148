"""The queue's tables, and connections for its workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from sender.queue.store import SQL

SCHEMA = Path(__file__).with_name("schema.sql")
OPTIONS = {
    # Every statement finds its rows by keys; the statistics of a queue are always wrong.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    # Rows that others hold delay the rest of a batch for no longer than this.
    "lock_timeout": "500ms",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
}
REACH: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""A server that is gone without a word is noticed within 15 s."""
WAIT = 1.0
"""Seconds to wait for a connection. While the database is away, each call tries to connect: an
interval that grows would keep on waiting when it is back."""


async def install(connection: psycopg.AsyncConnection[Any]) -> None:
    """Create the tables in the caller's transaction."""
    await connection.execute(SCHEMA.read_text())
    await connection.execute(SQL.bind_first)


def worker_pool(dsn: str, size: int = 5) -> AsyncConnectionPool[Any]:
    """Return a pool for one worker; open it with `async with`."""
    options = " ".join(f"-c {name}={value}" for name, value in OPTIONS.items())
    return AsyncConnectionPool(
        dsn,
        min_size=size,
        max_size=size,
        open=False,
        timeout=WAIT,
        reconnect_timeout=0,
        kwargs={"options": options, **REACH},
    )
