"""What the verdicts of phases and parts add up to, for the tenant as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from controlplane.conditions.model import (
    AVAILABLE,
    DELETING,
    PAUSED,
    READY,
    RECONCILING,
    STALLED,
    SYNCED,
    TENANT,
    Condition,
    Conditions,
    Status,
    Verdict,
    aggregate,
    bad,
    ok,
)
from controlplane.reconciler.outcome import Outcome, Report
from controlplane.reconciler.phase_run import Result
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, kind_of, subject
from controlplane.reconciler.table import Row, types_of
from kit.faults import Fault
from sender.schemas import Stop, StopScope


def begin(snapshot: Snapshot) -> None:
    """Set what is known before the first phase: flags, and what a new document changes."""
    conditions, tenant = snapshot.conditions, snapshot.tenant
    conditions.begin({one: types_of(snapshot.table, kind_of(one)) for one in snapshot.parents})
    paused = bad("NotPaused", "") if tenant.paused is None else ok("Paused", tenant.paused.sentence)
    deleting = ok("Deleting", "requested") if tenant.deleting else bad("NotDeleting", "")
    conditions.set(TENANT, PAUSED, paused)
    conditions.set(TENANT, DELETING, deleting)
    if tenant.paused or snapshot.is_stalled:
        return
    if tenant.deleting:
        mark_reconciling(conditions, "Deleting", "removing resources")
    elif tenant.generation != tenant.observed_generation:
        message = f"generation {tenant.generation} is being applied"
        conditions.set(TENANT, SYNCED, bad("NewGeneration", message))
        mark_reconciling(conditions, "NewGeneration", message)


def judge(row: Row, result: Result, snapshot: Snapshot, report: Report) -> None:
    """Turn what a phase observed, and what failed in it, into conditions."""
    report.failures += result.failures.items()
    parts: dict[str, Verdict] = {}
    for one, observed in result.verdicts.items():
        verdict = _explained(observed, one, row, result, snapshot)
        if verdict is not None:
            parts[one] = verdict
    for one, failure in result.failures.items():
        parts[one] = bad(failure.code.reason, failure.sentence)
    if TENANT not in parts and not result.skipped:
        parts[TENANT] = added_up(parts)
    for one, verdict in parts.items():
        snapshot.waiting.discard((one, row.condition))
        if verdict.waits:
            snapshot.waiting.add((one, row.condition))
        snapshot.conditions.set(one, row.condition, verdict)
        report.waits = report.waits or verdict.status is not Status.TRUE
    _sum_up_parts(snapshot)


def conclude(snapshot: Snapshot, report: Report) -> Outcome:
    """Set what all phases together have reached; return when the next pass comes."""
    conditions, lasting = snapshot.conditions, report.lasting
    missing = _missing(snapshot)
    conditions.set(TENANT, SYNCED, missing or ok("Applied"))
    available = _available(snapshot)
    conditions.set(TENANT, AVAILABLE, available)
    lacking = missing or (None if available.status is Status.TRUE else available)
    conditions.set(TENANT, READY, lacking or ok("Ready", available.message))
    if report.stops or (lasting and len(lasting) == len(report.failures)):
        mark_failed(conditions, lasting[0])
        return Outcome.STALLED
    if report.stalled and missing is not None:
        return Outcome.STALLED
    if missing is None or snapshot.tenant.paused or _waits_outside(missing):
        conditions.set(TENANT, RECONCILING, bad("Done", ""))
        conditions.set(TENANT, STALLED, bad("Done", ""))
        return Outcome.AGAIN if report.waits and missing is None else Outcome.SETTLED
    mark_reconciling(conditions, missing.reason, missing.message)
    return Outcome.AGAIN


def added_up(parts: Mapping[str, Verdict]) -> Verdict:
    """Add up the verdicts of a phase. Where all hosts or all domains wait, the tenant waits."""
    reason = next((one.reason for one in parts.values() if one.status is Status.TRUE), "Done")
    whole = aggregate(parts.items(), reason)
    for kind in (Kind.HOST, Kind.DOMAIN):
        own = [(one, verdict) for one, verdict in parts.items() if kind_of(one) is kind]
        if own and whole.status is Status.TRUE:
            of_kind = aggregate(own, reason)
            whole = whole if of_kind.status is Status.TRUE else of_kind
    return whole


def mark_reconciling(conditions: Conditions, reason: str, message: str) -> None:
    """Set that work goes on: the tenant is neither stalled nor ready."""
    conditions.set(TENANT, RECONCILING, ok(reason, message))
    conditions.set(TENANT, STALLED, bad("Progressing", ""))
    conditions.set(TENANT, READY, bad(reason, message))


def mark_failed(conditions: Conditions, fault: Fault) -> None:
    """Set that what failed is tried again, or that it stays so until the next apply."""
    reason, message = fault.code.reason, fault.sentence
    if fault.retryable:
        mark_reconciling(conditions, reason, message)
        return
    conditions.set(TENANT, STALLED, ok(reason, message))
    conditions.set(TENANT, RECONCILING, bad("Stalled", ""))
    conditions.set(TENANT, READY, bad(reason, message))


def _explained(
    verdict: Verdict, one: str, row: Row, result: Result, snapshot: Snapshot
) -> Verdict | None:
    """Return the verdict with its cause; None where the subject keeps its condition.

    A failure of the tenant explains its parts that are not there, and what a phase needs explains
    what it cannot observe. A skipped step brings no news of its subject.
    """
    if verdict.status is Status.TRUE:
        return verdict
    if TENANT in result.skipped or one in result.skipped:
        return None
    failure = result.failures.get(one)
    if failure is None and not verdict.waits:
        failure = result.failures.get(TENANT)
    if failure is not None:
        return bad(failure.code.reason, failure.sentence)
    cause = None if verdict.waits else snapshot.unmet(row, one)
    if cause is not None and (cause.waits or verdict.status is Status.UNKNOWN):
        return cause
    return verdict


def _sum_up_parts(snapshot: Snapshot) -> None:
    """Set Ready of each host, address, domain and mailbox from its other conditions."""
    conditions = snapshot.conditions
    for one in snapshot.parents:
        if one == TENANT:
            continue
        types = types_of(snapshot.table, kind_of(one))
        own = [conditions.get(one, type_) for type_ in types if type_ != READY]
        wrong = next((c for c in own if c and c.status is not Status.TRUE), None)
        conditions.set(one, READY, ok("Ready") if wrong is None else _verdict(wrong))


def _missing(snapshot: Snapshot) -> Verdict | None:
    """Return what keeps the last accepted document from being applied."""
    for row in snapshot.table:
        own = snapshot.conditions.get(TENANT, row.condition)
        if row.required and own is not None and own.status is not Status.TRUE:
            waits = (TENANT, row.condition) in snapshot.waiting
            return replace(_verdict(own, prefix=f"{row.condition}: "), waits=waits)
    tenant = snapshot.tenant
    if tenant.deleting:
        return bad("Deleting", "the tenant is being deleted")
    if snapshot.accepted_generation != tenant.generation:
        message = f"generation {snapshot.accepted_generation} waits until the tenant is resumed"
        return bad("Paused", message)
    return None


def _waits_outside(missing: Verdict) -> bool:
    """Return whether no work of ours changes what is missing."""
    return missing.waits and missing.status is Status.UNKNOWN


def _available(snapshot: Snapshot) -> Verdict:
    """Mail flows when it does from one domain; the message names those from which it does not."""
    for row in snapshot.table:
        if not row.mail_flows:
            continue
        domains = [one for one in snapshot.parents if kind_of(one) is Kind.DOMAIN]
        enabled = [one for one in domains if snapshot.conditions.is_true(one, row.condition)]
        stops = {one: stop for one in enabled if (stop := _stop_of(one, snapshot)) is not None}
        waiting = [one for one in domains if one not in enabled or one in stops]
        if len(waiting) < len(domains):
            return ok("MailFlows", f"waiting: {', '.join(waiting)}" if waiting else "")
        if stops:
            return bad("MailStopped", next(iter(stops.values())).sentence)
        own = snapshot.conditions.get(TENANT, row.condition)
        if own is not None and own.status is not Status.TRUE:
            return _verdict(own, prefix=f"{row.condition}: ")
    return bad("NoDomain", "no domain may send")


def _stop_of(domain: str, snapshot: Snapshot) -> Stop | None:
    """Return the widest stop by which no mail leaves from a domain."""
    addresses = [
        address.name
        for host in snapshot.blueprint.hosts
        for address in host.addresses
        if address.sends_bulk
        and snapshot.conditions.is_true(subject(Kind.ADDRESS, address.name), READY)
    ]
    of_addresses = {one.name: one for one in snapshot.stops if one.scope is StopScope.ADDRESS}
    for one in snapshot.stops:
        of_domain = one.scope is StopScope.DOMAIN and domain == f"{Kind.DOMAIN}/{one.name}"
        if of_domain or one.scope in (StopScope.PLATFORM, StopScope.TENANT):
            return one
    if addresses and all(name in of_addresses for name in addresses):
        return of_addresses[addresses[0]]
    return None


def _verdict(condition: Condition, *, prefix: str = "") -> Verdict:
    return Verdict(condition.status, condition.reason, f"{prefix}{condition.message}")
