"""What enqueueing writes, one by one, together, and in an upgraded database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
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


async def test_connection_may_have_any_row_factory(queue: Queue) -> None:
    async with await psycopg.AsyncConnection.connect(queue.dsn, row_factory=dict_row) as connection:
        for jobs in ([NewJob("b", b"1")], [NewJob("b", b"2")] * 2, [NewJob("b", b"3", key="k")]):
            assert all(one.is_new for one in await enqueue(connection, ACME, jobs))
        assert await enqueue(connection, ACME, []) == []
    assert (await queue.stats()).ready == 4


async def test_upgraded_database_has_the_functions_of_an_installed_one(
    queue: Queue, postgres_server: Postgres
) -> None:
    with fresh_database(postgres_server) as dsn:
        migrations.upgrade(dsn, INSTALLATION, "0012")
        with psycopg.connect(dsn) as admin:
            admin.execute("drop function queue.enqueue_alike, queue.new_id")
            admin.execute(
                "create or replace function queue.new_ids(count integer) returns uuid[]"
                " language sql as 'select array[]::uuid[]'"
            )
        migrations.upgrade(dsn, INSTALLATION)
        with psycopg.connect(dsn) as admin:
            upgraded = admin.execute(FUNCTIONS).fetchall()
    installed = await rows(queue, FUNCTIONS)
    names = {name for name, _ in installed}
    assert [one for one in upgraded if one[0] in names] == installed
