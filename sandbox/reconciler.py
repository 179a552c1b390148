"""The part `reconciler` of a lab without hosts.

A tenant reaches `DnsReady`; all later conditions stay Unknown, with the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from composition.heartbeat import Progress
from composition.parts.reconciler import account, engine, environment, provisioning, reconcile
from composition.parts.settings import Part, ReconcilerPart
from composition.phases import REWRITING, ROWS
from composition.process import start
from controlplane.ansible.spools import HostSpools
from controlplane.conditions.failures import FailureThreshold
from controlplane.conditions.model import TENANT, unknown
from controlplane.hostwinds.firewall_look import FirewallLook
from controlplane.reconciler.checks import Checks, Outside
from controlplane.reconciler.phase import AnyPhase, Phase, Verdicts
from controlplane.reconciler.phases.cloud import Cloud
from controlplane.reconciler.phases.dns import Dns
from controlplane.reconciler.phases.draining import Draining
from controlplane.reconciler.phases.keys import Keys
from controlplane.reconciler.ports import Servers
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import kind_of
from controlplane.reconciler.table import Row
from controlplane.verification.faults import FAULTS
from controlplane.verification.links import PublicLinks
from kit.paths import state_dir
from lab.running import running
from sandbox.recorded_verifier import RecordedVerifier

HOSTS_UNAVAILABLE = "HostsUnavailable"


class WithoutHosts(Phase[None]):
    """Replaces a phase that needs a host."""

    def __init__(self, row: Row, message: str) -> None:
        self.row = row
        self._verdict = unknown(HOSTS_UNAVAILABLE, message, waits=True)

    async def observe(self, snapshot: Snapshot, session: Session) -> None:
        """Observe nothing."""

    def verdicts(self, observed: None, snapshot: Snapshot) -> Verdicts:
        """Return Unknown, with the reason, for every subject."""
        del observed
        subjects = [name for name in snapshot.parents if kind_of(name) in self.row.subjects]
        return dict.fromkeys([TENANT, *subjects], self._verdict)


def phases(settings: ReconcilerPart, servers: Servers, *, lacks: str) -> Sequence[AnyPhase]:
    """Return the phases up to `dns`, and a stand-in for each of the others."""
    cloud_engine, outside = engine(settings), Outside(RecordedVerifier(), PublicLinks())
    real: list[AnyPhase] = [
        Keys(),
        Cloud(
            cloud_engine,
            servers,
            firewall=FirewallLook(environment(settings)),
            deadline=settings.reconciler.cloud_deadline,
            provisioning=provisioning(settings),
            rewriting=REWRITING,
        ),
        Draining(cloud_engine, HostSpools(), limit=settings.reconciler.drain),
        Dns(Checks(outside, {}, FAULTS.get), FailureThreshold(), REWRITING.reasons),
    ]
    names = {phase.row.name for phase in real}
    message = f"real hosts cannot run on this machine: {lacks}"
    return [*real, *(WithoutHosts(row, message) for row in ROWS if row.name not in names)]


async def work(settings: ReconcilerPart, progress: Progress, stop: asyncio.Event) -> None:
    """Reconcile with the emulated providers, up to DNS."""
    lab = running(state_dir() / "lab")
    lacks = (lab.missing if lab else None) or "no lab is running"
    servers = account(settings)
    await reconcile(settings, phases(settings, servers, lacks=lacks), servers, progress, stop)


def main() -> None:
    """Run the part."""
    start(Part.RECONCILER, ReconcilerPart, work)
