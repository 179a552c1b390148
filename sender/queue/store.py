"""The queue's statements for one worker, each method one transaction."""

from __future__ import annotations

import re
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from psycopg import AsyncConnection, AsyncCursor, errors
from psycopg_pool import AsyncConnectionPool

from kit.queries import Queries
from sender.queue.buckets import START, Arrival, BucketRow, Claim, Position
from sender.queue.extension import Batch, Extension
from sender.queue.model import Intent, Job, Outcome, Result, State, writable
from sender.queue.session import Cursors, Session

SQL: Queries[str] = Queries(__file__, partial(re.compile(r"\n\s+").sub, "\n"))
SHARE = 20
"""How many times longer than it takes to read all arrivals is waited before they are read again."""
BATCH = 1000
"""Rows of one statement that tidies up."""
AGED = 100
"""Jobs of each bucket and priority that are looked at whether they have waited for long."""
APART = timedelta(seconds=15)
"""Over which jobs are spread that were lost with several workers; doubled with each of these."""
NONE, LONGEST = timedelta(), timedelta(days=3650)
"""Bounds of a delay."""
MOST_SPENT = 1000
BEGIN, COMMIT = "begin", "commit"
Run = Callable[[str, dict[str, Any]], Awaitable[AsyncCursor[Any]]]
Value = TypeVar("Value")


class Claimed(NamedTuple):
    """A job with its place in its bucket."""

    job: Job
    position: Position
    is_expired: bool


class Found(NamedTuple):
    """What a look for jobs found."""

    arrivals: list[Arrival]
    released: list[BucketRow]
    """Buckets whose hold has ended."""
    since: datetime | None
    """For the next look: when this one looked for such buckets."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What one exchange with the database brought."""

    claimed: list[Claimed]
    begun: set[int]
    """Ids as integers, of which several are compared for each job: those of UUIDs are functions in
    Python."""
    refused: Mapping[UUID, Outcome]
    """Intents that the extension did not let through."""
    finished: Collection[int]
    """Ids as integers."""


