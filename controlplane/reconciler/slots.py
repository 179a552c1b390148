"""Slots of operations: how many passes may have one of a pool at a time.

Two limits hold: that of this process, whose memory the operations need, and that of a provider's
account, which all processes share as rows. A pass that gets none ends, and its tenant waits as a
row: it holds no worker. While a provider refuses the account, one pass a minute of all processes
tries whether it still does, and all others wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from controlplane.database import CONTROLLER, Database
from controlplane.schedule import account_slots as rows
from controlplane.schedule.schemas import Pool
from kit.faults import Fault

Freed = Callable[[Pool, int], Awaitable[None]]
"""Called with the number of slots of a pool that others may have now."""
PAUSE = timedelta(seconds=60)
"""Between two tries of an account that is refused."""
log = structlog.get_logger()


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
    used: dict[Pool, int] = field(default_factory=lambda: dict.fromkeys(Pool, 0))

    def wait_of(self, pool: Pool) -> Wait | None:
        """Return why there is no slot now; None where there is one."""
        return None if self.used[pool] < self.limits[pool] else _without_slot(pool)


@dataclass(frozen=True)
class AccountSlots:
    """The slots that all processes share, of the pools that have a limit there."""

    database: Database
    limits: Mapping[Pool, int]
    lease: timedelta
    """How long the slot of a process is kept that shows no sign of life."""

    async def take(self, pool: Pool, token: int) -> Wait | None:
        """Take a slot for the pass of a lease; return why there is none."""
        if pool not in self.limits:
            return None
        async with self.database.begin(CONTROLLER) as connection:
            limit = self.limits[pool]
            if not await rows.take(connection, pool, token, limit=limit, lease=self.lease):
                return _without_slot(pool)
            trouble = await rows.trouble(connection, pool)
            if trouble is None or await rows.may_try(connection, pool, pause=PAUSE):
                return None
            await rows.free(connection, token)
        message = f"its operation waits until one of another tenant succeeds: {trouble}"
        return Wait(pool, "WaitingForAccount", message)

    async def renew(self, token: int) -> None:
        """Keep the slot of a lease."""
        async with self.database.begin(CONTROLLER) as connection:
            await rows.renew(connection, token, lease=self.lease)

    async def end(self, pool: Pool, token: int, failures: Sequence[Fault]) -> int:
        """Give a slot back, and learn from what has failed; return how many may be woken.

        Without the database the slot ends with its lease.
        """
        if pool not in self.limits:
            return 1
        failed = next((fault for fault in failures if fault.code.of_account), None)
        try:
            async with self.database.begin(CONTROLLER) as connection:
                await rows.free(connection, token)
                if failed is not None:
                    await rows.close(connection, pool, failed.sentence, pause=PAUSE)
                    return 0
                return self.limits[pool] if await rows.open_again(connection, pool) else 1
        except (SQLAlchemyError, OSError) as error:
            log.warning("slot not given back", pool=pool, error=type(error).__name__)
            return 0

    async def is_free(self, pool: Pool) -> bool:
        """Return whether an operation would get a slot now."""
        if pool not in self.limits:
            return True
        async with self.database.begin(CONTROLLER) as connection:
            return await rows.is_free(connection, pool, limit=self.limits[pool])


@dataclass
class SlotsOfPass:
    """The slots of this process and of the account, as one pass takes them."""

    slots: Slots
    account: AccountSlots
    token: int
    """Of the lease of the pass."""
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
        elif (wait := await self._take(pool)) is not None:
            self.wait = wait
            yield None
        else:
            self.has_one = True
            try:
                self.began()
                yield failures
            finally:
                self.has_one = False
                self.slots.used[pool] -= 1
                if (free := await self.account.end(pool, self.token, failures)) > 0:
                    await self.freed(pool, free)

    async def renew(self) -> None:
        """Keep what the pass has got."""
        if self.has_one:
            await self.account.renew(self.token)

    async def _take(self, pool: Pool) -> Wait | None:
        if (wait := self.slots.wait_of(pool)) is not None:
            return wait
        self.slots.used[pool] += 1
        has_one = False
        try:
            wait = await self.account.take(pool, self.token)
            has_one = wait is None
        finally:
            self.slots.used[pool] -= not has_one
        return wait


def _without_slot(pool: Pool) -> Wait:
    message = "its operation begins when one of another tenant has ended"
    return Wait(pool, "WaitingForSlot", message)
