"""Which hosts show the certificate of a public authority, and which lack one."""

from __future__ import annotations

from controlplane.certificates.faults import RENEWAL_FAILING
from controlplane.conditions.model import Status, Verdict
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject

VERIFICATION = "verification"
"""The phase whose needs a host has that was configured with its certificate."""
CERTIFIED = "CertificatesReady"
"""Condition of phase `certificates`."""


def public_names(snapshot: Snapshot) -> set[str]:
    """Return the names whose hosts were configured with a public authority's certificate."""
    row = snapshot.rows[VERIFICATION]
    return {
        host.primary.helo
        for host in snapshot.blueprint.hosts
        if host.primary.helo in snapshot.certificates
        and snapshot.unmet(row, subject(Kind.HOST, host.name)) is None
    }


def without_certificate(snapshot: Snapshot) -> dict[str, Verdict]:
    """Return why people's mail clients do not accept a host with Mailu, by host and domain.

    A renewal that fails is no such reason while the old certificate is valid.
    """
    found: dict[str, Verdict] = {}
    for host in snapshot.blueprint.hosts:
        part = subject(Kind.HOST, host.name)
        known = snapshot.conditions.get(part, CERTIFIED)
        if (
            known is None
            or known.status is Status.TRUE
            or known.reason == RENEWAL_FAILING.reason
            or host.primary.helo in snapshot.certificates
            or not host.has_mailu
            or host.is_retired
        ):
            continue
        found[part] = Verdict(known.status, known.reason, f"{CERTIFIED} of {part}: {known.message}")
        for domain in snapshot.blueprint.domains:
            if domain.receives and domain.is_on(host):
                found[subject(Kind.DOMAIN, domain.name)] = found[part]
    return found
