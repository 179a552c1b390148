"""sender.queue of this project, with claimed jobs that wait in lists in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

from redis.asyncio import Redis

from sender.queue import lists_client
from tests.bench.queue.contenders import sender_queue


class Queue(sender_queue.Queue):
    """Its store is PostgreSQL; nothing depends on Redis."""

    title = "sender.queue, lists"
    ways: ClassVar[Sequence[str]] = ("",)

    def lists(self) -> AbstractAsyncContextManager[Redis | None]:
        return lists_client(self.redis_url)
