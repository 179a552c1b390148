"""A user's statements in the queue's transactions: counters agree with intents and outcomes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest

from sender.queue import Attempt, Batch, NewJob, Outcome, Refused, Settings, State
from tests.support.waiting import reached

from .conftest import QUICK, Queue, Seen

FULL = Outcome(State.RETRY, "cap_reached", delay=timedelta(hours=1), spent=0)


class Caps:
    """Reserves with each intent one of a counter's units, and gives it back with a retry."""

    def __init__(self) -> None:
        self.seen: list[tuple[UUID, str, str | None]] = []

    async def __call__(
        self, connection: psycopg.AsyncConnection[Any], batch: Batch
    ) -> Mapping[UUID, Outcome]:
        self.seen += [
            (one.job.id, one.outcome.state.value, one.outcome.reason) for one in batch.results
        ]
        change = Counter(intent.data for intent in batch.intents)
        change.subtract(
            Counter(
                one.intent.data
                for one in batch.results
                if one.intent and one.outcome.state is State.RETRY
            )
        )
        names = sorted(change)
        rows = await connection.execute(
            "with locked as ("
            " select name from caps where name = any(%(names)s) order by name for update)"
            " update caps set used = used + change.n"
            " from unnest(%(names)s::text[], %(changes)s::integer[]) as change (name, n)"
            " where caps.name = change.name and caps.name in (select name from locked)"
            " returning caps.name, used - most",
            {"names": names, "changes": [change[name] for name in names]},
        )
        over = {name: max(0, above) for name, above in await rows.fetchall()}
        refused = {}
        for intent in reversed(batch.intents):
            if over[intent.data]:
                over[intent.data] -= 1
                change[intent.data] -= 1
                refused[intent.job.id] = FULL
                await connection.execute(
                    "update caps set used = used - 1 where name = %s", (intent.data,)
                )
        return refused


@pytest.fixture
async def caps(queue: Queue) -> Caps:
    await queue.connection.execute("drop table if exists caps")
    await queue.connection.execute(
        "create table caps (name text primary key, used integer not null, most integer not null)"
    )
    await queue.connection.execute("insert into caps values ('a', 0, 5), ('b', 0, 30)")
    return Caps()


async def used(queue: Queue) -> dict[str, int]:
    rows = await queue.connection.execute("select name, used from caps")
    return dict(await rows.fetchall())


async def test_extension_that_refuses_intents_lets_exactly_the_others_through(
    queue: Queue, caps: Caps
) -> None:
    await queue.put(*(NewJob(f"b{n % 3}", b"%d" % n) for n in range(100)))
    begun: Counter[str] = Counter()

    async def handler(attempt: Attempt) -> Outcome | None:
        try:
            await attempt.begin("to a", "a")
            begun["a"] += 1
        except Refused:
            await attempt.begin("to b", "b")
            begun["b"] += 1
        return None

    async with queue.working(handler, QUICK, extension=caps):
        await reached(queue.stats, lambda now: not (now.ready or now.claimed))
    assert begun == {"a": 5, "b": 30}
    assert await used(queue) == {"a": 5, "b": 30}
    states = Counter((state, reason) for _, state, reason in caps.seen)
    assert states == {("done", None): 35, ("retry", "cap_reached"): 65}
    assert (await queue.stats()).scheduled == 65


async def test_extension_sees_each_outcome_once_though_connections_break(
    queue: Queue, caps: Caps
) -> None:
    await queue.connection.execute("update caps set most = 1000000")
    ids = await queue.put(*(NewJob("b", b"%d" % n) for n in range(1000)))

    async def handler(attempt: Attempt) -> Outcome:
        await attempt.begin(None, "a")
        if attempt.job.attempts:
            return Outcome(State.DEAD, "content")
        return Outcome(State.RETRY, "busy")

    async def many(least: int) -> bool:
        return len(caps.seen) > least

    async with queue.working(handler, QUICK, extension=caps):
        for broken in range(10):
            await reached(partial(many, broken * 150))
            await queue.connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        await queue.emptied()
    dead = [job for job in ids if (await queue.state(job))[0] == "dead"]
    assert (await used(queue))["a"] == 1000
    assert len(dead) + (await queue.stats()).unknown == 1000


async def test_extension_sees_the_unknown_outcome_of_a_lost_worker(
    queue: Queue, caps: Caps
) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))
    begun = asyncio.Event()

    async def slow(attempt: Attempt) -> None:
        await attempt.begin(None, "a")
        begun.set()
        await asyncio.Event().wait()

    async with queue.working(slow, Settings(poll=0.01, grace=0), extension=caps):
        await begun.wait()
        await queue.connection.execute("update queue.workers set lease_until = now()")
        async with queue.working(Seen(), extension=caps):
            await reached(queue.stats, lambda now: now.unknown == 1)
        assert caps.seen == [(job, "unknown", "worker_lost")]
