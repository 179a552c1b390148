"""Failures: no mail is sent twice, lost, or left without a reason."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sender import directory
from sender.dispatch.store import DatabaseClock
from sender.dispatch.upkeep import Health
from sender.schemas import State, StopScope, SuppressionReason
from sender.stops import Target, stop
from sender.suppression import recipient_hash, suppress
from tests.support.waiting import reached
from vault import KeyRing, Vault

from .conftest import (
    DEADLINE,
    execute,
    explained,
    reaches,
    sending,
    value,
)
from .sender_process import PROCESS, environment_of


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
        assert refused.details["reply"] == r"451 4.3.0 d\xe9j\xe0 \x00 vu"


class TestDatabase:
    async def test_read_only_database_delays_the_outcome_and_changes_nothing(
        self, settings, entry, publish, submit, sink, sender_engine, upgraded
    ):
        """As after a failover: the connections are the old server's, which is a standby now."""
        await publish(entry)
        sink.answers.append("wait")
        message_id = await submit()
        health = Health(upgraded)
        assert await health.trouble() == ""
        async with (
            await psycopg.AsyncConnection.connect(upgraded, autocommit=True) as admin,
            sending(settings),
        ):
            await asyncio.wait_for(sink.arrived.wait(), DEADLINE)
            other = await submit(subject="the next one")
            await _set_read_only(admin, is_on=True)
            try:
                sink.released.set()
                assert await reached(health.trouble) == "PostgreSQL is read-only"
            finally:
                await _set_read_only(admin, is_on=False)
            await reaches(sender_engine, message_id, State.ACCEPTED)
            await reaches(sender_engine, other, State.ACCEPTED)
        assert await health.trouble() == ""
        await health.close()
        assert len(sink.mails) == 2

    async def test_outcome_that_a_stop_cannot_write_is_written_by_the_next_start(
        self, settings, entry, publish, submit, sink, sender_engine, upgraded, tmp_path
    ):
        changes = {"outcomes_file": tmp_path / "outcomes", "last_writes": 0.2, "grace": DEADLINE}
        settings = settings.model_copy(update=changes)
        await publish(entry)
        sink.answers.append("wait")
        message_id = await submit()
        async with await psycopg.AsyncConnection.connect(upgraded, autocommit=True) as admin:
            async with sending(settings):
                await asyncio.wait_for(sink.arrived.wait(), DEADLINE)
                await _set_read_only(admin, is_on=True)
                sink.released.set()
            await _set_read_only(admin, is_on=False)
        async with sending(settings):
            explanation = await reaches(sender_engine, message_id, State.ACCEPTED)
        assert explanation.decisions[-1].details["queue_id"] == "00001ABCDE"
        assert len(sink.mails) == 1

    async def test_database_that_was_restored_stops_sending_and_is_reported(
        self, settings, entry, publish, submit, sink, sender_engine, upgraded
    ):
        await publish(entry)
        async with sending(settings):
            await reaches(sender_engine, await submit(), State.ACCEPTED)
            await execute(sender_engine, "update queue.identity set timeline = timeline + 1")
            await submit()
            assert "restored or promoted" in await Health(upgraded).trouble()
        assert len(sink.mails) == 1


async def _set_read_only(admin: psycopg.AsyncConnection[Any], *, is_on: bool) -> None:
    name = admin.info.dbname
    await admin.execute(
        f"alter database {name} set default_transaction_read_only = {'on' if is_on else 'off'}"
    )
    await admin.execute("set default_transaction_read_only = off")
    await admin.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )


class TestIntent:
    async def test_process_killed_before_the_mail_itself_leaves_nothing_unknown(
        self, settings, entry, publish, submit, sink, sender_engine
    ):
        await publish(entry)
        sink.at_recipient.append("wait")
        message_id = await submit()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROCESS, env=environment_of(settings)
        )
        await asyncio.wait_for(sink.arrived.wait(), DEADLINE)
        process.kill()
        await asyncio.wait_for(process.wait(), DEADLINE)
        async with sending(settings):
            await reaches(sender_engine, message_id, State.ACCEPTED, State.UNKNOWN)
        explanation = await explained(sender_engine, message_id)
        assert (explanation.message.state, explanation.message.attempts) == (State.ACCEPTED, 1)

    async def test_recipient_suppressed_or_mail_stopped_during_the_dialogue_is_not_sent(
        self, settings, entry, publish, submit, sink, sender_engine, operator_engine, tenant_id
    ):
        await publish(entry)
        sink.at_recipient += ["wait", "wait"]
        suppressed = await submit()
        stopped = await submit(to="ann@rcpt.example", campaign="Autumn")
        async with sending(settings):
            await reached(partial(_open, sink))
            now = datetime.now(UTC)
            async with operator_engine.begin() as connection:
                await stop(
                    connection, Target(StopScope.CAMPAIGN, tenant_id, "autumn"),
                    reason="x", actor="pm_live", by_operator=True, now=now,
                )  # fmt: skip
                await suppress(
                    connection, tenant_id=tenant_id, recipient=recipient_hash("bob@rcpt.example"),
                    reason=SuppressionReason.UNSUBSCRIBED, source="test", now=now,
                )  # fmt: skip
            sink.released.set()
            explanation = await reaches(sender_engine, suppressed, State.CANCELLED)
            assert explanation.message.reason == "suppressed"
            explanation = await reaches(sender_engine, stopped, State.HELD)
            assert explanation.message.reason == "stopped"
        assert sink.mails == []
        assert await value(sender_engine, "select coalesce(sum(used), 0) from policy.counters") == 0


async def _open(sink) -> bool:
    return not sink.at_recipient


class TestTime:
    async def test_clock_of_the_process_decides_nothing(self, upgraded):
        clock = DatabaseClock(datetime.now(UTC) + timedelta(hours=49))
        async with await psycopg.AsyncConnection.connect(upgraded) as connection:
            await clock.set(connection)
            row = await (await connection.execute("select clock_timestamp()")).fetchone()
        assert row is not None
        assert abs(clock.now() - row[0]) < timedelta(hours=1)


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
        await execute(sender_engine, """update queue.bodies set body = '{"new": 1}'""")
        async with sending(settings):
            explanation = await reaches(sender_engine, message_id, State.DEFERRED)
        assert explanation.message.reason == "internal_error"
