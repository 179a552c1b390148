"""The sender as a process: claims from the queue, hands over, and ends cleanly when it is stopped.

PostgreSQL going away stops nothing for good: each loop logs it, waits and looks again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any

from psycopg_pool import AsyncConnectionPool

from kit.database import connection_options
from sender.composer import Composer
from sender.delivery import Pool
from sender.dispatch.accounting import Accounting
from sender.dispatch.keys import CurrentVault, Opener
from sender.dispatch.sending import Sending
from sender.dispatch.store import DatabaseClock
from sender.dispatch.tenants import Tenants
from sender.dispatch.upkeep import maintain
from sender.policy import LOOK_AGAIN, Decision
from sender.queue import Settings, Worker
from sender.queue.install import OPTIONS, REACH, WAIT
from sender.settings import SenderSettings
from sender.tokens import Tokens

CONNECTIONS = 5
IDLE = 1.0
"""Seconds between two looks for idle connections to hosts."""
STEPS = 5
"""Answers of a host in a dialogue, besides the one after the mail."""
Progress = Callable[[str], None]
"""Is called with the name of a loop at each of its iterations."""


async def run(
    settings: SenderSettings,
    stop: asyncio.Event,
    *,
    vault: Opener | None = None,
    progress: Progress = lambda _: None,
) -> None:
    """Run until `stop` is set, then finish what is being handed over and return.

    Without a `vault` the key ring of the settings is loaded.
    """
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    clock = DatabaseClock()
    hosts = Pool(
        clock,
        connect_timeout=settings.connect_timeout,
        keep_alive=settings.keep_alive,
        helo=settings.helo,
    )
    opener = vault or CurrentVault(settings.key_ring)
    with closing(Composer(opener)) as composer:
        async with database_pool(settings) as pool:
            tenants = Tenants(
                pool, clock, settings.per_address, lambda: _obstacle(settings.public_url, clock)
            )
            handler = Sending(
                tenants=tenants,
                pool=hosts,
                vault=opener,
                composer=composer,
                tokens=Tokens.of_settings(settings.token_key, settings.token_keys),
                public_url=settings.public_url,
                clock=clock,
                answer_timeout=settings.answer_timeout,
                max_attempts=settings.max_attempts,
            )
            worker = Worker(
                pool,
                name,
                handler,
                _worker_settings(settings),
                credit=tenants.credit,
                told=tenants.told,
                extension=Accounting(tenants),
                progress=lambda: progress("queue"),
            )
            ended = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(tenants.follow(lambda: worker.slots, worker.wake, ended))
                group.create_task(_close_idle(hosts, ended))
                group.create_task(_maintain(pool, settings, ended))
                await worker.run(stop)
                ended.set()
                tenants.wake()
            await hosts.close_idle(everything=True)


def database_pool(settings: SenderSettings) -> AsyncConnectionPool[Any]:
    """Return the sender's connections; open them with `async with`.

    What the queue sets for its sessions is stored with the sender's role.
    """
    session = {"role": settings.role, **OPTIONS} if settings.role else {}
    return AsyncConnectionPool(
        settings.database_url.get_secret_value(),
        min_size=CONNECTIONS,
        max_size=CONNECTIONS,
        open=False,
        timeout=WAIT,
        reconnect_timeout=0,
        kwargs=connection_options("penguin-sender", **session) | REACH,
    )


def _worker_settings(settings: SenderSettings) -> Settings:
    longest = settings.answer_timeout + STEPS * settings.connect_timeout
    return Settings(
        concurrency=settings.concurrency,
        at_risk=settings.at_risk,
        poll=settings.poll,
        lease=settings.lease,
        time_limit=longest,
        longest=2 * longest,
        grace=settings.grace,
        expiry=settings.expiry,
    )


def _obstacle(public_url: str, clock: DatabaseClock) -> Decision | None:
    if public_url.startswith("https://"):
        return None
    words = (
        f"{public_url} is no https address: "
        "set PENGUIN_MAIL__PUBLIC_URL to where receivers reach /u/"
    )
    return Decision("unsubscribe_not_https", words, until=clock.now() + LOOK_AGAIN)


async def _close_idle(hosts: Pool, ended: asyncio.Event) -> None:
    while not ended.is_set():
        await hosts.close_idle()
        await _pause(ended, IDLE)


async def _maintain(
    pool: AsyncConnectionPool[Any], settings: SenderSettings, ended: asyncio.Event
) -> None:
    while not ended.is_set():
        await maintain(
            pool,
            bodies=settings.keep_bodies,
            records=settings.keep_records,
            events=settings.keep_events,
        )
        await _pause(ended, settings.maintenance)


async def _pause(ended: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(ended.wait(), seconds)
    except TimeoutError:
        return
