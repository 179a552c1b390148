"""What the verdicts of phases and parts add up to, for the tenant as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controlplane.conditions.model import (
    AVAILABLE,
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
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, kind_of
from controlplane.reconciler.table import Row


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


def mark_generation(snapshot: Snapshot) -> None:
    """Say that a new document is on its way; whether mail flows is another question."""
    tenant = snapshot.tenant
    if tenant.generation != tenant.observed_generation:
        message = f"generation {tenant.generation} is being applied"
        snapshot.conditions.set(TENANT, SYNCED, bad("NewGeneration", message))
        mark_reconciling(snapshot.conditions, "NewGeneration", message)


def mark_synced_and_available(rows: Sequence[Row], snapshot: Snapshot) -> Verdict | None:
    """Set Synced, Available, and Ready of both; return what is missing for Synced."""
    conditions, tenant = snapshot.conditions, snapshot.tenant
    missing = _missing(rows, snapshot)
    if missing is None and tenant.paused and tenant.generation != tenant.observed_generation:
        missing = bad("Paused", f"generation {tenant.generation} waits until the tenant is resumed")
    conditions.set(TENANT, SYNCED, missing or ok("Applied"))
    available = _available(rows, snapshot)
    conditions.set(TENANT, AVAILABLE, available)
    lacking = missing or (None if available.status is Status.TRUE else available)
    conditions.set(TENANT, READY, lacking or ok("Ready", available.message))
    return missing


def mark_reconciling(conditions: Conditions, reason: str, message: str) -> None:
    """Say that work goes on; then it is neither stalled nor ready."""
    conditions.set(TENANT, RECONCILING, ok(reason, message))
    conditions.set(TENANT, STALLED, bad("Progressing", ""))
    conditions.set(TENANT, READY, bad(reason, message))


def mark_stalled(conditions: Conditions, reason: str, message: str) -> None:
    """Say that what failed is not tried again before somebody applies."""
    conditions.set(TENANT, STALLED, ok(reason, message))
    conditions.set(TENANT, RECONCILING, bad("Stalled", ""))
    conditions.set(TENANT, READY, bad(reason, message))


def mark_done(conditions: Conditions) -> None:
    """Say that all is done that can be done here."""
    conditions.set(TENANT, RECONCILING, bad("Done", ""))
    conditions.set(TENANT, STALLED, bad("Done", ""))


def _missing(rows: Sequence[Row], snapshot: Snapshot) -> Verdict | None:
    for row in rows:
        known = snapshot.conditions.get(TENANT, row.condition)
        if row.required and known is not None and known.status is not Status.TRUE:
            return _verdict(known, f"{row.condition}: ", snapshot)
    return None


def _available(rows: Sequence[Row], snapshot: Snapshot) -> Verdict:
    """Mail flows when it does from one domain; the message names those from which it does not."""
    for row in rows:
        if not row.mail_flows:
            continue
        domains = [one for one in snapshot.parents if kind_of(one) is Kind.DOMAIN]
        held = [one for one in domains if not snapshot.conditions.is_true(one, row.condition)]
        if len(held) < len(domains):
            return ok("MailFlows", f"waiting: {', '.join(held)}" if held else "")
        known = snapshot.conditions.get(TENANT, row.condition)
        if known is not None and known.status is not Status.TRUE:
            return _verdict(known, f"{row.condition}: ", snapshot)
    return bad("NoDomain", "no domain may send")


def _verdict(known: Condition, prefix: str, snapshot: Snapshot) -> Verdict:
    waits = (TENANT, known.type) in snapshot.waiting
    return Verdict(known.status, known.reason, f"{prefix}{known.message}", waits)
