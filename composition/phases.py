"""The reconciler's table: each phase's row, and how it is constructed from adapters.

The API, the reference and the bench read the rows; only the part `reconciler` creates the phases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from blueprint.document import Firewall
from controlplane.checks.kinds import Intervals
from controlplane.conditions.failures import FailureThreshold
from controlplane.reconciler.checks import Checks, Outside
from controlplane.reconciler.issuance import Ports
from controlplane.reconciler.mail_ports import Mailboxes, RoundTrips, Spools
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.phases.activation import Activation
from controlplane.reconciler.phases.certificates import Certificates
from controlplane.reconciler.phases.cloud import Cloud
from controlplane.reconciler.phases.configuration import Configuration
from controlplane.reconciler.phases.dns import Dns
from controlplane.reconciler.phases.draining import Draining
from controlplane.reconciler.phases.identity import Identity
from controlplane.reconciler.phases.keys import Keys
from controlplane.reconciler.phases.links import Links
from controlplane.reconciler.phases.roundtrip import Roundtrip
from controlplane.reconciler.phases.verification import Verification
from controlplane.reconciler.ports import CloudEngine, Configurator, Servers
from controlplane.reconciler.rewriting import Rewriting
from controlplane.reconciler.table import Row
from controlplane.verification.faults import FAULTS, PTR_DIFFERENT, REWRITTEN
from kit.faults import Fault


@dataclass(frozen=True)
class Adapters:
    """What the phases control: engine, provider, verification, configuration."""

    engine: CloudEngine
    servers: Servers
    outside: Outside
    configurator: Configurator
    root_password: Callable[[int], str | None]
    """Asks the provider for the first password of a service."""
    messages_a_day: int
    """That a person may send from a mailbox of a host with Mailu."""
    firewall: Callable[[int, Firewall], Fault | None]
    """Asks the provider what its firewall does not let pass to a service."""
    spools: Spools
    mailboxes: Mailboxes
    round_trips: RoundTrips
    certificates: Ports
    """Public authorities, and where their challenges are answered."""
    cloud_deadline: timedelta
    """For one operation of the engine."""
    provisioning: timedelta
    """For the provider to create a server."""
    drain: timedelta
    """For how long addresses are kept for the mail that they have to send."""
    threshold: FailureThreshold
    """Before what was right is taken for wrong."""
    check_intervals: Intervals
    """After which the checker checks again what a pass relies on; none: each pass checks."""

    @property
    def checks(self) -> Checks:
        """Checks from outside."""
        return Checks(self.outside, self.check_intervals, FAULTS.get)


REWRITING = Rewriting(
    Dns.row.condition,
    records=frozenset(code.reason for code in REWRITTEN),
    pointers={PTR_DIFFERENT.reason},
)

TABLE: tuple[tuple[Row, Callable[[Adapters], AnyPhase]], ...] = (
    (Keys.row, lambda _: Keys()),
    (
        Cloud.row,
        lambda adapters: Cloud(
            adapters.engine,
            adapters.servers,
            firewall=adapters.firewall,
            deadline=adapters.cloud_deadline,
            provisioning=adapters.provisioning,
            rewriting=REWRITING,
        ),
    ),
    (
        Draining.row,
        lambda adapters: Draining(adapters.engine, adapters.spools, limit=adapters.drain),
    ),
    (Dns.row, lambda adapters: Dns(adapters.checks, adapters.threshold, REWRITING.reasons)),
    (Links.row, lambda adapters: Links(adapters.checks, adapters.threshold)),
    (Certificates.row, lambda adapters: Certificates(adapters.certificates)),
    (
        Configuration.row,
        lambda adapters: Configuration(
            adapters.configurator,
            root_password=adapters.root_password,
            messages_a_day=adapters.messages_a_day,
        ),
    ),
    (Identity.row, lambda adapters: Identity(adapters.mailboxes)),
    (Verification.row, lambda adapters: Verification(adapters.checks, adapters.threshold)),
    (Activation.row, lambda _: Activation()),
    (Roundtrip.row, lambda adapters: Roundtrip(adapters.round_trips, adapters.threshold)),
)
ROWS = tuple(row for row, _ in TABLE)


def make_phases(adapters: Adapters) -> list[AnyPhase]:
    """Return every phase of the table."""
    return [make(adapters) for _, make in TABLE]