class Store:
    """Speaks for one worker, which has no id before `register`."""

    def __init__(
        self, pool: AsyncConnectionPool[Any], lease: timedelta, extension: Extension | None
    ) -> None:
        self._pool = pool
        self._lease = lease
        self._extension = extension
        self._cursors = Cursors()
        self._worker = 0
        self._claims = 0
        self.last_arrival = 0
        self._next_whole = 0.0

    async def register(self, name: str) -> None:
        """Become a new worker; what an earlier one of this process holds is recovered."""
        await self._run(SQL.bind_first)
        rows = await self._run(SQL.register, {"name": name, "lease": self._lease})
        self._worker, self._claims = rows[0][0], 0

    async def renew(self, *, draining: bool) -> bool:
        """Extend the lease; False when others have taken over by now."""
        return bool(await self._run(SQL.renew, {"lease": self._lease, "draining": draining}))

    @property
    def channel(self) -> str:
        """Return where those who enqueue notify this worker."""
        return f"queue_{self._worker}"

    async def want_notices(self, *, wanted: bool) -> None:
        """Let those who enqueue notify this worker, or not."""
        await self._run(SQL.want_notices, {"wanted": wanted})

    async def leave(self) -> None:
        """Give everything back."""
        await self._run(SQL.leave)

    async def take_slots(self) -> list[int]:
        """Take this worker's share of the slots that have no owner; return the new ones."""
        async with self._connection() as connection:
            await connection.execute(SQL.end_lost_workers)
            rows = await connection.execute(SQL.take_slots, {"worker": self._worker})
            return [row[0] for row in await rows.fetchall()]

    async def surplus(self) -> int:
        """Count the slots above this worker's share."""
        rows = await self._run(SQL.surplus)
        return int(rows[0][0] or 0) if rows else 0

    async def give_slots(self, slots: Sequence[int]) -> None:
        """Leave slots to others."""
        await self._run(SQL.give_slots, {"slots": list(slots)})

    def token(self) -> int:
        """Return the token of the next claim; no other claim of any worker has it."""
        self._claims += 1
        return (self._worker << 32) + self._claims

    def session(self) -> Session:
        """Return a session for exchanges, to be closed by the caller."""
        return Session(self._pool)

    async def exchange(
        self,
        session: Session,
        results: Sequence[Result],
        intents: Sequence[Intent],
        repeated: Sequence[Intent],
        claims: Sequence[Claim],
        token: int,
    ) -> Exchanged:
        """Write outcomes and intents, and claim jobs, in one transaction.

        Whether the repeated ones of the intents were written before is not known.
        """
        refused: Mapping[UUID, Outcome] = {}
        async with session.connection() as connection:
            run = partial(self._cursors.run, connection)
            async with connection.pipeline():
                await run(BEGIN)
                known = await _begun(connection, repeated) if repeated else set()
                ended = await _finish(run, results) if results else None
                starts = await run(SQL.begin, _intents(intents)) if intents else None
                taken = await run(SQL.claim, self._claims_of(claims, token)) if claims else None
                if self._extension:
                    finished = await _finished(ended) if ended else {}
                    begun = await _ids(starts) if starts else set()
                    if begun or finished:
                        batch = _batch(results, intents, finished, begun)
                        refused = await self._extension(connection, batch)
                    if refused:
                        await connection.execute(SQL.refuse, {"ids": list(refused)})
                await run(COMMIT)
            # All answers have come by now, in one round trip where there is no extension.
            if not self._extension:
                finished = await _finished(ended) if ended else {}
                begun = await _ids(starts) if starts else set()
            claimed = [_claimed(row, token) for row in await taken.fetchall()] if taken else []
        return Exchanged(claimed, begun | known, refused, finished.keys())

    def _claims_of(self, claims: Sequence[Claim], token: int) -> dict[str, Any]:
        return {
            "worker": self._worker,
            "token": token,
            "buckets": [claim.bucket.id for claim in claims],
            "counts": [claim.most for claim in claims],
            "priorities": [claim.bucket.position[0] for claim in claims],
            "dues": [claim.bucket.position[1] for claim in claims],
            "ids": [claim.bucket.position[2] for claim in claims],
        }

    def is_own(self, token: int) -> bool:
        """Return whether a claim is of this worker."""
        return token >> 32 == self._worker

    async def take(self, wanted: Mapping[UUID, int], token: int) -> list[Claimed]:
        """Take jobs, given with the tokens of their claims, which another worker may have made.

        Returns those that nobody has taken or begun.
        """
        values = {"ids": list(wanted), "tokens": list(wanted.values()), "token": token}
        return [_claimed(row, token) for row in await self._run(SQL.take, values)]

    async def tokens(self, ids: Collection[UUID]) -> dict[UUID, int]:
        """Return the tokens of those of the jobs that are claimed."""
        return dict(await self._run(SQL.tokens, {"ids": list(ids)}))

    async def release(self, tokens: Sequence[int]) -> None:
        """Undo claims whose answer was lost."""
        await self._run(SQL.release, {"tokens": list(tokens)})

    async def recover(self, longest: timedelta, most_losses: int) -> int:
        """Settle what workers left that are gone, or hold too long; return how many jobs."""
        values = {
            "longest": longest,
            "most_losses": most_losses,
            "apart": APART,
            "most": BATCH,
        }
        return await self._settle(SQL.recover, values)

    async def _settle(self, query: str, values: Mapping[str, Any]) -> int:
        """Settle jobs that no handler has, and return how many; some may wait again."""
        async with self._connection() as connection:
            async with connection.cursor(binary=True) as cursor:
                await cursor.execute(query, values)
                rows = await cursor.fetchall()
            settled = [_settled(row) for row in rows if row[5]]
            if self._extension and settled:
                async with connection.pipeline():
                    await self._extension(connection, Batch((), settled))
        return len(rows)

    async def is_bound(self) -> bool:
        """Return whether database and timeline are those that the queue is bound to."""
        return bool((await self._run(SQL.is_bound))[0][0])

    async def expire(self) -> int:
        """Settle jobs whose life ended while they waited; return how many."""
        return await self._settle(SQL.expire, {"most": BATCH})

    async def look(
        self, session: Session, slots: Sequence[int], since: datetime | None, *, is_whole: bool
    ) -> Found:
        """Return what came since the last call; a whole look also makes due jobs ready first.

        It also finds the buckets of the slots whose hold ended after `since` (None: ever).

        Rows that were read stay in the index while an old transaction is open. So the whole index
        is read only as often as that costs little; otherwise its end, where new rows are. What was
        committed out of order is found by the next reading of the whole.
        """
        began = time.monotonic()
        is_all = began >= self._next_whole
        values = {
            "slots": list(slots),
            "most": 10 * BATCH,
            "after": 0 if is_all else self.last_arrival - BATCH,
        }
        async with session.connection() as connection:
            run = partial(self._cursors.run, connection)
            async with connection.pipeline():  # one transaction, as it has no `begin`
                if is_whole:
                    await run(SQL.due_jobs, {"slots": list(slots), "most": BATCH})
                arrived = await run(SQL.arrivals, values)
                if is_whole:
                    released = {"ids": [], "slots": list(slots), "since": since}
                    ended = await run(SQL.buckets, released)
            rows = await arrived.fetchall()
            buckets = await ended.fetchall() if is_whole else []
        if is_all:
            self._next_whole = began + (time.monotonic() - began) * SHARE
        self.last_arrival = max([self.last_arrival, *(row[5] for row in rows)])
        arrivals = [
            Arrival(id_, START if is_changed else (priority, due_at, UUID(int=0)), jobs, is_changed)
            for id_, priority, due_at, jobs, is_changed, _ in rows
        ]
        return Found(arrivals, *_buckets(buckets, since))

    async def buckets(
        self, *, ids: Sequence[int], slots: Sequence[int], since: datetime | None
    ) -> tuple[list[BucketRow], datetime | None]:
        """Return buckets by id, and those of slots whose hold ended after `since` (None: ever).

        Also returns the time to give as `since` the next time.
        """
        values = {"ids": list(ids), "slots": list(slots), "since": since}
        return _buckets(await self._run(SQL.buckets, values), since)

    async def age(self, ids: Sequence[int], ageing: timedelta) -> None:
        """Move jobs one class up that have been due, and their buckets not held, for so long."""
        values = {"ids": list(ids), "ageing": ageing, "each": AGED, "most": BATCH}
        await self._run(SQL.age, values)

    async def empty(self, ids: Sequence[int]) -> set[int]:
        """Mark buckets as empty and return those that are."""
        return {row[0] for row in await self._run(SQL.empty, {"ids": list(ids)})}

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        async with self._pool.connection() as connection:
            try:
                yield connection
            except errors.ReadOnlySqlTransaction:
                await connection.close()  # to a server that is not the primary any more
                raise

    async def _run(self, query: str, values: dict[str, Any] | None = None) -> list[Any]:
        async with self._connection() as connection, connection.cursor(binary=True) as cursor:
            await cursor.execute(query, {"worker": self._worker, **(values or {})})
            return await cursor.fetchall() if cursor.description else []


