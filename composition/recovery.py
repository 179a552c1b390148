"""After a restore or a promotion: purchases go on when the ledger has what the account shows."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.naming import server_name, tenant_of
from composition import dsn
from composition.settings import Settings
from controlplane.database import CONTROLLER, Database, time_of
from controlplane.events.repository import emit
from controlplane.hosts import repository as host_rows
from controlplane.schedule import repository as schedule
from controlplane.tenants import repository as tenants
from hostwinds.client import Client
from hostwinds.journal import journal_at
from hostwinds.presence import Presence
from hostwinds.recovery import Found, adopt, compare

PAGE = 100
"""Tenants that are read at a time."""
T = TypeVar("T")


class Recovery:
    """The recovery of the control plane of this machine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._installation = settings.platform.installation
        self._url = dsn.journal(settings)
        self._journal = journal_at(self._url)

    def compare(self) -> list[Found]:
        """Return how account and ledger differ; raises NOT_SHOWN for a key of another account."""
        wanted = self._run(self._wanted)
        environment = {**os.environ, "HOSTWINDS_JOURNAL": self._url}
        with Client.from_environment(environment) as client:
            presence = Presence(client, self._journal)
            listed = presence.listed()
            presence.require_reach()
        return compare(
            listed,
            self._journal.ledger(),
            wanted=wanted,
            is_ours=lambda name: tenant_of(name, self._installation) is not None,
        )

    def finish(self, found: Sequence[Found], reason: str) -> None:
        """Adopt what was found, raise the epoch, and let purchases and ends go on.

        Each tenant's state is compared with its providers before anything else is changed. Killed
        at any line, it is repeated: the journal is bound last.
        """
        adopt(self._journal, found)

        async def raise_epoch(connection: AsyncConnection) -> None:
            at = await time_of(connection)
            await schedule.raise_epoch(connection)
            await tenants.ask_refresh_of_all(connection, at)
            await schedule.request_pass_of_all(connection, now=at)
            await emit(
                connection,
                tenant_id=None,
                tenant=None,
                at=at,
                subject="platform",
                kind="purchases",
                reason="Recovered",
                message=reason,
                actor=getpass.getuser(),
            )

        self._run(raise_epoch)
        self._journal.bind()

    async def _wanted(self, connection: AsyncConnection) -> set[str]:
        """Return the names of the servers that documents want; not of tenants that are deleted."""
        names: set[str] = set()
        rows = await tenants.page(connection, after="", limit=PAGE)
        while rows:
            for row in rows:
                if row.deleting:
                    continue
                hosts = await host_rows.load(connection, row.id)
                for host in row.document.spec.hosts:
                    known = hosts.get(host.name)
                    incarnation = 1 if known is None else known.incarnation
                    names.add(server_name(self._installation, row.name, host.name, incarnation))
            rows = await tenants.page(connection, after=rows[-1].name, limit=PAGE)
        return names

    def _run(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run work in one transaction of the reconciler's role."""

        async def run() -> T:
            passwords = {CONTROLLER: self._settings.database.controller_password}
            database = Database.connect(
                dsn.configured(self._settings), self._installation, passwords, pool_size=1
            )
            try:
                async with database.begin(CONTROLLER) as connection:
                    return await work(connection)
            finally:
                await database.close()

        return asyncio.run(run())
