"""Mail that waits: for caps, for others, for what is missing; and what is kept meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import psycopg
import pytest
import uuid_utils
from sqlalchemy import text
from structlog.testing import capture_logs

from sender import daemon
from sender.directory import SendingMailbox
from sender.outbox import enqueue_all
from sender.queue import Settings
from sender.queue.retries import delay
from sender.queue.upkeep import Upkeep
from sender.schemas import Explanation, State
from sender.settings import SenderSettings
from tests.support.waiting import reached
from vault import KeyRing

from .conftest import (
    entry_of,
    execute,
    explained,
    mail,
    reaches,
    sending,
    tenant_transaction,
    value,
)
from .sink import running_sink

GLOBEX = UUID(str(uuid_utils.uuid7()))


async def submit_many(api_engine, tenant_id: UUID, count: int) -> None:
    """Enqueue the same message many times in one statement."""
    async with tenant_transaction(api_engine, tenant_id) as connection:
        await enqueue_all(
            connection, tenant_id=tenant_id, messages=[mail()] * count, idempotency_key=None
        )


def _was_tried(found: Explanation, attempts: int) -> bool:
    """Whether so many attempts have ended, and none is being made."""
    return (found.message.state, found.message.attempts) == (State.DEFERRED, attempts)


class TestCaps:
    @pytest.mark.parametrize("stage", ["at_recipient", "answers"])
    async def test_refusal_of_our_host_uses_no_cap(
        self, settings, entry, publish, submit, sink, sender_engine, stage
    ):
        box = SendingMailbox(address="sales@acme.example", daily_cap=1)
        await publish(entry.model_copy(update={"mailboxes": (box,)}))
        getattr(sink, stage).append("451 4.3.0 try again")
        first, second = await submit(), await submit()
        async with sending(settings):
            await reached(
                lambda: _states_of(sender_engine, first, second),
                {State.ACCEPTED, State.HELD}.__eq__,
            )
            accepted = "select count(*) from queue.records where state = 'done'"
            assert await value(sender_engine, accepted) == 1
        used = await value(sender_engine, "select array_agg(used) from policy.counters")
        assert used == [1, 1, 1, 1]

    async def test_waiting_for_a_cap_is_no_part_of_the_48_hours(
        self, settings, entry, publish, submit, sink, sender_engine
    ):
        box = SendingMailbox(address="sales@acme.example", daily_cap=2)
        await publish(entry.model_copy(update={"mailboxes": (box,)}))
        ids = [await submit(subject=f"mail {n}") for n in range(6)]
        for accepted in (2, 4, 6):
            async with sending(settings):
                for id_ in ids:
                    await reaches(sender_engine, id_, State.ACCEPTED, State.HELD)
            assert len(sink.mails) == accepted
            await execute(sender_engine, "update policy.counters set used = 0, used_in_hour = 0")
            await execute(
                sender_engine, "update queue.ready set expires_at = expires_at - interval '2 days'"
            )
            await execute(sender_engine, "update queue.buckets set held_until = now()")

    async def test_life_ends_48_hours_after_the_first_attempt(
        self, settings, entry, publish, submit, sink, sender_engine
    ):
        await publish(entry)
        sink.answers += ["451 4.3.0 try again"] * 2
        message_id = await submit()
        lives = []
        async with sending(settings):
            for attempts in (1, 2):
                await reached(
                    lambda: explained(sender_engine, message_id),
                    lambda found: _was_tried(found, attempts),  # noqa: B023 - called at once
                )
                lives.append(await value(sender_engine, "select expires_at from queue.records"))
                await execute(sender_engine, "update queue.scheduled set due_at = now()")
            await reaches(sender_engine, message_id, State.ACCEPTED)
        assert lives[0] == lives[1]
        assert abs(lives[0] - datetime.now(UTC) - timedelta(hours=48)) < timedelta(minutes=1)

    def test_attempts_by_default_outlast_the_life_of_a_message(self):
        attempts = SenderSettings.model_fields["max_attempts"].default
        assert sum(map(delay, range(1, attempts)), timedelta()) > timedelta(hours=48)


async def _states_of(engine, *ids: UUID) -> set[State]:
    return {(await explained(engine, id_)).message.state for id_ in ids}


class TestOthers:
    """What is wrong with some mail keeps no other mail waiting."""

    async def test_silent_host_keeps_no_other_mail_waiting(
        self,
        settings,
        entry,
        publish,
        submit,
        sink,
        sender_engine,
        api_engine,
        tenant_id,
        ring,
        tmp_path,
    ):
        (tmp_path / "other").mkdir()
        async with running_sink(tmp_path / "other", "127.0.0.2") as other:
            await publish(entry_of(GLOBEX, other, ring), GLOBEX)
            wide = (SendingMailbox(address="sales@acme.example", daily_cap=500),)
            await publish(entry.model_copy(update={"mailboxes": wide}))
            await submit_many(api_engine, tenant_id, 100)
            sink.answers += ["hang"] * 100
            changes = {"concurrency": 20, "at_risk": 20, "per_address": 4}
            async with sending(settings.model_copy(update=changes)):
                await reached(partial(_received, sink, 2))  # as many connections at first
                for _ in range(10):
                    await reaches(sender_engine, await submit(tenant=GLOBEX), State.ACCEPTED)
                claimed = await value(sender_engine, "select count(*) from queue.claimed")
            assert claimed == 4
            assert len(sink.mails) <= 4

    async def test_mail_that_waits_together_is_not_moved_and_costs_others_nothing(
        self, settings, entry, publish, submit, sink, sender_engine, api_engine, tenant_id, ring
    ):
        domain = entry.domains[0].model_copy(update={"verified": False})
        await publish(entry.model_copy(update={"domains": (domain,)}))
        await publish(entry_of(GLOBEX, sink, ring), GLOBEX)
        await submit_many(api_engine, tenant_id, 3000)
        versions = "select count(distinct xmin::text) from queue.ready"
        async with sending(settings):
            await reaches(sender_engine, await submit(tenant=GLOBEX), State.ACCEPTED)
            await reached(
                lambda: value(
                    sender_engine, "select reason from queue.buckets where held_until > now()"
                )
            )
            await reaches(sender_engine, await submit(tenant=GLOBEX), State.ACCEPTED)
            assert await value(sender_engine, versions) == 1
            assert await value(sender_engine, "select count(*) from queue.ready") == 3000

    async def test_directory_entry_that_cannot_be_read_holds_its_tenant_alone(
        self, settings, entry, publish, submit, sink, sender_engine, ring, upgraded
    ):
        await publish(entry)
        await publish(entry_of(GLOBEX, sink, ring), GLOBEX)
        async with await psycopg.AsyncConnection.connect(upgraded, autocommit=True) as admin:
            await admin.execute(
                """update directory.entries set document = document || '{"new": 1}'
                where tenant_id <> %s""",
                (GLOBEX,),
            )
        message_id = await submit()
        async with sending(settings):
            await reaches(sender_engine, await submit(tenant=GLOBEX), State.ACCEPTED)
            await reaches(sender_engine, message_id, State.HELD)
        assert len(sink.mails) == 1


async def _received(sink, count: int) -> bool:
    return len(sink.mails) >= count


class TestWaiting:
    async def test_campaign_without_a_postal_address_keeps_no_transactional_mail_waiting(
        self, settings, entry, publish, submit, sink, sender_engine
    ):
        await publish(entry.model_copy(update={"postal_address": None}))
        campaign = [await submit(priority=1), await submit(**{"from": "Sales@acme.example"})]
        async with sending(settings):
            for id_ in campaign:
                explanation = await reaches(sender_engine, id_, State.HELD)
                assert explanation.message.reason == "no_postal_address"
            receipt = await submit(subject="Receipt", transactional=True, to="ann@rcpt.example")
            await reaches(sender_engine, receipt, State.ACCEPTED)
            assert [envelope.rcpt_tos for envelope in sink.mails] == [["ann@rcpt.example"]]
            assert (await explained(sender_engine, campaign[0])).message.attempts == 0
            await publish(entry)
            for id_ in campaign:
                await reaches(sender_engine, id_, State.ACCEPTED)
        shown = [entry.postal_address.encode() in body for body in sink.bodies()]
        assert shown == [False, True, True]

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:8400", "https://büro.example", "https://app.example/<x>"]
    )
    async def test_message_without_an_https_unsubscribe_link_waits_with_the_reason(
        self, settings, entry, publish, submit, sink, sender_engine, url
    ):
        await publish(entry)
        message_id = await submit()
        async with sending(settings.model_copy(update={"public_url": url})):
            explanation = await reaches(sender_engine, message_id, State.HELD)
        assert explanation.message.reason == "unsubscribe_not_https"
        assert sink.mails == []

    async def test_bucket_that_was_held_by_another_process_goes_on(
        self, settings, entry, publish, submit, sink, sender_engine
    ):
        """Its reason passed while nobody looked."""
        message_id = await submit()
        async with sending(settings):
            await reaches(sender_engine, message_id, State.HELD)
        await publish(entry)
        async with sending(settings):
            await reaches(sender_engine, message_id, State.ACCEPTED)

    async def test_home_without_its_address_is_replaced(
        self, settings, entry, publish, submit, sender_engine, tenant_id
    ):
        await publish(entry)
        insert = "insert into policy.homes values (:tenant, 'acme.example', 'other', 'mx9-9')"
        await execute(sender_engine, insert, tenant=tenant_id)
        async with sending(settings):
            await reaches(sender_engine, await submit(), State.ACCEPTED)
        async with sender_engine.connect() as connection:
            rows = await connection.execute(text("select address from policy.homes"))
            assert rows.scalars().all() == ["mx1-2"]

    async def test_key_ring_that_was_changed_is_used_without_a_restart(
        self, settings, entry, publish, submit, sink, sender_engine, ring, tenant_id
    ):
        await publish(entry)
        async with sending(settings):
            await reaches(sender_engine, await submit(), State.ACCEPTED)
            KeyRing.load(ring).add_key(ring)
            await publish(entry_of(tenant_id, sink, ring))
            await reaches(sender_engine, await submit(), State.ACCEPTED)
            explanation = await reaches(sender_engine, await submit(), State.ACCEPTED)
        assert explanation.message.attempts == 1


class TestRetention:
    async def test_days_that_are_over_are_dropped_and_what_waits_is_kept(
        self, settings, entry, publish, submit, sender_engine
    ):
        await publish(entry)
        waiting = await submit(run_at=datetime.now(UTC) + timedelta(days=20))
        async with sending(settings):
            await reaches(sender_engine, await submit(), State.ACCEPTED)
        counts = """select
            (select count(*) from queue.bodies), (select count(*) from queue.carried_bodies),
            (select count(*) from queue.records), (select count(*) from mail.messages),
            (select count(*) from mail.events)"""
        async with sender_engine.connect() as connection:
            await connection.execute(text("select queue.drop_bodies(-1), queue.drop_records(-8)"))
            await connection.execute(text("select mail.maintain(-8, -1)"))
            assert (await connection.execute(text(counts))).one() == (0, 1, 2, 2, 0)
            await connection.execute(text("delete from queue.scheduled"))
            await connection.execute(text("select queue.drop_records(-8)"))
            await connection.execute(text("select mail.maintain(-8, -1)"))
            assert (await connection.execute(text(counts))).one() == (0, 1, 0, 0, 0)
            await connection.execute(text("select queue.make_partitions(3)"))
            await connection.execute(text("select mail.maintain(90, 30)"))
            await connection.rollback()
        assert (await explained(sender_engine, waiting)).message.state is State.QUEUED

    async def test_role_of_the_sender_may_do_all_of_the_upkeep(self, settings):
        with capture_logs() as logs:
            async with daemon.database_pool(settings) as pool:
                await Upkeep(pool, Settings()).run()
        assert logs == []
