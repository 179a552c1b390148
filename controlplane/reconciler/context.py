"""What the phases of one visit share: ports, the tenant, its conditions, its operations."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from blueprint.document import Blueprint
from blueprint.platform import Platform
from controlplane.conditions import repository as condition_rows
from controlplane.conditions.model import Conditions
from controlplane.database import CONTROLLER, Database
from controlplane.events.repository import emit
from controlplane.hosts.repository import HostRow
from controlplane.operations import repository as operation_rows
from controlplane.reconciler.ports import (
    CloudEngine,
    CloudState,
    Configurator,
    Progress,
    ProvisioningError,
    Verifier,
)
from controlplane.reconciler.secrets import SecretStore
from controlplane.schedule.repository import Lease, renew
from controlplane.settings import ReconcilerSettings
from controlplane.tenants import repository
from controlplane.tenants.repository import TenantRow
from kit.faults import Fault
from vault import Vault

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True)
class Ports:
    """Everything outside of the reconciler."""

    database: Database
    engine: CloudEngine
    verifier: Verifier
    vault: Vault
    platform: Platform
    settings: ReconcilerSettings
    clock: Callable[[], datetime]
    configurator: Configurator | None
    """None: hosts cannot be configured from here; tenants stop at DnsReady."""
    hosts_missing: str = ""
    """Why there is no configurator."""
    root_password: Callable[[int], str | None] = lambda _: None
    """Asks the provider for the first password of a service; blocks."""
    rng: random.Random = field(default_factory=random.Random)


class LeaseLost(Exception):
    """Another process visits this tenant now: nothing more may be begun here."""


class Stopping(Exception):
    """This process is about to end: the rest of the visit is left to the next."""


class Context:
    """One visit."""

    blueprint: Blueprint
    """Set by the phase `keys`."""

    def __init__(
        self,
        ports: Ports,
        tenant: TenantRow,
        conditions: Conditions,
        secrets: SecretStore,
        hosts: dict[str, HostRow],
        lease: Lease,
        stop: asyncio.Event,
    ) -> None:
        self.ports = ports
        self.tenant = tenant
        self.conditions = conditions
        self.secrets = secrets
        self.hosts = hosts
        self.state = CloudState(digest=None)
        self.subjects: list[str] = []
        self._lease = lease
        self._stop = stop
        self._waits = False

    @property
    def fence(self) -> int:
        """The token of our lease: a later holder has a larger one."""
        return self._lease.token

    @property
    def waits(self) -> bool:
        """Tell whether something has to be looked at again soon."""
        return self._waits

    def look_again(self) -> None:
        """Ask for another visit soon."""
        self._waits = True

    async def guard(self) -> None:
        """Refuse to begin anything when the lease is lost or the process is about to end."""
        if self._stop.is_set():
            raise Stopping
        if not await self.renew():
            raise LeaseLost

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction during which nobody can take the tenant over; raises LeaseLost.

        What a process writes that was asleep for longer than its lease is thereby refused.
        """
        now, lease = self.ports.clock(), self.ports.settings.lease
        async with self.ports.database.begin(CONTROLLER) as connection:
            # First the tenant, then its schedule, as the API does: no two wait in a circle.
            await repository.lock(connection, self.tenant.id)
            if not await renew(connection, self._lease, now=now, lease=lease):
                raise LeaseLost
            yield connection

    async def renew(self) -> bool:
        """Give a sign of life, also of an operation that runs; False when the tenant is taken.

        An operation may be silent for long, and its row shall tell that from a dead process.
        """
        now, lease = self.ports.clock(), self.ports.settings.lease
        async with self.ports.database.begin(CONTROLLER) as connection:
            if not await renew(connection, self._lease, now=now, lease=lease):
                return False
            await operation_rows.beat(connection, self.tenant.id, now=now)
            return True

    async def save(self) -> None:
        """Write changed conditions, and an event for each status that moved."""
        changed, moved = self.conditions.take_changes()
        async with self.begin() as connection:
            await condition_rows.forget(connection, self.tenant.id, self.subjects)
            await condition_rows.save(connection, self.tenant.id, changed)
            for condition in moved:
                await emit(
                    connection,
                    tenant_id=self.tenant.id,
                    tenant=self.tenant.name,
                    at=condition.last_transition_at,
                    subject=condition.subject,
                    kind=f"{condition.type}={condition.status}",
                    reason=condition.reason,
                    message=condition.message,
                )

    @asynccontextmanager
    async def operation(self, kind: str, phase: str) -> AsyncIterator[Progress]:
        """Write down what is about to be done, then let it be done, then write the outcome.

        When the process dies in between, the row stays open and the next visit aborts it.
        """
        await self.guard()
        id_, database, clock = uuid7(), self.ports.database, self.ports.clock
        digest = self.blueprint.digest if hasattr(self, "blueprint") else None
        async with self.begin() as connection:
            await operation_rows.start(
                connection,
                id_=id_,
                tenant_id=self.tenant.id,
                tenant=self.tenant.name,
                kind=kind,
                phase=phase,
                generation=self.tenant.generation,
                digest=digest,
                now=clock(),
            )

        async def write(lines: list[tuple[datetime, str]]) -> None:
            async with database.begin(CONTROLLER) as connection:
                await operation_rows.add_lines(connection, id_, self.tenant.id, lines)

        failure: Exception | None = None
        async with _lines(write, clock) as progress:
            try:
                yield progress
            except Exception as error:  # noqa: BLE001 - recorded, then raised again
                failure = error
                progress(f"failed: {error.located if isinstance(error, Fault) else error}")
        async with database.begin(CONTROLLER) as connection:
            await operation_rows.finish(
                connection,
                id_,
                outcome="succeeded" if failure is None else "failed",
                now=clock(),
                **_columns(failure),
            )
        if failure is not None:
            raise failure


def _columns(failure: Exception | None) -> dict[str, str]:
    """Return what an operation's row says of its failure."""
    if failure is None:
        return {}
    if isinstance(failure, Fault | ProvisioningError):
        return {
            "code": str(failure.code),
            "message": failure.located,
            "remedy": failure.remedy,
        }
    return {
        "code": getattr(failure, "code", "internal"),
        "message": type(failure).__name__,
        "remedy": getattr(failure, "remedy", "see the log"),
    }


@asynccontextmanager
async def _lines(
    write: Callable[[list[tuple[datetime, str]]], Awaitable[None]], clock: Callable[[], datetime]
) -> AsyncIterator[Progress]:
    """Collect lines from any thread and write them in batches, in order."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[datetime, str] | None] = asyncio.Queue()

    def progress(line: str) -> None:
        # The loop is gone only when the process ends; then nobody reads the line either.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(queue.put_nowait, (clock(), line[:2000]))

    async def drain() -> None:
        ended = False
        while not ended:
            batch = [await queue.get()]
            while not queue.empty():
                batch.append(queue.get_nowait())
            ended = None in batch
            try:
                await write([line for line in batch if line is not None])
            except Exception:
                # The work itself goes on, and so does its log once the database is there again.
                log.exception("log of an operation could not be written")

    writer = asyncio.create_task(drain())
    try:
        yield progress
    finally:
        # After the lines that threads have already handed over.
        loop.call_soon(queue.put_nowait, None)
        await writer
