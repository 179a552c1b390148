"""Several workers, and workers that end in every way: no job is lost, none begins twice."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from sender.queue import (
    Attempt,
    Lost,
    NewJob,
    Outcome,
    Settings,
    State,
    Worker,
    operations,
    worker_pool,
)
from sender.queue.store import Store
from tests.support.waiting import reached

from .conftest import ACME, BOTH_WAYS, GLOBEX, Queue, Seen

SHORT = Settings(poll=0.01, lease=0.5)
WORKER = Path(__file__).with_name("killed_worker.py")


def tenants(count: int) -> list[UUID]:
    """Tenants in different slots."""
    return [UUID(int=(1 << 64) + n * 7 % 256) for n in range(count)]


@contextmanager
def process(queue: Queue, mode: str) -> Iterator[subprocess.Popen[str]]:
    """A worker process that stops at a point and says so."""
    arguments = [sys.executable, str(WORKER), queue.dsn, mode, queue.redis_url or ""]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe, text=True) as worker:
        try:
            yield worker
        finally:
            worker.kill()


async def said(worker: subprocess.Popen[str], word: str) -> None:
    """Wait until a worker process prints a word."""
    assert worker.stdout is not None
    line = await asyncio.to_thread(worker.stdout.readline)
    assert line.strip() == word


async def test_workers_divide_tenants_and_call_the_handler_once_for_each_job(queue: Queue) -> None:
    put = [await queue.put(*(NewJob("b", b"") for _ in range(20)), tenant=t) for t in tenants(40)]
    calls: Counter[UUID] = Counter()
    by_worker: dict[int, set[UUID]] = {1: set(), 2: set()}

    def handler(number: int):
        async def call(attempt: Attempt) -> None:
            calls[attempt.job.id] += 1
            by_worker[number].add(attempt.job.tenant_id)

        return call

    async def shared() -> bool:
        rows = await queue.connection.execute(
            "select count(distinct worker), count(worker) from queue.slots"
        )
        return await rows.fetchone() == (2, 256)

    async with queue.working(handler(1)), queue.working(handler(2)):
        await reached(shared)
        await queue.emptied()
    assert calls == {job: 1 for batch in put for job in batch}
    assert by_worker[1].isdisjoint(by_worker[2])


@BOTH_WAYS
async def test_killed_worker_before_the_intent_leaves_its_jobs_to_the_next(queue: Queue) -> None:
    ids = await queue.put(*(NewJob("b", b"%d" % n) for n in range(10)))
    with process(queue, "before") as worker:
        await said(worker, "before")
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        assert (await queue.stats()).claimed == 5
    seen = Seen()
    await queue.work_off(seen)
    assert sorted(seen.bodies) == [b"%d" % n for n in range(10)]
    assert set(seen.attempts) == {0}
    assert {await queue.state(job) for job in ids} == {("done", None, 1)}


async def test_killed_worker_after_the_intent_leaves_an_unknown_outcome(queue: Queue) -> None:
    job, *_ = await queue.put(*(NewJob("b", b"%d" % n) for n in range(10)))
    with process(queue, "after") as worker:
        await said(worker, "after")
        worker.send_signal(signal.SIGKILL)
    seen = Seen()
    await queue.work_off(seen)
    assert b"0" not in seen.bodies
    assert len(seen.bodies) == 9
    assert await queue.state(job) == ("unknown", "worker_lost", 0)
    assert (await queue.stats()).unknown == 1
    assert await operations.resolve(queue.connection, [job], had_effect=False) == {job}
    await queue.work_off(seen)
    assert seen.bodies[-1] == b"0"
    assert await queue.state(job) == ("done", None, 1)


@BOTH_WAYS
async def test_stopped_worker_that_goes_on_can_begin_nothing_that_others_have(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))
    at_handler, go_on, refused = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(attempt: Attempt) -> None:
        at_handler.set()
        await go_on.wait()
        try:
            await attempt.begin()
        except Lost:
            refused.set()
            raise

    async with queue.working(slow, Settings(poll=0.01, lease=60)):
        await at_handler.wait()
        await queue.connection.execute("update queue.workers set lease_until = now()")
        seen = Seen()
        await queue.work_off(seen)
        go_on.set()
        await refused.wait()
    assert seen.bodies == [b"1"]
    assert await queue.state(job) == ("done", None, 1)


async def test_intent_of_a_claim_is_written_once(queue: Queue) -> None:
    """Two that hold one claim cannot both begin."""
    (job,) = await queue.put(NewJob("b", b"1"))
    results: list[object] = []

    async def handler(attempt: Attempt) -> None:
        both = (attempt.begin("one"), attempt.begin("two"))
        results.extend(await asyncio.gather(*both, return_exceptions=True))
        results.extend(await asyncio.gather(attempt.begin(), return_exceptions=True))

    await queue.work_off(handler)
    assert sorted(type(result).__name__ for result in results) == ["Lost", "Lost", "NoneType"]
    assert await queue.state(job) == ("done", None, 1)


async def test_outcome_that_comes_late_replaces_unknown(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(attempt: Attempt) -> None:
        await attempt.begin()
        begun.set()
        await go_on.wait()

    async with queue.working(slow):
        await begun.wait()
        await queue.connection.execute("update queue.workers set lease_until = now()")
        async with queue.working(Seen()):
            await reached(queue.stats, lambda now: now.unknown == 1)
        go_on.set()
        await reached(queue.stats, lambda now: now.unknown == 0)
    assert await queue.state(job) == ("done", None, 1)


@BOTH_WAYS
async def test_stop_gives_back_what_was_not_begun_with_its_attempt(queue: Queue) -> None:
    ids = await queue.put(*(NewJob("b", b"%d" % n) for n in range(30)))
    running, go_on = asyncio.Event(), asyncio.Event()

    async def handler(attempt: Attempt) -> None:
        running.set()
        await go_on.wait()

    async with queue.working(handler, Settings(concurrency=2, at_risk=20, poll=0.01)):
        await running.wait()
        await reached(queue.stats, lambda now: now.claimed == 20)
        asyncio.get_running_loop().call_later(0.1, go_on.set)
    now = await queue.stats()
    assert (now.ready, now.claimed, now.unknown, now.workers) == (28, 0, 0, 0)
    states = Counter([await queue.state(job) for job in ids])
    assert states == {("done", None, 1): 2, ("queued", None, 0): 28}


@pytest.mark.parametrize(
    ("begins", "state"), [(False, ("queued", None, 0)), (True, ("unknown", "time_limit", 1))]
)
async def test_stop_does_not_wait_for_a_handler_beyond_its_grace(
    queue: Queue, *, begins: bool, state: tuple[str, str | None, int]
) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))
    running = asyncio.Event()

    async def handler(attempt: Attempt) -> None:
        if begins:
            await attempt.begin()
        running.set()
        await asyncio.Event().wait()

    async with queue.working(handler, Settings(poll=0.01, grace=0)):
        await running.wait()
    assert await queue.state(job) == state


@BOTH_WAYS
async def test_terminated_worker_under_load_leaves_nothing_unknown_or_spent(queue: Queue) -> None:
    ids = await queue.put(*(NewJob(f"b{n % 7}", b"%d" % n) for n in range(3000)))
    with process(queue, "load") as worker:
        await said(worker, "load")
        worker.terminate()
        assert await asyncio.to_thread(worker.wait) == 0
    now = await queue.stats()
    assert (now.claimed, now.unknown, now.dead, now.scheduled, now.workers) == (0, 0, 0, 0, 0)
    states = Counter([await queue.state(job) for job in ids])
    assert states == {("done", None, 1): 3000 - now.ready, ("queued", None, 0): now.ready}
    assert 300 <= 3000 - now.ready < 3000


async def test_worker_that_was_suspended_past_its_lease_cannot_begin(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))
    with process(queue, "try") as worker:
        await said(worker, "try")
        worker.send_signal(signal.SIGSTOP)
        await queue.connection.execute("update queue.workers set lease_until = now()")
        seen = Seen()
        await queue.work_off(seen)
        worker.send_signal(signal.SIGCONT)
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
        await said(worker, "lost")
    assert seen.bodies == [b"1"]
    assert await queue.state(job) == ("done", None, 1)


async def test_worker_that_is_suspended_in_a_transaction_keeps_no_other_from_being_replaced(
    queue: Queue,
) -> None:
    ids = await queue.put(NewJob("b", b"1"))
    await lose(queue, ids)
    async with await psycopg.AsyncConnection.connect(queue.dsn) as suspended:
        await suspended.execute(
            "insert into queue.workers (name, lease_until) values ('suspended', now())"
        )
        await suspended.commit()
        await suspended.execute("select from queue.workers where name = 'suspended' for update")
        await queue.work_off(Seen())
    assert await queue.state(ids[0]) == ("done", None, 1)


async def test_job_that_ends_its_workers_is_dead_after_some(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("b", b"poison"))
    for _ in range(2):
        with process(queue, "before") as worker:
            await said(worker, "before")
    await queue.work_off(Seen(), Settings(poll=0.01, most_losses=2))
    assert await queue.state(job) == ("dead", "ends_its_worker", 0)


MOST_LOSSES = 4


async def lose(queue: Queue, jobs: Sequence[UUID]) -> None:
    """Let a worker be lost with jobs in hand, all of which are due."""
    calls: set[UUID] = set()

    async def hang(attempt: Attempt) -> None:
        calls.add(attempt.job.id)
        await asyncio.Event().wait()

    async def called() -> int:
        return len(calls)

    await operations.set_due(queue.connection, jobs)
    async with worker_pool(queue.dsn) as pool:
        settings = Settings(poll=0.01, most_losses=MOST_LOSSES)
        running = asyncio.create_task(Worker(pool, "lost", hang, settings).run(asyncio.Event()))
        await reached(called, lambda called: called == len(jobs))
        running.cancel()  # as if it was killed
        await asyncio.wait({running})
        await queue.connection.execute("update queue.workers set lease_until = now()")
        store = Store(pool, timedelta(seconds=60), None)
        await store.recover(timedelta(seconds=60), MOST_LOSSES)


async def test_worker_whose_lease_has_ended_has_no_slots_too_many(queue: Queue) -> None:
    """Also where no other worker is left to share them with."""
    async with worker_pool(queue.dsn) as pool:
        store = Store(pool, timedelta(seconds=60), None)
        await store.register("late")
        assert len(await store.take_slots()) == 256
        await queue.connection.execute("update queue.workers set lease_until = now()")
        assert await store.surplus() == 0


async def test_hold_that_ends_before_other_slots_are_taken_is_noticed(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at the buckets of new slots is none at those of the others."""
    await queue.put(NewJob("b", b"1"), tenant=GLOBEX)
    await queue.put(NewJob("b", b"2"))
    seen = Seen()
    async with queue.working(seen) as worker:
        await queue.emptied()
        later = datetime.now(UTC) + timedelta(hours=1)
        await operations.hold(queue.connection, ACME, ["b"], later, "spread")
        await queue.put(NewJob("b", b"3"))
        await queue.arrivals_read()
        take_slots, is_over = worker._store.take_slots, False

        async def taken() -> list[int]:
            nonlocal is_over
            if is_over:
                return await take_slots()
            is_over = True
            await queue.connection.execute(
                "update queue.buckets set filled = true,"
                " held_until = case when tenant_id = %s then now() else held_until end",
                [ACME],
            )
            return [GLOBEX.bytes[15]]

        monkeypatch.setattr(worker._store, "take_slots", taken)
        await queue.emptied()
    assert sorted(seen.bodies) == [b"1", b"2", b"3"]


