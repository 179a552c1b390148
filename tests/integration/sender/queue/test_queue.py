"""The queue's promises to those who enqueue and to handlers."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from sender.queue import Attempt, Bucket, NewJob, Outcome, Settings, State, enqueue, operations
from tests.support.waiting import reached

from .conftest import ACME, BOTH_WAYS, GLOBEX, QUICK, Queue, Seen

pytestmark = BOTH_WAYS


async def test_job_of_a_transaction_that_is_rolled_back_never_existed(queue: Queue) -> None:
    with contextlib.suppress(psycopg.Rollback):
        async with queue.connection.transaction():
            await enqueue(queue.connection, ACME, [NewJob("b", b"1")])
            raise psycopg.Rollback
    (kept,) = await queue.put(NewJob("b", b"2"))
    seen = Seen()
    await queue.work_off(seen)
    assert seen.bodies == [b"2"]
    assert await queue.state(kept) == ("done", None, 1)


async def test_repeated_key_enqueues_once_and_says_whether_the_body_is_the_same(
    queue: Queue,
) -> None:
    first, twin = await enqueue(
        queue.connection, ACME, [NewJob("b", b"1", key="k"), NewJob("b", b"1", key="k")]
    )
    (other,) = await enqueue(queue.connection, ACME, [NewJob("b", b"2", key="k")])
    (foreign,) = await enqueue(queue.connection, GLOBEX, [NewJob("b", b"3", key="k")])
    assert first.is_new
    assert (twin.id, twin.is_new, twin.is_same) == (first.id, False, True)
    assert (other.id, other.is_new, other.is_same) == (first.id, False, False)
    assert foreign.is_new
    seen = Seen()
    await queue.work_off(seen)
    assert sorted(seen.bodies) == [b"1", b"3"]


async def test_jobs_of_a_batch_run_in_order_of_priority_then_as_they_were_given(
    queue: Queue,
) -> None:
    new = [NewJob("b", b"%d %d" % (p, n), priority=p) for n in range(20) for p in (200, 100, 10)]
    await queue.put(*new)
    seen = Seen()
    await queue.work_off(seen, Settings(concurrency=1, exchanges=1, poll=0.01))
    assert seen.bodies == [b"%d %d" % (p, n) for p in (10, 100, 200) for n in range(20)]


async def test_job_with_a_delay_is_not_begun_before_it_is_due(queue: Queue) -> None:
    (late,) = await queue.put(NewJob("b", b"late", delay=timedelta(seconds=0.3)))
    await queue.put(NewJob("b", b"now", priority=500))
    seen = Seen()
    await queue.work_off(seen)
    assert sorted(seen.bodies) == [b"late", b"now"]
    rows = await queue.connection.execute(
        "select changed_at >= due_at from queue.records where id = %s", (late,)
    )
    assert await rows.fetchone() == (True,)


async def test_retry_waits_its_delay_and_counts_attempts(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))
    attempts = []

    async def handler(attempt: Attempt) -> Outcome | None:
        attempts.append(attempt.job.attempts)
        if attempt.job.attempts < 2:
            return Outcome(State.RETRY, "greylisted", delay=timedelta(milliseconds=50))
        return None

    await queue.work_off(handler)
    assert attempts == [0, 1, 2]
    assert await queue.state(job) == ("done", None, 3)


async def test_handler_that_fails_is_called_again_later(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))

    async def handler(attempt: Attempt) -> None:
        raise ValueError("bad luck")

    async with queue.working(handler):
        await reached(queue.stats, lambda now: now.scheduled == 1)
    assert await queue.state(job) == ("retry", "handler_failed", 1)


async def test_handler_beyond_its_time_limit_is_ended_and_tried_again(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))

    async def handler(attempt: Attempt) -> None:
        await asyncio.Event().wait()

    async with queue.working(handler, Settings(time_limit=0.1, poll=0.01)):
        await reached(queue.stats, lambda now: now.scheduled == 1)
    assert await queue.state(job) == ("retry", "time_limit", 1)


@pytest.mark.parametrize("reason", ["handler_failed", "time_limit"])
async def test_handler_that_is_broken_off_after_its_intent_is_not_called_again(
    queue: Queue, reason: str
) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))

    async def handler(attempt: Attempt) -> None:
        await attempt.begin()
        if reason == "handler_failed":
            raise ValueError("after the effect, for all we know")
        await asyncio.Event().wait()

    await queue.work_off(handler, Settings(time_limit=0.1, poll=0.01))
    assert await queue.state(job) == ("unknown", reason, 1)
    assert (await queue.stats()).unknown == 1
    assert await operations.resolve(queue.connection, [job], had_effect=True) == {job}


async def test_handler_that_begins_again_is_not_called_again(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))
    calls = 0

    async def handler(attempt: Attempt) -> None:
        nonlocal calls
        calls += 1
        await attempt.begin()
        await attempt.begin()

    async with queue.working(handler):
        await reached(queue.stats, lambda now: not (now.ready or now.claimed))
    assert (calls, await queue.state(job)) == (1, ("unknown", "handler_failed", 1))


async def test_dead_letter_is_listed_with_its_reason_and_can_be_replayed(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))
    await queue.work_off(Seen(Outcome(State.DEAD, "content", "554 no")))
    (letter,) = await operations.dead_letters(queue.connection, tenant_id=ACME, limit=10)
    assert (letter.id, letter.reason, letter.words) == (job, "content", "554 no")
    assert await operations.dead_letters(queue.connection, tenant_id=GLOBEX, limit=10) == []
    assert await operations.replay(queue.connection, [job]) == {job}
    assert await operations.replay(queue.connection, [job]) == set()
    seen = Seen()
    await queue.work_off(seen)
    assert seen.bodies == [b"1"]
    assert await queue.state(job) == ("done", None, 1)


async def test_dead_letter_that_is_purged_is_gone(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))
    await queue.work_off(Seen(Outcome(State.DEAD, "content")))
    assert await operations.purge(queue.connection, [job]) == {job}
    assert await operations.replay(queue.connection, [job]) == set()


async def test_job_whose_life_is_over_expires_without_a_call(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("b", b"1", life=timedelta(microseconds=1)))
    seen = Seen()
    await queue.work_off(seen)
    assert seen.bodies == []
    assert await queue.state(job) == ("expired", "expired", 0)


async def test_held_bucket_waits_and_others_go_on(queue: Queue) -> None:
    await queue.put(NewJob("held", b"1"), NewJob("free", b"2"))
    await operations.hold(queue.connection, ACME, ["held"], None, "stopped")
    seen = Seen()
    async with queue.working(seen):
        await reached(queue.stats, lambda now: now.ready == 1 and not now.claimed)
        assert seen.bodies == [b"2"]
        await operations.release(queue.connection, ACME, ["held"])
        await queue.emptied()
    assert seen.bodies == [b"2", b"1"]


async def test_hold_of_a_bucket_in_work_takes_effect(queue: Queue) -> None:
    await queue.put(*(NewJob("b", b"%d" % n) for n in range(50)))
    held = asyncio.Event()

    async def handler(attempt: Attempt) -> None:
        await held.wait()

    async with queue.working(handler, Settings(concurrency=2, at_risk=2, poll=0.01)):
        await reached(queue.stats, lambda now: now.claimed == 2)
        await operations.hold(queue.connection, ACME, ["b"], None, "stopped")
        await queue.arrivals_read()
        held.set()
        await reached(queue.stats, lambda now: now.claimed == 0)
        assert (await queue.stats()).ready == 48
        await operations.release(queue.connection, ACME, ["b"])
        await queue.emptied()


async def test_hold_with_an_end_ends_by_itself(queue: Queue) -> None:
    await queue.put(NewJob("b", b"1"))
    rows = await queue.connection.execute("select now() + interval '0.2 s'")
    (until,) = (await rows.fetchone()) or (None,)
    await operations.hold(queue.connection, ACME, ["b"], until, "cap_reached")
    await queue.work_off(Seen())
    rows = await queue.connection.execute(
        "select min(changed_at) >= %s from queue.records", (until,)
    )
    assert await rows.fetchone() == (True,)


async def test_large_tenant_does_not_delay_a_small_one(queue: Queue) -> None:
    await queue.put(*(NewJob("b", b"large") for _ in range(2000)))
    await queue.put(*(NewJob("b", b"small") for _ in range(10)), tenant=GLOBEX)
    seen = Seen()
    await queue.work_off(seen, Settings(concurrency=1, at_risk=20, poll=0.01))
    last = max(n for n, body in enumerate(seen.bodies) if body == b"small")
    assert last < 60


async def test_priority_of_a_large_tenant_does_not_delay_a_small_one(queue: Queue) -> None:
    """Not even the least urgent jobs of that one: priorities order the jobs of one tenant."""
    await queue.put(*(NewJob("b", b"large", priority=1) for _ in range(1000)))
    await queue.put(*(NewJob("b", b"small", priority=1000) for _ in range(10)), tenant=GLOBEX)
    seen = Seen()

    async def handler(attempt: Attempt) -> None:
        await attempt.begin()  # more is claimed meanwhile
        await seen(attempt)

    await queue.work_off(handler, Settings(concurrency=4, at_risk=100, poll=0.01))
    last = max(n for n, body in enumerate(seen.bodies) if body == b"small")
    assert last < 200


async def test_tenants_share_by_weight(queue: Queue) -> None:
    for tenant, body in ((ACME, b"a"), (GLOBEX, b"g")):
        await queue.put(*(NewJob("b", body) for _ in range(1000)), tenant=tenant)
    await operations.set_tenant(queue.connection, ACME, weight=3)
    seen = Seen()
    await queue.work_off(seen, Settings(concurrency=1, at_risk=40, poll=0.01))
    assert 280 <= seen.bodies[:400].count(b"a") <= 320


async def test_urgent_jobs_overtake_those_of_all_tenants(queue: Queue) -> None:
    await queue.put(*(NewJob("b", b"mail", priority=1) for _ in range(500)))
    await queue.put(NewJob("b", b"urgent"), tenant=GLOBEX, urgent=True)
    seen = Seen()
    await queue.work_off(seen, Settings(concurrency=1, at_risk=10, poll=0.01))
    assert seen.bodies.index(b"urgent") <= 10


async def test_no_more_is_at_risk_than_the_setting_says(queue: Queue) -> None:
    """Whichever of several exchanges is committed first."""
    await queue.put(*(NewJob(f"b{n % 3}", b"1") for n in range(300)))
    claimed: list[int] = []

    async def handler(_attempt: Attempt) -> None:
        claimed.append((await queue.stats()).claimed)

    settings = Settings(concurrency=4, at_risk=7, exchanges=3, gather=0, poll=0.01)
    await queue.work_off(handler, settings, credit=lambda _bucket: 4)
    assert len(claimed) == 300
    assert max(claimed) <= 7


async def test_credit_of_a_bucket_is_never_exceeded(queue: Queue) -> None:
    await queue.put(*(NewJob("b", b"1") for _ in range(30)))
    left = 7

    def credit(_bucket: object) -> int:
        return left

    async def handler(attempt: Attempt) -> None:
        nonlocal left
        left -= 1

    async with queue.working(handler, QUICK, credit=credit):
        await reached(queue.stats, lambda now: now.ready == 23 and not now.claimed)
    assert left == 0


async def test_job_that_waits_for_long_comes_before_more_urgent_ones_that_came_later(
    queue: Queue,
) -> None:
    await queue.put(NewJob("b", b"low", priority=500), NewJob("held", b"held", priority=500))
    await operations.hold(queue.connection, ACME, ["held"], None, "stopped")
    served = asyncio.Event()

    async def handler(attempt: Attempt) -> None:
        """Be overtaken for ever: each urgent job enqueues the next ones."""
        if attempt.job.body == b"low":
            served.set()
        if not served.is_set():
            await queue.put(*(NewJob("b", b"high", priority=40) for _ in range(2)))

    await queue.put(*(NewJob("b", b"high", priority=40) for _ in range(10)))
    settings = Settings(concurrency=1, at_risk=1, poll=0.01, ageing=0.2)
    async with queue.working(handler, settings):
        await served.wait()
    rows = await queue.connection.execute(
        "select priority from queue.ready join queue.buckets on bucket_id = buckets.id"
        " where name = 'held'"
    )
    assert await rows.fetchone() == (500,)


async def test_another_life_of_the_database_stops_all_work_until_it_is_accepted(
    queue: Queue,
) -> None:
    await queue.put(NewJob("b", b"1"))
    await queue.connection.execute("update queue.identity set timeline = timeline + 1")
    assert not await operations.is_bound(queue.connection)
    seen = Seen()
    async with queue.working(seen):
        await queue.arrivals_read()
        assert (await queue.stats()).ready == 1
        await operations.bind(queue.connection)
        await queue.emptied()
    assert seen.bodies == [b"1"]


async def test_jobs_of_a_held_bucket_expire_where_they_wait(queue: Queue) -> None:
    short = timedelta(milliseconds=1)
    due, kept = await queue.put(NewJob("held", b"1", life=short), NewJob("held", b"2"))
    (retried,) = await queue.put(NewJob("b", b"3"))
    await operations.hold(queue.connection, ACME, ["held"], None, "cap_reached")
    over = datetime.now(UTC) - timedelta(hours=1)
    await operations.hold(queue.connection, ACME, ["b"], over, "over_by_now")
    outcome = Outcome(State.RETRY, "greylisted", delay=timedelta(hours=1), life=short, note="1-2")
    seen = Seen(outcome)
    async with queue.working(seen, replace(QUICK, expiry=0.05)):
        await reached(queue.stats, lambda now: (now.ready, now.scheduled, now.claimed) == (1, 0, 0))
    assert seen.bodies == [b"3"]
    assert await queue.state(due) == ("expired", "cap_reached", 0)
    assert await queue.state(retried) == ("expired", "expired", 1)
    assert await queue.state(kept) == ("queued", None, 0)
    rows = await queue.connection.execute(
        "select note from queue.records where id = %s", (retried,)
    )
    assert await rows.fetchone() == ("1-2",)


async def test_credit_that_buckets_share_is_never_exceeded(queue: Queue) -> None:
    await queue.put(*(NewJob(f"b{n % 5}", b"%d" % n) for n in range(100)))
    in_work: Counter[int] = Counter()
    most = 0

    def on_in_work(bucket_id: int, more: int) -> None:
        nonlocal most
        in_work[bucket_id] += more
        most = max(most, in_work.total())

    def credit(bucket: Bucket) -> int:
        return 7 - in_work.total() + in_work[bucket.id]

    await queue.work_off(Seen(), credit=credit, on_in_work=on_in_work)
    assert most == 7
    assert in_work.total() == 0


async def test_statement_that_enqueues_may_describe_each_job_or_all_at_once(queue: Queue) -> None:
    call = (
        "select id from queue.enqueue(%s, false, %s::text[], (array[100, 200])[:%s]::smallint[],"
        " array_fill(interval '0', array[%s::integer]),"
        " array_fill(interval '1 day', array[%s::integer]),"
        " array['1', '2']::bytea[], null, null)"
    )
    for names in (["a", "b"], ["c"]):
        count = len(names)
        await queue.connection.execute(call, (ACME, names, count, count, count))
    found = await operations.jobs(queue.connection, "ready")
    assert sorted((job.bucket, job.priority) for job in found) == [
        ("a", 100),
        ("b", 200),
        ("c", 100),
        ("c", 100),
    ]
