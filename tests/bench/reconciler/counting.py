"""Counts what a process asks of its database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import psycopg

SCANNED = """
select schemaname || '.' || relname, seq_scan from pg_stat_user_tables
where schemaname in ('oltp', 'directory') and n_live_tup >= %s
"""
NOT_GROWING = {"oltp.account_slots", "oltp.account_troubles", "oltp.pinned_images"}
"""Tables that do not grow with the tenants."""


@dataclass
class Counted:
    """Statements and commits; the pings by which the pool proves a connection are apart."""

    statements: list[str] = field(default_factory=list)
    commits: int = 0
    pings: int = 0

    def add(self, query: object) -> None:
        """Count a statement."""
        words = query.decode() if isinstance(query, bytes) else str(query)
        if words.strip().lower() in ("select 1", ";", ""):
            self.pings += 1
        else:
            self.statements.append(words)


@contextmanager
def counted() -> Iterator[Counted]:
    """Count in the block, for all connections of this process."""
    count = Counted()
    execute, executemany = psycopg.AsyncCursor.execute, psycopg.AsyncCursor.executemany
    commit = psycopg.AsyncConnection.commit

    async def counting(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        count.add(query)
        return await execute(self, query, *args, **kwargs)

    async def counting_many(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        count.add(query)
        return await executemany(self, query, *args, **kwargs)

    async def counting_commit(self: Any) -> None:
        count.commits += 1
        await commit(self)

    with (
        patch.object(psycopg.AsyncCursor, "execute", counting),
        patch.object(psycopg.AsyncCursor, "executemany", counting_many),
        patch.object(psycopg.AsyncConnection, "commit", counting_commit),
    ):
        yield count


def sequential_scans(dsn: str, rows: int = 0) -> dict[str, int]:
    """Return how often each growing table was read as a whole that has so many rows.

    One that is empty is read so whatever indexes it has.
    """
    with psycopg.connect(dsn) as admin:
        return {
            name: scans
            for name, scans in admin.execute(SCANNED, [rows]).fetchall()
            if name not in NOT_GROWING
        }
