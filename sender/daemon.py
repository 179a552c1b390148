"""The sender as a process: migrator, reaper, heart-beat and lanes until it is stopped.

PostgreSQL or Redis going away stops nothing for good: each loop logs it, waits and looks again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kit.database import connection_options
from sender.clock import Clock, SystemClock
from sender.composer import Composer, Opener
from sender.database import sqlalchemy_url
from sender.delivery import Pool
from sender.jobs import Jobs
from sender.lists import Lists
from sender.migrator import Migrator
from sender.settings import SenderSettings
from sender.tokens import Tokens
from sender.worker import Worker
from vault import KeyRing, Vault

REAP_EVERY = 1.0
BEAT_SHARE = 5
"""Leases are extended this often within their length."""
TROUBLE_WAIT = 1.0
REDIS_PATIENCE = 10.0
"""Seconds after which a silent Redis counts as gone; longer than any wait for an element."""
log = structlog.get_logger(__name__)
Progress = Callable[[str], None]
"""Is called with the name of a loop at each of its iterations."""


async def run(
    settings: SenderSettings,
    stop: asyncio.Event,
    *,
    vault: Opener | None = None,
    clock: Clock | None = None,
    progress: Progress = lambda _: None,
) -> None:
    """Run until `stop` is set, then finish what is being handed over and return.

    Without a `vault` the key ring of the settings is loaded.
    """
    time = clock or SystemClock()
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    engine = engine_of(settings)
    redis = Redis.from_url(
        settings.redis_url.get_secret_value(),
        decode_responses=True,
        socket_connect_timeout=REDIS_PATIENCE,
        socket_timeout=settings.poll + REDIS_PATIENCE,
    )
    lists = Lists(redis, name)
    pool = Pool(
        time,
        connect_timeout=settings.connect_timeout,
        keep_alive=settings.keep_alive,
        helo=settings.helo,
    )
    migrator = Migrator(
        engine,
        lists,
        owner=f"{name}/migrator",
        clock=time,
        batch=settings.batch,
        lease=settings.lease,
    )
    opener = vault or Vault(KeyRing.load(settings.key_ring))
    composer = Composer(opener)
    worker = Worker(
        engine=engine,
        jobs=Jobs(engine, name, timedelta(seconds=settings.lease), time),
        lists=lists,
        pool=pool,
        vault=opener,
        composer=composer,
        tokens=Tokens.of_settings(settings.token_key, settings.token_keys),
        public_url=settings.public_url,
        clock=time,
        answer_timeout=settings.answer_timeout,
        max_attempts=settings.max_attempts,
    )
    ended = asyncio.Event()  # of the lanes, which the leases must outlive
    try:
        async with asyncio.TaskGroup() as group:
            beat = settings.lease / BEAT_SHARE
            group.create_task(_repeat("beat", worker.keep_leases, ended, progress, every=beat))
            group.create_task(
                _repeat("migrate", migrator.migrate, stop, progress, every=settings.poll)
            )
            group.create_task(_repeat("reap", migrator.reap, stop, progress, every=REAP_EVERY))
            group.create_task(_repeat("idle", pool.close_idle, stop, progress, every=REAP_EVERY))
            lanes = [
                group.create_task(_lane(worker, settings.poll, stop, progress))
                for _ in range(settings.lanes)
            ]
            await stop.wait()
            _, late = await asyncio.wait(lanes, timeout=settings.grace)
            for lane in late:  # its hand-over becomes `unknown`
                lane.cancel()
            ended.set()
    finally:
        composer.close()
        await pool.close_idle(everything=True)
        await redis.aclose()
        await engine.dispose()


def engine_of(settings: SenderSettings) -> AsyncEngine:
    """Return the sender's engine: as many connections as its loops can use at once."""
    role = {"role": settings.role} if settings.role else {}
    return create_async_engine(
        sqlalchemy_url(settings.database_url.get_secret_value()),
        connect_args=connection_options("penguin-sender", **role),
        hide_parameters=True,  # they hold addresses of people, and an error is logged
        pool_size=min(settings.lanes, 8) + 3,
        max_overflow=settings.lanes,
        pool_pre_ping=True,
    )


async def _lane(worker: Worker, poll: float, stop: asyncio.Event, progress: Progress) -> None:
    async def once() -> int:
        return int(await worker.work_once(poll))

    await _repeat("lane", once, stop, progress, every=0)


async def _repeat(
    name: str,
    step: Callable[[], Awaitable[object]],
    stop: asyncio.Event,
    progress: Progress,
    *,
    every: float,
) -> None:
    """Run a step until `stop`; at once again while it finds work, else after a pause."""
    while not stop.is_set():
        progress(name)
        try:
            found = await step()
            pause = 0.0 if found and every else every
        except (SQLAlchemyError, RedisError, OSError) as error:
            log.warning("sender.trouble", loop=name, error=f"{type(error).__name__}: {error}")
            pause = TROUBLE_WAIT
        except Exception:
            log.exception("sender.failed", loop=name)
            pause = TROUBLE_WAIT
        await _pause(stop, pause)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
