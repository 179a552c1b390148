"""A queue whose database was restored or promoted: nothing happens twice, and people decide."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from sender.queue import Attempt, NewJob, Settings, operations
from sender.queue.operations.recovery import FIRST
from tests.support.waiting import reached

from .conftest import ACME, QUICK, Queue, Seen

HOUR = timedelta(hours=1)


class Restored:
    """A queue whose database is set back to a moment at which its worker had begun nothing."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.begun: list[UUID] = []
        self.go_on = asyncio.Event()

    async def handler(self, attempt: Attempt) -> None:
        await attempt.begin("to mx1-2")
        self.begun.append(attempt.job.id)
        await self.go_on.wait()

    async def back_up(self) -> None:
        await self.queue.connection.execute("create table queue.saved as select * from queue.ready")

    async def restore(self) -> datetime:
        """Return the moment of the backup."""
        rows = await self.queue.connection.execute(
            "with claimed as (delete from queue.claimed), ready as ("
            " insert into queue.ready select * from queue.saved on conflict do nothing),"
            " identity as (update queue.identity set timeline = timeline + 1) select now()"
        )
        row = await rows.fetchone()
        assert row is not None
        assert isinstance(row[0], datetime)
        return row[0]

    async def all_begun(self, count: int) -> None:
        async def begun() -> int:
            return len(self.begun)

        await reached(begun, lambda now: now == count)


async def test_restored_database_lets_nothing_begin_and_outcomes_in_hand_settle_it(
    queue: Queue,
) -> None:
    ids = await queue.put(*(NewJob("b", b"%d" % n) for n in range(3)))
    held = await queue.put(NewJob("held", b"held"), NewJob("b", b"later", delay=HOUR))
    await operations.hold(queue.connection, ACME, ["held"], None, "stopped")
    restored = Restored(queue)
    await restored.back_up()
    settings = Settings(concurrency=3, at_risk=3, poll=0.01)
    async with queue.working(restored.handler, settings):
        await restored.all_begun(3)
        since = await restored.restore()
        (new,) = await queue.put(NewJob("b", b"new"))
        restored.go_on.set()
        await reached(partial(operations.is_bound, queue.connection), lambda bound: not bound)
        found = await operations.recover(queue.connection, since, "unknown")
        assert (found.claimed, found.waiting) == (0, 3)
        await reached(queue.stats, lambda now: now.unknown == 0 and now.ready == 1)
    for job in (*ids, new):
        assert await queue.state(job) == ("done", None, 1)
    assert restored.begun == [*ids, new]
    for job in held:
        assert await queue.state(job) == ("queued", None, 0)


async def test_what_was_due_at_a_restore_waits_for_people_if_its_worker_is_gone(
    queue: Queue,
) -> None:
    ids = await queue.put(*(NewJob("b", b"%d" % n) for n in range(3)))
    restored = Restored(queue)
    await restored.back_up()
    since = await restored.restore()
    seen = Seen()
    async with queue.working(seen, QUICK):
        await operations.recover(queue.connection, since, "unknown")
        await queue.put(NewJob("b", b"new"))
        await reached(queue.stats, lambda now: now.unknown == 3 and not now.ready)
        await queue.emptied()
        assert await queue.state(ids[0]) == ("unknown", "database_restored", 0)
        await operations.resolve(queue.connection, ids, had_effect=False)
        await queue.emptied()
    assert seen.bodies[0] == b"new"
    assert sorted(seen.bodies[1:]) == [b"0", b"1", b"2"]


async def test_jobs_are_sent_again_after_a_restore_if_people_say_so(queue: Queue) -> None:
    ids = await queue.put(*(NewJob("b", b"%d" % n) for n in range(3)))
    restored = Restored(queue)
    async with queue.working(restored.handler, Settings(poll=0.01, grace=0)):
        await restored.all_begun(3)
        await queue.connection.execute("update queue.identity set timeline = timeline + 1")
        found = await operations.recover(queue.connection, datetime.now(UTC), "resend")
        assert (found.claimed, found.waiting) == (3, 0)
        restored.go_on.set()
        await restored.all_begun(6)
    assert await operations.recover(queue.connection, datetime.now(UTC), "resend") == (
        operations.Recovered(0, 0)
    )
    assert {await queue.state(job) for job in ids} == {("done", None, 1)}


async def test_worker_from_after_the_backup_shares_its_id_with_no_later_one(queue: Queue) -> None:
    """What each holds is lost with its own lease."""

    async def workers() -> int:
        rows = await queue.connection.execute("select count(*) from queue.workers")
        return int((await rows.fetchone() or (0,))[0])

    settings = Settings(poll=0.01, lease=10)
    async with queue.working(Seen(), settings):
        await reached(workers, lambda count: count == 1)
        await queue.connection.execute(
            "alter table queue.workers alter id restart; delete from queue.workers"
        )
        async with queue.working(Seen(), settings):
            await reached(workers, lambda count: count == 2)


async def test_first_jobs_whose_hold_may_have_ended_since_a_restore_wait_for_people(
    queue: Queue,
) -> None:
    """So what left a second before a promotion, right after its release, does not leave again."""
    ids = await queue.put(*(NewJob("spread", b"", priority=200 - n) for n in range(FIRST + 1)))
    (kept,) = await queue.put(NewJob("stopped", b""))
    for bucket in ("spread", "stopped"):
        await operations.hold(queue.connection, ACME, [bucket], None, bucket)
    await queue.connection.execute("update queue.identity set timeline = timeline + 1")
    since = datetime.now(UTC) + timedelta(seconds=1)
    found = await operations.recover(
        queue.connection, since, "unknown", most=10, may_have_ended=["spread"]
    )
    assert (found.claimed, found.waiting, found.is_done) == (0, FIRST, True)
    left = {job.id for job in await operations.jobs(queue.connection, "ready")}
    assert left == {ids[0], kept}  # the others are more urgent than the first


async def test_held_jobs_wait_for_people_too_if_holds_may_have_been_ended_since(
    queue: Queue,
) -> None:
    """A job that was released and done since the backup is not done again by its next release."""
    held = await queue.put(*(NewJob("stopped", b"%d" % n) for n in range(5)))
    capped = await queue.put(*(NewJob("capped", b"%d" % n) for n in range(4)))
    await operations.hold(queue.connection, ACME, ["stopped"], None, "stopped")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await operations.hold(queue.connection, ACME, ["capped"], tomorrow, "capped")
    await queue.connection.execute("update queue.identity set timeline = timeline + 1")
    since = datetime.now(UTC) + timedelta(seconds=1)
    found = operations.Recovered(0, 0, is_done=False)
    waiting = 0
    while not found.is_done:
        found = await operations.recover(queue.connection, since, "all_unknown", most=4)
        waiting += found.waiting
    assert waiting == 9
    assert {await queue.state(job) for job in (*held, *capped)} == {
        ("unknown", "database_restored", 0)
    }
    await operations.release(queue.connection, ACME, ["stopped", "capped"])
    seen = Seen()
    async with queue.working(seen, QUICK):
        await operations.resolve(queue.connection, held, had_effect=True)
        await operations.resolve(queue.connection, capped, had_effect=False)
        await queue.emptied()
    assert sorted(seen.bodies) == [b"0", b"1", b"2", b"3"]
