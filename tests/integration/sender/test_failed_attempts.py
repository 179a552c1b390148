"""What becomes of a message that could not be handed over, for each reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from sender import directory
from sender.faults import COMPOSE_REFUSED
from sender.schemas import Explanation, State
from tests.support.faults import assert_shows
from vault import KeyRing, Vault
from vault.faults import DAMAGED_ENVELOPE, UNKNOWN_KEY

from .conftest import execute, reaches, sending


def reasons(explanation: Explanation) -> list[str | None]:
    return [decision.reason for decision in explanation.decisions]


async def test_host_busy_is_retried(settings, entry, publish, submit, sink, sender_engine):
    await publish(entry)
    sink.answers.append("451 4.3.0 try again")
    message_id = await submit()
    async with sending(settings):
        explanation = await reaches(sender_engine, message_id, State.ACCEPTED)
    assert explanation.message.attempts == 2
    assert "host_busy" in reasons(explanation)
    assert len(sink.mails) == 1


async def test_host_busy_for_too_long_ends_in_an_infrastructure_bounce(
    settings, entry, publish, submit, sink, sender_engine
):
    await publish(entry)
    sink.answers.append("451 4.3.0 try again")
    message_id = await submit()
    async with sending(settings.model_copy(update={"max_attempts": 1})):
        explanation = await reaches(sender_engine, message_id, State.BOUNCED_INFRASTRUCTURE)
    assert explanation.decisions[-1].details["reply"] == "451 4.3.0 try again"


async def test_host_refusing_any_mail_holds_its_address_for_people(
    settings, entry, publish, submit, sink, sender_engine
):
    """It spends no attempt and no cap, and says nothing against the recipient."""
    await publish(entry)
    refusal = "554 5.7.1 relay access denied"
    sink.answers.append(refusal)
    message_id = await submit()
    async with sending(settings.model_copy(update={"max_attempts": 1})):
        await reaches(sender_engine, message_id, State.DEFERRED, State.HELD)
        other = await reaches(sender_engine, await submit(), State.HELD)
        explanation = await reaches(sender_engine, message_id, State.HELD)
    assert sink.mails == []
    assert explanation.message.attempts == 0
    steps = [step for step in explanation.decisions if step.details.get("reply") == refusal]
    assert [step.reason for step in steps] == ["host_refused"]
    assert other.message.reason == "host_refused"
    assert refusal in other.decisions[-1].message
    wait = other.message.run_at - datetime.now(UTC)
    assert timedelta(minutes=20) < wait < timedelta(minutes=31)
    async with sender_engine.connect() as connection:
        rows = await connection.execute(text("select 1 from suppression.entries"))
        assert rows.first() is None
        used = await connection.execute(text("select sum(used) from policy.counters"))
        assert not used.scalar()


async def test_message_too_big_is_a_content_bounce(
    settings, entry, publish, submit, sink, sender_engine
):
    await publish(entry)
    sink.answers.append("552 5.3.4 message too big")
    message_id = await submit()
    async with sending(settings):
        await reaches(sender_engine, message_id, State.BOUNCED_CONTENT)


async def test_reply_lost_is_unknown_and_not_repeated(
    settings, entry, publish, submit, sink, sender_engine
):
    await publish(entry)
    sink.answers.append("drop")
    message_id = await submit()
    async with sending(settings):
        explanation = await reaches(sender_engine, message_id, State.UNKNOWN)
        other = await submit(subject="the next one")
        await reaches(sender_engine, other, State.ACCEPTED)
    assert explanation.message.reason == "answer_lost"
    assert sink.subjects() == ["Hello", "the next one"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"username": "stranger"}, "login_refused"),
        ({"helo": "mx9-9.acme.example"}, "certificate_refused"),
        ({"port": 1}, "unreachable"),
    ],
)
async def test_host_unreachable_defers(
    settings, entry, publish, submit, sink, sender_engine, change, reason
):
    address = entry.addresses[0].model_copy(update=change)
    await publish(entry.model_copy(update={"addresses": (address,)}))
    message_id = await submit()
    async with sending(settings):
        explanation = await reaches(sender_engine, message_id, State.DEFERRED)
    assert explanation.message.reason == reason
    assert sink.mails == []


async def test_messages_behind_a_host_that_is_away_say_why_they_wait(
    settings, entry, publish, submit, sink, sender_engine
):
    address = entry.addresses[0].model_copy(update={"port": 1})
    await publish(entry.model_copy(update={"addresses": (address,)}))
    ids = [await submit() for _ in range(12)]
    async with sending(settings):
        found = [await reaches(sender_engine, i, State.DEFERRED, State.HELD) for i in ids]
        assert {one.message.reason for one in found} == {"unreachable"}
        assert State.HELD in {one.message.state for one in found}
        held = next(one for one in found if one.message.state is State.HELD)
        assert held.decisions[-1].message.startswith("mx1-2 is held: ")
        assert held.message.run_at > datetime.now(UTC)
        await publish(entry)
        for id_ in ids:
            await reaches(sender_engine, id_, State.ACCEPTED)
    assert len(sink.mails) == len(ids)


async def test_mail_without_a_home_does_not_wait_for_a_host_that_is_away(
    settings, entry, publish, submit, sink, sender_engine, ring, tenant_id
):
    context = directory.password_context(tenant_id, "mx1-1")
    sealed = Vault(KeyRing.load(ring)).seal(b"x", context=context)
    change = {"name": "mx1-1", "ip": "127.0.0.9", "port": 1, "sealed_password": sealed}
    away = entry.addresses[0].model_copy(update=change)
    await publish(entry.model_copy(update={"addresses": (away, *entry.addresses)}))
    first = await submit()
    async with sending(settings):
        explanation = await reaches(sender_engine, first, State.DEFERRED)
        assert explanation.decisions[-1].details["address"] == "mx1-1"
        explanation = await reaches(sender_engine, await submit(), State.ACCEPTED)
        assert explanation.message.address == "mx1-2"
        await reaches(sender_engine, first, State.ACCEPTED)


async def test_message_held_beyond_its_life_expires(
    settings, entry, publish, submit, sink, sender_engine
):
    message_id = await submit()
    async with sending(settings):
        await reaches(sender_engine, message_id, State.HELD)
        await execute(
            sender_engine,
            "with ended as (update queue.ready set expires_at = now() returning id, expires_at)"
            " update queue.records as record set expires_at = ended.expires_at"
            " from ended where record.id = ended.id",
        )
        explanation = await reaches(sender_engine, message_id, State.EXPIRED)
        await publish(entry)
        await reaches(sender_engine, await submit(), State.ACCEPTED)
    assert len(sink.mails) == 1
    assert explanation.message.reason == "not_published"
    assert explanation.meaning is not None
    assert explanation.meaning.release is None  # nothing lets it go on any more
    assert explanation.message.finished_at is not None
    assert explanation.message.finished_at > explanation.message.expires_at
    last = explanation.decisions[-1]
    assert (last.state, last.message) == (State.EXPIRED, "expired before it was sent")
    async with sender_engine.connect() as connection:
        events = await connection.execute(text("select state, reason from mail.events"))
        assert events.all() == [("expired", "not_published"), ("accepted", "accepted")]


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        (lambda sealed: sealed[:-8], DAMAGED_ENVELOPE),
        (lambda sealed: "v1.a." + sealed.split(".")[2], UNKNOWN_KEY),
    ],
)
async def test_secret_unreadable_defers(
    settings, entry, publish, submit, sink, sender_engine, envelope, code
):
    sealed = envelope(entry.addresses[0].sealed_password)
    address = entry.addresses[0].model_copy(update={"sealed_password": sealed})
    await publish(entry.model_copy(update={"addresses": (address,)}))
    message_id = await submit()
    async with sending(settings):
        explanation = await reaches(sender_engine, message_id, State.DEFERRED)
    assert_shows(explanation.decisions[-1].model_dump(), code)
    assert explanation.message.attempts == 0
    left = explanation.message.expires_at - datetime.now(UTC)
    assert left > timedelta(days=29)  # the 48 hours begin with an attempt to hand over
    assert sink.mails == []


async def test_message_that_cannot_be_composed_is_cancelled(
    settings, entry, publish, submit, sink, sender_engine, monkeypatch
):
    await publish(entry)
    message_id = await submit()
    reason = "a header holds a line break"

    def compose(*_args: object, **_values: object) -> bytes:
        raise COMPOSE_REFUSED(reason=reason)

    monkeypatch.setattr("sender.composer.compose", compose)
    async with sending(settings):
        explanation = await reaches(sender_engine, message_id, State.CANCELLED)
    assert_shows(explanation.decisions[-1].model_dump(), COMPOSE_REFUSED, reason=reason)
    assert sink.mails == []
