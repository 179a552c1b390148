"""The sender as a process: claims from the queue, hands over, and ends cleanly when it is stopped.

PostgreSQL going away stops nothing for good: each loop logs it, waits and looks again.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing, nullcontext
from functools import partial
from heapq import nlargest
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from kit.database import connection_options
from kit.pausing import pause
from sender import live
from sender.compose import is_link
from sender.composer import Composer
from sender.dispatch.accounting import Accounting
from sender.dispatch.changes import Changes
from sender.dispatch.keys import CurrentVault, Opener
from sender.dispatch.sending import Sending
from sender.dispatch.store import DatabaseClock, configure
from sender.dispatch.suppressed import Suppressed
from sender.dispatch.tenants import Tenants
from sender.dispatch.upkeep import maintain
from sender.dispatch.withdrawn import cancel_mail_of_deleted
from sender.live import Live, LiveAddress
from sender.metrics import Metrics
from sender.policy.model import Credit
from sender.policy.resolver import DnsMx, Resolver
from sender.queue import Settings, Worker, lists_client
from sender.queue.install import OPTIONS, WAIT
from sender.queue.outages import AWAY
from sender.reasons import UNSUBSCRIBE_NOT_HTTPS
from sender.settings import SenderSettings
from sender.smtp import Egress, Limits
from sender.tokens import Tokens

CONNECTIONS = 8
"""The queue's worker holds one to be notified, one to look for jobs, one for each of its exchanges
with the database, and now and then one for its upkeep."""
GATHER = 0.04
"""Seconds for which intents and outcomes wait for those of others: mail takes longer on its way."""
TIDY = 1.0
"""Seconds between two looks at the connections to hosts, and for deleted tenants."""
RESOLVE = 1.0
"""Seconds between two looks for recipients' domains without a provider."""
OBJECTS = 20_000
"""New objects after which garbage is looked for."""
log = structlog.get_logger(__name__)
Progress = Callable[[str], None]
"""Is called with the name of a loop at each of its iterations."""


async def run(
    settings: SenderSettings,
    stop: asyncio.Event,
    *,
    vault: Opener | None = None,
    progress: Progress = lambda _: None,
    metrics: Metrics | None = None,
) -> None:
    """Run until `stop` is set, then finish what is being handed over and return.

    Without a `vault` the key ring of the settings is loaded.
    """
    metrics = metrics or Metrics()
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    clock = DatabaseClock()
    limits = Limits(
        opening=settings.connect_timeout,
        answer=settings.answer_timeout,
        keep=settings.keep_alive,
        at_once=settings.per_address,
    )
    egress = Egress(limits, helo=settings.helo)
    opener = vault or CurrentVault(settings.key_ring)
    with closing(Composer(opener)) as composer:
        async with database_pool(settings) as pool, _lists(settings) as lists:
            tenants = Tenants(
                clock,
                egress.capacity,
                lambda: _obstacle(settings.public_url),
                settings.burst,
                rest=egress.rest,
            )
            changes = Changes(pool, tenants, is_shared=lists is not None)
            handler = Sending(
                tenants=tenants,
                egress=egress,
                vault=opener,
                composer=composer,
                tokens=Tokens.of_settings(settings.token_key, settings.token_keys),
                public_url=settings.public_url,
                clock=clock,
                max_attempts=settings.max_attempts,
                learn=changes.learn,
                suppressed=Suppressed(pool),
                unsubscribe_address=settings.unsubscribe_address,
            )
            worker = Worker(
                pool,
                name,
                metrics.counting(handler),
                _worker_settings(settings, limits),
                credit=tenants.credit,
                on_in_work=tenants.on_in_work,
                on_ended_elsewhere=tenants.ended_elsewhere,
                extension=Accounting(tenants),
                progress=lambda: progress("queue"),
                lists=lists,
            )
            metrics.watch(worker, egress)
            ended = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(changes.follow(lambda: worker.slots, worker.wake, ended))
                group.create_task(_resolve(pool, settings.resolver, ended))
                group.create_task(_tidy(egress, ended))
                group.create_task(_maintain(pool, settings, ended))
                group.create_task(_cancel(pool, worker, ended))
                if settings.redis_url is not None:
                    url = settings.redis_url.get_secret_value()
                    group.create_task(live.show(url, name, partial(_look, egress, tenants), ended))
                await worker.run(stop)
                ended.set()
                changes.wake()
            await egress.close()


def collect_rarely() -> None:
    """Let the garbage collector look seldom, in a process that does nothing else but send.

    A mail leaves no cycles of objects behind, and looking for some took a tenth of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS)


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
        configure=configure,
        kwargs=connection_options("penguin-sender", **session),
    )


def _lists(settings: SenderSettings) -> AbstractAsyncContextManager[Redis | None]:
    if settings.lists_url is None:
        return nullcontext()
    return lists_client(settings.lists_url.get_secret_value())


def _worker_settings(settings: SenderSettings, limits: Limits) -> Settings:
    return Settings(
        concurrency=settings.concurrency,
        at_risk=settings.at_risk,
        gather=GATHER,
        poll=settings.poll,
        lease=settings.lease,
        time_limit=limits.dialogue,
        longest=2 * limits.dialogue,
        grace=0,
        grace_begun=settings.grace,
        expiry=settings.expiry,
        outcomes_file=settings.outcomes_file,
        last_writes=settings.last_writes,
        upkeep=settings.maintenance,
        keep_bodies=settings.keep_bodies,
        keep_records=settings.keep_records,
        keep_keys=max(settings.keep_bodies, 1),
    )


def _obstacle(public_url: str) -> Credit | None:
    if is_link(f"{public_url.rstrip('/')}/u/"):
        return None
    words = (
        f"{public_url} is no https address: "
        "set PENGUIN_MAIL__PUBLIC_URL to where receivers reach /u/"
    )
    return Credit(0, UNSUBSCRIBE_NOT_HTTPS, words)


def _look(egress: Egress, tenants: Tenants) -> Live:
    """Return what is shown of the connections to hosts, and of the rates of buckets."""
    busiest = nlargest(live.MOST, egress.state(), key=lambda address: address.in_hand)
    addresses = tuple(map(LiveAddress.model_validate, busiest))
    return Live(addresses=addresses, buckets=tenants.shown(live.MOST))


async def _resolve(
    pool: AsyncConnectionPool[Any], server: str | None, ended: asyncio.Event
) -> None:
    """Find the providers of recipients' domains."""
    resolver = Resolver(pool, DnsMx.at(server))
    while not ended.is_set():
        found = 0
        try:
            found = await resolver.resolve()
        except AWAY as error:
            log.warning("sender.database_away", error=str(error))
        except Exception:
            log.exception("sender.failed", loop="resolver")
        if not found:
            await pause(ended, RESOLVE)


async def _tidy(egress: Egress, ended: asyncio.Event) -> None:
    while not ended.is_set():
        egress.tidy()
        await pause(ended, TIDY)


async def _cancel(pool: AsyncConnectionPool[Any], worker: Worker, ended: asyncio.Event) -> None:
    while not ended.is_set():
        await cancel_mail_of_deleted(pool, worker.slots)
        await pause(ended, TIDY)


async def _maintain(
    pool: AsyncConnectionPool[Any], settings: SenderSettings, ended: asyncio.Event
) -> None:
    while not ended.is_set():
        await maintain(
            pool,
            records=settings.keep_records,
            events=settings.keep_events,
        )
        await pause(ended, settings.maintenance)
