"""What drains gets no mail, and what a host could not send is said of its messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from sqlalchemy import text

from kit.database import Role
from sender import draining
from sender.directory import DirectoryEntry, closed
from sender.schemas import State
from tests.support.installation import login
from tests.support.waiting import reached

from .conftest import DEADLINE, engine_as, explained, reaches, sending

Handover = Callable[[DirectoryEntry, str, Callable[[], Awaitable[int | None]]], Awaitable[UUID]]


@pytest.fixture
def hand_over(entry, publish, submit, sink, sender_engine) -> Handover:
    """Return what hands a mail over while an entry closes its address or domain, twice."""

    async def closed_meanwhile(
        closed_entry: DirectoryEntry, reason: str, in_hand: Callable[[], Awaitable[int | None]]
    ) -> UUID:
        message_id: UUID = await submit()
        await asyncio.wait_for(sink.arrived.wait(), DEADLINE)
        await publish(closed_entry)  # the host has been asked for a mail that is claimed already
        sink.released.set()
        explanation = await reaches(sender_engine, message_id, State.HELD, State.ACCEPTED)
        assert explanation.message.state is State.HELD
        assert explanation.message.reason == reason
        assert (sink.mails, await in_hand()) == ([], 0)
        sink.arrived.clear()
        sink.released.clear()
        sink.answers.append("wait")
        await publish(entry)
        await asyncio.wait_for(sink.arrived.wait(), DEADLINE)
        await publish(closed_entry)  # the host has the mail, and its answer is awaited
        await reached(in_hand, lambda count: count == 1)
        sink.released.set()
        await reaches(sender_engine, message_id, State.ACCEPTED)
        await reached(in_hand, lambda count: count == 0)
        return message_id

    sink.at_recipient.append("wait")
    return closed_meanwhile


async def test_address_that_drains_gets_no_mail(
    settings, entry, publish, submit, hand_over, sender_engine, upgraded, tenant_id
):
    draining_entry = entry.model_copy(
        update={"addresses": (entry.addresses[0].model_copy(update={"draining": True}),)}
    )
    controller = engine_as(upgraded, login(Role.CONTROLLER))

    async def in_hand() -> int | None:
        async with controller.connect() as connection:
            names = ["mx1-2", "mx1-4"]
            found = await draining.in_hand(connection, tenant_id=tenant_id, addresses=names)
        assert found["mx1-4"] is None
        return found["mx1-2"]

    await publish(entry)
    async with sending(settings):
        message_id = await hand_over(draining_entry, "address_draining", in_hand)
        async with sender_engine.begin() as connection:  # as an intent that has not seen it yet
            await connection.execute(text("update queue.claimed set note = note"))
            assert await in_hand() is None
        await publish(entry)
        sent = await submit()
        await reaches(sender_engine, sent, State.ACCEPTED)
    lost = await explained(sender_engine, message_id)
    assert lost.message.queue_id is not None
    queue_ids = [lost.message.queue_id, "of-a-bounce"]
    async with controller.begin() as connection:
        for tenant, count in ((UUID(int=7), 0), (tenant_id, 1), (tenant_id, 0)):
            assert count == await draining.lose(
                connection, tenant_id=tenant, address="mx1-2", queue_ids=queue_ids
            )
    await controller.dispose()
    lost = await explained(sender_engine, message_id)
    assert (lost.message.state, lost.message.reason) == (
        State.BOUNCED_INFRASTRUCTURE,
        "address_released",
    )
    assert lost.decisions[-1].message == "mx1-2 was released before its host had sent it"
    assert (await explained(sender_engine, sent)).message.state is State.ACCEPTED


async def test_domain_that_the_directory_has_no_longer_gets_no_mail(
    settings, entry, publish, submit, hand_over, sender_engine, upgraded, tenant_id
):
    without = entry.model_copy(update={"domains": ()})
    controller = engine_as(upgraded, login(Role.CONTROLLER))

    async def in_hand() -> int | None:
        async with controller.connect() as connection:
            names = [closed("acme.example"), closed("other.example")]
            found = await draining.in_hand(connection, tenant_id=tenant_id, addresses=names)
        assert found["@other.example"] is None, "nothing says that it takes no mail"
        return found["@acme.example"]

    await publish(entry)
    assert await in_hand() is None
    async with sending(settings):
        await hand_over(without, "domain_unknown", in_hand)
        await publish(entry)
        sent = await submit()
        await reaches(sender_engine, sent, State.ACCEPTED)
        assert await in_hand() is None
    await controller.dispose()
