"""What a sender knows only in memory is shown in Redis while it works, and nothing needs it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import psycopg
from pydantic import SecretStr

from sender.live import PREFIX, Live, live_client, show, shown
from sender.queue import operations
from sender.schemas import State
from tests.support.waiting import reached

from .conftest import DEADLINE, reaches, sending

NOWHERE = "redis://127.0.0.1:1"


async def test_connections_and_rates_are_shown_while_a_sender_works(
    settings, entry, publish, submit, sink, sender_engine, upgraded, valkey
):
    await publish(entry)
    async with await psycopg.AsyncConnection.connect(upgraded, autocommit=True) as admin:
        async with sending(settings.model_copy(update={"redis_url": SecretStr(valkey)})):
            await reaches(sender_engine, await submit(), State.ACCEPTED)
            [name] = await operations.workers(admin)
            [one] = await reached(
                partial(shown, valkey, [name]),
                lambda found: any(not bucket.in_work for one in found for bucket in one.buckets),
                seconds=DEADLINE,
            )
        assert await shown(valkey, [name]) == []
    [address] = one.addresses
    assert (address.name, address.ip, address.breaker) == ("mx1-2", sink.ip, "closed")
    assert (address.connections, address.in_hand) == (1, 0)
    [bucket] = one.buckets
    assert (bucket.name, bucket.per_hour) == ("sales@acme.example other", 2.08)


async def test_without_redis_nothing_is_shown_and_mail_is_sent(
    settings, entry, publish, submit, sender_engine
):
    await publish(entry)
    for url in (NOWHERE, "redis://host:port"):
        away = settings.model_copy(update={"redis_url": SecretStr(url)})
        async with sending(away):
            await reaches(sender_engine, await submit(), State.ACCEPTED)
        assert await shown(url, ["a"]) == []
    assert await shown(None, ["a"]) == []


async def test_what_cannot_be_read_is_left_out(valkey):
    ended = asyncio.Event()
    async with live_client(valkey) as redis:
        await redis.set(f"{PREFIX}broken", "{", ex=5)
        await redis.rpush(f"{PREFIX}list", "")
        showing = asyncio.create_task(show(valkey, "good", Live, ended))
        found: Any = partial(shown, valkey, ["broken", "list", "gone", "good"])
        assert await reached(found) == [Live()]
        ended.set()
        await showing
        await redis.delete(f"{PREFIX}list")
