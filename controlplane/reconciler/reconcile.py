"""One pass over one tenant: the phases in order, or backwards where the tenant is deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

import structlog

from controlplane.conditions.model import (
    DELETING,
    PAUSED,
    READY,
    STALLED,
    TENANT,
    Status,
    Verdict,
    bad,
    ok,
)
from controlplane.events.repository import emit
from controlplane.reconciler import summary
from controlplane.reconciler.faults import FAILED
from controlplane.reconciler.phase import AnyPhase, Step
from controlplane.reconciler.session import LeaseLost, Session, Stopping
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import kind_of
from controlplane.reconciler.table import Row, types_of
from controlplane.tenants import repository
from kit.faults import Fault

log = structlog.get_logger()


class Outcome(Enum):
    """How a pass ended, and when the next one comes."""

    SETTLED = "settled"
    """At the next regular look."""
    AGAIN = "again"
    """Soon."""
    STALLED = "stalled"
    """At the next regular look, which repeats nothing that failed; anew when somebody applies."""
    GONE = "gone"
    """Never: the tenant is not there any more."""
    LEFT = "left"
    """Somebody else has the tenant."""


@dataclass
class Findings:
    """What a pass has run into so far."""

    failures: list[tuple[str, Fault]] = field(default_factory=list)
    """Subject and what failed on it."""
    not_repeated: bool = False
    """Whether a step was left out because it had failed for good before."""
    waits: bool = False
    """Whether something has to be looked at again soon."""

    @property
    def stops(self) -> bool:
        """Whether something of the tenant as a whole failed for good: nothing more is changed."""
        return any(at == TENANT and not fault.retryable for at, fault in self.failures)


@dataclass
class Result:
    """What one phase saw and did."""

    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    failed: dict[str, Fault] = field(default_factory=dict)
    """Why a step failed, by its subject; what failed around them is the tenant's."""
    kept: set[str] = field(default_factory=set)
    """Subjects of steps that were left out."""


async def reconcile(phases: Sequence[AnyPhase], snapshot: Snapshot, session: Session) -> Outcome:
    """Run the phases in order; a subject that fails holds back only what needs it."""
    findings, stalled = Findings(), _is_stalled(snapshot)
    _begin(phases, snapshot)
    summary.mark_generation(snapshot)
    await save(snapshot, session)
    for phase in phases:
        await session.guard()
        await _run(phase, snapshot, session, findings, stalled=stalled)
        _sum_up_parts(phases, snapshot)
        await save(snapshot, session)
    outcome = _conclude(phases, snapshot, findings)
    await save(snapshot, session)
    async with session.begin() as connection:
        if not snapshot.tenant.paused:
            await repository.set_observed(
                connection, snapshot.tenant.id, snapshot.tenant.generation
            )
    return outcome


async def remove(phases: Sequence[AnyPhase], snapshot: Snapshot, session: Session) -> Outcome:
    """Let the phases give back what they made, the last first; it ends when all say it is gone."""
    stalled = _is_stalled(snapshot)
    _begin(phases, snapshot)
    if stalled:
        return Outcome.STALLED
    summary.mark_reconciling(snapshot.conditions, "Deleting", "everything is being removed")
    await save(snapshot, session)
    for phase in reversed(phases):
        await session.guard()
        try:
            with _explained(f"deletion in phase {phase.row.name}", snapshot):
                await phase.remove(snapshot, session)
        except Fault as fault:
            return await _failed_removal(fault, snapshot, session)
        await save(snapshot, session)
    await _forget(snapshot, session)
    return Outcome.GONE


async def _forget(snapshot: Snapshot, session: Session) -> None:
    tenant = snapshot.tenant
    async with session.begin() as connection:
        await repository.delete(connection, tenant.id)
        await emit(
            connection,
            tenant_id=tenant.id,
            tenant=tenant.name,
            at=session.clock(),
            subject=TENANT,
            kind="spec",
            reason="Deleted",
            message="everything is gone",
        )


async def save(snapshot: Snapshot, session: Session) -> None:
    """Write the conditions that changed."""
    changed, moved = snapshot.conditions.take_changes()
    await session.save(list(snapshot.parents), changed, moved)


