"""The queue's tables, and connections for its workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from kit.database import connection_options
from sender.queue.arrays import register_in
from sender.queue.store import SQL

PARTITIONS = Path(__file__).with_name("partitions.sql").read_text()
ENQUEUE = Path(__file__).with_name("enqueue.sql").read_text()
BUCKETS = Path(__file__).with_name("buckets.sql").read_text()
SCHEMA = (
    Path(__file__).with_name("schema.sql").read_text()
    + PARTITIONS
    + BUCKETS
    + Path(__file__).with_name("functions.sql").read_text()
    + ENQUEUE
)
OPTIONS = {
    # Every statement finds its rows by keys, and the statistics of a queue are always wrong: a plan
    # is made once, and reads no table where there is an index.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    # Rows that others hold delay the rest of a batch for no longer than this.
    "lock_timeout": "500ms",
    "statement_timeout": "60s",
    # A worker that is suspended in a transaction keeps no row from others for longer.
    "idle_in_transaction_session_timeout": "10s",
}
WAIT = 1.0
"""Seconds to wait for a connection. While the database is away, each call tries to connect: an
interval that grows would keep on waiting when it is back."""


async def install(connection: psycopg.AsyncConnection[Any]) -> None:
    """Create the tables in the caller's transaction."""
    await connection.execute(SCHEMA)
    await connection.execute(SQL.bind_first)


def worker_pool(dsn: str, size: int = 7) -> AsyncConnectionPool[Any]:
    """Return a pool for one worker; open it with `async with`.

    Its connections go through no pooler: statements are prepared, and notifications awaited.
    """
    return AsyncConnectionPool(
        dsn,
        min_size=size,
        max_size=size,
        open=False,
        timeout=WAIT,
        reconnect_timeout=0,
        configure=_configure,
        kwargs={**connection_options("sender.queue", **OPTIONS), "prepare_threshold": 0},
    )


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    register_in(connection.adapters)
