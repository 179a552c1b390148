"""Failures: no mail is sent twice, lost, or left without a reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis.asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import create_async_engine

from kit.database import Role
from sender import daemon, directory
from sender.clock import SystemClock
from sender.composer import Composer
from sender.database import SQL, sqlalchemy_url
from sender.delivery import Pool
from sender.jobs import Jobs
from sender.lists import Element, Lists
from sender.migrator import Migrator
from sender.outbox import LIFETIME
from sender.schemas import State
from sender.settings import SenderSettings
from sender.tokens import Tokens
from sender.worker import Worker, backoff
from tests.support.installation import login
from vault import KeyRing, Vault

from .conftest import DEADLINE, TOKEN_KEY, explained, reaches, sending


@pytest.fixture
async def queue(valkey: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(valkey, decode_responses=True) as client:
        yield client


async def execute(sender_engine, sql: str, **parameters: object) -> None:
    async with sender_engine.begin() as connection:
        await connection.execute(text(sql), parameters)


class TestAnswers:
    @pytest.mark.parametrize("answer", ["299 2.0.0 well", "what?", "250"])
    async def test_reply_neither_positive_nor_negative_is_not_repeated(
        self, settings, entry, publish, submit, sink, sender_engine, answer
    ):
        await publish(entry)
        sink.answers.append(answer)
        message_id = await submit()
        async with sending(settings):
            explanation = await reaches(sender_engine, message_id, State.UNKNOWN, State.ACCEPTED)
            await reaches(sender_engine, await submit(subject="the next one"), State.ACCEPTED)
        expected = State.ACCEPTED if answer == "250" else State.UNKNOWN
        assert explanation.message.state is expected
        assert len(sink.mails) == 2

    async def test_reply_that_is_no_text_is_stored_escaped(
        self, settings, entry, publish, submit, sink, sender_engine
    ):
        await publish(entry)
        sink.answers.append(b"451 4.3.0 d\xe9j\xe0 \0 vu")
        message_id = await submit()
        async with sending(settings):
            explanation = await reaches(sender_engine, message_id, State.ACCEPTED)
        [refused] = [step for step in explanation.decisions if step.reason == "host_busy"]
        assert refused.details["reply"] == r"451 4.3.0 d\udce9j\udce0 \x00 vu"


class TestDatabase:
    async def test_database_lost_before_the_dialogue_repeats_and_after_it_waits(
        self, settings, entry, publish, submit, sink, sender_engine, monkeypatch
    ):
        lost: list[str] = []

        class Unlucky(Jobs):
            """Loses the connection once before the dialogue and once after it."""

            async def begin(self, *arguments: Any) -> int | None:
                attempt = await super().begin(*arguments)
                if "begin" not in lost:
                    lost.append("begin")
                    raise OperationalError("commit", {}, ConnectionError("connection lost"))
                return attempt

            async def finish(self, *arguments: Any) -> None:
                if sink.mails and "outcome" not in lost:
                    lost.append("outcome")
                    raise PoolTimeout("no connection within 30 s")
                await super().finish(*arguments)

        monkeypatch.setattr(daemon, "Jobs", Unlucky)
        await publish(entry)
        message_id = await submit()
        async with sending(settings):
            explanation = await reaches(sender_engine, message_id, State.ACCEPTED, State.UNKNOWN)
        assert explanation.message.state is State.ACCEPTED
        assert lost == ["begin", "outcome"]
        assert "database_lost" in [step.reason for step in explanation.decisions]
        assert len(sink.mails) == 1

    async def test_cap_used_by_another_worker_leaves_one_connection(
        self, settings, upgraded, entry, publish, submit, queue, ring, sender_engine
    ):
        """A lane never needs a second connection while it holds one."""
        await publish(entry)
        message_id = await submit()
        single = create_async_engine(
            sqlalchemy_url(upgraded),
            connect_args={"options": f"-c role={login(Role.SENDER)}"},
            pool_size=1,
            max_overflow=0,
            pool_timeout=1,
        )

        class Late(Jobs):
            async def begin(self, *arguments: Any) -> int | None:
                await execute(
                    sender_engine,
                    "insert into queue.usage values ('mailbox', :subject, :day, 50)",
                    subject=directory.mailbox_subject(queued.tenant_id, "sales@acme.example"),
                    day=datetime.now(UTC).date(),
                )
                return await super().begin(*arguments)

        queued = (await explained(sender_engine, message_id)).message
        clock, lists = SystemClock(), Lists(queue, "late")
        worker = Worker(
            engine=single,
            jobs=Late(single, "late", timedelta(seconds=60), clock),
            lists=lists,
            pool=Pool(clock, connect_timeout=5, keep_alive=0),
            vault=(vault := Vault(KeyRing.load(ring))),
            composer=Composer(vault),
            tokens=Tokens(bytes.fromhex(TOKEN_KEY)),
            public_url=settings.public_url,
            clock=clock,
            answer_timeout=60,
            max_attempts=1,
        )
        migrator = Migrator(single, lists, owner="late", clock=clock, batch=10, lease=60)
        assert await migrator.migrate() == 1
        assert await worker.work_once(1)
        await worker.pool.close_idle(everything=True)
        await single.dispose()
        explanation = await explained(sender_engine, message_id)
        assert (explanation.message.state, explanation.message.reason) == (State.HELD, "cap_race")

    async def test_cap_of_zero_admits_nothing(self, sender_engine):
        counted = {"kind": "address", "subject": "198.18.0.1", "day": datetime.now(UTC).date()}
        async with sender_engine.begin() as connection:
            done = await connection.execute(SQL.count_hand_over, counted | {"cap": 0})
            assert done.first() is None
            done = await connection.execute(SQL.count_hand_over, counted | {"cap": 1})
            assert done.scalar() == 1


class TestClockSteps:
    async def test_reaper_with_a_fast_clock_keeps_outcomes(
        self, settings, entry, publish, submit, sink, sender_engine, queue
    ):
        await publish(entry)
        sink.answers.append("wait")
        message_id = await submit()
        ahead = Migrator(
            sender_engine,
            Lists(queue, "ahead"),
            owner="ahead",
            clock=Tomorrow(),
            batch=10,
            lease=60,
        )
        async with sending(settings):
            await asyncio.wait_for(sink.arrived.wait(), DEADLINE)
            await ahead.reap()
            lost = await explained(sender_engine, message_id)
            sink.released.set()
            await reaches(sender_engine, message_id, State.ACCEPTED)
        assert (lost.message.state, lost.message.reason) == (State.UNKNOWN, "worker_lost")
        assert len(sink.mails) == 1


class Tomorrow(SystemClock):
    """A clock that is one day fast."""

    def now(self) -> datetime:
        return super().now() + timedelta(days=1)


class TestPoison:
    async def test_message_that_fails_is_reported_and_others_continue(
        self, settings, entry, publish, submit, sink, sender_engine, ring, tenant_id
    ):
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        context = directory.dkim_context(tenant_id, "other.example")
        sealed = Vault(KeyRing.load(ring)).seal(pem, context=context)
        other = entry.domains[0].model_copy(
            update={"name": "other.example", "sealed_dkim_key": sealed}
        )
        box = directory.SendingMailbox(address="sales@other.example", daily_cap=10)
        changed = {"domains": (*entry.domains, other), "mailboxes": (*entry.mailboxes, box)}
        await publish(entry.model_copy(update=changed))
        message_id = await submit(**{"from": "sales@other.example"})
        async with sending(settings):
            explanation = await reaches(sender_engine, message_id, State.DEFERRED)
            await reaches(sender_engine, await submit(), State.ACCEPTED)
        assert explanation.message.reason == "internal_error"
        assert "its log holds the traceback" in explanation.decisions[-1].message

    async def test_message_stored_in_an_invalid_form_is_reported(
        self, settings, entry, publish, submit, upgraded, sender_engine
    ):
        await publish(entry)
        message_id = await submit()
        await execute(sender_engine, """update queue.payloads set body = body || '{"new": 1}'""")
        async with sending(settings):
            explanation = await reaches(sender_engine, message_id, State.DEFERRED)
        assert explanation.message.reason == "internal_error"

    async def test_element_malformed_is_dropped(
        self, settings, entry, publish, submit, sender_engine, queue
    ):
        await publish(entry)
        await queue.lpush("queue:email-sending:high", "what is this")
        async with sending(settings):
            await reaches(sender_engine, await submit(), State.ACCEPTED)
        assert await queue.keys("queue:email-sending:in-hand:*") == []


class TestRecovery:
    async def test_elements_of_a_dead_worker_are_returned_and_of_a_living_one_kept(self, queue):
        dead, living = Lists(queue, "dead"), Lists(queue, "living")
        for lists in (dead, living):
            await lists.say_alive()
            await lists.push([(100, Element(UUID(int=1), 7))])
            assert await lists.take(0.01)
        assert await living.alive() == 2
        await queue.delete("queue:email-sending:alive:dead")
        assert await living.alive() == 1
        assert [await living.recover() for _ in range(2)] == [1, 0]
        assert await living.depth() == 1
        assert await queue.llen("queue:email-sending:in-hand:living") == 1


class TestWaiting:
    async def test_message_pushed_and_not_taken_expires(
        self, settings, entry, publish, submit, sink, sender_engine
    ):
        await publish(entry)
        message_id = await submit()
        await execute(
            sender_engine,
            "update queue.jobs set state = 'migrated_to_redis', lease_token = 1,"
            " lease_until = now() - interval '1 day', expires_at = now() - interval '1 hour'",
        )
        async with sending(settings):
            await reaches(sender_engine, message_id, State.EXPIRED)
        assert sink.mails == []

    async def test_message_held_repeatedly_is_recorded_once(
        self, settings, entry, publish, submit, sender_engine
    ):
        domain = entry.domains[0].model_copy(update={"verified": False})
        await publish(entry.model_copy(update={"domains": (domain,)}))
        message_id = await submit()
        async with sending(settings):
            before = (await reaches(sender_engine, message_id, State.HELD)).message.run_at
            await execute(
                sender_engine, "update queue.jobs set run_at = now() where state = 'held'"
            )
            while True:
                explanation = await reaches(sender_engine, message_id, State.HELD)
                if explanation.message.run_at > before:
                    break
        kinds = [step.kind for step in explanation.decisions]
        assert kinds == ["enqueued", "migrated", "decided"]

    async def test_message_without_an_https_unsubscribe_link_waits_with_the_reason(
        self, settings, entry, publish, submit, sink, sender_engine
    ):
        await publish(entry)
        message_id = await submit()
        async with sending(settings.model_copy(update={"public_url": "http://127.0.0.1:8400"})):
            explanation = await reaches(sender_engine, message_id, State.HELD)
        assert explanation.message.reason == "unsubscribe_not_https"
        assert sink.mails == []

    def test_attempts_by_default_outlast_the_lifetime(self):
        attempts = SenderSettings.model_fields["max_attempts"].default
        waits = (backoff(attempt) for attempt in range(1, attempts))
        assert sum(waits, timedelta()) > LIFETIME

    async def test_home_without_its_address_is_replaced(
        self, settings, entry, publish, submit, sender_engine, tenant_id
    ):
        await publish(entry)
        insert = "insert into directory.homes values (:tenant, 'acme.example', 'mx9-9', now())"
        await execute(sender_engine, insert, tenant=tenant_id)
        async with sending(settings):
            await reaches(sender_engine, await submit(), State.ACCEPTED)
        async with sender_engine.connect() as connection:
            rows = await connection.execute(text("select address from directory.homes"))
            assert rows.scalars().all() == ["mx1-2"]


class TestClaims:
    async def test_claim_takes_the_most_urgent_due_messages(self, submit, sender_engine, queue):
        later = datetime.now(UTC) + timedelta(hours=1)
        await submit(priority=10, run_at=later)
        low = [await submit(priority=900) for _ in range(3)]
        normal = await submit(priority=100)
        high = [await submit(priority=20), await submit(priority=20)]
        lists = Lists(queue, "test")
        migrator = Migrator(
            sender_engine, lists, owner="test", clock=SystemClock(), batch=4, lease=60
        )
        assert await migrator.migrate() == 4
        taken = [await lists.take(0.01) for _ in range(4)]
        ids = [Element.parse(raw).job_id for raw in taken if raw]
        assert ids == [*high, normal, low[0]]
        assert await migrator.migrate() == 2
        assert await migrator.migrate() == 0
