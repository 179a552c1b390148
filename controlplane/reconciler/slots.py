"""Slots of operations: how many passes of one process may have one of a pool at a time.

A pass that gets none ends, and its tenant waits as a row: it holds no worker. While a provider
refuses the account, one pass a minute tries whether it still does, and all others wait.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from controlplane.schedule.schemas import Pool
from kit.faults import Fault

Freed = Callable[[Pool, int], Awaitable[None]]
"""Called with the number of slots of a pool that others may have now."""
PAUSE_SECONDS = 60.0
"""Between two tries of an account that is refused."""


@dataclass(frozen=True)
class Wait:
    """Why a pass has got no slot."""

    pool: Pool
    reason: str
    message: str


@dataclass
class Slots:
    """The slots of one process."""

    limits: Mapping[Pool, int]
    monotonic: Callable[[], float] = time.monotonic
    used: dict[Pool, int] = field(default_factory=lambda: dict.fromkeys(Pool, 0))
    troubles: dict[Pool, tuple[Fault, float]] = field(default_factory=dict)
    """Why the account is refused, and when it is tried again."""

    def wait_of(self, pool: Pool) -> Wait | None:
        """Return why there is no slot now; None where there is one."""
        fault, again = self.troubles.get(pool, (None, 0.0))
        if fault is not None and (self.used[pool] or self.monotonic() < again):
            message = f"its operation waits until one of another tenant succeeds: {fault.sentence}"
            return Wait(pool, "WaitingForAccount", message)
        if self.used[pool] >= self.limits[pool]:
            message = "its operation begins when one of another tenant has ended"
            return Wait(pool, "WaitingForSlot", message)
        return None

    def ended(self, pool: Pool, failures: Iterable[Fault]) -> int:
        """Learn from what has failed; return how many slots others may have now."""
        failed = next((fault for fault in failures if fault.code.of_account), None)
        if failed is not None:
            self.troubles[pool] = failed, self.monotonic() + PAUSE_SECONDS
            return 0
        return self.limits[pool] if self.troubles.pop(pool, None) else 1


@dataclass
class SlotsOfPass:
    """The slots of a process, as one pass takes them."""

    slots: Slots
    began: Callable[[], None]
    """Called when the pass gets a slot: it needs no worker from then on."""
    freed: Freed
    wait: Wait | None = None
    """Why the pass has got no slot."""
    has_one: bool = False
    look_at: datetime | None = None
    """When the tenant is looked at again, where that is before its regular look."""

    @asynccontextmanager
    async def one(self, pool: Pool | None) -> AsyncIterator[list[Fault] | None]:
        """Hold a slot in the block, if one is needed; None: there is none, and the tenant waits.

        The block adds what has failed.
        """
        failures: list[Fault] = []
        if pool is None:
            yield failures
        elif (wait := self.slots.wait_of(pool)) is not None:
            self.wait = wait
            yield None
        else:
            self.slots.used[pool] += 1
            self.has_one = True
            try:
                self.began()
                yield failures
            finally:
                self.has_one = False
                self.slots.used[pool] -= 1
                if (free := self.slots.ended(pool, failures)) > 0:
                    await self.freed(pool, free)
