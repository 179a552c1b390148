"""What waits of a deleted tenant is cancelled, whenever the sender learns of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from kit.database import Role
from sender import directory
from sender.schemas import State
from tests.support.installation import login

from .conftest import DEADLINE, engine_as, explained, reaches, sending


async def withdraw(dsn, tenant_id):
    """Withdraw a tenant as the control plane would."""
    controller = engine_as(dsn, login(Role.CONTROLLER))
    async with controller.begin() as connection:
        await directory.withdraw(connection, tenant_id=tenant_id)
    await controller.dispose()


async def test_mail_of_a_deleted_tenant_is_cancelled_also_if_no_sender_ran(
    settings, entry, publish, submit, sink, sender_engine, upgraded, tenant_id
):
    await publish(entry.model_copy(update={"mailboxes": ()}))
    held = await submit()
    later = await submit(run_at=(datetime.now(UTC) + timedelta(days=3)).isoformat())
    async with sending(settings):
        await reaches(sender_engine, held, State.HELD)
    for _ in range(2):
        await withdraw(upgraded, tenant_id)
    assert (await explained(sender_engine, held)).message.state is State.HELD
    async with sending(settings):
        for id_ in (held, later):
            explanation = await reaches(sender_engine, id_, State.CANCELLED)
            assert explanation.message.reason == "tenant_deleted"
            assert explanation.decisions[-1].message == "the tenant was deleted"
        late = await submit()
        await reaches(sender_engine, late, State.CANCELLED)
    assert sink.mails == []


async def test_mail_that_is_being_handed_over_is_cancelled_too(
    settings, entry, publish, submit, sink, sender_engine, upgraded, tenant_id
):
    await publish(entry)
    sink.at_recipient.append("wait")
    message_id = await submit()
    async with sending(settings):
        await asyncio.wait_for(sink.arrived.wait(), DEADLINE)
        await withdraw(upgraded, tenant_id)
        sink.released.set()
        explanation = await reaches(sender_engine, message_id, State.CANCELLED, State.ACCEPTED)
    assert explanation.message.reason == "tenant_deleted"
    assert sink.mails == []
