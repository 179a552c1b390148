"""One phase in one pass: observe, run the steps that are allowed, observe again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from controlplane.conditions.model import TENANT, Verdict
from controlplane.database_faults import database_fault
from controlplane.reconciler.faults import FAILED
from controlplane.reconciler.phase import AnyPhase, Step
from controlplane.reconciler.session import LeaseLost, Session, Stopping
from controlplane.reconciler.snapshot import Snapshot
from kit.faults import Fault

log = structlog.get_logger()
CONCURRENT_STEPS = 4
"""Of one pass. Each may run an Ansible process and holds a thread until its deadline."""


@dataclass
class Result:
    """What one phase observed and did."""

    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    failures: dict[str, Fault] = field(default_factory=dict)
    """By the subject of the step; the tenant's for a failure outside of steps."""
    skipped: set[str] = field(default_factory=set)
    """Subjects of steps that are not allowed now."""
    resumed: bool = False
    """Whether a step was run that is another one than what failed for good."""


async def run(
    phase: AnyPhase, snapshot: Snapshot, session: Session, allowed: Callable[[Step], bool]
) -> Result:
    """Run one phase. Raises only LeaseLost and Stopping."""
    if (cause := snapshot.unmet(phase.row, TENANT)) is not None:
        return Result({TENANT: cause})
    result = Result()
    try:
        with as_fault(f"phase {phase.row.name}"):
            observed = await phase.observe(snapshot, session)
            result.verdicts = phase.verdicts(observed, snapshot)
            session.dependencies.until(phase.holds_until(observed, snapshot))
            steps = phase.steps(observed, snapshot)
            result.skipped = {step.subject for step in steps if not allowed(step)}
            due = [
                step
                for step in steps
                if step.subject not in result.skipped
                and (step.urgent or snapshot.unmet(phase.row, step.subject) is None)
            ]
            needs_slot = any(step.operation and not step.urgent for step in due)
            async with session.slots.one(phase.row.pool if needs_slot else None) as failures:
                if failures is None:
                    due = [step for step in due if step.urgent or step.operation is None]
                if due:
                    await session.guard()
                    result.resumed = any(step.is_another for step in due)
                    result.failures = await converge(phase, due, snapshot, session)
                    if failures is not None:
                        failures += result.failures.values()
                    observed = await phase.observe(snapshot, session)
                    result.verdicts = phase.verdicts(observed, snapshot)
    except Fault as fault:
        session.dependencies.lose()
        result.failures.setdefault(TENANT, fault)
    for subject, failure in result.failures.items():
        log.warning(
            "phase failed",
            tenant=snapshot.tenant.name,
            phase=phase.row.name,
            subject=subject,
            code=str(failure.code),
            error=failure.located,
        )
    return result


@contextmanager
def as_fault(what: str) -> Iterator[None]:
    """Turn every error into a fault; the details of an unexpected one are in the log only."""
    try:
        yield
    except (Fault, LeaseLost, Stopping):
        raise
    except Exception as error:
        if (fault := database_fault(error)) is not None:
            raise fault from error
        log.exception("unexpected error", what=what)
        raise FAILED(what=what) from error


async def converge(
    phase: AnyPhase, steps: Sequence[Step], snapshot: Snapshot, session: Session
) -> dict[str, Fault]:
    """Run steps concurrently; return the failures by subject.

    None is cancelled when another fails: its thread would continue without its operation.
    """
    slots = asyncio.Semaphore(CONCURRENT_STEPS)

    async def run_step(step: Step) -> None:
        async with slots:
            with as_fault(f"phase {phase.row.name}"):
                if step.operation is None:
                    await phase.converge(step, snapshot, session, lambda _: None)
                    return
                digest = snapshot.blueprint.digest
                async with session.operation(
                    step.operation, phase.row.name, digest=digest, urgent=step.urgent
                ) as progress:
                    await phase.converge(step, snapshot, session, progress)

    results = await asyncio.gather(*(run_step(step) for step in steps), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, Fault):
            raise result
    return {
        step.subject: result
        for step, result in zip(steps, results, strict=True)
        if isinstance(result, Fault)
    }
