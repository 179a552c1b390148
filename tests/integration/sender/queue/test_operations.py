"""What people do with a queue, its tenants, buckets and jobs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from psycopg import sql

from sender.queue import (
    Attempt,
    NewJob,
    Outcome,
    Settings,
    State,
    TooManyJobs,
    enqueue,
    operations,
    worker_pool,
)
from sender.queue.store import Store
from tests.support.waiting import reached

from .conftest import ACME, GLOBEX, Queue, Seen

HOUR = timedelta(hours=1)


async def counted(queue: Queue) -> int | None:
    """Return how many jobs the tenant is believed to have."""
    found = await operations.tenant(queue.connection, ACME)
    return None if found is None else found.waiting


async def test_tenant_above_its_quota_is_refused_with_the_numbers(queue: Queue) -> None:
    await operations.set_tenant(queue.connection, ACME, most_waiting=3)
    known = NewJob("b", b"1", key="known")
    await queue.put(known)
    with pytest.raises(TooManyJobs) as refused:  # no worker has counted yet
        await enqueue(queue.connection, ACME, [NewJob("b", b"2")] * 3)
    assert (refused.value.waiting, refused.value.most) == (1, 3)
    async with queue.working(Seen(Outcome(State.RETRY, delay=HOUR))):
        await reached(queue.stats, lambda now: now.scheduled == 1)
        await reached(partial(counted, queue), lambda waiting: waiting == 1)
        with pytest.raises(TooManyJobs):
            await enqueue(queue.connection, ACME, [NewJob("b", b"2")] * 3)
    with pytest.raises(TooManyJobs):
        await enqueue(queue.connection, ACME, [NewJob("b", b"2")] * 3)
    await enqueue(queue.connection, ACME, [NewJob("b", b"2")] * 2)
    [repeated] = await enqueue(queue.connection, ACME, [known])
    assert not repeated.is_new
    await enqueue(queue.connection, GLOBEX, [NewJob("b", b"2")] * 5)


async def test_weight_that_is_set_while_a_worker_runs_changes_the_shares(queue: Queue) -> None:
    for tenant, body in ((ACME, b"a"), (GLOBEX, b"g")):
        await queue.put(*(NewJob("b", body) for _ in range(1500)), tenant=tenant)
    seen = Seen()
    changed = asyncio.Event()

    async def handler(attempt: Attempt) -> None:
        await seen(attempt)
        if len(seen.bodies) == 100:
            await operations.set_tenant(queue.connection, ACME, weight=3)
            await queue.arrivals_read()
            changed.set()

    await queue.work_off(handler, Settings(concurrency=1, at_risk=40, poll=0.01))
    assert changed.is_set()
    # The worker reads the weight after the notice of it, and handles jobs meanwhile.
    assert 135 <= seen.bodies[1000:1200].count(b"a") <= 165


async def test_figures_of_a_large_queue_are_estimates_by_a_sample(queue: Queue) -> None:
    jobs = [NewJob("a", b"1"), *(NewJob("b", b"2") for _ in range(9_000))]
    await queue.put(*jobs, NewJob("c", b"3", delay=HOUR))
    await operations.hold(queue.connection, ACME, ["b"], None, "stopped")
    exact = {one.state: one for one in await operations.depths(queue.connection)}
    assert {state: one.jobs for state, one in exact.items()} == {
        "due": 1,
        "held": 9_000,
        "scheduled": 1,
    }
    assert not any(one.is_estimate for one in exact.values())
    busiest = await operations.busiest_buckets(queue.connection)
    assert [(one.name, one.jobs, one.is_held) for one in busiest] == [
        ("a", 1, False),
        ("b", 9_000, True),
    ]
    estimated = {one.state: one for one in await operations.depths(queue.connection, blocks=40)}
    assert estimated["held"].is_estimate
    assert 4_000 < estimated["held"].jobs < 18_000
    assert not estimated["scheduled"].is_estimate
    now = await operations.stats(queue.connection, blocks=40)
    assert now.is_estimate
    assert 4_000 < now.ready < 18_000
    await queue.connection.execute("update queue.buckets set filled = true")
    first, *_ = await operations.busiest_buckets(queue.connection, blocks=1)
    assert first.name == "a"  # served, whether it is in the sample or not


async def test_buckets_say_what_waits_in_them_and_why(queue: Queue) -> None:
    await queue.put(NewJob("a", b"1"), NewJob("a", b"2"), NewJob("b", b"3", delay=HOUR))
    await queue.put(NewJob("c", b"4"), tenant=GLOBEX)
    until = datetime.now(UTC) + HOUR
    await operations.hold(queue.connection, ACME, ["a"], until, "cap_reached", "200 of 200 today")
    await operations.hold(queue.connection, ACME, ["b"], None, "stopped")
    a, b = await operations.buckets(queue.connection, ACME)
    assert (a.name, a.ready, a.scheduled, a.claimed, a.is_held) == ("a", 2, 0, 0, True)
    assert (a.until, a.reason, a.words) == (until, "cap_reached", "200 of 200 today")
    assert a.oldest_due_at is not None
    assert (b.name, b.ready, b.scheduled, b.is_held, b.until) == ("b", 0, 1, True, None)
    await operations.release(queue.connection, ACME, ["a"])
    a, _, c = await operations.buckets(queue.connection)
    assert (a.is_held, a.until, a.reason, a.words, c.tenant_id) == (False, None, None, None, GLOBEX)


async def test_hold_without_an_end_may_be_looked_at_again(queue: Queue) -> None:
    await queue.put(NewJob("later", b"1"), NewJob("now", b"2"))
    at = datetime.now(UTC)
    await operations.hold_each(
        queue.connection,
        [
            operations.NewHold(ACME, "later", None, "stopped", look_at=at + HOUR),
            operations.NewHold(ACME, "now", None, "stopped", look_at=at),
        ],
    )
    (held,) = await operations.held(queue.connection, ACME)
    (listed,) = await operations.held_buckets(queue.connection)
    (_, busy) = await operations.busiest_buckets(queue.connection)
    (state, _) = await operations.buckets(queue.connection, ACME)
    assert {(one.name, one.until) for one in (held, listed, busy, state)} == {("later", None)}
    seen = Seen()
    async with queue.working(seen):
        await reached(queue.stats, lambda now: (now.ready, now.claimed) == (1, 0))
    assert seen.bodies == [b"2"]


async def test_jobs_are_listed_where_they_are(queue: Queue) -> None:
    first, second = await queue.put(NewJob("a", b"1"), NewJob("b", b"2"))
    (later,) = await queue.put(NewJob("a", b"3", delay=HOUR))
    listed = partial(operations.jobs, queue.connection)
    assert [job.id for job in await listed("ready")] == [second, first]
    assert [job.id for job in await listed("ready", limit=1)] == [second]
    assert [job.id for job in await listed("ready", before=second)] == [first]
    assert [job.id for job in await listed("ready", buckets=["a"])] == [first]
    assert await listed("ready", tenant_id=GLOBEX) == []
    (scheduled,) = await listed("scheduled")
    assert (scheduled.id, scheduled.bucket) == (later, "a")
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handler(attempt: Attempt) -> Outcome:
        await attempt.begin("to mx1-2")
        begun.set()
        await go_on.wait()
        return Outcome(State.UNKNOWN, "no_answer")

    async with queue.working(handler, Settings(concurrency=1, at_risk=1, poll=0.01)):
        await begun.wait()
        (claimed,) = await listed("claimed")
        assert claimed.note == "to mx1-2"
        assert claimed.since is not None
        go_on.set()
        await queue_emptied_but_scheduled(queue)
    assert [(j.reason, j.note) for j in await listed("unknown")] == [("no_answer", "to mx1-2")] * 2


async def queue_emptied_but_scheduled(queue: Queue) -> None:
    """Wait until nothing is due and nothing in work."""
    await reached(queue.stats, lambda now: not (now.ready or now.claimed))


async def test_cancelled_jobs_are_not_tried_and_others_are(queue: Queue) -> None:
    due, later, retried, kept = await queue.put(
        NewJob("a", b"1"), NewJob("a", b"2", delay=HOUR), NewJob("b", b"3"), NewJob("c", b"4")
    )
    await operations.hold(queue.connection, ACME, ["a", "c"], None, "stopped")
    async with queue.working(Seen(Outcome(State.RETRY, "greylisted", delay=HOUR))):
        await reached(queue.stats, lambda now: now.scheduled == 2)
        found = await operations.waiting(queue.connection, ACME, ["a", "b"])
        assert set(found) == {due, later, retried}
        assert await operations.cancel(queue.connection, found, "withdrawn") == set(found)
        assert await operations.cancel(queue.connection, found, "withdrawn") == set()
        await reached(partial(counted, queue), lambda waiting: waiting == 1)
    for job in found:
        assert (await queue.state(job))[:2] == ("cancelled", "withdrawn")
    assert await operations.waiting(queue.connection, ACME) == [kept]
    assert await operations.waiting(queue.connection, GLOBEX) == []


async def test_job_in_work_is_not_cancelled(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("a", b"1"))
    running, go_on = asyncio.Event(), asyncio.Event()

    async def handler(attempt: Attempt) -> None:
        running.set()
        await go_on.wait()

    async with queue.working(handler):
        await running.wait()
        assert await operations.cancel(queue.connection, [job], "withdrawn") == set()
        go_on.set()
        await queue.emptied()
    assert (await queue.state(job))[0] == "done"


async def test_jobs_that_are_put_off_wait_and_are_due_again_at_once(queue: Queue) -> None:
    ids = await queue.put(*(NewJob("a", b"%d" % n) for n in range(3)))
    at = datetime.now(UTC) + HOUR
    assert await operations.set_due(queue.connection, ids, at) == set(ids)
    assert {job.due_at for job in await operations.jobs(queue.connection, "scheduled")} == {at}
    seen = Seen()
    async with queue.working(seen):
        await queue.arrivals_read()
        assert await operations.set_due(queue.connection, ids) == set(ids)
        await queue.emptied()
    assert sorted(seen.bodies) == [b"0", b"1", b"2"]


async def test_retry_is_tried_now_when_people_say_so(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("a", b"1"))
    tries = 0

    async def handler(attempt: Attempt) -> Outcome | None:
        nonlocal tries
        tries += 1
        return Outcome(State.RETRY, "greylisted", delay=HOUR) if tries == 1 else None

    async with queue.working(handler):
        await reached(queue.stats, lambda now: now.scheduled == 1)
        assert await operations.set_due(queue.connection, [job]) == {job}
        await queue.emptied()
    assert await queue.state(job) == ("done", None, 2)


async def test_jobs_that_are_moved_wait_as_those_of_their_new_bucket(queue: Queue) -> None:
    ids = await queue.put(
        *(NewJob("a", b"%d" % n) for n in range(3)), NewJob("a", b"x", delay=HOUR)
    )
    await operations.hold(queue.connection, ACME, ["a"], None, "unresolved")
    assert await operations.move(queue.connection, ids, "b") == set(ids)
    _, b = await operations.buckets(queue.connection, ACME)
    assert (b.name, b.ready, b.scheduled) == ("b", 3, 1)
    seen = Seen()
    async with queue.working(seen):
        await queue_emptied_but_scheduled(queue)
        await operations.set_due(queue.connection, ids)
        await queue.emptied()
    assert (sorted(seen.bodies[:3]), seen.bodies[3:]) == ([b"0", b"1", b"2"], [b"x"])


async def test_aged_job_is_found_by_people(queue: Queue) -> None:
    await queue.put(*(NewJob("a", b"%d" % n, priority=500) for n in range(50)))
    go_on = asyncio.Event()

    async def handler(attempt: Attempt) -> None:
        await go_on.wait()

    async def aged() -> set[int]:
        return {job.priority for job in await operations.jobs(queue.connection, "ready")}

    settings = Settings(concurrency=1, at_risk=1, poll=0.01, ageing=0.1)
    async with queue.working(handler, settings):
        await reached(aged, lambda priorities: bool(priorities & {50, 1}))
        waiting = set(await operations.waiting(queue.connection, ACME))

        async def cancelled() -> bool:
            """Cancel what is there; a job that is aged at this moment is in other hands."""
            waiting.difference_update(
                await operations.cancel(queue.connection, list(waiting), "withdrawn")
            )
            return not waiting

        await reached(cancelled, bool)
        go_on.set()


async def test_erased_job_keeps_its_record_and_nothing_else(queue: Queue) -> None:
    dead, unknown, done, waits = await queue.put(
        *(NewJob(name, b"jane@example.net") for name in ("dead", "unknown", "done", "waits"))
    )
    await operations.hold(queue.connection, ACME, ["waits"], None, "stopped")

    async def handler(attempt: Attempt) -> Outcome | None:
        await attempt.begin("RCPT TO:<jane@example.net>")
        states = {dead: State.DEAD, unknown: State.UNKNOWN}
        return Outcome(states.get(attempt.job.id, State.DONE), "r", "550 no jane@example.net")

    async with queue.working(handler):
        await reached(queue.stats, lambda now: now.ready == 1 and not now.claimed)
    everything = [dead, unknown, done, waits]
    assert await operations.erase(queue.connection, everything) == {dead, unknown, done}
    assert await operations.cancel(queue.connection, [waits], "erased") == {waits}
    assert await operations.erase(queue.connection, everything) == set(everything)
    for table in ("records", "bodies", "dead", "unknown", "carried_bodies", "ready", "claimed"):
        query = "select count(*) from queue.{} as r where r::text ~ %s"
        rows = await queue.connection.execute(
            sql.SQL(query).format(sql.Identifier(table)), (f"jane|{b'jane'.hex()}",)
        )
        assert await rows.fetchone() == (0,), table
    assert [(await queue.state(job))[0] for job in everything] == [
        "dead",
        "unknown",
        "done",
        "cancelled",
    ]
    assert await operations.replay(queue.connection, [dead]) == set()
    assert await operations.resolve(queue.connection, [unknown], had_effect=False) == set()


async def test_what_people_let_go_on_lives_as_long_as_its_record_says(queue: Queue) -> None:
    """Also where what it was tried for, or waited for, has used up its life."""
    dead, unknown = await queue.put(*(NewJob("b", b"", life=HOUR) for _ in range(2)))

    async def handler(attempt: Attempt) -> Outcome:
        return Outcome(State.DEAD if attempt.job.id == dead else State.UNKNOWN, "r")

    await queue.work_off(handler)
    for table in ("dead", "unknown", "records"):
        await queue.connection.execute(
            sql.SQL("update queue.{} set expires_at = now()").format(sql.Identifier(table))
        )
    await operations.replay(queue.connection, [dead])
    await operations.resolve(queue.connection, [unknown], had_effect=False)
    rows = await queue.connection.execute(
        "select ready.expires_at = record.expires_at,"
        " extract(epoch from ready.expires_at - now()) / 3600 > 23"
        " from queue.ready join queue.records as record using (id)"
    )
    assert await rows.fetchall() == [(True, True), (True, True)]


async def test_tenants_of_workers_that_are_lost_are_shown_as_unserved(queue: Queue) -> None:
    async def unserved() -> int:
        return (await operations.health(queue.connection)).unserved_slots

    assert await unserved() == 256
    async with queue.working(Seen()):
        await reached(unserved, lambda slots: slots == 0)
        async with queue.connection.transaction(force_rollback=True):
            await queue.connection.execute("update queue.workers set lease_until = now()")
            assert await unserved() == 256


async def age(queue: Queue, looks: int) -> None:
    """Look so often for jobs that have waited for ten minutes."""
    rows = await queue.connection.execute("select id from queue.buckets")
    buckets = [row[0] for row in await rows.fetchall()]
    async with worker_pool(queue.dsn, 1) as pool:
        store = Store(pool, HOUR, None)
        for _ in range(looks):
            await store.age(buckets, HOUR / 6)


@pytest.mark.parametrize(("minutes", "priority"), [(9, 500), (11, 150), (25, 50)])
async def test_time_in_a_hold_that_has_ended_by_itself_makes_no_job_older(
    queue: Queue, minutes: int, priority: int
) -> None:
    await queue.put(NewJob("b", b"", priority=500))
    await operations.hold(queue.connection, ACME, ["b"], datetime.now(UTC) + HOUR, "cap_reached")
    await queue.connection.execute("update queue.ready set due_at = now() - interval '1 day'")
    await queue.connection.execute(
        "update queue.buckets set released_at = now() - interval '1 day',"
        " held_until = now() - %s * interval '1 minute'",
        (minutes,),
    )
    await age(queue, looks=3)
    rows = await queue.connection.execute("select priority from queue.ready")
    assert await rows.fetchall() == [(priority,)]


async def test_job_that_waits_for_long_is_found_behind_any_number_of_more_urgent_ones(
    queue: Queue,
) -> None:
    (old, *_) = await queue.put(
        NewJob("b", b"old", priority=100), *(NewJob("b", b"new", priority=60) for _ in range(300))
    )
    await queue.connection.execute(
        "update queue.ready set due_at = now() - interval '1 hour' where id = %s", (old,)
    )
    await queue.connection.execute(
        "update queue.buckets set released_at = now() - interval '1 hour'"
    )
    await age(queue, looks=2)
    rows = await queue.connection.execute("select priority, id from queue.ready where aged > 0")
    assert await rows.fetchall() == [(1, old)]
