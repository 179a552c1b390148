"""One pass over one tenant: the phases in order, or backwards where the tenant is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import structlog

from controlplane.reconciler import summary
from controlplane.reconciler.outcome import Outcome, Report
from controlplane.reconciler.phase import AnyPhase, Step
from controlplane.reconciler.phase_run import as_fault, run
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.table import Row
from kit.faults import Fault

log = structlog.get_logger()


async def reconcile(phases: Sequence[AnyPhase], snapshot: Snapshot, session: Session) -> Outcome:
    """Make one pass. A deletion that is paused or stalled only observes."""
    report = Report(stalled=snapshot.is_stalled)
    summary.begin(snapshot)
    await session.save(snapshot.conditions)
    if snapshot.tenant.deleting and not snapshot.tenant.paused and not report.stalled:
        return await _remove(phases, snapshot, session)
    return await _advance(phases, snapshot, session, report)


async def _advance(
    phases: Sequence[AnyPhase], snapshot: Snapshot, session: Session, report: Report
) -> Outcome:
    """Run the phases in order; a subject that fails holds back only what needs it."""
    for phase in phases:
        await session.guard()
        allowed = partial(_is_allowed, phase.row, snapshot, report)
        result = await run(phase, snapshot, session, allowed)
        summary.judge(phase.row, result, snapshot, report)
        await session.save(snapshot.conditions)
    outcome = summary.conclude(snapshot, report)
    await session.save(snapshot.conditions)
    await session.set_observed()
    return outcome


async def _remove(phases: Sequence[AnyPhase], snapshot: Snapshot, session: Session) -> Outcome:
    """Let the phases remove what they made, the last first, and then the tenant itself."""
    try:
        for phase in reversed(phases):
            await session.guard()
            with as_fault(f"deletion in phase {phase.row.name}"):
                await phase.remove(snapshot, session)
            await session.save(snapshot.conditions)
    except Fault as fault:
        log.warning("deletion failed", tenant=snapshot.tenant.name, error=fault.located)
        summary.mark_failed(snapshot.conditions, fault)
        await session.save(snapshot.conditions)
        return Outcome.AGAIN if fault.retryable else Outcome.STALLED
    await session.delete_tenant()
    return Outcome.GONE


def _is_allowed(row: Row, snapshot: Snapshot, report: Report, step: Step) -> bool:
    """Return whether a step may be run in this pass."""
    tenant = snapshot.tenant
    if tenant.deleting:
        return False
    if tenant.paused:
        return step.upkeep and tenant.applied is not None
    if step.operation is None:
        return True
    return not report.stops and not (report.stalled and snapshot.has_failed(row, step.subject))
