"""saq on Redis: https://saq-py.readthedocs.io."""

from __future__ import annotations

from typing import Any

from redis import asyncio as redis
from saq.queue.redis import RedisQueue

from tests.bench.queue.contenders import saq_postgres


class Queue(saq_postgres.Queue):
    """A process claims one job at a time; its documentation asks for no durability."""

    title = "saq, Redis"
    redis = True
    durable = False
    jobs = 6_000
    pool_option = "max_concurrent_ops"

    async def _connected(self, **options: Any) -> Any:
        # Queue.from_url knows no sockets.
        queue = RedisQueue(redis.from_url(self.url), **options)
        await queue.connect()
        return queue
