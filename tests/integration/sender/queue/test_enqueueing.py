"""What enqueueing writes, one by one, together, and in an upgraded database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, LiteralString
from uuid import RFC_4122

import psycopg
import pytest
from psycopg.rows import dict_row

from sender import migrations
from sender.queue import NewJob, TooManyJobs, enqueue, operations
from tests.integration.conftest import fresh_database
from tests.support.installation import INSTALLATION
from tools.servers import Postgres

from .conftest import ACME, GLOBEX, Queue

FUNCTIONS = """
    select proname, pg_get_functiondef(oid) from pg_proc
    where pronamespace = 'queue'::regnamespace order by proname, oid::regprocedure::text"""


async def rows(queue: Queue, statement: str) -> list[tuple[Any, ...]]:
    return await (await queue.connection.execute(statement)).fetchall()


TABLES = {
    "queue.bodies": "select body, tenant_id from queue.bodies order by 1",
    "queue.records": """
        select record.priority, bucket_id, record.tenant_id, state,
            due_at < now() + interval '1 min', expires_at - due_at, job.id is not null
        from queue.records as record join queue.bodies using (id) left join (
            select id, due_at, expires_at from queue.ready
            union all select id, due_at, expires_at from queue.scheduled
        ) as job using (id, due_at, expires_at)
        order by 1""",
    "queue.ready": """
        select priority, bucket_id, tenant_id, expires_at - due_at, attempts, losses, aged
        from queue.ready order by 1""",
    "queue.scheduled": """
        select priority, slot, bucket_id, tenant_id, expires_at - due_at, attempts, losses
        from queue.scheduled""",
    "queue.arrivals": """
        select slot, tenant_id, bucket_id, min(priority), sum(jobs),
            min(due_at) < now() + interval '1 min'
        from queue.arrivals group by 1, 2, 3 order by 3""",
}
"""With what is the same at each time, and to be seen, of their rows."""


async def written(queue: Queue) -> list[list[tuple[Any, ...]]]:
    """Return what is in the tables of one who enqueues, and empty them."""
    found = [await rows(queue, statement) for statement in TABLES.values()]
    await queue.connection.execute(f"truncate {', '.join(TABLES)}")
    return found


async def test_job_alone_is_written_as_among_others(queue: Queue) -> None:
    jobs = [
        NewJob("a", b"1", life=timedelta(hours=1)),
        NewJob("b", b"2", priority=7),
        NewJob("a", b"3", priority=8, delay=timedelta(hours=1)),
    ]
    for _ in range(2):  # buckets are new, then known
        for urgent in (False, True):
            await queue.put(*jobs, urgent=urgent)
            together = await written(queue)
            assert all(together)
            for job in jobs:
                await queue.put(job, urgent=urgent)
            assert await written(queue) == together


async def test_ids_ascend_and_have_the_time_of_the_database(queue: Queue) -> None:
    for count in (1, 3, 10_000):
        [(before,)] = await rows(queue, "select now()")
        ids = await queue.put(*[NewJob("b", b"")] * count)
        [(after,)] = await rows(queue, "select now()")
        assert ids == sorted(set(ids))
        assert len(ids) == count
        assert {(id_.version, id_.variant) for id_ in ids} == {(7, RFC_4122)}
        began = (ids[0].int >> 80) / 1000
        assert before.timestamp() - 0.001 <= began <= after.timestamp() + 0.001


async def test_quota_counts_jobs_that_come_alone(queue: Queue) -> None:
    await operations.set_tenant(queue.connection, ACME, most_waiting=2)
    await queue.put(NewJob("b", b"1"))
    await queue.put(NewJob("b", b"2"))
    with pytest.raises(TooManyJobs, match="2 of at most 2 jobs wait"):
        await queue.put(NewJob("b", b"3"))
    await queue.put(NewJob("b", b"3"), tenant=GLOBEX)


async def test_repeated_jobs_need_no_quota(queue: Queue) -> None:
    await operations.set_tenant(queue.connection, ACME, most_waiting=2)
    first = NewJob("b", b"1", key="first")
    await queue.put(first)
    new = NewJob("b", b"2", key="new")
    found = await enqueue(queue.connection, ACME, [first, new, new])
    assert [one.is_new for one in found] == [False, True, False]
    with pytest.raises(TooManyJobs, match="2 of at most 2 jobs wait"):
        await queue.put(first, NewJob("b", b"3", key="third"))


@pytest.mark.parametrize("bucket", ["b", "another"])
async def test_keys_that_are_known_in_part_enqueue_the_rest(queue: Queue, bucket: str) -> None:
    """Whether the jobs are alike, or one has another bucket."""
    known = await queue.put(NewJob("b", b"1", key="1"), NewJob("b", b"2", key="2"))
    found = await enqueue(
        queue.connection,
        ACME,
        [
            NewJob("b", b"3", key="3"),
            NewJob("b", b"1", key="1"),
            NewJob("b", b"4"),
            NewJob("b", b"other", key="2"),
            NewJob(bucket, b"3", key="3"),
            NewJob(bucket, b"5", key="5"),
        ],
    )
    assert [one.id for one in found[1::2][:2]] == known
    assert found[4].id == found[0].id
    assert [one.is_new for one in found] == [True, False, True, False, False, True]
    assert [one.is_same for one in found] == [True, True, True, False, True, True]
    bodies = dict(await rows(queue, "select id, body from queue.bodies"))
    assert [bodies[one.id] for one in found] == [b"3", b"1", b"4", b"2", b"3", b"5"]
    assert len(bodies) == (await queue.stats()).ready == 5
    again = await enqueue(queue.connection, ACME, [NewJob("b", b"1", key="1")])
    assert [(one.id, one.is_new, one.is_same) for one in again] == [(known[0], False, True)]


async def test_quota_counts_no_job_whose_key_is_known(queue: Queue) -> None:
    jobs = [NewJob("b", b"", key=str(n)) for n in range(4)]
    await operations.set_tenant(queue.connection, ACME, most_waiting=3)
    await queue.put(*jobs[:2])
    await queue.put(*jobs[:3])
    with pytest.raises(TooManyJobs, match="3 of at most 3 jobs wait"):
        await queue.put(*jobs)
    assert len(await queue.put(*jobs[:3])) == 3


@pytest.mark.parametrize("keyed", [False, True])
async def test_quota_is_exact_for_those_who_enqueue_at_the_same_time(
    queue: Queue, *, keyed: bool
) -> None:
    await operations.set_tenant(queue.connection, ACME, most_waiting=10)
    await queue.put(NewJob("b", b""))

    async def put(caller: int) -> bool:
        jobs = [NewJob("b", b"", key=f"{caller} {n}" if keyed else None) for n in range(2)]
        async with await psycopg.AsyncConnection.connect(queue.dsn) as connection:
            try:
                await enqueue(connection, ACME, jobs)
            except TooManyJobs:
                return False
        return True

    assert sum(await asyncio.gather(*map(put, range(12)))) == 4
    assert (await queue.stats()).ready == 9
    assert await rows(queue, "select count(*) from queue.keys") == [(8 * keyed,)]


async def test_answers_are_read_by_place_in_the_order_of_the_jobs(queue: Queue) -> None:
    jobs = [NewJob("b", str(number).encode()) for number in range(4)]
    found = await enqueue(queue.connection, ACME, jobs)
    bodies = dict(await rows(queue, "select id, body from queue.bodies"))
    assert [bodies[one.id] for one in found] == [job.body for job in jobs]
    assert (len(found), found[-1], list(found[1:3])) == (4, list(found)[3], list(found)[1:3])
    with pytest.raises(IndexError):
        found[4]


async def test_connection_may_have_any_row_factory(queue: Queue) -> None:
    async with await psycopg.AsyncConnection.connect(queue.dsn, row_factory=dict_row) as connection:
        for jobs in ([NewJob("b", b"1")], [NewJob("b", b"2")] * 2, [NewJob("b", b"3", key="k")]):
            assert all(one.is_new for one in await enqueue(connection, ACME, jobs))
        assert await enqueue(connection, ACME, []) == []
    assert (await queue.stats()).ready == 4


@pytest.mark.parametrize(
    ("revision", "before"),
    [
        (
            "0012",
            """drop function queue.enqueue_alike, queue.new_id;
            create or replace function queue.new_ids(count integer) returns uuid[]
                language sql as 'select array[]::uuid[]'""",
        ),
        (
            "0015",
            """drop function queue.enqueue_alike, queue.has_room, queue.require_room;
            drop function queue.take_keys;
            create function queue.enqueue_alike(
                uuid, boolean, text, smallint, interval, interval, bytea[]
            ) returns uuid[] language sql as 'select array[]::uuid[]'""",
        ),
        ("0020", "drop function queue.enqueue_alike"),
    ],
)
async def test_upgraded_database_has_the_functions_of_an_installed_one(
    queue: Queue, postgres_server: Postgres, revision: str, before: LiteralString
) -> None:
    with fresh_database(postgres_server) as dsn:
        migrations.upgrade(dsn, INSTALLATION, revision)
        with psycopg.connect(dsn) as admin:
            admin.execute(before)
        migrations.upgrade(dsn, INSTALLATION)
        with psycopg.connect(dsn) as admin:
            upgraded = admin.execute(FUNCTIONS).fetchall()
    installed = await rows(queue, FUNCTIONS)
    names = {name for name, _ in installed}
    assert [one for one in upgraded if one[0] in names] == installed
