"""The part `sender`: queue to hand-over, with the only credentials for Redis."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis
from redis.exceptions import RedisError

from composition.heartbeat import Progress
from composition.parts.settings import Part, SenderPart
from composition.process import start
from kit.database import Role, role_dsn
from sender.daemon import run
from sender.settings import SenderSettings

REDIS_SECONDS = 2.0
"""How long Redis may take to answer."""


async def work(settings: SenderPart, progress: Progress, stop: asyncio.Event) -> None:
    """Send until `stop` is set, then finish open hand-overs."""
    password = settings.passwords[Role.SENDER].get_secret_value()
    sender = SenderSettings(
        database_url=role_dsn(settings.dsn, settings.login(Role.SENDER), password),
        redis_url=settings.redis_url,
        key_ring=settings.key_file,
        token_key=settings.token_key,
        token_keys=settings.token_keys,
        public_url=settings.public_url,
        helo=settings.helo,
    )
    await run(sender, stop, progress=progress.tick)


async def trouble(settings: SenderPart) -> str:
    """Return a problem with Redis; empty when there is none."""
    try:
        async with Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_connect_timeout=REDIS_SECONDS,
            socket_timeout=REDIS_SECONDS,
        ) as redis:
            await redis.ping()
    except (RedisError, OSError):
        return "Redis does not answer"
    return ""


if __name__ == "__main__":
    start(Part.SENDER, SenderPart, work, trouble)
