"""An upgrade carries over what is in the tables of before: nothing is lost, nothing sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from sender import migrations
from sender.directory import SendingMailbox
from sender.outbox import enqueue
from sender.schemas import State
from tests.integration.conftest import fresh_database
from tests.support.installation import INSTALLATION
from tools.servers import Postgres

from .conftest import entry_of, explained, mail, reaches, sending, tenant_transaction

JOBS = Path(__file__).with_name("jobs_before.sql")
ROWS = 100_000


COUNTS = {
    "states": """select jsonb_object_agg(state, count)
        from (select state, count(*) from queue.records group by 1) as states""",
    "ready": "select count(*) from queue.ready",
    "scheduled": "select count(*) from queue.scheduled",
    "claimed": "select count(*) from queue.claimed",
    "unknown": "select count(*) from queue.unknown",
    "dead": "select count(*) from queue.dead",
    "bodies": "select count(*) from queue.bodies",
    "keys": "select count(*) from queue.keys",
    "waiting": "select sum(waiting) from queue.tenants",
    "messages": "select count(*) from mail.messages",
    "events": "select count(*) from mail.events",
    "unsubscribed": """select count(*) from suppression.entries where added_by is null
        and reason = 'unsubscribed' and id::text like '01a20d76-81c0-7%'""",
    "before": "select to_regclass('queue.jobs')",
    "tried": "select max(expires_at - due_at) from queue.records where state = 'retry'",
    "untried": "select min(expires_at - due_at) from queue.records where state = 'queued'",
    "defaults": """select (select count(*) from queue.records_default)
        + (select count(*) from queue.bodies_default) + (select count(*) from mail.messages_default)
        + (select count(*) from mail.events_default)""",
}


@dataclass(frozen=True)
class Carried:
    """An upgraded database, and what was in it before tests changed it."""

    dsn: str
    counts: dict[str, Any]


@pytest.fixture(scope="module")
def carried(postgres_server: Postgres) -> Iterator[Carried]:
    """A database with 100,000 jobs of the schema before, upgraded."""
    with fresh_database(postgres_server) as dsn:
        migrations.upgrade(dsn, INSTALLATION, "0001")
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute("set session_replication_role = replica")  # no foreign keys: faster
            admin.execute(JOBS.read_text().replace("{rows}", str(ROWS)))
        migrations.upgrade(dsn, INSTALLATION)
        counts = {name: rows(dsn, query)[0][0] for name, query in COUNTS.items()}
        yield Carried(dsn, counts)


@pytest.fixture
def upgraded(carried: Carried) -> str:
    return carried.dsn


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


def test_every_job_has_its_place_and_state(carried):
    each, counts = ROWS // 10, carried.counts
    assert counts["states"] == {
        "queued": 4 * each, "retry": each, "unknown": 2 * each, "done": each, "dead": each,
        "expired": each,
    }  # fmt: skip
    assert counts["ready"] + counts["scheduled"] == counts["waiting"] == 5 * each
    assert counts["scheduled"] == 2 * each
    assert (counts["claimed"], counts["unknown"], counts["dead"]) == (0, 2 * each, each)
    assert (counts["bodies"], counts["keys"]) == (7 * each, 1)
    assert (counts["messages"], counts["events"]) == (ROWS, 2 * each)
    assert (counts["unsubscribed"], counts["before"]) == (20, None)


def test_rows_are_in_the_partitions_of_their_days(carried):
    assert carried.counts["defaults"] == 0


def test_mail_that_was_never_tried_lives_30_days(carried):
    assert carried.counts["tried"] == timedelta(hours=48)
    assert carried.counts["untried"] >= timedelta(days=30)


async def test_what_became_of_mail_is_still_explained(upgraded, sender_engine):
    query = "select id from queue.records where state = 'done' and note = 'mx1-2 4ABC' limit 1"
    [(accepted,)] = rows(upgraded, query)
    explanation = await explained(sender_engine, UUID(str(accepted)))
    assert explanation.message.state is State.ACCEPTED
    assert (explanation.message.address, explanation.message.queue_id) == ("mx1-2", "4ABC")
    assert [step.kind for step in explanation.decisions] == ["enqueued", "handing_over", "outcome"]
    query = (
        "select id from queue.records where state = 'unknown' and reason = 'worker_lost' limit 1"
    )
    [(lost,)] = rows(upgraded, query)
    explanation = await explained(sender_engine, UUID(str(lost)))
    assert explanation.message.state is State.UNKNOWN
    assert explanation.decisions[-1].reason == "worker_lost"


async def test_request_of_before_repeated_is_the_same_message(upgraded, api_engine):
    [(tenant_id, id_)] = rows(upgraded, "select tenant_id, id from queue.keys")
    tenant = UUID(str(tenant_id))
    async with tenant_transaction(api_engine, tenant) as connection:
        repeated = await enqueue(
            connection, tenant_id=tenant, message=mail(), idempotency_key="key-1"
        )
    assert repeated == id_


async def test_mail_that_waited_is_sent_with_its_files(
    upgraded, settings, publish, sink, ring, sender_engine
):
    query = """
    update queue.ready set priority = 1 where id = (
        select id from queue.ready join queue.bodies using (id)
        where position('"content"'::bytea in body) > 0 limit 1)
    returning id, tenant_id"""
    [(id_, tenant_id)] = rows(upgraded, query)
    tenant = UUID(str(tenant_id))
    entry = entry_of(tenant, sink, ring)
    boxes = tuple(SendingMailbox(address=f"sales{n}@acme.example", daily_cap=5) for n in range(3))
    await publish(entry.model_copy(update={"mailboxes": boxes}), tenant)
    async with sending(settings):
        explanation = await reaches(sender_engine, UUID(str(id_)), State.ACCEPTED)
    message_id = explanation.message.message_id
    [raw] = [body for body in sink.bodies() if message_id.encode() in body]
    [attachment] = message_from_bytes(raw, policy=policy.default).iter_attachments()
    assert attachment.get_content() == bytes(range(256)) * 3
    assert len(sink.mails) <= 15
