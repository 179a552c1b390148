"""What senders know only in memory, shown to people through Redis: connections and rates.

Nothing depends on it. Each sender writes one value, which is gone a few seconds after its last
look; while Redis does not work, nothing is shown, and everything else goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from kit.pausing import pause

PREFIX = "penguin:sender:"
EVERY = 1.0
"""Seconds between two looks."""
KEPT = 5
"""Seconds for which a look is shown."""
SLOW = 0.5
"""Seconds after which an answer is not waited for."""
MOST = 100
"""Addresses, and buckets, that one sender shows."""
AWAY = (RedisError, OSError, ValueError)
"""Also of a URL that is none."""
log = structlog.get_logger(__name__)


class LiveAddress(BaseModel):
    """The connections of one sender to one address."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    name: str
    ip: str
    breaker: str
    """Whether it gets mail: `closed`, or after a failure `open`, `half_open` or `probing`."""
    reason: str | None
    """What it failed with."""
    limit: int
    """Connections at the same time that it is trusted with."""
    connections: int
    waiting: int
    """Mails without a connection."""
    in_hand: int
    """Mails, also those that wait."""


class LiveBucket(BaseModel):
    """How one sender sends the mail of a bucket."""

    model_config = ConfigDict(frozen=True)

    tenant_id: UUID
    name: str
    ip: str | None
    """The address that its mails in work are for."""
    in_work: int
    per_hour: float | None
    """Mails that leave in an hour of the tenant's; None: they are not spread."""


class Live(BaseModel):
    """What one sender shows."""

    model_config = ConfigDict(frozen=True)

    addresses: tuple[LiveAddress, ...] = ()
    buckets: tuple[LiveBucket, ...] = ()


def live_client(url: str) -> Redis:
    """Return a client; open it with `async with`."""
    return Redis.from_url(
        url, socket_connect_timeout=SLOW, socket_timeout=SLOW, retry=Retry(NoBackoff(), 0)
    )


async def show(url: str, sender: str, look: Callable[[], Live], ended: asyncio.Event) -> None:
    """Show what a sender knows until `ended` is set; raises nothing."""
    key, is_shown = f"{PREFIX}{sender}", True
    while not ended.is_set():
        try:
            async with live_client(url) as redis:
                while not ended.is_set():
                    await redis.set(key, look().model_dump_json(), ex=KEPT)
                    is_shown = True
                    await pause(ended, EVERY)
                await redis.delete(key)
        except Exception as error:  # whatever it is, mail goes on
            if not isinstance(error, AWAY):
                log.exception("sender.failed", loop="live")
            elif is_shown:
                reason = str(error) or type(error).__name__
                log.warning("sender.not_shown", error=reason, effect="`penguin top` shows less")
            is_shown = False
            await pause(ended, EVERY)


async def shown(url: str | None, senders: Sequence[str]) -> list[Live]:
    """Return what senders show; those that show nothing, or what cannot be read, are left out."""
    if url is None or not senders:
        return []
    try:
        async with live_client(url) as redis:
            values = await redis.mget([f"{PREFIX}{sender}" for sender in senders])
    except AWAY:
        return []
    found = []
    for value in values:
        with suppress(ValidationError):
            found.append(Live.model_validate_json(value or b""))
    return found
