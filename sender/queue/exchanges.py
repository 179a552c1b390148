"""What a worker writes, and claims meanwhile: batches of results and of intents.

Nothing in hand is given up: what could not be written is written with a later batch. Where one row
may be the cause, batches are halved until it is alone, and it waits apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import structlog

from sender.queue.attempts import Lost, Refused
from sender.queue.buckets import Claim
from sender.queue.model import Intent, Result, State
from sender.queue.outages import AWAY, Outage, may_be_one_row
from sender.queue.session import Session
from sender.queue.settings import Settings
from sender.queue.store import Claimed, Exchanged, Store

LEAST = 32
"""Results below which an exchange of its own costs more than it saves."""
ENOUGH = 8
"""As soon as results, or intents, wait for one in so many jobs that handlers have, they are
written. With fewer, handlers wait for exchanges on a machine that has time; with more, exchanges
are so small that they cost more."""
APART = 1.0
"""Seconds between two attempts to write a result that cannot be written."""
log = structlog.get_logger(__name__)


class Claims(Protocol):
    """What claims jobs with an exchange."""

    @property
    def held(self) -> int:
        """Count the jobs that have no outcome in the database."""

    def plan(self, ending: Sequence[Result]) -> list[Claim]:
        """Return the claims of an exchange that writes results."""

    def claimed(self, claims: Sequence[Claim], found: Sequence[Claimed], ending: int) -> None:
        """Take what was claimed with so many results."""

    def failed(self, claims: Sequence[Claim], token: int, ending: int) -> None:
        """Whether anything was claimed is not known."""

    def ended(self, result: Result) -> None:
        """A result is in the database."""


@dataclass(frozen=True, slots=True)
class Unwritten:
    """Results in hand that are not in the database yet."""

    count: int
    seconds: float
    """How long none was written."""


@dataclass(slots=True)
class Pending:
    """An intent that a handler waits for."""

    intent: Intent
    written: asyncio.Future[None]
    is_repeated: bool = False
    """It may have been written."""


@dataclass(slots=True)
class Writes:
    """What one exchange writes."""

    results: list[Result] = field(default_factory=list)
    intents: list[Pending] = field(default_factory=list)
    is_apart: bool = False

    def __len__(self) -> int:
        """Count rows."""
        return len(self.results) + len(self.intents)


class Exchanges:
    """The exchanges of one worker with the database."""

    def __init__(self, store: Store, settings: Settings, claims: Claims, outage: Outage) -> None:
        self._store = store
        self._settings = settings
        self._claims = claims
        self._outage = outage
        self._results: deque[Result] = deque()
        self._intents: deque[Pending] = deque()
        self._apart: deque[Result] = deque()
        self._apart_at = 0.0
        self._fenced: set[UUID] = set()
        """Jobs whose result found no row, once."""
        self._in_exchanges = 0
        """Results that are being written."""
        self._stuck_since = 0.0
        """When the last one was written, or the first one came since then."""
        self._most = settings.at_risk
        self._turn = asyncio.Lock()
        """Of the exchange that is next: it waits for what it writes, the others for their turn."""
        self._enough = 0
        """Jobs that the next exchange waits for; 0: it does not wait for any."""
        self._share = max(LEAST, -(-settings.at_risk // settings.exchanges))
        """Results that one exchange writes at most, so that the others work meanwhile."""
        self.work = asyncio.Event()
        """There is something to do."""

    async def run(self, ended: asyncio.Event) -> None:
        """Exchange until `ended` is set."""
        session = self._store.session()
        try:
            while not ended.is_set():
                async with self._turn:
                    await self._gather()
                    writes = self._next()
                    is_whole = not writes.is_apart and self._most == self._settings.at_risk
                    claims = self._claims.plan(writes.results) if is_whole or not writes else []
                    if not (writes or claims):
                        self.work.clear()
                        await pause(self.work, self._settings.poll)
                        continue
                await self._exchange(session, writes, claims)
        finally:
            await session.close()

    async def begin(self, intent: Intent) -> None:
        """Return when an intent is committed; raises Lost and Refused."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._intents.append(Pending(intent, written))
        if self._rows >= self._enough:
            self.work.set()
        await written

    def finish(self, result: Result) -> None:
        """Write a result with the next batch."""
        if not (self._results or self._in_exchanges or self._apart):
            self._stuck_since = time.monotonic()
        self._results.append(result)
        if self._enough and self._rows >= self._enough:
            self.work.set()

    @property
    def waiting(self) -> int:
        """Count the results of the next batches."""
        return len(self._results)

    def age(self) -> Unwritten:
        """Return how many results are in hand, and for how long none of them could be written."""
        count = len(self._results) + self._in_exchanges + len(self._apart)
        return Unwritten(count, time.monotonic() - self._stuck_since if count else 0.0)

    def unwritten(self) -> list[Result]:
        """Return the results that are in no exchange."""
        return [*self._results, *self._apart]

    @property
    def _rows(self) -> int:
        """Count the jobs that wait: those with an intent have an outcome in a later exchange."""
        return max(len(self._results), len(self._intents))

    async def _gather(self) -> None:
        """Wait for more to write where more is to come: an exchange costs as much as 50 rows."""
        enough = (self._claims.held - len(self._results) - self._in_exchanges) // ENOUGH
        if self._rows >= enough:
            return
        self._enough = enough
        try:
            self.work.clear()
            await pause(self.work, self._settings.gather)
        finally:
            self._enough = 0

    async def _let_handlers_end(self) -> None:
        """Let handlers that wait for nothing end, so that their results go with the next claims."""
        before = -1
        while len(self._results) != before:
            before = len(self._results)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def _next(self) -> Writes:
        if self._apart and asyncio.get_running_loop().time() >= self._apart_at:
            return Writes([self._apart.popleft()], is_apart=True)
        writes = Writes()
        for _ in range(min(self._most, self._share, len(self._results))):
            writes.results.append(self._results.popleft())
        while self._intents and len(writes) < self._most:
            pending = self._intents.popleft()
            if not pending.written.done():  # its handler was not ended meanwhile
                writes.intents.append(pending)
        return writes

    async def _exchange(self, session: Session, writes: Writes, claims: Sequence[Claim]) -> None:
        token = self._store.token()
        self._in_exchanges += len(writes.results)
        try:
            done = await self._store.exchange(
                session,
                writes.results,
                [one.intent for one in writes.intents],
                [one.intent for one in writes.intents if one.is_repeated],
                claims,
                token,
            )
        except BaseException as error:
            self._in_exchanges -= len(writes.results)
            self._put_back(writes)
            if claims:
                self._claims.failed(claims, token, len(writes.results))
            if not isinstance(error, Exception):
                raise
            self._failed(writes, error)
            await asyncio.sleep(self._settings.poll)
            return
        self._in_exchanges -= len(writes.results)
        if writes.results:
            self._stuck_since = time.monotonic()
        self._outage.over()
        self._most = min(self._settings.at_risk, 2 * self._most)
        self._written(writes, done)
        self._claims.claimed(claims, done.claimed, len(writes.results))
        await self._let_handlers_end()

    def _written(self, writes: Writes, done: Exchanged) -> None:
        for result in writes.results:
            is_fenced = result.job.id.int not in done.finished
            if is_fenced and result.job.id not in self._fenced:
                # It may have become `unknown` meanwhile, which only a later statement sees.
                self._fenced.add(result.job.id)
                self._results.append(result)
                continue
            if self._fenced:
                self._fenced.discard(result.job.id)
            self._claims.ended(result)
            if is_fenced and result.outcome.state is not State.RELEASED:
                log.warning(
                    "queue.outcome_fenced",
                    job=str(result.job.id),
                    state=result.outcome.state.value,
                )
        for pending in writes.intents:
            id_, written = pending.intent.job.id, pending.written
            if written.done():
                continue
            if done.refused and id_ in done.refused:
                written.set_exception(Refused(done.refused[id_]))
            elif id_.int in done.begun:
                written.set_result(None)
            else:
                written.set_exception(Lost())

    def _put_back(self, writes: Writes) -> None:
        if writes.is_apart:
            self._apart.extend(writes.results)
            self._apart_at = asyncio.get_running_loop().time() + APART
            return
        self._results.extendleft(reversed(writes.results))
        for pending in writes.intents:
            pending.is_repeated = True
        self._intents.extendleft(reversed(writes.intents))

    def _failed(self, writes: Writes, error: Exception) -> None:
        if isinstance(error, AWAY):
            self._outage.failed(error)
        else:
            log.error("queue.exchange_failed", rows=len(writes), exc_info=error)
        if not may_be_one_row(error) or writes.is_apart:
            return
        if len(writes) > 1:
            self._most = len(writes) // 2
        elif writes.results:
            result = self._results.popleft()
            log.error("queue.outcome_not_written", job=str(result.job.id), error=str(error))
            self._apart.append(result)
        elif writes.intents:
            pending = self._intents.popleft()
            if isinstance(error, AWAY):  # others hold its row
                self._intents.append(pending)
            elif not pending.written.done():
                pending.written.set_exception(error)


async def pause(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, but not for long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):  # unlike `wait_for`, it never loses a cancellation
            await event.wait()
