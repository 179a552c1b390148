"""Claims jobs in batches, calls the handler once for each, and writes outcomes in batches.

What a worker remembers only saves work. One that is killed loses nothing: its jobs are recovered
when its lease is over, and none of them is tried again once its intent is written.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from sender.queue import outcomes_file
from sender.queue.ageing import Ageing
from sender.queue.attempts import Handler
from sender.queue.buckets import Buckets, Claim, Credit, OnInWork, ignore_in_work, unlimited
from sender.queue.exchanges import Exchanges, pause
from sender.queue.extension import Extension
from sender.queue.handlers import Handlers
from sender.queue.lists import Lists
from sender.queue.model import EXPIRED, RELEASED, Job, Result, State
from sender.queue.notices import Notices
from sender.queue.outages import AWAY, Outage
from sender.queue.session import Session
from sender.queue.settings import Settings
from sender.queue.source import Direct, Source
from sender.queue.store import Claimed, Store
from sender.queue.upkeep import Upkeep

FLUSH = 0.005
"""Seconds for which outcomes and intents wait for others."""
LOOKS = 10
"""Looks for jobs for each look at the other workers."""
FIRST_UPKEEP = 10.0
"""Seconds after the start."""
log = structlog.get_logger(__name__)


@dataclass
class Worker:
    """One process that works on the queue."""

    pool: AsyncConnectionPool[Any]
    name: str
    handler: Handler
    settings: Settings = field(default_factory=Settings)
    credit: Credit = unlimited
    extension: Extension | None = None
    on_in_work: OnInWork = ignore_in_work
    on_ended_elsewhere: Callable[[int], None] = lambda _bucket_id: None
    """Is called with the bucket of a job that this worker has claimed and another one handled."""
    progress: Callable[[], None] = lambda: None
    """Is called at each look for jobs."""
    lists: Redis | None = None
    """Jobs wait in its lists; None: in memory."""
    _slots: set[int] = field(default_factory=set)
    _leaving: set[int] = field(default_factory=set)
    """Slots that are given to others as soon as no job of theirs is held."""
    _since: datetime | None = None
    _held: Counter[int] = field(default_factory=Counter)
    """By slot: jobs without an outcome in the database."""
    _asked: int = 0
    """Jobs that claims on their way may bring above the results that are committed with them."""
    _claiming: int = 0
    """Exchanges on their way that claim jobs."""
    _ageing: Ageing = field(default_factory=Ageing)
    _doubtful: list[int] = field(default_factory=list)
    """Tokens of claims whose answer was lost."""
    _look: asyncio.Event = field(default_factory=asyncio.Event)
    _kept: set[UUID] = field(default_factory=set)
    """Jobs whose outcomes are in files that an earlier stop has written."""
    _kept_files: outcomes_file.Kept = field(default_factory=outcomes_file.Kept)
    _draining: bool = False
    _expired: float = 0.0
    """When jobs were last searched whose life has ended."""
    _bound: bool = True
    """False after a restore or a promotion, until people accept it: nothing is claimed."""
    _is_stale: bool = False
    """What was read last is lost: everything is read again."""
    _outage: Outage = field(default_factory=Outage)

    def __post_init__(self) -> None:
        """Register nothing yet."""
        lease = timedelta(seconds=self.settings.lease)
        self._store = Store(self.pool, lease, self.extension)
        self._buckets = Buckets(self.on_in_work)
        self._exchanges = Exchanges(self._store, self.settings, self, self._outage)
        self.unwritten = self._exchanges.age
        """Returns how many outcomes are not in the database yet, and for how long."""
        self._source: Source = (
            Direct()
            if self.lists is None
            else Lists(self.lists, self._store, self, self.settings.poll)
        )
        self._handlers = Handlers(self.handler, self.settings, self._source, self._exchanges)
        self._notices = Notices(self.pool, self._store, self.wake)
        self._upkeep = Upkeep(self.pool, self.settings)

    @property
    def slots(self) -> frozenset[int]:
        """The slots whose tenants this worker serves."""
        return frozenset(self._slots)

    def wake(self) -> None:
        """Look for jobs now: a hint that there are some."""
        self._look.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then let handlers end, give the rest back, and return."""
        await self._until_done(lambda: self._store.register(self.name), stop)
        self._take_kept()
        ended = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_lease(ended))
                group.create_task(self._look_for_jobs(stop))
                beside = [
                    group.create_task(self._notices.listen()),
                    group.create_task(self._keep_up()),
                    group.create_task(self._source.run(stop)),
                ]
                exchanging = [
                    group.create_task(self._exchanges.run(ended))
                    for _ in range(self.settings.exchanges)
                ]
                await stop.wait()
                self.wake()
                for task in beside if await self._drain() else beside + exchanging:
                    task.cancel()
                ended.set()
        finally:
            self._handlers.cancel()
            self._keep_results()
        await self._until_done(self._store.leave, ended)

    async def _drain(self) -> bool:
        """Return whether everything is written."""
        self._draining = True
        self._give_back()
        await self._handlers.end()
        loop = asyncio.get_running_loop()
        end = loop.time() + self.settings.last_writes
        while self._claiming or self.held:
            if self.settings.outcomes_file and loop.time() > end:
                return False
            self._exchanges.work.set()
            await asyncio.sleep(FLUSH)
            self._give_back()
        return True

    def _give_back(self) -> None:
        for job in self._source.give_back():
            self._exchanges.finish(Result(job, RELEASED))

    # Results that a stop could not write

    def _keep_results(self) -> None:
        path = self.settings.outcomes_file
        kept = [
            one for one in self._exchanges.unwritten() if one.outcome.state is not State.RELEASED
        ]
        if not kept or path is None:
            return
        try:
            file = outcomes_file.save(path, kept)
        except OSError:  # what has an intent becomes `unknown`: this says what people may resolve
            outcomes = {str(one.job.id): one.outcome.state.value for one in kept}
            log.exception("queue.outcomes_not_kept", file=str(path), outcomes=outcomes)
        else:
            log.warning("queue.outcomes_kept", file=str(file), count=len(kept))

    def _take_kept(self) -> None:
        if self.settings.outcomes_file is None:
            return
        self._kept_files = outcomes_file.load(self.settings.outcomes_file)
        for result in self._kept_files.results:
            self._kept.add(result.job.id)
            self._held[result.job.slot] += 1
            self._buckets.hold(result.job.bucket_id)
            self._exchanges.finish(result)
        if not self._kept:
            self._kept_files.settle()

    def _written(self, result: Result) -> None:
        self._kept.discard(result.job.id)
        if not self._kept:
            self._kept_files.settle()

    # The lease and the slots

    async def _keep_lease(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            self._handlers.cancel_late()
            try:
                if not await self._store.renew(draining=self._draining):
                    log.warning("queue.lease_lost", worker=self.name)
                    self._buckets.forget(self._buckets.of_slots(self._slots))
                    self._slots.clear()
                    await self._store.register(self.name)
                self._outage.over()
            except AWAY as error:
                self._outage.failed(error)
            except Exception:
                log.exception("queue.lease_not_renewed", worker=self.name)
            await pause(ended, min(self.settings.lease / 5, self.settings.time_limit))

    async def _share_slots(self) -> None:
        new = await self._store.take_slots()
        if new:
            self._slots.update(new)
            rows, at = await self._store.buckets(ids=(), slots=new, since=None)
            self._buckets.serve(rows)
            self._since = self._since or at  # the slots of before were not looked at
        surplus = 0 if new else await self._store.surplus()
        if surplus > len(self._leaving):
            least = sorted(self._slots - self._leaving, key=self._held.__getitem__)
            self._leaving.update(least[: surplus - len(self._leaving)])
            self._buckets.forget(self._buckets.of_slots(self._leaving))
        free = [slot for slot in self._leaving if not self._held[slot]]
        if free and not self._claiming:
            self._slots.difference_update(free)
            self._leaving.difference_update(free)
            await self._store.give_slots(free)

    # Looking for jobs

    async def _look_for_jobs(self, stop: asyncio.Event) -> None:
        session = self._store.session()
        try:
            await self._look_until(stop, session)
        finally:
            await session.close()

    async def _look_until(self, stop: asyncio.Event, session: Session) -> None:
        loop = asyncio.get_running_loop()
        next_look = next_tidy = 0.0
        while not stop.is_set():
            self._look.clear()
            self.progress()
            now = loop.time()
            try:
                if now >= next_tidy:
                    next_tidy = now + LOOKS * self.settings.poll
                    await self._tidy()
                is_whole = now >= next_look
                if is_whole:
                    next_look = now + self.settings.poll
                await self._find_jobs(session, is_whole=is_whole)
                await self._notices.adapt()
            except AWAY as error:
                self._is_stale = True
                self._outage.failed(error)
            except Exception:
                self._is_stale = True
                log.exception("queue.look_failed", worker=self.name)
            await pause(self._look, self.settings.poll)

    async def _find_jobs(self, session: Session, *, is_whole: bool) -> None:
        """Find what has come; a whole look finds what is due, and not held any more, too."""
        slots = sorted(self._slots - self._leaving)
        if is_whole:
            self._buckets.ask_again()
        since, is_whole = (None, True) if self._is_stale else (self._since, is_whole)
        found = await self._store.look(session, slots, since, is_whole=is_whole)
        unknown = self._buckets.arrived(found.arrivals)
        if unknown:
            rows, _ = await self._store.buckets(ids=unknown, slots=(), since=None)
            self._buckets.serve(rows)
        self._buckets.serve(found.released)
        self._since = found.since
        if self._is_stale:
            self._buckets.reset_all()
            self._is_stale = False
        await self._source.look()
        self._exchanges.work.set()

    async def _keep_up(self) -> None:
        await asyncio.sleep(min(self.settings.upkeep, FIRST_UPKEEP))
        while True:
            try:
                await self._upkeep.run()
            except Exception:
                log.exception("queue.upkeep_failed", worker=self.name)
            await asyncio.sleep(self.settings.upkeep)

    async def _tidy(self) -> None:
        bound = await self._store.is_bound()
        if bound != self._bound:
            log.warning("queue.database_accepted" if bound else "queue.database_restored")
            self._bound = bound
        if self._doubtful:
            tokens = self._doubtful[:]
            await self._store.release(tokens)
            del self._doubtful[: len(tokens)]
        await self._share_slots()
        await self._age()
        await self._expire()
        dry = self._buckets.dry()
        if dry:
            empty = await self._store.empty([bucket.id for bucket in dry])
            self._buckets.forget(b for b in dry if b.id in empty and not b.expected)
            for bucket in dry:
                if bucket.id not in empty:
                    self._buckets.reset(bucket)
        longest = timedelta(seconds=self.settings.longest)
        await self._store.recover(longest, self.settings.most_losses)

    async def _expire(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._expired >= self.settings.expiry and not await self._store.expire():
            self._expired = now

    async def _age(self) -> None:
        now, ageing = asyncio.get_running_loop().time(), self.settings.ageing
        old = self._ageing.next(self._buckets.served(), now, ageing)
        if old:
            await self._store.age(old, timedelta(seconds=ageing))

    # What the exchanges claim

    @property
    def held(self) -> int:
        """Count the jobs that have no outcome in the database."""
        return self._held.total()

    def plan(self, ending: Sequence[Result]) -> list[Claim]:
        """Return the claims of an exchange that writes results."""
        if self._draining or not self._bound:
            return []
        for result in ending:
            self._buckets.may_have_credit(result.job.bucket_id)
        free = self.settings.at_risk - self.held - self._asked + len(ending)
        claims = self._buckets.plan(free, self.credit)
        if claims:
            self._claiming += 1
            self._asked += _above(claims, len(ending))
        return claims

    def failed(self, claims: Sequence[Claim], token: int, ending: int) -> None:
        """Undo claims: whether they were written is not known."""
        self._answered(claims, ending)
        self._doubtful.append(token)
        self._buckets.failed(claims)

    def _answered(self, claims: Sequence[Claim], ending: int) -> None:
        if claims:
            self._claiming -= 1
            self._asked -= _above(claims, ending)

    def ended(self, result: Result) -> None:
        """Take note of a result that is written."""
        self.let_go(result.job)
        if self._kept and result.job.id in self._kept:
            self._written(result)

    def claimed(self, claims: Sequence[Claim], found: Sequence[Claimed], ending: int) -> None:
        """Start handlers."""
        self._answered(claims, ending)
        owners = [one.job.bucket_id for one in found]
        self._buckets.claimed(claims, [one.position for one in found], owners)
        urgent = {claim.bucket.id for claim in claims if claim.bucket.urgent}
        self._source.put(self._alive(found), urgent)
        self._handlers.start()

    def _alive(self, found: Sequence[Claimed]) -> list[Claimed]:
        """Answer for jobs from now on; return those whose life has not ended."""
        for one in found:
            self._held[one.job.slot] += 1
            if one.is_expired:
                self._exchanges.finish(Result(one.job, EXPIRED))
        return [one for one in found if not one.is_expired]

    # What other workers take from the lists, or this one of theirs

    def start(self) -> None:
        """Call handlers for jobs that wait."""
        self._handlers.start()

    def took(self, found: Sequence[Claimed]) -> Sequence[Job]:
        """Answer for jobs that were claimed by others; return those for handlers."""
        for one in found:
            self._buckets.hold(one.job.bucket_id)
        return [one.job for one in self._alive(found)]

    def ended_elsewhere(self, job: Job) -> None:
        """Answer no longer for a job of which another worker wrote the outcome."""
        self.on_ended_elsewhere(job.bucket_id)
        self.let_go(job)

    def let_go(self, job: Job) -> None:
        """Answer no longer for a job."""
        self._held[job.slot] -= 1
        self._buckets.ended(job.bucket_id)

    async def _until_done(self, step: Callable[[], Awaitable[object]], end: asyncio.Event) -> None:
        """Repeat a step until it is done; once `end` is set, try it once."""
        while True:
            try:
                await step()
            except AWAY as error:
                self._outage.failed(error)
            except Exception:
                log.exception("queue.step_failed", worker=self.name)
            else:
                return
            if end.is_set():
                return
            await pause(end, self.settings.poll)


def _above(claims: Sequence[Claim], ending: int) -> int:
    """Return by how much claims may raise what is at risk, with so many results."""
    return max(0, sum(claim.most for claim in claims) - ending)