def _buckets(
    rows: Sequence[tuple[Any, ...]], since: datetime | None
) -> tuple[list[BucketRow], datetime | None]:
    return [BucketRow(*row[:5]) for row in rows], rows[0][5] if rows else since


async def _begun(connection: AsyncConnection[Any], intents: Sequence[Intent]) -> set[int]:
    values = {
        "ids": [intent.job.id for intent in intents],
        "tokens": [intent.job.token for intent in intents],
    }
    return await _ids(await connection.execute(SQL.begun, values))


def _intents(intents: Sequence[Intent]) -> dict[str, Any]:
    return {
        "ids": [intent.job.id for intent in intents],
        "tokens": [intent.job.token for intent in intents],
        "notes": _array(writable(intent.note) for intent in intents),
    }


async def _finish(run: Run, results: Sequence[Result]) -> AsyncCursor[Any]:
    moved = [one for one in results if one.outcome.bucket is not None]
    if moved:
        named = {
            "sources": [one.job.bucket_id for one in moved],
            "names": [writable(one.outcome.bucket) for one in moved],
        }
        await run(SQL.make_buckets, named)
    outcomes = [one.outcome for one in results]
    values: dict[str, Any] = {
        "ids": [one.job.id for one in results],
        "tokens": [one.job.token for one in results],
        "notes": _array(writable(one.note) for one in outcomes),
    }
    if all(map(_is_just_done, outcomes)):
        return await run(SQL.finish_done, values)
    return await run(
        SQL.finish,
        {
            **values,
            "states": _array((one.state.value for one in outcomes), "done"),
            "reasons": _array(writable(one.reason) for one in outcomes),
            "delays": _array((min(max(one.delay, NONE), LONGEST) for one in outcomes), NONE),
            "spent": _array((min(max(one.spent, 0), MOST_SPENT) for one in outcomes), 1),
            "words": _array(writable(one.words) for one in outcomes),
            "buckets": _array(writable(one.bucket) for one in outcomes),
            "lives": _array(one.life and min(one.life, LONGEST) for one in outcomes),
        },
    )


def _is_just_done(outcome: Outcome) -> bool:
    return outcome.state is State.DONE and (outcome.reason, outcome.spent) == (None, 1)


async def _finished(cursor: AsyncCursor[Any]) -> dict[int, bool]:
    """Return the jobs whose results were written, each with whether its intent was committed."""
    return {id_.int: has_begun for id_, has_begun in await cursor.fetchall()}


async def _ids(cursor: AsyncCursor[Any]) -> set[int]:
    return {row[0].int for row in await cursor.fetchall()}


def _batch(
    results: Sequence[Result],
    intents: Sequence[Intent],
    finished: Mapping[int, bool],
    begun: Collection[int],
) -> Batch:
    return Batch(
        [intent for intent in intents if intent.job.id.int in begun],
        [
            one if has_begun else Result(one.job, one.outcome)
            for one in results
            if (has_begun := finished.get(one.job.id.int)) is not None
        ],
    )


def _array(values: Iterable[Value | None], usual: Value | None = None) -> list[Value | None] | None:
    """Return a parameter: null if it would have nothing but what the statement takes null for."""
    array = list(values)
    return array if any(value != usual for value in array) else None


def _claimed(row: Sequence[Any], token: int) -> Claimed:
    id_, bucket_id, priority, due_at, tenant_id, attempts, is_expired, body = row
    job = Job(id_, tenant_id, bucket_id, token, attempts, body)
    return Claimed(job, (priority, due_at, id_), is_expired)


def _settled(row: Sequence[Any]) -> Result:
    id_, tenant_id, bucket_id, token, attempts, state, reason = row
    job = Job(id_, tenant_id, bucket_id, token, attempts, b"")
    return Result(job, Outcome(State(state), reason))
