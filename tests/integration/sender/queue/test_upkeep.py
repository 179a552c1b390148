"""Days of partitions come and go while others read, enqueue and wait."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

import psycopg
from psycopg import sql

from sender.queue import NewJob, Settings, operations, worker_pool
from sender.queue.upkeep import Upkeep
from tests.support.waiting import reached

from .conftest import ACME, QUICK, Queue, Seen

OLD = "2020-01-01"


async def keep_up(queue: Queue, settings: Settings = QUICK) -> None:
    async with worker_pool(queue.dsn, 1) as pool:
        await Upkeep(pool, settings).run()


async def partitions(queue: Queue) -> set[str]:
    rows = await queue.connection.execute(
        "select inhrelid::regclass::text from pg_inherits"
        " where inhparent in ('queue.records'::regclass, 'queue.bodies'::regclass)"
    )
    return {row[0] for row in await rows.fetchall()}


async def make_old(queue: Queue, job: object) -> None:
    """Move a job's record and body to a day long ago, which changes its id."""
    await queue.connection.execute("set session_replication_role = replica")
    for parent in ("records", "bodies"):
        name = f"queue.{parent}_20200101"
        await queue.connection.execute(f"create table {name} (like queue.{parent} including all)")
        await queue.connection.execute(
            f"alter table queue.{parent} attach partition {name}"
            f" for values from (queue.least_id('{OLD}')) to (queue.least_id('2020-01-02'))"
        )
    for table in ("records", "bodies", "ready"):
        query = "update {} set id = queue.least_id(%s) where id = %s"
        named = sql.SQL(query).format(sql.Identifier("queue", table))
        await queue.connection.execute(named, (OLD, job))
    await queue.connection.execute("set session_replication_role = origin")


async def drop_partitions(queue: Queue) -> None:
    for name in await partitions(queue):
        if not name.endswith("default"):
            await queue.connection.execute(f"drop table {name}")


async def count(queue: Queue, table: str) -> int:
    query = sql.SQL("select count(*) from {}").format(sql.Identifier("queue", table))
    rows = await queue.connection.execute(query)
    return int((await rows.fetchone() or (0,))[0])


async def test_body_of_a_waiting_job_outlives_the_partition_of_its_day(queue: Queue) -> None:
    waiting, _ = await queue.put(NewJob("b", b"kept"), NewJob("c", b"gone"))
    await operations.hold(queue.connection, ACME, ["b"], None, "stopped")
    async with queue.working(Seen()):
        await reached(queue.stats, lambda now: now.ready == 1 and not now.claimed)
    await keep_up(queue, replace(QUICK, keep_bodies=-1))
    rows = await queue.connection.execute("select id from queue.carried_bodies")
    assert await rows.fetchall() == [(waiting,)]
    await operations.release(queue.connection, ACME, ["b"])
    seen = Seen()
    await queue.work_off(seen)
    assert seen.bodies == [b"kept"]
    await keep_up(queue)
    assert await count(queue, "carried_bodies") == 0


async def test_records_of_a_day_stay_while_one_of_its_jobs_waits(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))
    await make_old(queue, job)
    await keep_up(queue)
    assert "queue.records_20200101" in await partitions(queue)
    assert "queue.bodies_20200101" not in await partitions(queue)
    seen = Seen()
    await queue.work_off(seen)
    assert seen.bodies == [b"1"]
    await keep_up(queue)
    assert "queue.records_20200101" not in await partitions(queue)


async def test_jobs_are_enqueued_and_worked_off_without_any_partition(queue: Queue) -> None:
    await drop_partitions(queue)
    (job,) = await queue.put(NewJob("b", b"1"))
    await queue.work_off(Seen())
    assert await queue.state(job) == ("done", None, 1)
    await keep_up(queue)  # today stays in the default partition
    assert len(await partitions(queue)) == 2 + 3 * 2
    assert await count(queue, "records_default") == 1
    await keep_up(queue, replace(QUICK, keep_bodies=-2, keep_records=-2))
    assert await count(queue, "records_default") == 0
    assert await count(queue, "bodies_default") == 0


async def test_reader_that_does_not_end_delays_upkeep_and_not_those_who_enqueue(
    queue: Queue,
) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))
    await make_old(queue, job)
    await queue.work_off(Seen())
    assert "queue.records_20200101" in await partitions(queue)
    async with await psycopg.AsyncConnection.connect(queue.dsn) as reader:
        await reader.execute("select from queue.records, queue.bodies limit 1")
        began = time.monotonic()
        await keep_up(queue)
        (new,) = await queue.put(NewJob("b", b"2"))
        assert time.monotonic() - began < 2
        assert "queue.records_20200101" in await partitions(queue)
    await keep_up(queue)
    assert "queue.records_20200101" not in await partitions(queue)
    assert (await queue.state(new))[0] == "queued"


async def test_keys_are_deleted_after_their_days(queue: Queue) -> None:
    old, new = await queue.put(NewJob("b", b"1", key="old"), NewJob("b", b"2", key="new"))
    await queue.connection.execute(
        "update queue.keys set created_at = now() - interval '91 days' where id = %s", (old,)
    )
    await keep_up(queue)
    again = await queue.put(NewJob("b", b"1", key="old"), NewJob("b", b"2", key="new"))
    assert again[0] != old
    assert again[1] == new


async def test_worker_makes_the_partitions_of_the_next_days(queue: Queue) -> None:
    await drop_partitions(queue)
    async with queue.working(Seen(), replace(QUICK, upkeep=0.01)):
        await reached(partial(partitions, queue), lambda names: len(names) == 2 + 4 * 2)
