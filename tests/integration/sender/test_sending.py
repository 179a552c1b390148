"""From the queue to a mail host: once, and only what nothing forbids."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime
from email import message_from_bytes, policy

import dkim
import pytest
from cryptography.hazmat.primitives import serialization

from sender.directory import SendingMailbox
from sender.explain import explain
from sender.schemas import State, StopScope, SuppressionReason
from sender.stops import Target, start, stop
from sender.suppression import recipient_hash, suppress
from sender.tokens import Tokens

from .conftest import KEY, TOKEN_KEY, reaches, sending
from .sink import HELO


async def test_message_is_delivered_once_and_explained(
    settings, entry, publish, submit, sink, sender_engine
):
    await publish(entry)
    message_id = await submit()
    address = "unsubscribe@penguinmails.example"
    async with sending(settings.model_copy(update={"unsubscribe_address": address})):
        explanation = await reaches(sender_engine, message_id, State.ACCEPTED)

    assert len(sink.mails) == 1
    envelope = sink.mails[0]
    assert envelope.rcpt_tos == ["bob@rcpt.example"]
    assert envelope.mail_from.endswith("@b.acme.example")
    return_path = Tokens(bytes.fromhex(TOKEN_KEY)).read_return_path(envelope.mail_from)
    assert (return_path.job_id, return_path.ip) == (message_id, "127.0.0.1")
    assert explanation.message.queue_id == "00001ABCDE"
    assert explanation.message.address == "mx1-2"
    kinds = [decision.kind for decision in explanation.decisions]
    assert kinds == ["enqueued", "outcome"]
    assert explanation.decisions[1].details["helo"] == HELO

    der = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = b"v=DKIM1; p=" + b"".join(der.splitlines()[1:-1])
    assert dkim.verify(sink.bodies()[0], dnsfunc=lambda *_, **__: record)
    by_mail = message_from_bytes(sink.bodies()[0])["List-Unsubscribe"].rpartition("<mailto:")[2]
    assert by_mail.startswith(f"{address}?subject=unsubscribe%20")
    assert by_mail.removesuffix(">").rpartition("%20")[2] in sink.bodies()[0].decode()
    async with sender_engine.connect() as connection:
        by_header = await explain(connection, explanation.message.message_id)
    assert by_header.message.id == message_id


@pytest.mark.parametrize(
    ("missing", "reason"), [("mailboxes", "mailbox_unknown"), ("domains", "domain_unknown")]
)
async def test_message_whose_mailbox_or_domain_is_missing_waits_until_it_is_published(
    settings, entry, publish, submit, sink, sender_engine, missing, reason
):
    message_id = await submit()
    await publish(entry.model_copy(update={missing: ()}))
    async with sending(settings):
        explanation = await reaches(sender_engine, message_id, State.HELD)
        assert explanation.message.reason == reason
        assert "is not published yet, or no longer a " in explanation.decisions[-1].message
        assert sink.mails == []
        await publish(entry)
        await reaches(sender_engine, message_id, State.ACCEPTED)


async def test_cap_of_a_mailbox_holds_for_its_sub_addresses_and_its_catch_all(
    settings, entry, publish, submit, sink, sender_engine
):
    domain = entry.domains[0].model_copy(update={"catch_all": "sales@acme.example"})
    box = SendingMailbox(address="sales@acme.example", daily_cap=2)
    await publish(entry.model_copy(update={"domains": (domain,), "mailboxes": (box,)}))
    senders = ("sales@acme.example", "sales+x@acme.example", "any@acme.example", "b@acme.example")
    ids = [await submit(**{"from": sender}) for sender in senders]
    async with sending(settings):
        states = [
            (await reaches(sender_engine, id_, State.ACCEPTED, State.HELD)).message.state
            for id_ in ids
        ]
    assert sorted(states) == [State.ACCEPTED, State.ACCEPTED, State.HELD, State.HELD]
    assert len(sink.mails) == 2


async def test_message_with_files_and_a_thread_arrives_whole(
    settings, entry, publish, submit, sink, sender_engine
):
    await publish(entry)
    picture, large = bytes(range(256)), os.urandom(3_000_000)
    message_id = await submit(
        html='<img src="cid:logo@acme.example">',
        attachments=[
            {
                "content": base64.b64encode(picture).decode(),
                "content_type": "image/png",
                "content_id": "logo@acme.example",
            },
            {"content": base64.b64encode(large).decode(), "filename": "Grüße.bin"},
        ],
        in_reply_to="<1@rcpt.example>",
        references=["<0@rcpt.example>", "<1@rcpt.example>"],
    )
    async with sending(settings):
        await reaches(sender_engine, message_id, State.ACCEPTED)
    [raw] = sink.bodies()
    der = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = b"v=DKIM1; p=" + b"".join(der.splitlines()[1:-1])
    assert dkim.verify(raw, dnsfunc=lambda *_, **__: record)
    mail = message_from_bytes(raw, policy=policy.default)
    assert mail["In-Reply-To"] == "<1@rcpt.example>"
    assert mail["References"] == "<0@rcpt.example> <1@rcpt.example>"
    parts = {part.get_content_type(): part for part in mail.walk()}
    assert parts["image/png"].get_content() == picture
    assert parts["image/png"]["Content-ID"] == "<logo@acme.example>"
    assert parts["application/octet-stream"].get_content() == large
    assert parts["application/octet-stream"].get_filename() == "Grüße.bin"


async def test_message_urgent_overtakes_others_of_its_tenant(
    settings, entry, publish, submit, sink, sender_engine
):
    await publish(entry)
    late = [await submit(subject=f"low {n}", priority=500) for n in range(3)]
    urgent = await submit(subject="urgent", priority=10)
    async with sending(settings.model_copy(update={"concurrency": 1})):
        for message_id in (*late, urgent):
            await reaches(sender_engine, message_id, State.ACCEPTED)
    assert sink.subjects()[0] == "urgent"


async def test_message_to_a_suppressed_recipient_is_cancelled_and_takes_no_place_of_a_cap(
    settings, entry, publish, submit, sink, sender_engine, tenant_id
):
    box = entry.mailboxes[0].model_copy(update={"daily_cap": 1})
    await publish(entry.model_copy(update={"mailboxes": (box,)}))
    async with sender_engine.begin() as connection:
        await suppress(
            connection,
            tenant_id=tenant_id,
            recipient=recipient_hash("Bob@RCPT.example"),
            reason=SuppressionReason.UNSUBSCRIBED,
            source="test",
            now=datetime.now(UTC),
        )
    message_id = await submit()
    async with sending(settings):
        explanation = await reaches(sender_engine, message_id, State.CANCELLED)
        next_one = await reaches(sender_engine, await submit(), State.CANCELLED)
        await reaches(sender_engine, await submit(to="carol@rcpt.example"), State.ACCEPTED)
    for one in (explanation, next_one):
        assert one.message.reason == "suppressed"
        assert one.decisions[-1].message == "the recipient is suppressed: unsubscribed"
    assert sink.offered == ["bob@rcpt.example", "carol@rcpt.example"], "the second was not"
    assert [mail.rcpt_tos for mail in sink.mails] == [["carol@rcpt.example"]]


async def test_message_from_an_unverified_domain_is_held(
    settings, entry, publish, submit, sink, sender_engine
):
    domain = entry.domains[0].model_copy(update={"verified": False})
    await publish(entry.model_copy(update={"domains": (domain,)}))
    message_id = await submit()
    async with sending(settings):
        explanation = await reaches(sender_engine, message_id, State.HELD)
    assert explanation.message.reason == "domain_not_verified"
    assert explanation.decisions[-1].details == {"until": None}, "it has no end of its own"
    assert sink.mails == []


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        ("platform", None),
        ("tenant", None),
        ("domain", "ACME.example"),
        ("mailbox", "Sales@Acme.example"),
        ("address", "MX1-2"),
    ],
)
async def test_message_stopped_waits_until_it_is_started(
    settings,
    entry,
    publish,
    submit,
    sink,
    sender_engine,
    operator_engine,
    tenant_id,
    scope,
    name,
):
    await publish(entry)
    owner = None if scope == "platform" else tenant_id
    target = Target(StopScope(scope), owner, name)
    now = datetime.now(UTC)
    async with operator_engine.begin() as connection:
        await stop(connection, target, reason="x", actor="pm_live", by_operator=True, now=now)
    message_id = await submit()
    async with sending(settings):
        explanation = await reaches(sender_engine, message_id, State.HELD)
        assert explanation.message.reason == "stopped"
        assert explanation.decisions[-1].message.startswith("mail is stopped for ")
        assert [one.scope for one in explanation.stops] == [scope]
        assert sink.mails == []
        async with operator_engine.begin() as connection:
            await start(connection, target)
        await reaches(sender_engine, message_id, State.ACCEPTED)
    assert len(sink.mails) == 1


async def test_messages_of_a_stopped_campaign_and_queue_wait_apart_from_others(
    settings, entry, publish, submit, sink, sender_engine, operator_engine, tenant_id
):
    await publish(entry)
    campaign = Target(StopScope.CAMPAIGN, tenant_id, "autumn")
    queue = Target(StopScope.QUEUE, None, "low")
    now = datetime.now(UTC)
    for target in (campaign, queue):
        async with operator_engine.begin() as connection:
            await stop(connection, target, reason="x", actor="pm_live", by_operator=True, now=now)
    of_campaign = await submit(campaign="Autumn", transactional=True)
    of_both = await submit(campaign="autumn", priority=200)
    other = await submit(campaign="spring", priority=150)
    async with sending(settings):
        await reaches(sender_engine, other, State.ACCEPTED)
        for id_, stops in ((of_campaign, [campaign]), (of_both, [queue, campaign])):
            explanation = await reaches(sender_engine, id_, State.HELD)
            assert explanation.message.reason == "stopped"
            assert [(s.scope, s.name) for s in explanation.stops] == [
                (target.scope, target.name) for target in stops
            ]
            words = f"mail is stopped for {stops[0].scope} {stops[0].name}: x"
            assert explanation.decisions[-1].message == words
            assert explanation.message.attempts == 0
        async with operator_engine.begin() as connection:
            await start(connection, campaign)
        await reaches(sender_engine, of_campaign, State.ACCEPTED)
        explanation = await reaches(sender_engine, of_both, State.HELD)
        assert [(s.scope, s.name) for s in explanation.stops] == [("queue", "low")]
        async with operator_engine.begin() as connection:
            await start(connection, queue)
        await reaches(sender_engine, of_both, State.ACCEPTED)
    assert len(sink.mails) == 3


async def test_daily_cap_is_kept_by_concurrent_hand_overs(
    settings, entry, publish, submit, sink, sender_engine
):
    box = SendingMailbox(address="sales@acme.example", daily_cap=3)
    await publish(entry.model_copy(update={"mailboxes": (box,)}))
    ids = [await submit(subject=f"mail {n}") for n in range(8)]
    async with sending(settings.model_copy(update={"concurrency": 8})):
        done = [await reaches(sender_engine, i, State.ACCEPTED, State.HELD) for i in ids]
    assert len(sink.mails) == 3
    held = [each.message for each in done if each.message.state is State.HELD]
    assert len(held) == 5
    assert {message.reason for message in held} == {"mailbox_cap_reached"}
    assert {message.attempts for message in held} == {0}