def _begin(phases: Sequence[AnyPhase], snapshot: Snapshot) -> None:
    conditions, tenant = snapshot.conditions, snapshot.tenant
    rows = [phase.row for phase in phases]
    conditions.begin({one: types_of(rows, kind_of(one)) for one in snapshot.parents})
    pause = tenant.paused
    conditions.set(
        TENANT, PAUSED, bad("NotPaused", "") if pause is None else ok("Paused", pause.sentence)
    )
    conditions.set(
        TENANT,
        DELETING,
        ok("Deleting", "asked for") if tenant.deleting else bad("NotDeleting", ""),
    )


def _is_stalled(snapshot: Snapshot) -> bool:
    """Tell whether something failed for good, and nobody has applied since."""
    known = snapshot.conditions.get(TENANT, STALLED)
    if known is None or known.status is not Status.TRUE:
        return False
    return known.observed_generation == snapshot.tenant.generation


async def _run(
    phase: AnyPhase, snapshot: Snapshot, session: Session, findings: Findings, *, stalled: bool
) -> None:
    """Run one phase, and write down what is known of each subject."""
    row = phase.row
    if (cause := snapshot.unmet(row, TENANT)) is not None:
        snapshot.conditions.set(TENANT, row.condition, cause)
        findings.waits = True
        return
    result = Result()
    try:
        with _explained(f"phase {row.name}", snapshot):
            await _advance(phase, snapshot, session, findings, result, stalled=stalled)
    except Fault as fault:
        result.failed.setdefault(TENANT, fault)
    findings.failures += result.failed.items()
    for at, failure in result.failed.items():
        log.warning(
            "pass failed",
            tenant=snapshot.tenant.name,
            phase=row.name,
            subject=at,
            code=str(failure.code),
            error=failure.located,
        )
    _judge(row, result, snapshot, findings)


async def _advance(
    phase: AnyPhase,
    snapshot: Snapshot,
    session: Session,
    findings: Findings,
    result: Result,
    *,
    stalled: bool,
) -> None:
    """Observe, decide, do, and observe again where something was done."""
    row, done = phase.row, False
    seen = await phase.observe(snapshot, session)
    result.verdicts = phase.verdicts(seen, snapshot)
    for step in phase.steps(seen, snapshot):
        failed_before = stalled and step.operation and _has_failed(row, step.subject, snapshot)
        if failed_before or not _is_allowed(step, snapshot, findings):
            result.kept.add(step.subject)
            findings.not_repeated = findings.not_repeated or bool(failed_before)
        elif snapshot.unmet(row, step.subject) is None:
            failure = await _do(phase, step, snapshot, session)
            done = done or step.operation is not None
            if failure is not None:
                result.failed[step.subject] = failure
    if done:
        seen = await phase.observe(snapshot, session)
        result.verdicts = phase.verdicts(seen, snapshot)


async def _do(phase: AnyPhase, step: Step, snapshot: Snapshot, session: Session) -> Fault | None:
    """Do one step; return why it failed."""
    try:
        with _explained(f"phase {phase.row.name}", snapshot):
            if step.operation is None:
                await phase.converge(step, snapshot, session, _silent)
                return None
            digest = snapshot.blueprint.digest
            async with session.operation(step.operation, phase.row.name, digest=digest) as progress:
                await phase.converge(step, snapshot, session, progress)
    except Fault as fault:
        return fault
    return None


def _silent(line: str) -> None:
    del line


def _is_allowed(step: Step, snapshot: Snapshot, findings: Findings) -> bool:
    tenant = snapshot.tenant
    if tenant.paused:
        return step.upkeep and tenant.generation == tenant.observed_generation
    return step.operation is None or not findings.stops


def _has_failed(row: Row, subject: str, snapshot: Snapshot) -> bool:
    known = snapshot.conditions.get(subject, row.condition)
    if known is None or known.observed_generation != snapshot.tenant.generation:
        return False
    return known.status is Status.FALSE


