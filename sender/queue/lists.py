"""Claimed jobs wait in three lists in Redis, from which any worker takes them.

The worker that serves a bucket claims its jobs, by the same shares, holds and credit as without
lists, and pushes elements: ids, with the token of their claim. What it pops of its own, it knows.
What it pops of others, it takes in PostgreSQL under a token of its own, which only the first one
can: an element that is there twice, is late, broken or no worker's does nothing. What is lost from
Redis is taken by the worker that pushed it; while Redis does not work, nothing is pushed.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Protocol
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from sender.queue.buckets import Claim
from sender.queue.elements import HIGH, LARGEST, LOW, NORMAL, ORDER, Element
from sender.queue.exchanges import pause
from sender.queue.model import Job
from sender.queue.store import Claimed, Store

PROBE = f"{NORMAL}:probe"
MOST_URGENT = 50
LEAST_NORMAL = 150
SLOW = 1.0
"""Seconds after which an answer is not waited for."""
LATE = 1.0
"""Seconds after which jobs that somebody popped and nobody took are taken by who pushed them."""
RETRY = 1.0
"""Seconds before Redis is tried again."""
PATIENCE = 5
"""Times that more urgent lists are popped before one comes first in which own jobs wait: what is
urgent for one tenant must not keep those of others waiting, which were claimed by their shares."""
AWAY = (RedisError, OSError)
log = structlog.get_logger(__name__)


def lists_client(url: str) -> Redis:
    """Return a client for one worker; open it with `async with`."""
    return Redis.from_url(
        url, socket_connect_timeout=SLOW, socket_timeout=SLOW, retry=Retry(NoBackoff(), 0)
    )


async def lists_trouble(url: str) -> str:
    """Return why the lists cannot be used; empty when they can."""
    async with lists_client(url) as redis:
        try:
            await _probe(redis)
        except AWAY as error:
            return f"jobs do not go through Redis: {_reason(error)}"
    return ""


class Owner(Protocol):
    """The worker."""

    def start(self) -> None:
        """Call handlers for jobs that wait."""

    def wake(self) -> None:
        """Look for jobs now."""

    def took(self, found: Sequence[Claimed]) -> Sequence[Job]:
        """Answer for jobs that were claimed by others; return those for handlers."""

    def let_go(self, job: Job) -> None:
        """Answer no longer for a job."""

    def ended_elsewhere(self, job: Job) -> None:
        """Answer no longer for a job of which another worker wrote the outcome."""

    def failed(self, claims: Sequence[Claim], token: int, ending: int) -> None:
        """Whether anything was taken under a token is not known."""


class Lists:
    """What one worker has in the lists, and takes from them."""

    def __init__(self, redis: Redis, store: Store, owner: Owner, poll: float) -> None:
        self._redis = redis
        self._store = store
        self._owner = owner
        self._poll = poll
        self._waiting: dict[UUID, Job] = {}
        """Claimed by this worker, and popped by none, or by another one."""
        self._gone: dict[UUID, float] = {}
        """Of these: what is not in the lists any more, and when that was noticed."""
        self._to_push: deque[tuple[str, Element]] = deque()
        self._pushed: dict[str, deque[Element]] = {name: deque() for name in ORDER}
        """By list, in the order in which they are popped."""
        self._others: list[Element] = []
        """Popped, to be taken: jobs that other workers claimed."""
        self._popped: deque[Job] = deque()
        self._passed_over: Counter[str] = Counter()
        """By list: how often more urgent ones were popped since, while own jobs waited there."""
        self._free = 0
        """Handlers without a job."""
        self._is_empty = True
        """Nothing is known to be in the lists: they are looked at again after a while."""
        self._is_usable = True
        self._work = asyncio.Event()

    def put(self, claimed: Sequence[Claimed], urgent: Collection[int]) -> None:
        """Push them, unless Redis does not work."""
        for one in claimed:  # what others had was released, and is claimed again
            self._ended(one.job.id)
        if not self._is_usable:
            self._popped += [one.job for one in claimed]
            return
        self._waiting |= {one.job.id: one.job for one in claimed}
        self._to_push += _elements(claimed, urgent)
        self._work.set()

    def get(self, most: int) -> Sequence[Job]:
        """Return what was popped; more is popped if that is not enough."""
        jobs = [self._popped.popleft() for _ in range(min(most, len(self._popped)))]
        self._free = most - len(jobs)
        if self._free and not self._is_empty:
            self._work.set()
        return jobs

    def give_back(self) -> Sequence[Job]:
        """Return all, without those that others have claimed; elements in the lists are void."""
        jobs = [*self._popped, *self._waiting.values()]
        for kept in (self._popped, self._waiting, self._gone, self._to_push, self._others):
            kept.clear()
        self._free = 0
        return jobs

    async def look(self) -> None:
        """Take what was popped, or lost; find out what became of what others popped."""
        late = await self._late() if self._waiting else {}
        others, self._others = self._others, []
        wanted = {job.id: job.token for job in late.values()}
        wanted |= {id_: element.token for element in others for id_ in element.ids}
        if not wanted:
            return
        token = self._store.token()
        found: Sequence[Claimed] = ()
        try:
            found = await self._store.take(wanted, token)
        except BaseException:
            self._others += others
            self._owner.failed((), token, 0)
            raise
        finally:
            for one in found:
                if one.job.id in late:
                    self._owner.let_go(late.pop(one.job.id))
            self._waiting |= late
            self._gone |= dict.fromkeys(late, _now())
        self._popped += self._owner.took(found)
        self._owner.start()

    async def run(self, stop: asyncio.Event) -> None:
        """Push and pop until `stop` is set: the client may lose a cancellation."""
        self._owner.start()
        while not stop.is_set():
            self._work.clear()
            try:
                if not self._is_usable:
                    await _probe(self._redis)
                    self._is_usable = True
                    log.info("queue.lists_usable")
                await self._exchange()
            except Exception as error:
                if not isinstance(error, AWAY):
                    log.exception("queue.lists_failed")
                self._give_up(error)
                await pause(stop, RETRY)
                continue
            if not self._to_push and (self._is_empty or self._wanted() <= 0):
                await pause(self._work, self._poll)

    # Redis

    def _wanted(self) -> int:
        return self._free - sum(len(element.ids) for element in self._others)

    async def _exchange(self) -> None:
        """Push all, and pop as much as handlers are free, in one round trip."""
        wanted = self._wanted()
        async with self._redis.pipeline(transaction=False) as pipe:
            while self._to_push:
                name, element = self._to_push.popleft()
                self._pushed[name].append(element)
                self._is_empty = False
                pipe.lpush(name, bytes(element))
            if wanted > 0:
                count = -(-wanted // LARGEST)
                order = sorted(ORDER, key=lambda name: self._passed_over[name] < PATIENCE)
                pipe.lmpop(len(ORDER), *order, direction="RIGHT", count=count)
            answers: list[Any] = await pipe.execute()
        if wanted > 0:
            self._note_popped(answers[-1])

    def _note_popped(self, answer: tuple[bytes, list[bytes]] | None) -> None:
        if answer is None:
            self._is_empty = True
            self._lose_all()
            return
        name = answer[0].decode()
        self._passed_over[name] = 0
        for less_urgent in ORDER[ORDER.index(name) + 1 :]:
            self._passed_over[less_urgent] += bool(self._pushed[less_urgent])
        for raw in answer[1]:
            element = Element.read(raw)
            if element is None:
                log.warning("queue.element_ignored", list=name, element=repr(raw[:100]))
                continue
            pushed = self._pushed[name]
            if element in pushed:
                while (earlier := pushed.popleft()) != element:
                    self._lose(earlier)
            own = self._own(element)
            for job in own:
                del self._waiting[job.id]
                self._gone.pop(job.id, None)
            self._popped += own
            if not own and not self._store.is_own(element.token):
                self._others.append(element)
                self._owner.wake()
        self._is_empty = not (self._others or any(self._pushed.values()))
        self._owner.start()

    def _give_up(self, error: Exception) -> None:
        if self._is_usable:
            log.warning(
                "queue.lists_unusable", error=_reason(error), effect="jobs do not go through Redis"
            )
        self._is_usable = False
        for name, element in self._to_push:
            self._pushed[name].append(element)
        self._to_push.clear()
        self._lose_all()

    # Jobs that others popped, or which are lost

    def _own(self, element: Element) -> list[Job]:
        jobs = [job for id_ in dict.fromkeys(element.ids) if (job := self._waiting.get(id_))]
        return [job for job in jobs if job.token == element.token]

    def _lose(self, element: Element) -> None:
        self._gone |= dict.fromkeys((job.id for job in self._own(element)), _now())

    def _lose_all(self) -> None:
        for pushed in self._pushed.values():
            while pushed:
                self._lose(pushed.popleft())

    def _ended(self, id_: UUID) -> None:
        self._gone.pop(id_, None)
        if job := self._waiting.pop(id_, None):
            self._owner.ended_elsewhere(job)

    async def _late(self) -> dict[UUID, Job]:
        """Find out what has ended; remove and return what nobody has taken for too long."""
        waiting = dict(self._waiting)
        tokens = await self._store.tokens(waiting)
        late = {}
        for id_, job in waiting.items():
            if self._waiting.get(id_) is not job:
                continue  # popped meanwhile
            if id_ not in tokens:
                self._ended(id_)
            elif tokens[id_] == job.token and self._gone.get(id_, math.inf) <= _now() - LATE:
                late[id_] = self._waiting.pop(id_)
                del self._gone[id_]
        return late


def _elements(claimed: Iterable[Claimed], urgent: Collection[int]) -> Iterator[tuple[str, Element]]:
    """Yield elements of up to `LARGEST` jobs, each with its list."""
    ids: defaultdict[tuple[str, int], list[UUID]] = defaultdict(list)
    for one in claimed:
        name = HIGH if one.job.bucket_id in urgent else _list_of(one.position[0])
        ids[name, one.job.token].append(one.job.id)
    for (name, token), alike in ids.items():
        for first in range(0, len(alike), LARGEST):
            yield name, Element(token, tuple(alike[first : first + LARGEST]))


def _list_of(priority: int) -> str:
    if priority <= MOST_URGENT:
        return HIGH
    return NORMAL if priority <= LEAST_NORMAL else LOW


async def _probe(redis: Redis) -> None:
    """Raise what is wrong with Redis: it must answer, store, and have nothing else at the keys."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.set(PROBE, "1", px=1)
        for name in ORDER:
            pipe.llen(name)
        await pipe.execute()


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _now() -> float:
    return asyncio.get_running_loop().time()
