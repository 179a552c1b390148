"""Workers that reconcile due tenants until the process is stopped."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.platform import Platform
from controlplane.certificates.repository import valid
from controlplane.conditions.model import TENANT, Conditions
from controlplane.database import CONTROLLER, Database, fetch_together
from controlplane.database_faults import log_failure, shown
from controlplane.events.repository import emit
from controlplane.operations import repository as operation_rows
from controlplane.reconciler.confirming import Confirmation
from controlplane.reconciler.faults import OPERATION_ENDED
from controlplane.reconciler.high_water_mark import HighWaterMark
from controlplane.reconciler.marking import is_marked, mark
from controlplane.reconciler.metrics import Metrics
from controlplane.reconciler.outcome import Outcome
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.reconcile import Pass
from controlplane.reconciler.rest import Rests
from controlplane.reconciler.session import LeaseLost, NoProgress, Session, Stopping
from controlplane.reconciler.slots import AccountSlots, Slots, SlotsOfPass
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.table import ordered
from controlplane.reconciler.taking import Readings, Taken, readings_of
from controlplane.schedule.repository import Lease, backoff, claim, release, renew, wake_next
from controlplane.schedule.schemas import Pool, Priority
from controlplane.schedule.turns import Turns
from controlplane.settings import ReconcilerSettings
from controlplane.tenants.draining import Draining, kept
from controlplane.tenants.draining_domains import DrainingDomain
from controlplane.tenants.rendering import render_tenant
from controlplane.tenants.repository import TenantRow
from kit.pausing import pause
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
        high_water_mark: HighWaterMark | None = None,
    ) -> None:
        """Raises ValueError for phases whose rows are no valid table."""
        self._high_water_mark = high_water_mark
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
        self._turns = Turns()
        self._rests = Rests(settings.whole_pass, self._rng)
        self._confirmation = Confirmation(
            database,
            self._rests,
            lambda tenant_id: self._readings(tenant_id).every,
            settings=settings,
            clock=clock,
            metrics=self._metrics,
        )
        limits = {Pool.ENGINE: settings.engine_slots, Pool.HOSTS: settings.host_slots}
        self._slots = self._metrics.slots = Slots(limits)
        self._account = AccountSlots(
            database, {Pool.ENGINE: settings.account_slots}, settings.lease
        )

    async def run(self, stop: asyncio.Event, tick: Tick = lambda _: None) -> None:
        """Reconcile tenants until `stop` is set; a running pass ends at its next step."""
        async with asyncio.TaskGroup() as passes:
            for number in range(self._settings.workers):
                passes.create_task(self._work(stop, tick, number, passes))
            passes.create_task(self._confirmation.run(stop, partial(tick, "tenants at rest")))

    async def confirm(self) -> int:
        """Compare tenants at rest that are about to be due; return how many are as they were."""
        return await self._confirmation.confirm()

    async def _work(
        self, stop: asyncio.Event, tick: Tick, number: int, passes: asyncio.TaskGroup
    ) -> None:
        """Begin passes; one that has got a slot goes on beside this worker."""
        owner = f"{socket.gethostname()}/{os.getpid()}/{number}"
        while not stop.is_set():
            progressed = partial(tick, f"worker {number}")
            progressed()
            wait = self._settings.poll
            try:
                taken = await self.take(owner)
            except Exception as error:  # noqa: BLE001 - the worker goes on
                # Most likely the database failed: the worker continues when it is back. The
                # pause limits the log, which may be on the same full disk.
                log_failure(error, "worker failed")
                taken, wait = None, ERROR_PAUSE
            if taken is not None:
                aside = asyncio.get_running_loop().create_future()
                passes.create_task(self._pass_beside(taken, stop, progressed, aside))
                if await aside:
                    continue
                wait = ERROR_PAUSE
            await pause(stop, wait.total_seconds())

    async def step(
        self, owner: str, stop: asyncio.Event, progressed: Callable[[], None] = lambda: None
    ) -> bool:
        """Claim the most urgent tenant, reconcile it, release it; False when none is due."""
        taken = await self.take(owner)
        if taken is None:
            return False
        await self._pass(taken, stop, progressed, lambda: None)
        return True

    async def _pass_beside(
        self,
        taken: Taken,
        stop: asyncio.Event,
        progressed: Callable[[], None],
        aside: asyncio.Future[bool],
    ) -> None:
        """Make a pass; set `aside` when it needs no worker any more, to False when it failed."""

        def leave(worked: bool) -> None:
            if not aside.done():
                aside.set_result(worked)

        try:
            await self._pass(taken, stop, progressed, partial(leave, True))
            leave(True)
        except Exception as error:  # noqa: BLE001 - no task of a group may fail: all would end
            log_failure(error, "worker failed")
            leave(False)

    async def _pass(
        self,
        taken: Taken,
        stop: asyncio.Event,
        progressed: Callable[[], None],
        leave: Callable[[], None],
    ) -> None:
        """Make a pass and release its tenant; `leave` is called when it needs no worker."""
        lease = taken.lease
        end_turn = self._turns.begin(lease.priority, self._clock() - lease.due_at)
        with self._metrics.working() as leave_worker:

            def begin_operations() -> None:
                end_turn()
                leave_worker()
                leave()

            slots = self._slots_of(lease, begin_operations)
            outcome = await self.reconcile(taken, stop, progressed, slots)
        end_turn()
        self._metrics.passes_ended(outcome)
        waits_for = slots.wait.pool if slots.wait and outcome is Outcome.WAITING else None
        await self._release(lease, outcome, waits_for, slots.look_at, stopping=stop.is_set())
        if waits_for is not None and await self._is_free(waits_for):
            await self._wake_next(waits_for, 1)  # it became free before the row said who waits

    def _slots_of(self, lease: Lease, began: Callable[[], None]) -> SlotsOfPass:
        return SlotsOfPass(self._slots, self._account, lease.token, began, self._wake_next)

    async def _is_free(self, pool: Pool) -> bool:
        """Return whether an operation would get a slot now."""
        return self._slots.wait_of(pool) is None and await self._account.is_free(pool)

    async def _wake_next(self, pool: Pool, count: int) -> None:
        """Wake the tenants that have waited longest for slots; without it, they look themselves."""
        try:
            async with self._database.begin(CONTROLLER) as connection:
                await wake_next(connection, pool, count, now=self._clock())
        except SQLAlchemyError as error:
            log.warning("no tenant woken for a slot", pool=pool, error=shown(error))

    async def reconcile(
        self,
        taken: Taken,
        stop: asyncio.Event,
        progressed: Callable[[], None] = lambda: None,
        slots: SlotsOfPass | None = None,
    ) -> Outcome:
        """Make one pass over the tenant of a lease."""
        lease = taken.lease
        slots = slots or self._slots_of(lease, lambda: None)
        try:
            self._rests.forget(lease.tenant_id)
            opened = await self._open(taken, stop, progressed, slots)
            if opened is None:
                return Outcome.DELETED
            snapshot, session = opened
            async with session.heartbeat():
                try:
                    whole = Pass(
                        self._phases, snapshot, session, stop_poll=self._settings.stop_poll
                    )
                    outcome = await whole.run()
                except Stopping:
                    await session.save(snapshot.conditions)
                    return Outcome.RETRY
            self._keep_rest(taken, session, outcome)
        except LeaseLost:
            log.warning("lease lost", tenant_id=str(lease.tenant_id), token=lease.token)
            return Outcome.LEASE_LOST
        except NoProgress:
            log.warning("pass given up: it shows no progress", tenant_id=str(lease.tenant_id))
            return Outcome.RETRY
        except OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - one tenant's pass is tried again
            log_failure(error, "pass failed", tenant_id=str(lease.tenant_id))
            return Outcome.RETRY
        return outcome

    async def take(self, owner: str) -> Taken | None:
        """Lease a tenant, and read it in the same transaction.

        The rows become objects later: what a tenant's rows are wrong in fails its own pass.
        """
        if self._high_water_mark is None:
            return await self._take(owner)
        floor = self._high_water_mark.floor
        taken = await self._take(owner)
        if taken is not None:
            await asyncio.to_thread(self._high_water_mark.note, taken.lease.token, floor)
        return taken

    async def _take(self, owner: str) -> Taken | None:
        async with self._database.begin(CONTROLLER) as connection:
            lease = await claim(
                connection,
                owner=owner,
                now=self._clock(),
                lease=self._settings.lease,
                order=self._turns.order(),
            )
            if lease is None:
                return None
            readings = self._readings(lease.tenant_id)
            found = await fetch_together(connection, readings.every)
            return Taken(lease, readings, found.rows, found.digest)

    def _keep_rest(self, taken: Taken, session: Session, outcome: Outcome) -> None:
        """Let next times only be compared what this one depended on, where it had nothing to do."""
        if outcome in (Outcome.SETTLED, Outcome.STALLED):
            id_, now = taken.lease.tenant_id, self._clock()
            self._rests.keep(id_, session.dependencies, taken.digest, now=now)

    def _readings(self, tenant_id: UUID) -> Readings:
        of_phases = [reading for phase in self._phases for reading in phase.readings(tenant_id)]
        return readings_of(tenant_id, self._vault, drain=self._settings.drain, others=of_phases)

    async def _open(
        self,
        taken: Taken,
        stop: asyncio.Event,
        progressed: Callable[[], None],
        slots: SlotsOfPass,
    ) -> tuple[Snapshot, Session] | None:
        """Return the pass of a tenant that was taken; None where the tenant is deleted."""
        now, lease = self._clock(), taken.lease
        accepted = taken.of(taken.readings.tenant)
        if accepted is None:
            return None
        tenant = accepted.as_applied() if accepted.paused else accepted
        addresses: Sequence[Draining] = taken.of(taken.readings.addresses)
        domains: Sequence[DrainingDomain] = taken.of(taken.readings.domains)
        known = taken.rows
        is_interrupted = taken.of(taken.readings.is_interrupted)
        if is_interrupted or not is_marked(
            tenant, taken.of(taken.readings.entry), addresses, domains
        ):
            known = {}
            async with self._database.begin(CONTROLLER) as connection:
                if not await renew(connection, lease, lease=self._settings.lease):
                    raise LeaseLost
                await _abort(connection, tenant, now=now)
                addresses, domains = await mark(
                    connection, tenant, limit=self._settings.drain, now=now
                )
        hosts = taken.of(taken.readings.hosts)
        session = Session(
            self._database,
            lease,
            tenant,
            duration=self._settings.lease,
            silence=self._settings.silence,
            look_silence=self._settings.look_silence,
            clock=self._clock,
            stop=stop,
            progressed=progressed,
            ended=self._metrics.operation_ended,
            high_water_mark=self._high_water_mark,
            known=known,
            slots=slots,
        )
        if not known:
            session.dependencies.lose()
        render = partial(
            render_tenant,
            tenant,
            hosts,
            self._platform,
            draining=kept(addresses),
            draining_domains=[row.domain for row in domains],
        )
        conditions = taken.of(taken.readings.conditions)
        snapshot = Snapshot(
            tenant=tenant,
            blueprint=render(keys=tenant.public_keys),
            render=lambda keys: render(keys=keys),
            secrets=taken.of(taken.readings.secrets),
            hosts=hosts,
            conditions=Conditions(conditions, generation=tenant.generation, clock=self._clock),
            rows={row.name: row for row in self.rows},
            accepted_generation=accepted.generation,
            stops=taken.of(taken.readings.stops),
            certificates=valid(taken.of(taken.readings.certificates).values(), now=now),
            images={image.service: image.name for image in taken.of(taken.readings.images)},
            draining=addresses,
            draining_domains=domains,
        )
        return snapshot, session

    async def _release(
        self,
        lease: Lease,
        outcome: Outcome,
        waits_for: Pool | None,
        look_at: datetime | None,
        *,
        stopping: bool,
    ) -> None:
        if outcome in (Outcome.DELETED, Outcome.LEASE_LOST):
            return
        settings, now = self._settings, self._clock()
        due, priority, attempts = now + settings.resync, Priority.RESYNC, 0
        if stopping:
            due, priority, attempts = now, Priority.RETRY, lease.attempts
        elif outcome is Outcome.WAITING:
            due, priority, attempts = now + settings.slot_wait, lease.priority, lease.attempts
        elif outcome is Outcome.RETRY:
            wait = backoff(
                lease.attempts, base=settings.retry_base, cap=settings.retry_cap, rng=self._rng
            )
            due, priority, attempts = now + wait, Priority.RETRY, lease.attempts + 1
        elif look_at is not None:
            due = min(due, look_at)
        async with self._database.begin(CONTROLLER) as connection:
            await release(
                connection,
                lease,
                due_at=due,
                priority=priority,
                attempts=attempts,
                now=now,
                waits_for=waits_for,
            )


async def _abort(connection: AsyncConnection, tenant: TenantRow, *, now: datetime) -> None:
    """Abort the operations of a dead process."""
    interrupted = OPERATION_ENDED(reason="the process that ran it was interrupted")
    for id_ in await operation_rows.abort_unfinished(connection, tenant.id, interrupted, now=now):
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
