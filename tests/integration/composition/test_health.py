"""`/health` evaluates the heartbeats that the parts on all machines have written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest

from composition.heartbeat import Progress, beat
from composition.parts.health import probes
from composition.parts.settings import Part
from controlplane.database import Database
from controlplane.health.endpoints import ProbeFailed
from controlplane.queue import overdue
from hostwinds.journal.port import Frozen
from kit.database import Role
from tests.integration.sender.conftest import engine_as
from tests.support.freezes import REASON, freeze
from tests.support.installation import INSTALLATION, PASSWORDS, login
from tests.support.waiting import reached

INSERT = """
insert into oltp.heartbeats (part, instance, process, at, progressed_at, trouble)
values (%s, %s, 7, now() - %s * interval '1 s', now() - %s * interval '1 s', '')
"""


@pytest.fixture
async def database(upgraded: str) -> AsyncIterator[Database]:
    pools = Database.connect(upgraded, INSTALLATION, PASSWORDS)
    yield pools
    await pools.close()


def write_heartbeat(
    dsn: str, part: Part, *, instance: str = "mx:/var", silent: int, idle: int
) -> None:
    with psycopg.connect(dsn) as admin:
        admin.execute(INSERT, [part, instance, silent, idle])


@pytest.mark.parametrize(
    ("part", "limit"),
    [
        (Part.API, 30),
        (Part.PUBLIC, 30),
        (Part.RECONCILER, 600),
        (Part.SENDER, 60),
        (Part.CHECKER, 600),
    ],
)
async def test_loop_without_progress_is_reported_after_the_limit_of_its_part(
    upgraded: str, database: Database, part: Part, limit: int
) -> None:
    write_heartbeat(upgraded, part, instance="one:/var", silent=1, idle=limit - 10)
    assert await probes(database)[part]() == "1 process"
    write_heartbeat(upgraded, part, instance="two:/var", silent=1, idle=limit + 1)
    with pytest.raises(ProbeFailed, match=r"process 7 on two has made no progress for \d+ s"):
        await probes(database)[part]()


async def test_process_that_writes_nothing_is_reported_after_ten_seconds(
    upgraded: str, database: Database
) -> None:
    write_heartbeat(upgraded, Part.SENDER, instance="one:/var", silent=3, idle=3)
    assert await probes(database)[Part.SENDER]() == "1 process"
    write_heartbeat(upgraded, Part.SENDER, instance="two:/var", silent=12, idle=12)
    with pytest.raises(ProbeFailed, match=r"process 7 on two has been silent for \d+ s"):
        await probes(database)[Part.SENDER]()


async def test_part_of_which_nothing_was_written_for_an_hour_is_reported(
    upgraded: str, database: Database
) -> None:
    write_heartbeat(upgraded, Part.RECONCILER, silent=3700, idle=3700)
    with pytest.raises(ProbeFailed, match="no process has reported within the last hour"):
        await probes(database)[Part.RECONCILER]()


async def test_problem_that_a_reconciler_reports_fails_its_health(
    upgraded: str, database: Database
) -> None:
    write_heartbeat(upgraded, Part.RECONCILER, silent=1, idle=1)
    with psycopg.connect(upgraded) as admin:
        admin.execute("update oltp.heartbeats set trouble = 'the account was not listed'")
    with pytest.raises(ProbeFailed, match=r"\Athe account was not listed\Z"):
        await probes(database)[Part.RECONCILER]()


async def test_heartbeat_has_the_problem_that_a_loop_has_noticed(upgraded: str) -> None:
    engine, progress, stop = (
        engine_as(upgraded, login(Role.CONTROLLER)),
        Progress(),
        asyncio.Event(),
    )
    progress.trouble = lambda: "the account was not listed"

    async def is_written() -> bool:
        return troubles(upgraded) == ["the account was not listed"]

    writing = asyncio.create_task(beat(engine, Part.RECONCILER, progress, stop))
    try:
        await reached(is_written)
    finally:
        stop.set()
        await writing
        await engine.dispose()


def troubles(dsn: str) -> list[str]:
    """Return what is in the heartbeats."""
    with psycopg.connect(dsn) as admin:
        return [row[0] for row in admin.execute("select trouble from oltp.heartbeats").fetchall()]


async def test_what_is_frozen_is_said_and_fails_nothing(upgraded: str, database: Database) -> None:
    write_heartbeat(upgraded, Part.RECONCILER, silent=1, idle=1)
    freeze(upgraded, Frozen.PURCHASES)
    assert await probes(database)[Part.RECONCILER]() == f"1 process; purchases frozen: {REASON}"


async def test_pass_that_is_due_for_long_without_a_worker_is_reported(
    upgraded: str, database: Database
) -> None:
    write_heartbeat(upgraded, Part.RECONCILER, silent=1, idle=1)
    with psycopg.connect(upgraded) as admin:
        admin.execute(
            "insert into oltp.tenants (id, name, generation, document, created_at, updated_at) "
            "values (gen_random_uuid(), 'acme', 1, '{}', now(), now())"
        )
        admin.execute(
            "insert into oltp.schedule (tenant_id, due_at, priority) "
            "select id, now() - interval '10 minutes', 3 from oltp.tenants"
        )
    assert await probes(database)[Part.RECONCILER]() == "1 process"
    with psycopg.connect(upgraded) as admin:
        admin.execute("update oltp.schedule set due_at = now() - interval '40 minutes'")
    with pytest.raises(
        ProbeFailed,
        match=r"1 passes that are due \(retried\) have no worker, the oldest for 40 minutes",
    ):
        await probes(database)[Part.RECONCILER]()
    with psycopg.connect(upgraded) as admin:
        admin.execute("update oltp.schedule set lease_until = now() + interval '1 hour'")
    assert await probes(database)[Part.RECONCILER]() == "1 process"


WORKER = "insert into queue.workers (name, lease_until) values ('w', now() + interval '1 hour')"
IDENTITY = "insert into queue.identity (system, timeline) select * from queue.current_identity()"
BUCKET = """
insert into queue.buckets (id, tenant_id, name, filled, released_at) overriding system value
values (1, %s, 'b', true, now() - interval '1 day')
"""
READY = """
insert into queue.ready (bucket_id, priority, due_at, id, tenant_id, expires_at)
values (1, 100, now() - %s * interval '1 minute', %s, %s, now() + interval '1 day')
"""
SCHEDULED = """
insert into queue.scheduled (slot, due_at, id, bucket_id, priority, tenant_id, expires_at)
values (0, now() - %s * interval '1 s', %s, 1, 100, %s, now() + interval '1 day')
"""
UNKNOWN = """
insert into queue.unknown
    (id, token, tenant_id, bucket_id, priority, due_at, expires_at, attempts, losses, reason, since)
