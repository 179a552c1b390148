"""Aggregates the verdicts of phases and parts to conditions of the whole tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    Ask,
    Condition,
    Conditions,
    Status,
    Verdict,
    aggregate,
    ask_of,
    bad,
    failed,
    ok,
)
from controlplane.reconciler.outcome import Outcome
from controlplane.reconciler.phase_run import Result
from controlplane.reconciler.public_names import without_certificate
from controlplane.reconciler.slots import Wait
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, kind_of, subject
from controlplane.reconciler.table import Row, types_of
from kit.faults import Fault
from sender.schemas import Stop, StopScope


class Summary:
    """The conditions of one tenant in one pass, and when the next pass is due."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.stalled = snapshot.is_stalled
        """Whether something failed permanently before this pass, at the same generation, and what
        is tried is not another one."""
        self._snapshot = snapshot
        self._conditions = snapshot.conditions
        self._failures: list[tuple[str, Fault]] = []
        """Subject and what failed on it."""
        self._waits = False
        """Whether something is to be observed again soon."""
        self._seen_changes = -1
        """Of conditions, when Ready of the parts was set last."""

    @property
    def has_failed_permanently(self) -> bool:
        """Return whether the tenant as a whole failed permanently: no more changes."""
        return any(at == TENANT and not fault.retryable for at, fault in self._failures)

    @property
    def _waits_for_servers(self) -> bool:
        """Whether there is nothing to do before the sweep shows a server of it."""
        is_busy = self._failures or self._snapshot.tenant.paused or self.stalled
        return self._snapshot.awaits_servers_until is not None and not is_busy

    def begin(self) -> None:
        """Set the conditions before the first phase: flags, and the effects of a new document."""
        conditions, tenant = self._conditions, self._snapshot.tenant
        table = self._snapshot.table
        types = {kind: types_of(table, kind) for kind in Kind}
        conditions.begin({part: types[kind_of(part)] for part in self._snapshot.parents})
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
            if not self._asks():  # else what a person has to do is listed while it is tried again
                mark_reconciling(conditions, "Deleting", "removing resources")
        elif tenant.generation != tenant.observed_generation:
            message = f"generation {tenant.generation} is being applied"
            conditions.set(TENANT, SYNCED, bad("NewGeneration", message))
            mark_reconciling(conditions, "NewGeneration", message)

    def _asks(self) -> bool:
        """Return whether the last pass of this generation has said what a person has to do."""
        known = self._conditions.get(TENANT, RECONCILING)
        generation = self._snapshot.tenant.generation
        return (
            known is not None and known.ask is not None and known.observed_generation == generation
        )

    def add(self, row: Row, result: Result) -> None:
        """Set conditions from what a phase observed, and from its failures."""
        self.stalled = self.stalled and not result.resumed
        retired = self._snapshot.retired
        self._failures += [item for item in result.failures.items() if item[0] not in retired]
        verdicts: dict[str, Verdict] = {}
        for part, observed in result.verdicts.items():
            verdict = self._with_cause(observed, part, row, result)
            if verdict is not None:
                verdicts[part] = verdict
        for part, failure in result.failures.items():
            verdicts[part] = failed(failure)
        for part in retired & verdicts.keys():
            verdicts[part] = replace(verdicts[part], waits=verdicts[part].status is not Status.TRUE)
        if TENANT not in verdicts and not result.skipped:
            verdicts[TENANT] = _aggregate_parts(verdicts)
        for part, verdict in verdicts.items():
            self._snapshot.set(part, row, verdict)
            if verdict.status is not Status.TRUE and (row.awaited or not verdict.waits):
                self._waits = True
        self._set_ready_of_parts()

    def conclude(self, *, waits: Wait | None = None) -> Outcome:
        """Set the conditions of the whole tenant after all phases; return the outcome.

        `waits` says why an operation that is to be run has no slot.
        """
        conditions = self._conditions
        missing, available = self._missing(), self._available()
        conditions.set(TENANT, SYNCED, missing or ok("Applied"))
        conditions.set(TENANT, AVAILABLE, available)
        lacking = next(iter(without_certificate(self._snapshot).values()), None)
        not_ready = missing or (lacking if available.status is Status.TRUE else available)
        conditions.set(TENANT, READY, not_ready or ok("Ready", available.message))
        if waits is not None:
            if missing is not None and not self._snapshot.tenant.paused and not self.stalled:
                mark_reconciling(conditions, waits.reason, waits.message)
            return Outcome.WAITING
        if missing is not None and self._waits_for_servers:
            mark_reconciling(conditions, missing.reason, missing.message)
            return Outcome.SETTLED
        permanent = [fault for _, fault in self._failures if not fault.retryable]
        if self.has_failed_permanently or (permanent and len(permanent) == len(self._failures)):
            mark_failed(conditions, permanent[0], is_cause=False)
            return Outcome.STALLED
        if self.stalled and missing is not None:
            return Outcome.STALLED
        if missing is None or self._snapshot.tenant.paused or _waits_outside(missing):
            conditions.set(TENANT, RECONCILING, bad("Done", ""))
            conditions.set(TENANT, STALLED, bad("Done", ""))
            return Outcome.RETRY if self._waits and missing is None else Outcome.SETTLED
        mark_reconciling(conditions, missing.reason, missing.message)
        return Outcome.RETRY

    def _with_cause(self, verdict: Verdict, part: str, row: Row, result: Result) -> Verdict | None:
        """Return the verdict with its cause; None where the subject keeps its condition.

        A failure of the tenant is the cause for missing parts, and an unmet need the cause for what
        a phase cannot observe. A skipped step does not change its subject's condition.
        """
        if verdict.status is Status.TRUE:
            return verdict
        if TENANT in result.skipped or part in result.skipped:
            return None
        failure = result.failures.get(part)
        if failure is None and not verdict.waits:
            failure = result.failures.get(TENANT)
        if failure is not None:
            return bad(failure.code.reason, failure.sentence)
        cause = None if verdict.waits else self._snapshot.unmet(row, part)
        if cause is not None and (cause.waits or verdict.status is Status.UNKNOWN):
            return cause
        return verdict

    def _set_ready_of_parts(self) -> None:
        """Set Ready of each host, address, domain and mailbox from conditions that it needs."""
        if self._conditions.changes == self._seen_changes:
            return
        required = [row for row in self._snapshot.table if row.required]
        types = {kind: types_of(required, kind) for kind in Kind}
        lacking = without_certificate(self._snapshot)
        for part in self._snapshot.parents:
            if part == TENANT:
                continue
            of_part = types[kind_of(part)]
            own = [self._conditions.get(part, type_) for type_ in of_part if type_ != READY]
            wrong = next((c for c in own if c and c.status is not Status.TRUE), None)
            usable = lacking.get(part) or ok("Ready")
            self._conditions.set(part, READY, usable if wrong is None else _verdict(wrong))
        self._seen_changes = self._conditions.changes

    def _missing(self) -> Verdict | None:
        """Return why the last accepted document is not applied yet."""
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
        """Return whether mail flows from any domain; the message names the others.

        Bulk leaves all the same where a host with Mailu lacks a certificate.
        """
        lacking = without_certificate(self._snapshot)
        for row in self._snapshot.table:
            if not row.mail_flows:
                continue
            domains = [part for part in self._snapshot.parents if kind_of(part) is Kind.DOMAIN]
            enabled = [part for part in domains if self._conditions.is_true(part, row.condition)]
            stops = {part: stop for part in enabled if (stop := self._stop_of(part)) is not None}
            flowing = set(enabled) - stops.keys() - lacking.keys()
            waiting = [part for part in domains if part not in flowing]
            if len(waiting) < len(domains):
                return ok("MailFlows", f"waiting: {', '.join(waiting)}" if waiting else "")
            if stops:
                return bad("MailStopped", next(iter(stops.values())).sentence)
            if enabled:
                return lacking[enabled[0]]
            own = self._conditions.get(TENANT, row.condition)
            if own is not None and own.status is not Status.TRUE:
                return _verdict(own, prefix=f"{row.condition}: ")
        return bad("NoDomain", "no domain may send")

    def _stop_of(self, domain: str) -> Stop | None:
        """Return the widest stop that stops all mail of a domain."""
        addresses = [
            address.name
            for host in self._snapshot.blueprint.hosts
            for address in host.addresses
            if address.sends_bulk
            and not address.draining
            and self._conditions.is_true(subject(Kind.ADDRESS, address.name), READY)
        ]
        mailboxes = [
            box.address
            for box in self._snapshot.blueprint.mailboxes
            if domain == subject(Kind.DOMAIN, box.domain)
        ]
        for stop in self._snapshot.stops:
            of_domain = stop.scope is StopScope.DOMAIN and domain == f"{Kind.DOMAIN}/{stop.name}"
            if of_domain or stop.scope in (StopScope.PLATFORM, StopScope.TENANT):
                return stop
        return self._stop_of_all(StopScope.MAILBOX, mailboxes) or self._stop_of_all(
            StopScope.ADDRESS, addresses
        )

    def _stop_of_all(self, scope: StopScope, names: Sequence[str]) -> Stop | None:
        """Return a stop of one of several mailboxes or addresses, if all of them are stopped."""
        stops = {stop.name: stop for stop in self._snapshot.stops if stop.scope is scope}
        return stops[names[0]] if names and stops.keys() >= set(names) else None