async def test_job_that_ends_its_workers_takes_no_other_along(queue: Queue) -> None:
    """Jobs that are lost with it are not blamed, however often that happens."""
    ids = await queue.put(*(NewJob("b", b"%d" % n) for n in range(40)))
    for _ in range(2):
        await lose(queue, ids)
    late = await operations.jobs(queue.connection, "scheduled", limit=40)
    assert len({job.due_at for job in late}) == 40, "they are tried apart from each other"
    for _ in range(MOST_LOSSES):
        await lose(queue, ids)
    await operations.set_due(queue.connection, ids[1:], datetime.now(UTC) + timedelta(hours=1))
    for _ in range(MOST_LOSSES - 1):
        assert (await queue.stats()).dead == 0
        await lose(queue, ids[:1])
    assert await queue.state(ids[0]) == ("dead", "ends_its_worker", 0)
    await operations.set_due(queue.connection, ids)
    await queue.work_off(Seen())
    assert {await queue.state(job) for job in ids[1:]} == {("done", None, 1)}


async def test_outcome_clears_a_job_that_workers_were_lost_with(queue: Queue) -> None:
    ids = await queue.put(NewJob("b", b"1"))
    for _ in range(MOST_LOSSES - 1):
        await lose(queue, ids)
    await operations.set_due(queue.connection, ids)
    async with queue.working(Seen(Outcome(State.RETRY, delay=timedelta(hours=1)))):
        await reached(partial(queue.state, ids[0]), lambda state: state[0] == "retry")
    for _ in range(MOST_LOSSES - 1):
        await lose(queue, ids)
    assert (await queue.state(ids[0]))[0] == "retry"


@BOTH_WAYS
async def test_broken_connections_lose_nothing_and_call_nothing_twice(queue: Queue) -> None:
    ids = await queue.put(*(NewJob(f"b{n % 5}", b"%d" % n) for n in range(3000)))
    calls: Counter[bytes] = Counter()
    begun: Counter[bytes] = Counter()

    async def handler(attempt: Attempt) -> None:
        calls[attempt.job.body] += 1
        await attempt.begin()
        begun[attempt.job.body] += 1

    async def more_than(least: int) -> bool:
        return len(calls) > least

    async with queue.working(handler):
        for broken in range(20):
            await reached(partial(more_than, broken * 100))
            await queue.connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        await reached(queue.stats, lambda now: not (now.ready or now.scheduled or now.claimed))
    assert set(begun.values()) == {1}
    assert len(begun) + (await queue.stats()).unknown >= 3000
    states = Counter([(await queue.state(job))[0] for job in ids])
    assert states["done"] == len(begun)
