"""What every measured queue can do; its steps and their callers know nothing else of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Literal

Handler = Callable[[float], Awaitable[None]]
"""Gets the number that a job carries."""
Setting = dict[str, Any]
Mode = Literal["equal", "own"]
"""`equal`: claimed and not yet acknowledged are at most as many as handlers may run. `own`: the
queue's own batches, at most AT_RISK."""
AT_RISK = 200


class Producer(ABC):
    """Enqueues; each call is committed when it returns."""

    @abstractmethod
    async def single(self, number: float) -> None:
        """Enqueue one job."""

    @abstractmethod
    async def batch(self, numbers: Sequence[float]) -> None:
        """Enqueue jobs by the queue's way for many."""


class Contender(ABC):
    """A queue in an empty database, which is its own."""

    title: ClassVar[str]
    distribution: ClassVar[str | None] = None
    """Of which the version is shown."""
    redis: ClassVar[bool] = False
    """Its store; otherwise PostgreSQL."""
    durable: ClassVar[bool] = True
    """What was acknowledged survives a power cut."""
    kill: ClassVar[str]
    """What a kill -9 of a worker repeats, as its documentation says."""
    jobs: ClassVar[int]
    """Of one drain: some three seconds of work."""
    ways: ClassVar[Sequence[str]] = ("",)
    """Ways to enqueue."""

    def __init__(self, url: str, redis_url: str) -> None:
        """Get the URL of its store, and of a Redis for what it keeps beside that."""
        self.url = url
        self.redis_url = redis_url

    @abstractmethod
    def settings(self, mode: Mode, concurrency: int) -> list[Setting]:
        """Return up to three documented settings; the key `layout`, if any, is of `prepare`."""

    @abstractmethod
    async def prepare(self, layout: str) -> None:
        """Create the tables."""

    @abstractmethod
    def producer(self, size: int, layout: str, way: str) -> AbstractAsyncContextManager[Producer]:
        """Return a connected producer for `size` tasks at the same time."""

    @abstractmethod
    async def work(self, concurrency: int, setting: Setting, handler: Handler) -> None:
        """Work until the process ends."""

    @abstractmethod
    async def waiting(self) -> int:
        """Count the jobs that are not acknowledged."""