values (%s, 1, %s, 1, 100, now(), now(), 1, 0, 'answer_lost', now() - %s * interval '1 minute')
"""


async def queue_of(database: Database, progress: Progress | None = None) -> str:
    """Return what the queue's probe says."""
    try:
        return await probes(database, progress)["queue"]()
    except ProbeFailed as failed:
        return str(failed)


async def test_queue_that_is_late_unserved_restored_or_read_only_is_reported(
    upgraded: str, database: Database
) -> None:
    tenant, job = uuid4(), uuid4()
    with psycopg.connect(upgraded, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(IDENTITY)
        assert await queue_of(database) == (
            "no sender works on the queue; no sender has reported within the last hour"
        )
        admin.execute(WORKER)
        write_heartbeat(upgraded, Part.SENDER, silent=1, idle=1)
        assert await queue_of(database) == "answers the sender"
        admin.execute(BUCKET, [tenant])
        admin.execute(READY, [16, job, tenant])
        assert await queue_of(database) == (
            "mail of 1 buckets is late, by up to 16 minutes: see `penguin top`"
        )
        admin.execute("update queue.buckets set held_until = 'infinity', endless = true")
        assert await queue_of(database) == "answers the sender"
        admin.execute("update queue.buckets set held_until = now() - interval '1 minute'")
        assert await queue_of(database) == "answers the sender"  # it was released just now
        admin.execute(SCHEDULED, [70, job, tenant])
        assert "has not been looked at for 7" in await queue_of(database)
        admin.execute("delete from queue.scheduled")
        admin.execute(UNKNOWN, [uuid4(), tenant, 59])
        assert await queue_of(database) == "answers the sender"
        admin.execute(UNKNOWN, [uuid4(), tenant, 61])
        assert (await queue_of(database)).startswith("1 mails have been of unknown outcome")
        admin.execute("delete from queue.unknown")
        admin.execute("update oltp.heartbeats set at = now() - interval '20 s'")
        assert await queue_of(database) == "every sender has been silent for 20 s or more"
        admin.execute("update oltp.heartbeats set at = now(), trouble = 'Redis is full'")
        assert await queue_of(database) == "Redis is full"
        admin.execute("update queue.identity set timeline = timeline + 1")
        assert (await queue_of(database)).startswith("database_restored")
        admin.execute(f"alter database {name} set default_transaction_read_only = on")
        try:
            await database.close()
            assert (await queue_of(database)).startswith("PostgreSQL is read-only")
        finally:
            admin.execute(f"alter database {name} reset default_transaction_read_only")


FULL = """
create function oltp.full() returns trigger language plpgsql as $$ begin raise disk_full; end $$;
create trigger disk before insert on oltp.heartbeats execute function oltp.full()
"""


async def test_full_disk_is_reported_by_the_heartbeat_that_cannot_be_written(
    upgraded: str, database: Database
) -> None:
    engine, progress, stop = engine_as(upgraded, login(Role.API)), Progress(), asyncio.Event()
    with psycopg.connect(upgraded, autocommit=True) as admin:
        admin.execute(FULL)
        beating = asyncio.create_task(beat(engine, Part.API, progress, stop))
        try:
            shown = await reached(lambda: queue_of(database, progress), lambda text: "disk" in text)
            assert shown == "the disk of PostgreSQL is full: nothing can be written"
        finally:
            admin.execute("drop function oltp.full cascade")
        await reached(lambda: queue_of(database, progress), lambda text: "disk" not in text)
        stop.set()
        await beating
    await engine.dispose()


async def test_unknown_outcome_is_an_event_after_an_hour_and_once(
    upgraded: str, database: Database
) -> None:
    tenant, now = uuid4(), datetime.now(UTC)
    ids = sorted(uuid4() for _ in range(2))
    with psycopg.connect(upgraded, autocommit=True) as admin:
        admin.execute(
            "insert into oltp.tenants (id, name, generation, document, created_at, updated_at)"
            " values (%s, 'acme', 1, '{}', now(), now())",
            [tenant],
        )
        for id_, minutes in zip(ids, (61, 59), strict=True):
            admin.execute(UNKNOWN, [id_, tenant, minutes])
        for _ in range(2):
            await overdue.report(database, now=now)
        admin.execute("update queue.unknown set since = since - interval '2 minutes'")
        await overdue.report(database, now=now)
        rows = admin.execute("select tenant, reason, message from oltp.events order by id")
        events = rows.fetchall()
    assert [(tenant, reason) for tenant, reason, _ in events] == [("acme", "OutcomeUnknown")] * 2
    assert [str(id_) in message for id_, (*_, message) in zip(ids, events, strict=True)] == [
        True
    ] * 2