def mark_reconciling(
    conditions: Conditions, reason: str, message: str, *, ask: Ask | None = None
) -> None:
    """Set that work is in progress: the tenant is neither stalled nor ready."""
    conditions.set(TENANT, RECONCILING, ok(reason, message, ask=ask))
    conditions.set(TENANT, STALLED, bad("Progressing", ""))
    conditions.set(TENANT, READY, bad(reason, message))


def mark_failed(conditions: Conditions, fault: Fault, *, is_cause: bool = True) -> None:
    """Set that the failure is retried, or that the tenant is stalled until the next apply.

    Without `is_cause` the condition of a phase asks for what has to be done.
    """
    reason, message = fault.code.reason, fault.sentence
    ask = ask_of(fault.code.acts, fault.remedy) if is_cause else None
    if fault.retryable:
        mark_reconciling(conditions, reason, message, ask=ask)
        return
    conditions.set(TENANT, STALLED, ok(reason, message, ask=ask))
    conditions.set(TENANT, RECONCILING, bad("Stalled", ""))
    conditions.set(TENANT, READY, bad(reason, message))


def _aggregate_parts(parts: Mapping[str, Verdict]) -> Verdict:
    """Aggregate the verdicts of a phase. If all hosts or all domains wait, the tenant waits."""
    reason = next(
        (verdict.reason for verdict in parts.values() if verdict.status is Status.TRUE), "Done"
    )
    whole = aggregate(parts.items(), reason)
    for kind in (Kind.HOST, Kind.DOMAIN):
        own = [(part, verdict) for part, verdict in parts.items() if kind_of(part) is kind]
        if own and whole.status is Status.TRUE:
            of_kind = aggregate(own, reason)
            whole = whole if of_kind.status is Status.TRUE else of_kind
    return whole


def _waits_outside(missing: Verdict) -> bool:
    """Return whether only an external action can change what is missing."""
    return missing.waits and missing.status is Status.UNKNOWN


def _verdict(condition: Condition, *, prefix: str = "") -> Verdict:
    return Verdict(condition.status, condition.reason, f"{prefix}{condition.message}")
