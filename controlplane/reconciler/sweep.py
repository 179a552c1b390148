"""Lists the account of the provider each minute, and wakes tenants whose servers have changed.

One listing for all tenants: a pass of each would find the same ten times an hour at most.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from controlplane.database import CONTROLLER, Database
from controlplane.hosts import repository as host_rows
from controlplane.reconciler.ports import Servers
from controlplane.schedule.repository import request_pass
from controlplane.schedule.schemas import Priority

PAUSE_SECONDS = 60.0
LATE_SECONDS = 300.0
"""Without a listing for longer, a server may have ended unseen."""
log = structlog.get_logger()


class Sweep:
    """Remembers what the last listing showed of the servers of tenants."""

    def __init__(
        self,
        database: Database,
        servers: Servers,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._servers = servers
        self._clock = clock
        self._seen: dict[int, str | None] = {}
        """The main addresses by service id; None: it was not listed."""
        self._monotonic = monotonic
        self._swept_at = monotonic()

    def age(self) -> float:
        """Return how many seconds ago the account was listed, or this process began."""
        return self._monotonic() - self._swept_at

    def trouble(self) -> str:
        """Return that the last listing is too old; empty where it is not."""
        if self.age() < LATE_SECONDS:
            return ""
        return f"the provider's account was not listed for {self.age() / 60:.0f} minutes"

    async def watch(self, stop: asyncio.Event) -> None:
        """Look once a minute until `stop` is set; a late look is not made up for."""
        while not stop.is_set():
            try:
                await self.look()
            except (SQLAlchemyError, OSError) as error:
                log.warning("account not swept", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PAUSE_SECONDS)

    async def look(self) -> None:
        """Request a pass of each tenant with a server that has gone, or has another main address.

        No answer changes nothing. The pass asks for a missing server by itself.
        """
        listed = await asyncio.to_thread(self._servers.listed)
        async with self._database.begin(CONTROLLER) as connection:
            tenants = await host_rows.servers(connection)
            if listed is None:
                if not tenants:  # nothing can have ended
                    self._swept_at = self._monotonic()
                return
            shown = {service_id: listed.get(service_id) for service_id in tenants}
            changed = {
                tenants[service_id]
                for service_id, address in shown.items()
                if address != self._seen.get(service_id, address or "")
            }
            for tenant_id in sorted(changed):
                await request_pass(connection, tenant_id, Priority.WAKE, now=self._clock())
        self._seen, self._swept_at = shown, self._monotonic()
        if changed:
            log.info("servers have changed", tenants=len(changed))
