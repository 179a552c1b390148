"""Claims jobs in batches, calls the handler once for each, and writes outcomes in batches.

What a worker remembers only saves work. One that is killed loses nothing: its jobs are recovered
when its lease is over, and none of them is tried again once its intent is written.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from sender.queue.buckets import Bucket, Buckets, Claim, Credit
from sender.queue.model import DONE, EXPIRED, RELEASED, Job, Outcome, State
from sender.queue.retries import delay
from sender.queue.store import Claimed, Intent, Store

AWAY = (OperationalError, PoolTimeout, OSError)
"""The database is not there, or gave up: waiting helps."""
FLUSH = 0.005
"""Seconds for which outcomes and intents wait for others."""
LOOKS = 10
"""Looks for jobs for each look at the other workers."""
Answer = TypeVar("Answer")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Settings:
    """How a worker works; times are in seconds."""

    concurrency: int = 64
    """Handlers at the same time."""
    at_risk: int = 200
    """Jobs that are claimed and whose outcome is not in the database yet, at most."""
    exchanges: int = 2
    """Round trips to the database at the same time; of two, one may overtake the other."""
    poll: float = 0.1
    """Between two looks for jobs that came without a wake-up."""
    lease: float = 30.0
    time_limit: float = 60.0
    """Of one call of the handler."""
    longest: float = 900.0
    """How long a job may be held: longer than any handler."""
    ageing: float = 600.0
    """A job that has been due for so long, without a hold, is moved one class up."""
    most_losses: int = 5
    """A job that so many workers were lost with is dead."""
    grace: float = 30.0
    """How long a stop waits for handlers."""


class Lost(Exception):
    """The intent is not written, or the job is another worker's by now: nothing may be done."""


class Attempt:
    """A job in the hands of its handler."""

    __slots__ = ("_worker", "has_begun", "job")

    def __init__(self, job: Job, worker: Worker) -> None:
        """Belong to a worker."""
        self.job = job
        self.has_begun = False
        self._worker = worker

    async def begin(self, note: str | None = None) -> None:
        """Commit the intent: if its outcome is lost from here on, the job is `unknown`.

        Raises Lost.
        """
        await self._worker.begin(Intent(self.job, note))
        self.has_begun = True

    def broken_off(self, reason: str, words: str | None = None) -> Outcome:
        """Return the outcome of a handler that did not return one."""
        if self.has_begun:
            return Outcome(State.UNKNOWN, reason, words)
        return Outcome(State.RETRY, reason, words, delay(self.job.attempts + 1))


Handler = Callable[[Attempt], Awaitable[Outcome | None]]
"""Says what became of a job; None is `done`."""


def unlimited(_bucket: Bucket) -> int:
    """Give every bucket credit."""
    return 1_000_000


