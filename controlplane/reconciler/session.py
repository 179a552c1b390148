"""Writes and operations of the holder of a tenant's lease, protected by its fencing token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import TextClause
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from controlplane.conditions import repository as condition_rows
from controlplane.conditions.model import TENANT, Conditions
from controlplane.database import CONTROLLER, Database, fetch
from controlplane.database_faults import database_fault, shown
from controlplane.events.repository import emit
from controlplane.hosts import repository as host_rows
from controlplane.hosts.repository import HostRow
from controlplane.operations import repository as operation_rows
from controlplane.reconciler.cancellation import cancellable
from controlplane.reconciler.faults import FAILED, OPERATION_CANCELLED, OPERATION_ENDED
from controlplane.reconciler.high_water_mark import HighWaterMark
from controlplane.reconciler.memory import measured
from controlplane.reconciler.operation_log import operation_log
from controlplane.reconciler.ports import LaterToken, Progress
from controlplane.reconciler.rest import Dependencies
from controlplane.reconciler.slots import SlotsOfPass
from controlplane.schedule.repository import Lease, renew
from controlplane.schedule.schemas import Priority
from controlplane.tenants import repository
from controlplane.tenants.claims import claimed, release
from controlplane.tenants.repository import TenantRow
from kit.faults import Fault
from kit.readings import Key, Reading, Rows

log = structlog.get_logger()
CANCEL_SECONDS = 2.0
"""How often a running operation asks whether it was cancelled."""
Ended = Callable[[str, str, timedelta, int | None], None]
"""Called with the phase and outcome of an operation, how long it took, and its peak of memory."""


AnyReading = Reading[TextClause, Any]
Read = TypeVar("Read")
Answer = TypeVar("Answer")


class NoProgress(Exception):
    """The pass has shown no progress for longer than it may."""


class LeaseLost(Exception):
    """Another process reconciles this tenant now: no step may begin in this one."""


class Stopping(Exception):
    """This process ends, or the tenant was paused: the next pass does the rest."""


class Session:
    """One pass over one tenant, from claim to release."""

    def __init__(
        self,
        database: Database,
        lease: Lease,
        tenant: TenantRow,
        *,
        duration: timedelta,
        silence: timedelta,
        look_silence: timedelta,
        clock: Callable[[], datetime],
        stop: asyncio.Event,
        progressed: Callable[[], None],
        ended: Ended,
        high_water_mark: HighWaterMark | None,
        known: Mapping[Key, Rows] | None = None,
        slots: SlotsOfPass,
    ) -> None:
        """`duration` is how long the lease holds without being extended, `known` what was read
        when it began.

        A pass without progress for `silence` is given up, one without a slot for `look_silence`.
        `progressed` is called at every step, and whenever lines of an operation are written,
        `ended` at the end of each.
        """
        self._high_water_mark = high_water_mark
        self.clock = clock
        self._tell_progress = progressed
        self._tell_end = ended
        self._database = database
        self._lease = lease
        self._tenant = tenant
        self._duration = duration
        self._silences = {True: silence.total_seconds(), False: look_silence.total_seconds()}
        self._limit: asyncio.Timeout | None = None
        self._stop = stop
        self._known = dict(known or {})
        self._locks: dict[str, asyncio.Lock] = {}
        self.slots = slots
        self.dependencies = Dependencies()

    @property
    def fence(self) -> int:
        """The token of our lease: a later holder has a larger one."""
        return self._lease.token

    @property
    def was_requested(self) -> bool:
        """Whether a person, or a request of theirs, has made the tenant due."""
        return self._lease.priority == Priority.USER

    def lock(self, name: str) -> asyncio.Lock:
        """Return the lock of what two tasks of the pass must not do at the same time."""
        return self._locks.setdefault(name, asyncio.Lock())

    @property
    def was_woken(self) -> bool:
        """Whether a person has asked for the pass, or what the tenant waits for has changed."""
        return self._lease.priority in (Priority.USER, Priority.WAKE)

    def check(self) -> None:
        """Raise Stopping where nothing further may begin."""
        self._progressed()
        if self._stop.is_set():
            raise Stopping

    async def guard(self) -> None:
        """Raise Stopping or LeaseLost where no further step may begin."""
        self.dependencies.lose()
        self.check()
        if not await self._renew():
            raise LeaseLost
        async with self._database.begin(CONTROLLER) as connection:
            paused = await repository.is_paused(connection, self._tenant.id)
        if paused and self._tenant.paused is None:
            raise Stopping

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction in which no other worker can take the tenant; raises LeaseLost.

        So a process that was suspended for longer than its lease overwrites nothing. What was read
        before is read again after it.
        """
        self._known.clear()
        async with self._begin() as connection:
            yield connection

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[AsyncConnection]:
        """Open such a transaction, which writes only what no phase reads."""
        self.dependencies.lose()
        async with self._database.begin(CONTROLLER) as connection:
            # First the tenant, then its schedule, as the API does: no deadlock.
            await repository.lock(connection, self._tenant.id)
            if not await renew(connection, self._lease, lease=self._duration):
                raise LeaseLost
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction as `begin` does, which writes what only its phase reads.

        What other phases have to read stays known; this one has what it writes.
        """
        async with self._begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that only reads what the next pass does not compare."""
        self.dependencies.lose()
        async with self._database.begin(CONTROLLER) as connection:
            yield connection

    async def fetch(self, reading: Reading[TextClause, Read]) -> Read:
        """Return what was read when the pass began, if this one has written nothing since; else
        read it."""
        if (rows := self._known.get(reading.key)) is not None:
            return reading.result(rows)
        async with self.read() as connection:
            return await fetch(connection, reading)

    async def ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask something outside of the database, in a thread; the answer is compared by `==`.

        Kept with its answer while nothing changes: it should refer to nothing large.
        """
        answer = await asyncio.to_thread(question)
        self.dependencies.answered(question, answer)
        return answer

    async def save(self, conditions: Conditions) -> None:
        """Write changed conditions, and an event for each changed status."""
        if not conditions.has_changes:
            return
        changed, transitions = conditions.take_changes()
        async with self._begin() as connection:
            await condition_rows.delete_others(connection, self._tenant.id, conditions.subjects)
            await condition_rows.save(connection, self._tenant.id, changed)
            for condition in transitions:
                await emit(
                    connection,
                    tenant_id=self._tenant.id,
                    tenant=self._tenant.name,
                    at=condition.last_transition_at,
                    subject=condition.subject,
                    kind=f"{condition.type}={condition.status}",
                    reason=condition.reason,
                    message=condition.message,
                )

    async def save_host(self, host: HostRow, hosts: dict[str, HostRow]) -> None:
        """Write the row of a host, in the database and in `hosts`."""
        async with self.begin() as connection:
            await host_rows.save(connection, self._tenant.id, host)
        hosts[host.name] = host

    async def set_observed(self, domains: Collection[str] | None) -> None:
        """Record the document that the pass has applied, and the domains that are in use by it.

        Other domains are free for other tenants; None: not known in this pass.
        """
        tenant = self._tenant
        if tenant.paused or tenant.deleting:
            return
        if tenant.observed_generation == tenant.generation and await self._uses_all(domains):
            return
        async with self._begin() as connection:
            await repository.set_observed(connection, self._tenant)
            if domains is not None:
                await release(connection, self._tenant.id, domains)

    async def _uses_all(self, domains: Collection[str] | None) -> bool:
        """Return whether the tenant has claimed no domain but those of its document and these."""
        if domains is None:
            return True
        wanted = {domain.name for domain in self._tenant.document.spec.domains}
        return await self.fetch(claimed(self._tenant.id)) <= wanted | set(domains)

    async def delete_tenant(self) -> None:
        """Delete the tenant's row and all dependent rows."""
        async with self.begin() as connection:
            await repository.delete(connection, self._tenant.id)
            await emit(
                connection,
                tenant_id=self._tenant.id,
                tenant=self._tenant.name,
                at=self.clock(),
                subject=TENANT,
                kind="spec",
                reason="Deleted",
                message="all resources are removed",
            )

    @asynccontextmanager
    async def operation(
        self, kind: str, phase: str, *, digest: str | None, urgent: bool = False
    ) -> AsyncIterator[Progress]:
        """Record an operation before it is run, and its outcome afterwards.

        When the process dies in between, the row stays open and the next pass aborts it. An
        `urgent` one begins although the tenant was paused, or this process ends.
        """
        if not urgent:
            await self.guard()
        id_, tenant, began = self._new_id(), self._tenant, self.clock()
        async with self.begin() as connection:
            await operation_rows.start(
                connection,
                id_=id_,
                tenant_id=tenant.id,
                tenant=tenant.name,
                kind=kind,
                phase=phase,
                generation=tenant.generation,
                digest=digest,
                now=self.clock(),
            )

        async def write(lines: list[tuple[datetime, str]]) -> None:
            self._progressed()
            async with self._database.begin(CONTROLLER) as connection:
                await operation_rows.add_lines(connection, id_, tenant.id, lines)

        failure: Exception | None = None
        fault: Fault | None = None
        outcome = "succeeded"
        async with operation_log(write, self.clock) as progress, self._cancellable(id_, progress):
            with measured() as needed:
                try:
                    yield progress
                except Exception as error:  # noqa: BLE001 - recorded, then raised again
                    failure, outcome = error, "failed"
                    fault = _fault_of(error, phase)
                    progress(f"failed: {fault.located}")
                    await self._report_a_later_token(fault)
        if (cancelled := await self._cancellation(id_)) is not None:
            # Also after its last step: nothing else begins in this pass.
            fault, outcome = cancelled, "succeeded" if failure is None else "aborted"
            failure = cancelled if failure is None or isinstance(failure, Fault) else failure
        now = self.clock()
        self._tell_end(phase, outcome, now - began, needed.peak)
        async with self._database.begin(CONTROLLER) as connection:
            await operation_rows.finish(
                connection,
                id_,
                outcome=outcome,
                now=now,
                peak_memory=needed.peak,
                **_columns(fault),
            )
        if failure is not None:
            raise failure

    def _new_id(self) -> UUID:
        """Return an id that is greater than those of earlier operations, of other machines too."""
        return uuid7(nanoseconds=int(self._database.clock().timestamp() * 1e9))

    async def _report_a_later_token(self, fault: Fault) -> None:
        """Report that a host knows a later token than ours, although our lease is the last one."""
        if not isinstance(fault, LaterToken) or self._high_water_mark is None:
            return
        if await self._renew():
            why = f"{fault.where} has begun a run under a later token than {self.fence}"
            await asyncio.to_thread(self._high_water_mark.unbind, why)

    @asynccontextmanager
    async def _cancellable(self, id_: UUID, progress: Progress) -> AsyncIterator[None]:
        """Let what runs in the block know when a person cancels it."""
        with cancellable() as cancelled:

            async def watch() -> None:
                while not cancelled.is_set():
                    if await self._cancellation(id_) is not None:
                        progress("cancelled: it ends at its next safe point")
                        cancelled.set()
                    await asyncio.sleep(CANCEL_SECONDS)

            watching = asyncio.create_task(watch())
            try:
                yield
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching

    async def _cancellation(self, id_: UUID) -> Fault | None:
        """Return the fault of an operation that was cancelled; None also without a database."""
        try:
            async with self.read() as connection:
                found = await operation_rows.cancellation(connection, id_)
        except (SQLAlchemyError, OSError) as error:
            log.warning("cancellation not read", error=shown(error))
            return None
        if found is None:
            return None
        return OPERATION_CANCELLED(actor=found.actor, reason=found.reason, tenant=self._tenant.name)

    @asynccontextmanager
    async def heartbeat(self) -> AsyncIterator[None]:
        """Extend the lease while steps run; its loss is noticed before the next step.

        Raises NoProgress where the pass shows none: one that hangs would keep its tenant from all
        processes.
        """
        beating = asyncio.create_task(self._beat())
        limit = asyncio.timeout(self._silences[False])
        try:
            async with limit as self._limit:
                yield
        except TimeoutError:
            if limit.expired():
                raise NoProgress from None
            raise
        finally:
            self._limit = None
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating

    def _progressed(self) -> None:
        self._tell_progress()
        if self._limit is not None and not self._limit.expired():
            silence = self._silences[self.slots.has_one]
            self._limit.reschedule(asyncio.get_running_loop().time() + silence)

    async def _beat(self) -> None:
        """Extend the lease often enough that one failure loses nothing."""
        while True:
            await asyncio.sleep(self._duration.total_seconds() / 6)
            try:
                if not await self._renew():
                    log.warning("lease lost", tenant=self._tenant.name)
                    return
            except Exception as error:  # noqa: BLE001 - the database may be back at the next
                log.warning("lease not renewed", tenant=self._tenant.name, error=shown(error))

    async def _renew(self) -> bool:
        """Extend the lease and the heartbeats of operations; False when it is lost.

        An operation may be silent for long; the heartbeat of its row shows that its process runs.
        """
        async with self._database.begin(CONTROLLER) as connection:
            if not await renew(connection, self._lease, lease=self._duration):
                return False
            await operation_rows.beat(connection, self._tenant.id, now=self.clock())
        await self.slots.renew()
        return True


def _fault_of(error: Exception, phase: str) -> Fault:
    """Return what an operation's row shows of its failure."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, LeaseLost):
        return OPERATION_ENDED(reason="another worker has the tenant's lease now")
    if isinstance(error, Stopping):
        return OPERATION_ENDED(reason="the control plane was asked to stop")
    return database_fault(error) or FAILED(what=f"phase {phase}")


def _columns(fault: Fault | None) -> dict[str, str]:
    if fault is None:
        return {}
    return {"code": fault.code.name, "message": fault.located, "remedy": fault.remedy}
