"""Workers that reconcile due tenants until the process is stopped."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.exc import OperationalError

from blueprint.platform import Platform
from controlplane.certificates import repository as certificate_rows
from controlplane.conditions import repository as condition_rows
from controlplane.conditions.model import TENANT, Conditions
from controlplane.database import CONTROLLER, Database
from controlplane.events.repository import emit
from controlplane.hosts import repository as host_rows
from controlplane.images import repository as image_rows
from controlplane.operations import repository as operation_rows
from controlplane.reconciler.faults import OPERATION_ENDED
from controlplane.reconciler.marking import mark
from controlplane.reconciler.metrics import Metrics
from controlplane.reconciler.outcome import Outcome
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.reconcile import Pass
from controlplane.reconciler.secrets import SecretStore
from controlplane.reconciler.session import LeaseLost, NoProgress, Session, Stopping
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.table import ordered
from controlplane.schedule.repository import Lease, Priority, backoff, claim, release, renew
from controlplane.settings import ReconcilerSettings
from controlplane.tenants import repository
from controlplane.tenants.draining import kept
from controlplane.tenants.rendering import render_tenant
from sender.stops import stops_of
from vault import Vault

log = structlog.get_logger()
Tick = Callable[[str], None]
"""Called with the name of a loop at each of its iterations."""
ERROR_PAUSE = timedelta(seconds=5)
"""How long a worker waits after an error."""


class Reconciler:
    """Brings tenants to their desired state, one pass after the other, by the given phases."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        platform: Platform,
        phases: Sequence[AnyPhase],
        settings: ReconcilerSettings,
        clock: Callable[[], datetime],
        rng: random.Random | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Raises ValueError for phases whose rows are no valid table."""
        by_name = {phase.row.name: phase for phase in phases}
        self.rows = ordered(phase.row for phase in phases)
        self._phases = [by_name[row.name] for row in self.rows]
        self._database = database
        self._vault = vault
        self._platform = platform
        self._settings = settings
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        self._metrics = metrics or Metrics()
        self._metrics.workers = settings.workers

    async def run(self, stop: asyncio.Event, tick: Tick = lambda _: None) -> None:
        """Reconcile tenants until `stop` is set; a running pass ends at its next step."""
        await asyncio.gather(
            *(self._work(stop, tick, number) for number in range(self._settings.workers))
        )

    async def _work(self, stop: asyncio.Event, tick: Tick, number: int) -> None:
        owner = f"{socket.gethostname()}/{os.getpid()}/{number}"
        while not stop.is_set():
            progressed = partial(tick, f"worker {number}")
            progressed()
            pause = self._settings.poll
            try:
                if await self.step(owner, stop, progressed):
                    continue
            except Exception:
                # Most likely the database failed: the worker continues when it is back. The
                # pause limits the log, which may be on the same full disk.
                log.exception("worker failed")
                pause = ERROR_PAUSE
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause.total_seconds())

    async def step(
        self, owner: str, stop: asyncio.Event, progressed: Callable[[], None] = lambda: None
    ) -> bool:
        """Claim the most urgent tenant, reconcile it, release it; False when none is due."""
        lease = await self._claim(owner)
        if lease is None:
            return False
        with self._metrics.working():
            outcome = await self.reconcile(lease, stop, progressed)
        self._metrics.pass_ended(outcome)
        await self._release(lease, outcome, stopping=stop.is_set())
        return True

    async def reconcile(
        self,
        lease: Lease,
        stop: asyncio.Event,
        progressed: Callable[[], None] = lambda: None,
    ) -> Outcome:
        """Make one pass over the tenant of a lease."""
        try:
            opened = await self._read(lease, stop, progressed)
            if opened is None:
                return Outcome.DELETED
            snapshot, session = opened
            async with session.heartbeat():
                try:
                    return await Pass(self._phases, snapshot, session).run()
                except Stopping:
                    await session.save(snapshot.conditions)
                    return Outcome.RETRY
        except LeaseLost:
            log.warning("lease lost", tenant_id=str(lease.tenant_id), token=lease.token)
            return Outcome.LEASE_LOST
        except NoProgress:
            log.warning("pass given up: it shows no progress", tenant_id=str(lease.tenant_id))
            return Outcome.RETRY
        except OperationalError:
            raise
        except Exception:
            log.exception("pass failed", tenant_id=str(lease.tenant_id))
            return Outcome.RETRY

    async def _claim(self, owner: str) -> Lease | None:
        async with self._database.begin(CONTROLLER) as connection:
            return await claim(
                connection, owner=owner, now=self._clock(), lease=self._settings.lease
            )

    async def _read(
        self, lease: Lease, stop: asyncio.Event, progressed: Callable[[], None]
    ) -> tuple[Snapshot, Session] | None:
        """Read the tenant's rows, and abort the operations of a dead process."""
        now = self._clock()
        async with self._database.begin(CONTROLLER) as connection:
            accepted = await repository.get(connection, lease.tenant_id)
            if accepted is None:
                return None
            tenant = accepted.as_applied() if accepted.paused else accepted
            if not await renew(connection, lease, lease=self._settings.lease):
                raise LeaseLost
            interrupted = OPERATION_ENDED(reason="the process that ran it was interrupted")
            aborted = await operation_rows.abort_unfinished(
                connection, tenant.id, interrupted, now=now
            )
            for id_ in aborted:
                await emit(
                    connection,
                    tenant_id=tenant.id,
                    tenant=tenant.name,
                    at=now,
                    subject=TENANT,
                    kind="operation",
                    reason="Aborted",
                    message=f"operation {id_} was interrupted; observing its effects",
                )
            conditions = await condition_rows.load(connection, tenant.id)
            secrets = await SecretStore.load(connection, self._vault, tenant.id)
            hosts = await host_rows.load(connection, tenant.id)
            certificates = await certificate_rows.valid(connection, tenant.id, now=now)
            images = await image_rows.pinned(connection)
            stops = await stops_of(connection, tenant.id)
            addresses, domains = await mark(connection, tenant, limit=self._settings.drain, now=now)
        session = Session(
            self._database,
            lease,
            tenant,
            duration=self._settings.lease,
            silence=self._settings.silence,
            clock=self._clock,
            stop=stop,
            progressed=progressed,
            ended=self._metrics.operation_ended,
        )
        render = partial(
            render_tenant,
            tenant,
            hosts,
            self._platform,
            draining=kept(addresses),
            draining_domains=[row.domain for row in domains],
        )
        snapshot = Snapshot(
            tenant=tenant,
            blueprint=render(keys=tenant.public_keys),
            render=lambda keys: render(keys=keys),
            secrets=secrets,
            hosts=hosts,
            conditions=Conditions(conditions, generation=tenant.generation, clock=self._clock),
            rows={row.name: row for row in self.rows},
            accepted_generation=accepted.generation,
            stops=stops,
            certificates=certificates,
            images={image.service: image.name for image in images},
            draining=addresses,
            draining_domains=domains,
        )
        return snapshot, session

    async def _release(self, lease: Lease, outcome: Outcome, *, stopping: bool) -> None:
        if outcome in (Outcome.DELETED, Outcome.LEASE_LOST):
            return
        settings, now = self._settings, self._clock()
        due, priority, attempts = now + settings.resync, Priority.RESYNC, 0
        if stopping:
            due, priority, attempts = now, Priority.RETRY, lease.attempts
        elif outcome is Outcome.RETRY:
            wait = backoff(
                lease.attempts, base=settings.retry_base, cap=settings.retry_cap, rng=self._rng
            )
            due, priority, attempts = now + wait, Priority.RETRY, lease.attempts + 1
        async with self._database.begin(CONTROLLER) as connection:
            await release(
                connection, lease, due_at=due, priority=priority, attempts=attempts, now=now
            )