@dataclass
class Worker:
    """One process that works on the queue."""

    pool: AsyncConnectionPool[Any]
    name: str
    handler: Handler
    settings: Settings = field(default_factory=Settings)
    credit: Credit = unlimited
    _buckets: Buckets = field(default_factory=Buckets)
    _slots: set[int] = field(default_factory=set)
    _leaving: set[int] = field(default_factory=set)
    """Slots that are given to others as soon as no job of theirs is held."""
    _since: datetime | None = None
    _held: Counter[int] = field(default_factory=Counter)
    """By slot: jobs without an outcome in the database."""
    _asked: int = 0
    """Jobs that claims on their way may bring."""
    _ahead: deque[Job] = field(default_factory=deque)
    """Claimed; no handler runs yet."""
    _running: dict[asyncio.Task[None], float] = field(default_factory=dict)
    """When each began, in this order."""
    _outcomes: deque[tuple[Job, Outcome]] = field(default_factory=deque)
    _intents: deque[tuple[Intent, asyncio.Future[None]]] = field(default_factory=deque)
    _full: dict[int, float] = field(default_factory=dict)
    """Since when each bucket has had jobs at every look."""
    _doubtful: list[int] = field(default_factory=list)
    """Tokens of claims whose answer was lost."""
    _work: asyncio.Event = field(default_factory=asyncio.Event)
    _look: asyncio.Event = field(default_factory=asyncio.Event)
    _draining: bool = False
    _bound: bool = True
    """False after a restore or a promotion, until people accept it: nothing is claimed."""

    def __post_init__(self) -> None:
        """Register nothing yet."""
        self._store = Store(self.pool, timedelta(seconds=self.settings.lease))

    def wake(self) -> None:
        """Look for jobs now: a hint that there are some."""
        self._look.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then let handlers end, give the rest back, and return."""
        await self._until_done(lambda: self._store.register(self.name))
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_lease(ended))
            group.create_task(self._look_for_jobs(stop))
            for _ in range(self.settings.exchanges):
                group.create_task(self._exchange_all(ended))
            await stop.wait()
            await self._drain()
            ended.set()
        await self._until_done(self._store.leave)

    async def begin(self, intent: Intent) -> None:
        """Commit an intent together with others; raises Lost."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._intents.append((intent, written))
        self._work.set()
        await written

    async def _drain(self) -> None:
        self._draining = True
        self._give_back()
        if self._running:
            await asyncio.wait(list(self._running), timeout=self.settings.grace)
        for task in self._running:
            task.cancel()
        while self._asked or self._held.total():
            self._work.set()
            await asyncio.sleep(FLUSH)
            self._give_back()

    def _give_back(self) -> None:
        while self._ahead:
            self._outcomes.append((self._ahead.pop(), RELEASED))

    # The lease and the slots

    async def _keep_lease(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            self._cancel_late()
            try:
                if not await self._store.renew(draining=self._draining):
                    log.warning("queue.lease_lost", worker=self.name)
                    self._forget(self._slots)
                    self._slots.clear()
                    await self._store.register(self.name)
            except AWAY as error:
                log.warning("queue.lease_not_renewed", error=str(error))
            await _pause(ended, min(self.settings.lease / 5, self.settings.time_limit))

    def _cancel_late(self) -> None:
        limit = asyncio.get_running_loop().time() - self.settings.time_limit
        for task, began in list(self._running.items()):
            if began > limit:
                break
            task.cancel()

    async def _share_slots(self) -> None:
        new = await self._store.take_slots()
        if new:
            self._slots.update(new)
            rows, self._since = await self._store.buckets(ids=(), slots=new, since=None)
            self._buckets.serve(rows)
        surplus = 0 if new else await self._store.surplus()
        if surplus > len(self._leaving):
            least = sorted(self._slots - self._leaving, key=self._held.__getitem__)
            self._leaving.update(least[: surplus - len(self._leaving)])
            self._forget(self._leaving)
        free = [slot for slot in self._leaving if not self._held[slot]]
        if free and not self._asked:
            self._slots.difference_update(free)
            self._leaving.difference_update(free)
            await self._store.give_slots(free)

    def _forget(self, slots: set[int]) -> None:
        self._buckets.forget(self._buckets.of_slots(slots))

    # Looking for jobs

    async def _look_for_jobs(self, stop: asyncio.Event) -> None:
        looks = 0
        while not stop.is_set():
            self._look.clear()
            try:
                if looks % LOOKS == 0:
                    await self._tidy()
                await self._find_jobs()
            except AWAY as error:
                log.warning("queue.database_away", error=str(error))
            looks += 1
            await _pause(self._look, self.settings.poll)

    async def _find_jobs(self) -> None:
        slots = sorted(self._slots - self._leaving)
        await self._store.move_due(slots)
        unknown = self._buckets.arrived(await self._store.arrivals(slots))
        rows, self._since = await self._store.buckets(ids=unknown, slots=slots, since=self._since)
        self._buckets.serve(rows)
        self._work.set()

    async def _tidy(self) -> None:
        bound = await self._store.is_bound()
        if bound != self._bound:
            log.warning("queue.database_accepted" if bound else "queue.database_restored")
            self._bound = bound
        longest = timedelta(seconds=self.settings.longest)
        await self._store.recover(longest, self.settings.most_losses)
        if self._doubtful:
            tokens = self._doubtful[:]
            await self._store.release(tokens)
            del self._doubtful[: len(tokens)]
        await self._share_slots()
        await self._age()
        dry = self._buckets.dry()
        if dry:
            empty = await self._store.empty([bucket.id for bucket in dry])
            self._buckets.forget(b for b in dry if b.id in empty and not b.expected)
            for bucket in dry:
                if bucket.id not in empty:
                    self._buckets.reset(bucket)

    async def _age(self) -> None:
        now = asyncio.get_running_loop().time()
        served = self._buckets.served()
        self._full = {id_: self._full.get(id_, now) for id_ in served}
        old = [id_ for id_, since in self._full.items() if since <= now - self.settings.ageing]
        if old:
            await self._store.age(old, timedelta(seconds=self.settings.ageing))

    # Exchanges with the database

    async def _exchange_all(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            outcomes = _first(self._outcomes, self.settings.at_risk)
            intents = _first(self._intents, self.settings.at_risk)
            claims = self._plan(len(outcomes))
            if outcomes or intents or claims:
                await self._exchange(outcomes, intents, claims)
            else:
                self._work.clear()
                await _pause(self._work, self.settings.poll)

    def _plan(self, ending: int) -> list[Claim]:
        if self._draining or not self._bound:
            return []
        free = self.settings.at_risk - self._held.total() - self._asked + ending
        return self._buckets.plan(max(free, 0), self.credit)

    async def _exchange(
        self,
        outcomes: Sequence[tuple[Job, Outcome]],
        intents: Sequence[tuple[Intent, asyncio.Future[None]]],
        claims: Sequence[Claim],
    ) -> None:
        asked = sum(claim.most for claim in claims)
        self._asked += asked
        token = self._store.token()
        try:
            done = await self._store.exchange(
                outcomes, [intent for intent, _ in intents], claims, token
            )
        except AWAY as error:
            log.warning("queue.database_away", error=str(error))
            self._failed(outcomes, intents, claims, token)
            await asyncio.sleep(self.settings.poll)
            return
        finally:
            self._asked -= asked
        for job, outcome in outcomes:
            self._held[job.tenant_id.bytes[15]] -= 1
            self._buckets.ended(job.bucket_id)
            if job.id not in done.finished:
                log.warning("queue.outcome_fenced", job=str(job.id), state=outcome.state.value)
        for intent, written in intents:
            if written.done():
                continue
            if intent.job.id in done.begun:
                written.set_result(None)
            else:
                written.set_exception(Lost())
        self._take(claims, done.claimed)

    def _failed(
        self,
        outcomes: Sequence[tuple[Job, Outcome]],
        intents: Sequence[tuple[Intent, asyncio.Future[None]]],
        claims: Sequence[Claim],
        token: int,
    ) -> None:
        """Keep outcomes, refuse intents, undo claims: whether anything was written is not known."""
        self._outcomes.extendleft(reversed(outcomes))
        for _, written in intents:
            if not written.done():
                written.set_exception(Lost())
        if claims:
            self._doubtful.append(token)
            self._buckets.failed(claims)

    def _take(self, claims: Sequence[Claim], claimed: Sequence[Claimed]) -> None:
        owners = [one.job.bucket_id for one in claimed]
        self._buckets.claimed(claims, [one.position for one in claimed], owners)
        for one in claimed:
            self._held[one.job.tenant_id.bytes[15]] += 1
            if one.is_expired:
                self._outcomes.append((one.job, EXPIRED))
            else:
                self._ahead.append(one.job)
        self._start()

    # Handlers

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        while self._ahead and len(self._running) < self.settings.concurrency and not self._draining:
            task = loop.create_task(self._call(self._ahead.popleft()))
            self._running[task] = loop.time()
            task.add_done_callback(self._ended)

    async def _call(self, job: Job) -> None:
        attempt = Attempt(job, self)
        try:
            outcome = await self.handler(attempt) or DONE
        except Lost:
            outcome = Outcome(State.RETRY, "intent_lost", delay=delay(1), spent=0)
        except asyncio.CancelledError:
            is_untried = self._draining and not attempt.has_begun
            outcome = RELEASED if is_untried else attempt.broken_off("time_limit")
        except Exception as error:
            log.exception("queue.handler_failed", job=str(job.id))
            outcome = attempt.broken_off("handler_failed", type(error).__name__)
        self._outcomes.append((job, outcome))

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        if self._ahead:
            self._start()
        if not self._running or len(self._outcomes) * 2 >= self.settings.at_risk:
            self._work.set()

    async def _until_done(self, step: Callable[[], Awaitable[Answer]]) -> Answer:
        while True:
            try:
                return await step()
            except AWAY as error:
                log.warning("queue.database_away", error=str(error))
                await asyncio.sleep(self.settings.poll)


def _first(waiting: deque[Answer], most: int) -> list[Answer]:
    return [waiting.popleft() for _ in range(min(len(waiting), most))]


async def _pause(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
