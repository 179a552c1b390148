"""Moves due jobs from PostgreSQL to Redis, and puts right what a crash left between them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, TextClause
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sender.clock import Clock
from sender.database import SQL
from sender.lists import Element, Lists
from sender.schemas import State
from sender.trail import Step, record

BATCHES_AHEAD = 5


class Migrator:
    """One pass of each kind per call; any number of processes may run it at the same time."""

    def __init__(
        self,
        engine: AsyncEngine,
        lists: Lists,
        *,
        owner: str,
        clock: Clock,
        batch: int,
        lease: float,
    ) -> None:
        """Claim under the name `owner`; leases are in seconds."""
        self._engine = engine
        self._lists = lists
        self._owner = owner
        self._clock = clock
        self._batch = batch
        self._lease = timedelta(seconds=lease)

    async def migrate(self) -> int:
        """Claim a batch of due jobs, commit, push. After a crash in between `reap` pushes it again.

        What waits in Redis is bounded: the order of priorities is kept in PostgreSQL.
        """
        if await self._lists.depth() >= self._batch * BATCHES_AHEAD:
            return 0
        return await self._claim(SQL.claim_due, "migrated", "claimed for a worker")

    async def reap(self) -> int:
        """Push again what was lost from Redis, give up what is too old, mark unknown outcomes."""
        await self._abandon()
        await self._expire()
        await self._lists.recover()
        return await self._claim(
            SQL.reclaim_lost, "recovered", "pushed again: no worker took it in time"
        )

    async def _claim(self, query: TextClause, kind: str, words: str) -> int:
        now = self._clock.now()
        async with self._engine.begin() as connection:
            rows = await self._rows(connection, query, owner=self._owner, until=now + self._lease)
            # A held message is looked at many times; its trail tells when the reason changes.
            told = [row for row in rows if row.was != State.HELD]
            await record(
                connection,
                [Step(row.id, row.tenant_id, now, kind, State.MIGRATED, words) for row in told],
            )
        if rows:
            ordered = sorted(rows, key=lambda row: (row.priority, row.id))
            await self._lists.push(
                [(row.priority, Element(row.id, row.lease_token)) for row in ordered]
            )
        return len(rows)

    async def _abandon(self) -> None:
        async with self._engine.begin() as connection:
            rows = await self._rows(connection, SQL.abandon_hand_overs)
            now = self._clock.now()
            await record(
                connection,
                [
                    Step(
                        row.id,
                        row.tenant_id,
                        now,
                        "recovered",
                        State.UNKNOWN,
                        "the worker ended during the hand-over; it is not sent again",
                        "worker_lost",
                        {"worker": row.lease_owner},
                    )
                    for row in rows
                ],
            )

    async def _expire(self) -> None:
        async with self._engine.begin() as connection:
            rows = await self._rows(connection, SQL.expire)
            now = self._clock.now()
            await record(
                connection,
                [
                    Step(
                        row.id,
                        row.tenant_id,
                        now,
                        "outcome",
                        State.EXPIRED,
                        "expired before it was sent",
                        row.reason,
                    )
                    for row in rows
                ],
            )

    async def _rows(
        self, connection: AsyncConnection, query: TextClause, **parameters: object
    ) -> Sequence[Row[Any]]:
        found = await connection.execute(
            query, {"now": self._clock.now(), "batch": self._batch, **parameters}
        )
        return found.all()
