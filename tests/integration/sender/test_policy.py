"""Caps, spreading, providers and holds decide what leaves, from the first mail of a tenant on."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
from sqlalchemy import text

from sender import mailq
from sender.policy.holds import hold
from sender.policy.model import Kind, Subject, at_provider
from sender.policy.warmup import set_day
from sender.queue import operations
from sender.reasons import HELD
from sender.schemas import State
from tests.integration.verification.name_server import IP, NameServer
from tests.support.waiting import reached

from .conftest import explained, reaches, sending

SALES = Subject(Kind.MAILBOX, "sales@acme.example")


async def rows(engine, sql: str) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(sql))]


async def states_of(engine, ids) -> Counter[tuple[State, str | None]]:
    """Wait until each message was handed over or is held."""
    found = [await reaches(engine, id_, State.ACCEPTED, State.HELD) for id_ in ids]
    return Counter((one.message.state, one.message.reason) for one in found)


async def test_cold_tenant_sends_a_burst_and_then_what_the_hour_and_the_day_let(
    settings, entry, publish_cold, submit, sink, sender_engine, upgraded
):
    """A new mailbox has the cap of its first day, however high its own; operators may raise it."""
    await publish_cold(entry)
    ids = [await submit(subject=f"mail {n}") for n in range(6)]
    async with sending(settings.model_copy(update={"burst": 3})):
        found = await states_of(sender_engine, ids)
        assert found == {(State.ACCEPTED, None): 3, (State.HELD, "hour_cap_reached"): 3}
        all_of_them = [await explained(sender_engine, id_) for id_ in ids]
        held = next(one for one in all_of_them if one.message.state is State.HELD)
        assert held.message.run_at > datetime.now(UTC)
        assert "has sent 3 in this hour, of 10 a day" in held.decisions[-1].message
        async with await psycopg.AsyncConnection.connect(upgraded, autocommit=True) as admin:
            await set_day(admin.cursor(), [SALES], 90, reason="warm", actor="pm_live_x")
        await reached(
            lambda: explained(sender_engine, held.message.id),
            lambda one: one.message.reason == "spread",
        )
        reply = await submit(in_reply_to="<question@rcpt.example>")
        await reaches(sender_engine, reply, State.ACCEPTED)
    assert len(sink.mails) == 4


async def test_mail_to_a_new_domain_waits_for_dns_and_counts_at_its_provider(
    settings, entry, publish, submit, sink, sender_engine, upgraded
):
    names = await NameServer.start()
    names.trouble["cached"] = "servfail"
    names.set_record("new.example", "MX", "10 aspmx.l.google.com.")
    try:
        await publish(entry)
        message_id = await submit(to="ann@new.example")
        gmail = await submit(to="ann@gmail.com")
        resolver = f"{IP}:{names.port}"
        async with sending(settings.model_copy(update={"resolver": resolver})):
            await reaches(sender_engine, gmail, State.ACCEPTED)
            explanation = await reached(
                lambda: explained(sender_engine, message_id),
                lambda one: "MX of new.example" in one.decisions[-1].message,
            )
            assert explanation.message.reason == "provider_unresolved"
            names.trouble.clear()
            async with await psycopg.AsyncConnection.connect(upgraded, autocommit=True) as admin:
                await admin.execute("update policy.recipient_domains set look_at = now()")
            await reaches(sender_engine, message_id, State.ACCEPTED)
    finally:
        await names.close()
    counted = "select subject, used from policy.counters where kind = 'provider'"
    assert await rows(sender_engine, counted) == [(f"{sink.ip}/google", 2)]
    homes = "select domain, provider, address from policy.homes"
    assert await rows(sender_engine, homes) == [("acme.example", "google", "mx1-2")]


async def test_hold_by_people_is_followed_at_once_and_so_is_its_end(
    settings, entry, publish, submit, sink, sender_engine, upgraded, tenant_id
):
    await publish(entry)
    async with (
        await psycopg.AsyncConnection.connect(upgraded, autocommit=True) as admin,
        sending(settings),
    ):
        await reaches(sender_engine, await submit(), State.ACCEPTED)
        await hold(admin.cursor(), SALES, HELD, timedelta(hours=1), words="complaints")
        held = await reached(
            lambda: _submitted_and_held(submit, sender_engine), lambda one: one is not None
        )
        assert "complaints" in held.decisions[-1].message
        await hold(admin.cursor(), at_provider(sink.ip, "other"), HELD, None)
        done = await mailq.release(admin, mailq.Selection(ids=[held.message.id]), most=100)
        assert done.ended == {tenant_id: [SALES, at_provider(sink.ip, "other")]}
        assert done.kept == {}
        await reaches(sender_engine, held.message.id, State.ACCEPTED)


async def test_end_of_a_hold_is_shown_as_it_was_set_and_not_when_it_is_looked_at_again(
    settings, entry, publish, submit, sender_engine, upgraded
):
    await publish(entry)
    now = datetime.now(UTC)
    async with (
        await psycopg.AsyncConnection.connect(upgraded, autocommit=True) as admin,
        sending(settings),
    ):
        message_id = None
        for end in (now + timedelta(hours=1), now + timedelta(hours=2), None):
            await hold(admin.cursor(), SALES, HELD, end, words="complaints")
            if message_id is None:
                message_id = await submit()
                await reaches(sender_engine, message_id, State.HELD)
            await reached(partial(_is_held_until, sender_engine, message_id, end))
            (bucket,) = await operations.held_buckets(admin)
            assert bucket.until == end
            (busy,) = await operations.busiest_buckets(admin, limit=1)
            assert (busy.is_held, busy.until) == (True, end)


async def _is_held_until(engine, message_id, end: datetime | None) -> bool:
    last = (await explained(engine, message_id)).decisions[-1]
    return last.details == {"until": end and end.isoformat()}


async def _submitted_and_held(submit, engine):
    """Return a new message, if it is held: the hold is seen within a second."""
    found = await reaches(engine, await submit(), State.ACCEPTED, State.HELD)
    return found if found.message.state is State.HELD else None
