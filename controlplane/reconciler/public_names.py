"""The names of hosts that show the certificate of a public authority."""

from __future__ import annotations

from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject

VERIFICATION = "verification"
"""The phase whose needs a host has that was configured with its certificate."""


def public_names(snapshot: Snapshot) -> set[str]:
    """Return the names whose hosts were configured with a public authority's certificate."""
    row = snapshot.rows[VERIFICATION]
    return {
        host.primary.helo
        for host in snapshot.blueprint.hosts
        if host.primary.helo in snapshot.certificates
        and snapshot.unmet(row, subject(Kind.HOST, host.name)) is None
    }
