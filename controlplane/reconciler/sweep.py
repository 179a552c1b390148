"""Lists the account of the provider each minute, and wakes tenants whose servers have changed.

One listing for all tenants and all processes: the process that has the lease lists, and the others
read what it found. What is listed as spam of each server is asked for in the same way, one by one.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from controlplane.database import CONTROLLER, Database
from controlplane.database_faults import shown
from controlplane.hosts import repository as host_rows
from controlplane.reconciler.ports import Listing, Servers
from controlplane.schedule.repository import request_pass
from controlplane.schedule.schemas import Priority
from controlplane.sweeps import repository as rows
from kit.pausing import pause

PAUSE = timedelta(seconds=60)
"""Between two listings."""
LEASE = timedelta(seconds=60)
"""How long a listing is waited for whose process shows no sign of life."""
POLL_SECONDS = 10.0
"""How often each process looks whether a listing is due, or another one has made one."""
SPAM_PAUSE = timedelta(seconds=10)
"""Between two questions about spam, each about one server: orders come before them."""
SPAM_PERIOD = timedelta(hours=1)
"""How long an answer about one server is used at least."""
LATE_SECONDS = 300.0
"""Without a listing for longer, a server may have ended unseen."""
log = structlog.get_logger()


class Sweep:
    """What the last listing showed of the servers of tenants, whichever process made it."""

    def __init__(
        self,
        database: Database,
        servers: Servers,
        clock: Callable[[], datetime],
        *,
        pause: timedelta = PAUSE,
        lease: timedelta = LEASE,
        spam_pause: timedelta = SPAM_PAUSE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._servers = servers
        self._clock = clock
        self._pause = pause
        self._lease = lease
        self._spam_pause = spam_pause
        self._owner = f"{socket.gethostname()}/{os.getpid()}"
        self._monotonic = monotonic
        self._unended: tuple[float, Sequence[str]] = (monotonic(), ())
        """When this process has listed last, and what was wrong with ends of servers then."""
        self._began = self._listed_at = monotonic()
        """By the clock of this process."""

    def age(self) -> float:
        """Return how many seconds ago the account was listed, or this process began."""
        return self._monotonic() - self._listed_at

    def trouble(self) -> str:
        """Return that the last listing is too old, or which servers do not end; empty: neither."""
        if self.age() < LATE_SECONDS:
            at, wrong = self._unended  # since then another process may have listed
            return "; ".join(wrong) if self._monotonic() - at < LATE_SECONDS else ""
        return f"the provider's account was not listed for {self.age() / 60:.0f} minutes"

    async def watch(self, stop: asyncio.Event, *, poll: float = POLL_SECONDS) -> None:
        """Look until `stop` is set; a late listing is not made up for."""
        while not stop.is_set():
            try:
                await self.look()
            except (SQLAlchemyError, OSError) as error:
                log.warning("account not swept", error=shown(error))
            await pause(stop, poll)

    async def look(self) -> None:
        """List the account if that is due and no other process does; use the last listing."""
        async with self._database.begin(CONTROLLER) as connection:
            token = await rows.claim(connection, owner=self._owner, lease=self._lease)
        if token is not None:
            async with self._renewing(token):
                listed = await asyncio.to_thread(self._servers.listed)
            if listed is not None:
                self._unended = self._monotonic(), listed.unended
            await self._write(token, listed)
        async with self._database.begin(CONTROLLER) as connection:
            age = await rows.age(connection)
            known = await rows.listed(connection)
            spam = await rows.known_spam(connection)
        is_late = age is None or age > LATE_SECONDS
        if is_late:
            self._servers.use(None)
        else:
            self._servers.use({id_: ip for id_, ip in known.items() if ip is not None}, spam)
        if age is not None:
            self._listed_at = max(self._monotonic() - age, self._began)
        if not is_late:
            await self._ask_about_spam()

    async def _ask_about_spam(self) -> None:
        """Ask about one server, if no process has asked a moment ago; the next look shows it."""
        async with self._database.begin(CONTROLLER) as connection:
            asked = await rows.claim_question(
                connection, pause=self._spam_pause, period=SPAM_PERIOD
            )
        if asked is None:
            return
        spam = await asyncio.to_thread(self._servers.spam, asked)
        async with self._database.begin(CONTROLLER) as connection:
            await rows.save_spam(connection, asked, spam)

    async def _write(self, token: int, listed: Listing | None) -> None:
        """Write a listing, and request a pass of each tenant whose server is not as before.

        It has gone, does not run any more, has other addresses, or is finished and was waited for.
        Writes nothing without the lease: what was listed is old. No answer changes nothing. The
        pass asks for a missing server by itself.
        """
        async with self._database.begin(CONTROLLER) as connection:
            if not await rows.renew(connection, token, lease=self._lease):
                log.warning("listing not used: the lease has ended", token=token)
                return
            tenants = await host_rows.servers(connection)
            changed = set()
            if listed is not None:
                before = await rows.listed(connection)
                now = {id_: listed.main_ips.get(id_) for id_ in tenants}
                await rows.save(connection, before, now)
                shown = {id_: _shown(listed, id_) for id_ in listed.main_ips.keys() & tenants}
                differing = await rows.save_shown(connection, shown)
                changed = {
                    tenants[service_id]
                    for service_id, ip in now.items()
                    if ip != before.get(service_id, ip or "")
                } | await rows.finish(connection, listed.finished)
                changed |= {tenants[id_] for id_ in differing}
            for tenant_id in sorted(changed):
                await request_pass(connection, tenant_id, Priority.WAKE, now=self._clock())
            # Without servers nothing can have ended, whether the provider answers or not.
            is_listed = listed is not None or not tenants
            await rows.release(connection, token, pause=self._pause, is_listed=is_listed)
        if changed:
            log.info("servers have changed", tenants=len(changed))

    @asynccontextmanager
    async def _renewing(self, token: int) -> AsyncIterator[None]:
        """Extend the lease during the block: a slow listing stays the only one."""
        renewing = asyncio.create_task(self._renew(token))
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing

    async def _renew(self, token: int) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 6)
            try:
                async with self._database.begin(CONTROLLER) as connection:
                    if not await rows.renew(connection, token, lease=self._lease):
                        return
            except (SQLAlchemyError, OSError) as error:
                log.warning("lease of the sweep not extended", error=shown(error))


def _shown(listed: Listing, service_id: int) -> rows.ShownServer:
    addresses = listed.addresses.get(service_id, frozenset())
    return rows.ShownServer(listed.troubles.get(service_id), addresses)
