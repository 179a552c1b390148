"""Where claimed jobs wait until a handler is free."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from typing import Protocol

from sender.queue.model import Job
from sender.queue.store import Claimed


class Source(Protocol):
    """The way of jobs from their claim to a handler."""

    def put(self, claimed: Sequence[Claimed], urgent: Collection[int]) -> None:
        """Let jobs of one claim wait, in this order; `urgent` are ids of buckets."""

    def get(self, most: int) -> Sequence[Job]:
        """Return the next jobs, for as many handlers as are free."""

    def give_back(self) -> Sequence[Job]:
        """Return all jobs that wait: no handler gets them."""

    async def look(self) -> None:
        """Find out what other workers took."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""


class Direct:
    """Jobs wait in the memory of the worker that claimed them."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()

    def put(self, claimed: Sequence[Claimed], urgent: Collection[int]) -> None:
        """Keep them."""
        self._jobs += [one.job for one in claimed]

    def get(self, most: int) -> Sequence[Job]:
        """Return the first ones."""
        return [self._jobs.popleft() for _ in range(min(most, len(self._jobs)))]

    def give_back(self) -> Sequence[Job]:
        """Return all of them."""
        return self.get(len(self._jobs))

    async def look(self) -> None:
        """Others have none of them."""

    async def run(self, stop: asyncio.Event) -> None:
        """There is nothing else to do."""
