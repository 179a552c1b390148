"""The Redis side of the queue: three lists, and one list per worker of what it has in hand.

Redis is speed only. An element is `job id:lease token`; what it says is checked in PostgreSQL, so a
lost list loses nothing and a doubled element sends nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from redis.asyncio import Redis

QUEUE = "queue:email-sending"
HIGH = f"{QUEUE}:high"
LOW = f"{QUEUE}:low"
ORDER = (HIGH, QUEUE, LOW)
IN_HAND = f"{QUEUE}:in-hand"
ALIVE = f"{QUEUE}:alive"
WORKERS = f"{QUEUE}:workers"
MOST_URGENT = 50
LEAST_NORMAL = 150
ALIVE_SECONDS = 60


@dataclass(frozen=True)
class Element:
    """One claimed job."""

    job_id: UUID
    token: int

    def __str__(self) -> str:
        """Return the form in Redis."""
        return f"{self.job_id}:{self.token}"

    @classmethod
    def parse(cls, raw: str) -> Element:
        """Read the form in Redis; raises ValueError for what is none of ours."""
        job_id, _, token = raw.partition(":")
        return cls(UUID(job_id), int(token))


def list_for(priority: int) -> str:
    """Return the list that a priority belongs to."""
    if priority <= MOST_URGENT:
        return HIGH
    return QUEUE if priority <= LEAST_NORMAL else LOW


class Lists:
    """Pushes and takes; every method is one round trip or a pipeline of them."""

    def __init__(self, redis: Redis, worker: str) -> None:
        """Speak for one worker, whose name no other process has; `redis` decodes its answers."""
        self._redis = redis
        self._worker = worker
        self._mine = f"{IN_HAND}:{worker}"
        self._alive = f"{ALIVE}:{worker}"

    async def push(self, elements: Iterable[tuple[int, Element]]) -> None:
        """Push (priority, element) pairs; the oldest is taken first."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for priority, element in elements:
                pipe.lpush(list_for(priority), str(element))
            await pipe.execute()

    async def take(self, wait: float) -> str | None:
        """Move the most urgent element into this worker's hand; None after `wait` seconds."""
        for name in ORDER:
            raw = await self._redis.lmove(name, self._mine, "RIGHT", "LEFT")
            if raw is not None:
                return str(raw)
        raw = await self._redis.blmove(HIGH, self._mine, wait, "RIGHT", "LEFT")  # type: ignore[arg-type]
        return None if raw is None else str(raw)

    async def done(self, raw: str) -> None:
        """Let go of an element; what became of it stands in PostgreSQL."""
        await self._redis.lrem(self._mine, 1, raw)

    async def say_alive(self) -> None:
        """Keep others from taking over what is in this worker's hand."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.sadd(WORKERS, self._worker)
            pipe.set(self._alive, "1", ex=ALIVE_SECONDS)
            await pipe.execute()

    async def alive(self) -> int:
        """Count the workers that said so lately."""
        return len([name for name in await self._workers() if await self._lives(name)])

    async def recover(self) -> int:
        """Put back what dead workers had in hand; return how many elements that were.

        Workers are remembered by name: a search would read every key of a Redis that others use.
        """
        moved = 0
        for worker in await self._workers():
            if await self._lives(worker):
                continue
            hand = f"{IN_HAND}:{worker}"
            while await self._redis.lmove(hand, QUEUE, "LEFT", "RIGHT") is not None:
                moved += 1
            await self._redis.srem(WORKERS, worker)
        return moved

    async def _workers(self) -> list[str]:
        return [str(name) for name in await self._redis.smembers(WORKERS)]

    async def _lives(self, worker: str) -> bool:
        return bool(await self._redis.exists(f"{ALIVE}:{worker}"))

    async def depth(self) -> int:
        """Count what waits in the three lists."""
        return sum([await self._redis.llen(name) for name in ORDER])
