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
from controlplane.reconciler.outcome import Outcome
from controlplane.reconciler.phase_run import Result
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, kind_of, subject
from controlplane.reconciler.table import Row, types_of
from kit.faults import Fault
from sender.schemas import Stop, StopScope


class Summary:
    """The conditions of one tenant in one pass, and what they mean for the next one."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.stalled = snapshot.is_stalled
        """Whether something had failed for good before this pass, and the document is the same."""
        self._snapshot = snapshot
        self._conditions = snapshot.conditions
        self._failures: list[tuple[str, Fault]] = []
        """Subject and what failed on it."""
        self._waits = False
        """Whether something is to be observed again soon."""

    @property
    def stops(self) -> bool:
        """Return whether something of the tenant as a whole failed for good: no more changes."""
        return any(at == TENANT and not fault.retryable for at, fault in self._failures)

    def begin(self) -> None:
        """Set what holds before the first phase: flags, and what a new document changes."""
        conditions, tenant = self._conditions, self._snapshot.tenant
        table = self._snapshot.table
        conditions.begin({one: types_of(table, kind_of(one)) for one in self._snapshot.parents})
        conditions.set(
            TENANT,
            PAUSED,
            ok("Paused", tenant.paused.sentence) if tenant.paused else bad("NotPaused", ""),
        )
        conditions.set(
            TENANT,
            DELETING,
            ok("Deleting", "requested") if tenant.deleting else bad("NotDeleting", ""),
        )
        if tenant.paused or self.stalled:
            return
        if tenant.deleting:
            mark_reconciling(conditions, "Deleting", "removing resources")
        elif tenant.generation != tenant.observed_generation:
            message = f"generation {tenant.generation} is being applied"
            conditions.set(TENANT, SYNCED, bad("NewGeneration", message))
            mark_reconciling(conditions, "NewGeneration", message)

    def add(self, row: Row, result: Result) -> None:
        """Turn what a phase observed, and what failed in it, into conditions."""
        self._failures += result.failures.items()
        verdicts: dict[str, Verdict] = {}
        for one, observed in result.verdicts.items():
            verdict = self._explained(observed, one, row, result)
            if verdict is not None:
                verdicts[one] = verdict
        for one, failure in result.failures.items():
            verdicts[one] = bad(failure.code.reason, failure.sentence)
        if TENANT not in verdicts and not result.skipped:
            verdicts[TENANT] = _added_up(verdicts)
        for one, verdict in verdicts.items():
            self._snapshot.set(one, row, verdict)
            self._waits = self._waits or verdict.status is not Status.TRUE
        self._sum_up_parts()

    def conclude(self) -> Outcome:
        """Set what all phases together have reached; return when the next pass comes."""
        conditions = self._conditions
        missing, available = self._missing(), self._available()
        conditions.set(TENANT, SYNCED, missing or ok("Applied"))
        conditions.set(TENANT, AVAILABLE, available)
        lacking = missing or (None if available.status is Status.TRUE else available)
        conditions.set(TENANT, READY, lacking or ok("Ready", available.message))
        lasting = [fault for _, fault in self._failures if not fault.retryable]
        if self.stops or (lasting and len(lasting) == len(self._failures)):
            mark_failed(conditions, lasting[0])
            return Outcome.STALLED
        if self.stalled and missing is not None:
            return Outcome.STALLED
        if missing is None or self._snapshot.tenant.paused or _waits_outside(missing):
            conditions.set(TENANT, RECONCILING, bad("Done", ""))
            conditions.set(TENANT, STALLED, bad("Done", ""))
            return Outcome.AGAIN if self._waits and missing is None else Outcome.SETTLED
        mark_reconciling(conditions, missing.reason, missing.message)
        return Outcome.AGAIN

    def _explained(self, verdict: Verdict, one: str, row: Row, result: Result) -> Verdict | None:
        """Return the verdict with its cause; None where the subject keeps its condition.

        A failure of the tenant explains its parts that are not there, and what a phase needs
        explains what it cannot observe. A skipped step says nothing new of its subject.
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
        cause = None if verdict.waits else self._snapshot.unmet(row, one)
        if cause is not None and (cause.waits or verdict.status is Status.UNKNOWN):
            return cause
        return verdict

    def _sum_up_parts(self) -> None:
        """Set Ready of each host, address, domain and mailbox from its other conditions."""
        for one in self._snapshot.parents:
            if one == TENANT:
                continue
            types = types_of(self._snapshot.table, kind_of(one))
            own = [self._conditions.get(one, type_) for type_ in types if type_ != READY]
            wrong = next((c for c in own if c and c.status is not Status.TRUE), None)
            self._conditions.set(one, READY, ok("Ready") if wrong is None else _verdict(wrong))

    def _missing(self) -> Verdict | None:
        """Return what keeps the last accepted document from being applied."""
        for row in self._snapshot.table:
            own = self._conditions.get(TENANT, row.condition)
            if row.required and own is not None and own.status is not Status.TRUE:
                waits = (TENANT, row.condition) in self._snapshot.waiting
                return replace(_verdict(own, prefix=f"{row.condition}: "), waits=waits)
        tenant = self._snapshot.tenant
        if tenant.deleting:
            return bad("Deleting", "the tenant is being deleted")
        if self._snapshot.accepted_generation != tenant.generation:
            waiting = self._snapshot.accepted_generation
            return bad("Paused", f"generation {waiting} waits until the tenant is resumed")
        return None

    def _available(self) -> Verdict:
        """Return whether mail flows from any domain; the message names the others."""
        for row in self._snapshot.table:
            if not row.mail_flows:
                continue
            domains = [one for one in self._snapshot.parents if kind_of(one) is Kind.DOMAIN]
            enabled = [one for one in domains if self._conditions.is_true(one, row.condition)]
            stops = {one: stop for one in enabled if (stop := self._stop_of(one)) is not None}
            waiting = [one for one in domains if one not in enabled or one in stops]
            if len(waiting) < len(domains):
                return ok("MailFlows", f"waiting: {', '.join(waiting)}" if waiting else "")
            if stops:
                return bad("MailStopped", next(iter(stops.values())).sentence)
            own = self._conditions.get(TENANT, row.condition)
            if own is not None and own.status is not Status.TRUE:
                return _verdict(own, prefix=f"{row.condition}: ")
        return bad("NoDomain", "no domain may send")

    def _stop_of(self, domain: str) -> Stop | None:
        """Return the widest stop by which no mail leaves from a domain."""
        addresses = [
            address.name
            for host in self._snapshot.blueprint.hosts
            for address in host.addresses
            if address.sends_bulk
            and self._conditions.is_true(subject(Kind.ADDRESS, address.name), READY)
        ]
        of_addresses = {
            one.name: one for one in self._snapshot.stops if one.scope is StopScope.ADDRESS
        }
        for one in self._snapshot.stops:
            of_domain = one.scope is StopScope.DOMAIN and domain == f"{Kind.DOMAIN}/{one.name}"
            if of_domain or one.scope in (StopScope.PLATFORM, StopScope.TENANT):
                return one
        if addresses and all(name in of_addresses for name in addresses):
            return of_addresses[addresses[0]]
        return None


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


def _added_up(parts: Mapping[str, Verdict]) -> Verdict:
    """Add up the verdicts of a phase. Where all hosts or all domains wait, the tenant waits."""
    reason = next((one.reason for one in parts.values() if one.status is Status.TRUE), "Done")
    whole = aggregate(parts.items(), reason)
    for kind in (Kind.HOST, Kind.DOMAIN):
        own = [(one, verdict) for one, verdict in parts.items() if kind_of(one) is kind]
        if own and whole.status is Status.TRUE:
            of_kind = aggregate(own, reason)
            whole = whole if of_kind.status is Status.TRUE else of_kind
    return whole


def _waits_outside(missing: Verdict) -> bool:
    """Return whether no work of ours changes what is missing."""
    return missing.waits and missing.status is Status.UNKNOWN


def _verdict(condition: Condition, *, prefix: str = "") -> Verdict:
    return Verdict(condition.status, condition.reason, f"{prefix}{condition.message}")
