"""One pass over one tenant: the phases in order, or in reverse if the tenant is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import structlog

from controlplane.reconciler.drift import report_drift
from controlplane.reconciler.outcome import Outcome
from controlplane.reconciler.phase import AnyPhase, Step
from controlplane.reconciler.phase_run import as_fault, run
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.summary import Summary, mark_failed
from controlplane.reconciler.table import Row
from controlplane.reconciler.urgent import urgent_beside
from controlplane.schedule.schemas import Pool
from kit.faults import Fault

log = structlog.get_logger()


class Pass:
    """One pass over one tenant."""

    def __init__(
        self,
        phases: Sequence[AnyPhase],
        snapshot: Snapshot,
        session: Session,
        *,
        stop_poll: timedelta,
    ) -> None:
        """`stop_poll` is how often it looks for urgent steps meanwhile."""
        self._phases = phases
        self._snapshot = snapshot
        self._session = session
        self._stop_poll = stop_poll
        self._summary = Summary(snapshot)

    async def run(self) -> Outcome:
        """Run the phases. A deletion that is paused or stalled only observes."""
        self._summary.begin()
        await self._save()
        tenant = self._snapshot.tenant
        if tenant.deleting and not tenant.paused and not self._summary.stalled:
            return await self._remove()
        async with urgent_beside(self._phases, self._snapshot, self._session, self._stop_poll):
            return await self._advance()

    async def _advance(self) -> Outcome:
        """Run the phases in order; a subject that fails blocks only what depends on it."""
        for phase in self._phases:
            self._session.check()
            allowed = partial(self._is_allowed, phase.row)
            result = await run(phase, self._snapshot, self._session, allowed)
            self._summary.add(phase.row, result)
            await self._save()
        report_drift(self._snapshot, now=self._session.clock())
        outcome = self._summary.conclude(waits=self._session.slots.wait)
        times = self._snapshot.awaits_servers_until, self._snapshot.look_at
        self._session.slots.look_at = min((at for at in times if at is not None), default=None)
        await self._save()
        await self._session.set_observed(self._snapshot.domains_in_use)
        return outcome

    async def _remove(self) -> Outcome:
        """Remove the resources of the phases in reverse order, then the tenant itself."""
        try:
            for phase in reversed(self._phases):
                await self._session.guard()
                # What is done on hosts ends with them: only the engine removes.
                pool = Pool.ENGINE if phase.row.pool is Pool.ENGINE else None
                async with self._session.slots.one(pool) as failures:
                    if failures is None:
                        return Outcome.WAITING
                    try:
                        with as_fault(f"deletion in phase {phase.row.name}"):
                            await phase.remove(self._snapshot, self._session)
                    except Fault as fault:
                        failures.append(fault)
                        raise
                await self._save()
        except Fault as fault:
            log.warning("deletion failed", tenant=self._snapshot.tenant.name, error=fault.located)
            mark_failed(self._snapshot.conditions, fault)
            await self._save()
            return Outcome.RETRY if fault.retryable else Outcome.STALLED
        await self._session.delete_tenant()
        return Outcome.DELETED

    async def _save(self) -> None:
        await self._session.save(self._snapshot.conditions)

    def _is_allowed(self, row: Row, step: Step) -> bool:
        """Return whether a step may be run in this pass."""
        tenant = self._snapshot.tenant
        if step.urgent:
            return True
        if tenant.deleting:
            return False
        if tenant.paused:
            return step.maintenance and tenant.applied is not None
        if step.operation is None:
            return True
        failed_before = self._summary.stalled and self._snapshot.has_failed(row, step.subject)
        is_tried = step.is_another or not failed_before
        return is_tried and not self._summary.has_failed_permanently
