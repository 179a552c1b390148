"""Jobs that wait in lists: nothing depends on Redis, and what is in it does nothing twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest
import redis
from structlog.testing import capture_logs

from sender.queue import Attempt, NewJob, Outcome, Settings
from sender.queue.elements import HIGH, LOW, NORMAL, ORDER, Element
from sender.queue.lists import lists_trouble
from tests.support.processes import suspended
from tests.support.waiting import reached
from tools.servers import Valkey

from .conftest import ACME, GLOBEX, QUICK, Queue, Seen

pytestmark = pytest.mark.parametrize("queue", ["lists"], indirect=True)
JOBS = 120
BUSY = Settings(poll=0.01, concurrency=1, at_risk=40)
Trouble = Callable[[redis.Redis, Valkey], AbstractContextManager[None]]


@pytest.fixture
def lists(queue: Queue) -> Iterator[redis.Redis]:
    assert queue.redis_url
    with redis.Redis.from_url(queue.redis_url) as client:
        yield client


@dataclass
class Waiting(Seen):
    """A handler that waits until it may go on."""

    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, attempt: Attempt) -> Outcome | None:
        await self.go_on.wait()
        return await super().__call__(attempt)


@asynccontextmanager
async def busy(queue: Queue, settings: Settings = BUSY) -> AsyncIterator[Waiting]:
    """A worker whose only handler waits until the end."""
    seen = Waiting()
    await queue.put(NewJob("first", b"first", priority=1))
    async with queue.working(seen, settings):
        await reached(queue.stats, lambda now: now.claimed == 1)
        yield seen
        seen.go_on.set()


def waiting(lists: redis.Redis) -> dict[str, list[bytes]]:
    return {
        name: [raw for raw in lists.lrange(name, 0, -1) if isinstance(raw, bytes)] for name in ORDER
    }


def jobs_in(elements: list[bytes]) -> set[UUID]:
    found = [Element.read(raw) for raw in elements]
    return {id_ for element in found if element for id_ in element.ids}


async def jobs_wait(lists: redis.Redis, count: int) -> dict[str, set[UUID]]:
    """Return the ids in each list as soon as there are so many."""

    async def found() -> dict[str, set[UUID]]:
        return {name: jobs_in(elements) for name, elements in waiting(lists).items()}

    return await reached(found, lambda found: sum(map(len, found.values())) == count)


async def test_each_job_waits_in_the_list_of_its_class(queue: Queue, lists: redis.Redis) -> None:
    async with busy(queue):
        jobs = await queue.put(*(NewJob("b", b"", priority=p) for p in (50, 51, 150, 151, 1000)))
        (urgent,) = await queue.put(NewJob("b", b"", priority=500), tenant=GLOBEX, urgent=True)
        there = await jobs_wait(lists, 6)
    assert there == {HIGH: {jobs[0], urgent}, NORMAL: {jobs[1], jobs[2]}, LOW: {jobs[3], jobs[4]}}


async def test_what_waits_longer_than_leases_is_pushed_once_and_taken_by_whoever_is_free(
    queue: Queue, lists: redis.Redis
) -> None:
    async with busy(queue, replace(BUSY, lease=1)) as seen:
        jobs = await queue.put(*(NewJob("b", b"%d" % n) for n in range(100)))
        await jobs_wait(lists, BUSY.at_risk - 1)
        before = waiting(lists)
        rows = await queue.connection.execute("select now() + interval '1.2 s'")
        (later,) = await rows.fetchone() or (None,)

        async def past() -> bool:
            rows = await queue.connection.execute("select now() > %s", (later,))
            return await rows.fetchone() == (True,)

        await reached(past)
        assert waiting(lists) == before
        other = Seen()
        async with queue.working(other):
            await reached(queue.stats, lambda now: (now.ready, now.claimed) == (0, 1))
        assert len(other.bodies) == 100
    assert seen.bodies == [b"first"]
    assert {await queue.state(job) for job in jobs} == {("done", None, 1)}


@contextmanager
def full(client: redis.Redis, _server: Valkey) -> Iterator[None]:
    client.config_set("maxmemory", 1)
    yield
    client.config_set("maxmemory", 0)


def silent(_client: redis.Redis, server: Valkey) -> AbstractContextManager[None]:
    pid = server.pid()
    assert pid
    return suspended(pid)


@pytest.mark.parametrize("trouble", [full, silent])
async def test_jobs_do_not_wait_for_redis_that_does_not_work(
    queue: Queue, lists: redis.Redis, valkey_server: Valkey, trouble: Trouble
) -> None:
    assert queue.redis_url
    seen = Seen()
    with capture_logs() as logs:
        async with queue.working(seen, QUICK):
            with trouble(lists, valkey_server):
                await queue.put(*(NewJob("b", b"%d" % n) for n in range(JOBS)))
                await queue.emptied()
                assert "do not go through Redis" in await lists_trouble(queue.redis_url)

            async def usable() -> bool:
                return bool(logs[-1]["event"] == "queue.lists_usable")

            await reached(usable)
            await queue.put(NewJob("b", b"after"))
            await queue.emptied()
    assert not await lists_trouble(queue.redis_url)
    assert Counter(seen.bodies) == Counter([*(b"%d" % n for n in range(JOBS)), b"after"])
    assert [entry["event"] for entry in logs] == ["queue.lists_unusable", "queue.lists_usable"]


async def test_redis_that_is_not_there_stops_nothing(queue: Queue) -> None:
    absent = replace(queue, redis_url="unix:///nonexistent/socket")
    jobs = await queue.put(*(NewJob("b", b"%d" % n) for n in range(JOBS)))
    await absent.work_off(Seen())
    assert {await queue.state(job) for job in jobs} == {("done", None, 1)}


async def test_what_is_lost_from_the_lists_is_done_once(queue: Queue, lists: redis.Redis) -> None:
    """All of it, and the first element alone, while others come after it."""
    async with busy(queue) as seen:
        jobs = await queue.put(*(NewJob("b", b"%d" % n) for n in range(10)))
        await jobs_wait(lists, 10)
        lists.flushall()
        jobs += await queue.put(*(NewJob("b", b"%d" % n) for n in range(10, 20)))
        await jobs_wait(lists, 10)
        popped = lists.rpop(NORMAL)
        assert isinstance(popped, bytes)
        lost = jobs_in([popped])
        jobs += await queue.put(*(NewJob("b", b"%d" % n) for n in range(20, 30)))
        await jobs_wait(lists, 20 - len(lost))
        seen.go_on.set()
        await queue.emptied()
    assert Counter(seen.bodies) == Counter([b"first", *(b"%d" % n for n in range(30))])
    assert {await queue.state(job) for job in jobs} == {("done", None, 1)}


async def test_stop_gives_back_what_waits_and_its_elements_do_nothing(
    queue: Queue, lists: redis.Redis
) -> None:
    async with busy(queue):
        jobs = await queue.put(*(NewJob("b", b"%d" % n) for n in range(10)))
        await jobs_wait(lists, 10)
    assert {await queue.state(job) for job in jobs} == {("queued", None, 0)}
    now = await queue.stats()
    assert (now.ready, now.claimed) == (10, 0)
    assert len(jobs_in(waiting(lists)[NORMAL])) == 10
    seen = Seen()
    await queue.work_off(seen)
    assert len(seen.bodies) == 10


async def test_elements_that_are_doubled_cut_old_or_of_nobody_do_nothing(
    queue: Queue, lists: redis.Redis
) -> None:
    strange = bytes(Element(4711, (ACME, GLOBEX)))
    before = f"{ACME}:4711".encode()  # of the first version's lists
    lists.lpush(NORMAL, b"", b"text", before, strange, strange[:-1], strange + strange[-33:])
    jobs = await queue.put(*(NewJob("b", b"%d" % n, priority=n % 200 + 1) for n in range(JOBS)))
    lists.lpush(HIGH, bytes(Element(1, tuple(jobs[:20]))))
    begun: Counter[bytes] = Counter()

    async def handler(attempt: Attempt) -> None:
        """Double, cut and misplace what is in the lists."""
        await attempt.begin()
        begun[attempt.job.body] += 1
        if begun.total() % 10:
            return
        for name, elements in waiting(lists).items():
            for raw in elements[:2]:
                lists.lpush(name, raw, raw[: len(raw) // 2], raw[:-33], raw + raw[-33:])
                lists.lpush(LOW, raw)

    settings = Settings(poll=0.01, concurrency=5, at_risk=40)
    async with queue.working(handler, settings), queue.working(handler, settings):
        await queue.emptied()
    assert set(begun.values()) == {1}
    assert {await queue.state(job) for job in jobs} == {("done", None, 1)}


async def test_credit_holds_for_all_workers_together(queue: Queue) -> None:
    await queue.put(*(NewJob("b", b"%d" % n) for n in range(60)))
    running, most = 0, 0

    async def handler(attempt: Attempt) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await attempt.begin()
        running -= 1

    def three(_bucket: object) -> int:
        return 3

    async with queue.working(handler, credit=three), queue.working(handler, credit=three):
        await queue.emptied()
    assert most <= 3
