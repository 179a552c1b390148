"""PostgreSQL of a run: how it is stopped and killed, and how its sessions end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from tools.servers import Postgres

END_SESSIONS = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where backend_type = 'client backend' and pid <> pg_backend_pid()"
)


@asynccontextmanager
async def admin(dsn: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """Connect for one statement after another, also while others may not write."""
    async with await psycopg.AsyncConnection.connect(
        dsn, autocommit=True, options="-c default_transaction_read_only=off"
    ) as connection:
        yield connection


async def restart(postgres: Postgres, outage: float = 0) -> None:
    """Stop the database for some seconds."""
    await asyncio.to_thread(postgres.stop)
    await asyncio.sleep(outage)
    await asyncio.to_thread(postgres.start)


async def kill(postgres: Postgres) -> None:
    """Kill the database, and start it again."""
    pid = postgres.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await restart(postgres)


async def end_sessions(dsn: str) -> None:
    """End all sessions of the database, also those that hold a fence."""
    async with admin(dsn) as connection:
        await connection.execute(END_SESSIONS)