def _judge(row: Row, result: Result, snapshot: Snapshot, findings: Findings) -> None:
    """Turn what was seen and what failed into conditions of the phase."""
    parts: dict[str, Verdict] = {}
    for one, seen in result.verdicts.items():
        verdict = _explained_by(seen, one, row, result, snapshot)
        if verdict is not None:
            parts[one] = verdict
    for one, failure in result.failed.items():
        parts[one] = bad(failure.code.reason, failure.sentence)
    if TENANT not in parts and not result.kept:
        parts[TENANT] = summary.added_up(parts)
    for one, verdict in parts.items():
        key = (one, row.condition)
        snapshot.waiting.discard(key)
        if verdict.waits:
            snapshot.waiting.add(key)
        snapshot.conditions.set(one, row.condition, verdict)
        findings.waits = findings.waits or verdict.status is not Status.TRUE


def _explained_by(
    verdict: Verdict, one: str, row: Row, result: Result, snapshot: Snapshot
) -> Verdict | None:
    """Return the verdict with its cause; None: what is known of the subject stays as it is.

    A failure of the tenant explains its parts that are not there, and what a phase needs explains
    what it cannot see. Of a step that was left out nothing new is known.
    """
    if verdict.status is Status.TRUE:
        return verdict
    if TENANT in result.kept or one in result.kept:
        return None
    failure = result.failed.get(one)
    if failure is None and not verdict.waits:
        failure = result.failed.get(TENANT)
    if failure is not None:
        return bad(failure.code.reason, failure.sentence)
    cause = None if verdict.waits else snapshot.unmet(row, one)
    if cause is not None and (cause.waits or verdict.status is Status.UNKNOWN):
        return cause
    return verdict


def _sum_up_parts(phases: Sequence[AnyPhase], snapshot: Snapshot) -> None:
    """Set Ready of each host, address, domain and mailbox from its other conditions."""
    conditions, rows = snapshot.conditions, [phase.row for phase in phases]
    for one in snapshot.parents:
        if one == TENANT:
            continue
        own = [conditions.get(one, type_) for type_ in types_of(rows, kind_of(one))]
        wrong = next(
            (c for c in own if c and c.type != READY and c.status is not Status.TRUE), None
        )
        if wrong is None:
            conditions.set(one, READY, ok("Ready"))
        else:
            conditions.set(one, READY, Verdict(wrong.status, wrong.reason, wrong.message))


def _conclude(phases: Sequence[AnyPhase], snapshot: Snapshot, findings: Findings) -> Outcome:
    """Say what all phases together have reached."""
    rows = [phase.row for phase in phases]
    lasting = [fault for _, fault in findings.failures if not fault.retryable]
    missing = summary.mark_synced_and_available(rows, snapshot)
    if findings.stops or (lasting and len(lasting) == len(findings.failures)):
        summary.mark_stalled(snapshot.conditions, lasting[0].code.reason, lasting[0].sentence)
        return Outcome.STALLED
    if findings.not_repeated and not findings.failures:
        return Outcome.STALLED
    if missing is None or snapshot.tenant.paused or _rests(missing):
        summary.mark_done(snapshot.conditions)
        resting = missing is not None
        return Outcome.AGAIN if findings.waits and not resting else Outcome.SETTLED
    summary.mark_reconciling(snapshot.conditions, missing.reason, missing.message)
    return Outcome.AGAIN


def _rests(missing: Verdict) -> bool:
    """Tell whether no work of ours changes what is missing."""
    return missing.waits and missing.status is Status.UNKNOWN


async def _failed_removal(fault: Fault, snapshot: Snapshot, session: Session) -> Outcome:
    log.warning(
        "deletion failed", tenant=snapshot.tenant.name, code=str(fault.code), error=fault.located
    )
    if fault.retryable:
        summary.mark_reconciling(snapshot.conditions, fault.code.reason, fault.sentence)
    else:
        summary.mark_stalled(snapshot.conditions, fault.code.reason, fault.sentence)
    await save(snapshot, session)
    return Outcome.AGAIN if fault.retryable else Outcome.STALLED


@contextmanager
def _explained(what: str, snapshot: Snapshot) -> Iterator[None]:
    """Let nothing but faults out; what another error stands for is in the log."""
    try:
        yield
    except (Fault, LeaseLost, Stopping):
        raise
    except Exception as error:
        log.exception("pass failed", tenant=snapshot.tenant.name, what=what)
        raise FAILED(what=what) from error
