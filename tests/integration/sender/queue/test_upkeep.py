"""Days of partitions come and go while others read, enqueue and wait."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

import psycopg
from psycopg import sql

from sender.queue import Handler, NewJob, Outcome, Settings, State, enqueue, operations, worker_pool
from sender.queue.upkeep import Upkeep
from tests.support.waiting import SECONDS, reached

from .conftest import ACME, GLOBEX, QUICK, Queue, Seen

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


async def uncovered(queue: Queue) -> set[tuple[str, int]]:
    """Return tables and days from today on for which there is no partition, of the next four."""
    rows = await queue.connection.execute(
        """
        select parent, day
        from unnest(array['queue.records', 'queue.bodies']) as parent, generate_series(0, 3) as day
        where not exists (
            select from pg_inherits cross join queue.bounds_of(inhrelid) as ends
            where inhparent = parent::regclass and inhrelid::regclass::text ~ '_[0-9]{8}$'
              and queue.least_id(now() + make_interval(days => day)) between ends[1] and ends[2])
        """
    )
    return set(await rows.fetchall())


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
    assert await uncovered(queue) == {("queue.records", 0), ("queue.bodies", 0)}
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
        async with asyncio.timeout(SECONDS):  # the reader does not end before
            await keep_up(queue)
            (new,) = await queue.put(NewJob("b", b"2"))
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
        await reached(partial(uncovered, queue), lambda days: not days)


async def test_weeks_begin_after_the_days_of_earlier_versions(queue: Queue) -> None:
    await drop_partitions(queue)
    connection = queue.connection
    await connection.execute(
        "select queue.make_partition("
        "'queue.records', date '2020-01-07', queue.id_bounds('2020-01-07'), 80),"
        " queue.make_weeks("
        "'queue.records', 80, 8, (now() at time zone 'UTC')::date - date '2020-01-08')"
    )
    rows = await connection.execute(
        "select inhrelid::regclass::text, queue.bounds_of(inhrelid)"
        " = queue.id_bounds(%s, %s)::uuid[] from pg_inherits where inhrelid = to_regclass(%s)",
        ("2020-01-08", "2020-01-12", "queue.records_20200112"),
    )
    assert await rows.fetchall() == [("queue.records_20200112", True)]
    rows = await connection.execute(
        "select count(*) from pg_inherits where inhparent = 'queue.records'::regclass"
    )
    weeks = (await rows.fetchone() or (0,))[0]
    assert weeks > 300
    await keep_up(queue)
    assert "queue.records_20200112" not in await partitions(queue)


async def test_dead_letters_end_with_their_records(queue: Queue) -> None:
    (job,) = await queue.put(NewJob("b", b"1"))
    await queue.work_off(Seen(Outcome(State.DEAD, "refused")))
    assert await count(queue, "dead") == 1
    await keep_up(queue, replace(QUICK, keep_records=80))
    assert await count(queue, "dead") == 1
    await queue.connection.execute("update queue.dead set id = queue.least_id(%s)", (OLD,))
    await keep_up(queue)
    assert await count(queue, "dead") == 0
    assert (await queue.state(job))[0] == "dead"


async def test_no_dead_letter_outlives_its_record(queue: Queue) -> None:
    await queue.connection.execute("select queue.make_partitions(3, 120)")
    await queue.connection.execute(
        "insert into queue.records (id, tenant_id, bucket_id, priority, state, due_at, expires_at)"
        " select queue.least_id(now() - days * interval '1 day'), %s, 1, 100, 'dead', now(), now()"
        " from generate_series(80, 110) as days",
        (ACME,),
    )
    await queue.connection.execute(
        "insert into queue.dead (id, tenant_id, bucket_id, priority, due_at, expires_at, attempts)"
        " select id, tenant_id, bucket_id, priority, due_at, expires_at, 1 from queue.records"
    )
    await keep_up(queue)
    rows = await queue.connection.execute(
        "select record.id is not null, dead.id is not null, count(*)"
        " from queue.records as record full join queue.dead as dead using (id) group by 1, 2"
    )
    [(*both, left)] = await rows.fetchall()
    assert both == [True, True]
    assert 10 < left <= 18


async def test_bodies_of_a_day_of_which_many_jobs_wait_stay(queue: Queue) -> None:
    (waiting,) = await queue.put(NewJob("b", b"1"))
    await make_old(queue, waiting)
    await queue.connection.execute(
        "insert into queue.scheduled (slot, due_at, id, bucket_id, priority, tenant_id, expires_at)"
        " select 0, now() + interval '1 day', id, 1, 100, %s, now()"
        " from unnest(queue.new_ids(100000)) as id",
        (ACME,),
    )
    await queue.connection.execute(
        "update queue.scheduled set id = encode(overlay(uuid_send(id) placing substring("
        "uuid_send(queue.least_id(%s)) from 1 for 5) from 1), 'hex')::uuid",
        (OLD,),
    )
    await keep_up(queue)
    assert "queue.bodies_20200101" in await partitions(queue)
    await queue.connection.execute("delete from queue.scheduled")
    await keep_up(queue)
    assert "queue.bodies_20200101" not in await partitions(queue)
    assert await count(queue, "carried_bodies") == 1


async def empty(queue: Queue, handler: Handler) -> None:
    """Work off what is due, until every bucket is known to be empty."""

    async def filled() -> bool:
        query = "select from queue.buckets where filled union all select from queue.arrivals"
        return await (await queue.connection.execute(query)).fetchone() is not None

    async with queue.working(handler):
        await reached(filled, lambda found: not found)
        await reached(queue.stats, lambda now: not now.claimed)


async def bucket_names(queue: Queue) -> list[str]:
    rows = await queue.connection.execute("select name from queue.buckets order by id")
    return [name for (name,) in await rows.fetchall()]


async def not_used_for_long(queue: Queue) -> None:
    """Let every bucket be empty since before the oldest record."""
    await queue.connection.execute("delete from queue.records")
    await queue.connection.execute(
        "update queue.buckets set emptied_at = now() - interval '2 days'"
    )


async def test_buckets_are_dropped_when_no_record_is_older_than_their_last_job(
    queue: Queue,
) -> None:
    await queue.put(NewJob("unused", b"1"))
    await empty(queue, Seen())
    await queue.connection.execute(
        "update queue.buckets set emptied_at = now() - interval '1 year'"
    )
    await make_old(queue, (await queue.put(NewJob("held", b"1")))[0])
    await operations.hold(queue.connection, ACME, ["held"], None, "stopped")
    await keep_up(queue)
    assert await bucket_names(queue) == ["unused", "held"], "a record may name it"
    await not_used_for_long(queue)
    await keep_up(queue)
    assert await bucket_names(queue) == ["held"]
    (again,) = await queue.put(NewJob("unused", b"2"))
    await operations.release(queue.connection, ACME, ["held"])
    await empty(queue, Seen())
    assert (await queue.state(again))[0] == "done"
    await keep_up(queue)
    assert await bucket_names(queue) == ["held", "unused"], "they have just been used"


async def test_buckets_of_jobs_that_are_anywhere_are_kept(queue: Queue) -> None:
    await queue.put(NewJob("unknown", b"1"))
    await empty(queue, Seen(Outcome(State.UNKNOWN, "lost")))
    await queue.put(NewJob("dead", b"1"))
    await empty(queue, Seen(Outcome(State.DEAD, "refused")))
    await queue.put(NewJob("unread", b"1"), NewJob("later", b"1", delay=timedelta(days=200)))
    await not_used_for_long(queue)
    await keep_up(queue)
    assert await bucket_names(queue) == ["unknown", "dead", "later", "unread"]
    await empty(queue, Seen())
    await not_used_for_long(queue)
    await keep_up(queue)
    assert await bucket_names(queue) == ["unknown", "dead", "later"]


async def test_bucket_that_is_being_enqueued_into_is_kept(queue: Queue) -> None:
    await queue.put(NewJob("b", b"1"))
    await empty(queue, Seen())
    await not_used_for_long(queue)
    async with await psycopg.AsyncConnection.connect(queue.dsn) as other:
        await enqueue(other, ACME, [NewJob("b", b"2")])
        await keep_up(queue)
        assert await bucket_names(queue) == ["b"]
        await other.commit()
    await keep_up(queue)
    seen = Seen()
    await empty(queue, seen)
    assert seen.bodies == [b"2"]


async def test_who_enqueues_while_a_bucket_is_dropped_makes_another(queue: Queue) -> None:
    await queue.put(NewJob("b", b"1"))
    await queue.put(NewJob("b", b"1"), tenant=GLOBEX)
    await empty(queue, Seen())
    await not_used_for_long(queue)
    async with await psycopg.AsyncConnection.connect(queue.dsn) as other:
        async with await psycopg.AsyncConnection.connect(queue.dsn) as dropping:
            rows = await dropping.execute("select queue.drop_buckets(1000)")
            assert await rows.fetchone() == (2,)
            enqueuing = asyncio.create_task(enqueue(other, ACME, [NewJob("b", b"2")]))
            await reached(partial(waiting_for_a_lock, dropping), bool)
            await dropping.commit()
        (job,) = await enqueuing
        await other.commit()
    await empty(queue, Seen())
    assert (await queue.state(job.id))[0] == "done"


async def waiting_for_a_lock(connection: psycopg.AsyncConnection[object]) -> bool:
    rows = await connection.execute("select from pg_locks where not granted")
    return await rows.fetchone() is not None
