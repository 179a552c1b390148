"""Phase `verification`: banner, TLS and a relay attempt at each host, from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blueprint.document import Host
from controlplane.conditions.model import Verdict, aggregate, unknown
from controlplane.reconciler.findings import verdict_of
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import Finding, Progress, Verifier
from controlplane.reconciler.purposes import CA
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject
from controlplane.reconciler.table import Row

Findings = Sequence[Finding]


class Verification(Phase[Findings]):
    """Checks every host that was ever configured; a failed one is configured again."""

    row = Row(
        name="verification",
        condition="Verified",
        about="hosts greet by name, speak TLS and do not relay, as seen from outside",
        subjects=frozenset({Kind.HOST, Kind.ADDRESS}),
        needs=("keys", "cloud", "configuration"),
    )

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def observe(self, snapshot: Snapshot, session: Session) -> Findings:
        """Connect to every address that has an IP."""
        del session
        authority = snapshot.secrets.public(CA)["certificate"]
        return await self._verifier.verify_hosts(
            snapshot.blueprint, snapshot.cloud, authority=authority
        )

    def verdicts(self, observed: Findings, snapshot: Snapshot) -> Verdicts:
        """Return a verdict for each address; a host has the worst of its addresses."""
        verdicts: dict[str, Verdict] = {}
        for host in snapshot.blueprint.hosts:
            own = {address: _verdict(address, observed) for address in _addresses(host)}
            if not _was_configured(host, snapshot):
                own = {
                    address: unknown("NotConfigured", "the host is not configured yet")
                    for address in own
                }
            assigned = [part for part in own.items() if snapshot.unmet(self.row, part[0]) is None]
            verdicts |= own
            verdicts[subject(Kind.HOST, host.name)] = aggregate(
                assigned or list(own.items()), "Verified"
            )
        return verdicts

    def steps(self, observed: Findings, snapshot: Snapshot) -> Sequence[Step]:
        """Return hosts to configure again: a verified address of theirs now fails."""
        wrong = {finding.subject for finding in observed if finding.ok is False}
        broken = [
            host
            for host in snapshot.blueprint.hosts
            if any(
                address in wrong and snapshot.conditions.is_true(address, self.row.condition)
                for address in _addresses(host)
            )
        ]
        return [Step(subject(Kind.HOST, host.name)) for host in broken]

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Forget what was applied to a host, so that the next pass applies it again."""
        del progress
        row = snapshot.hosts.get(step.subject.partition("/")[2])
        if row is not None:
            await session.save_host(replace(row, applied_digest=None), snapshot.hosts)


def _addresses(host: Host) -> list[str]:
    return [subject(Kind.ADDRESS, address.name) for address in host.addresses]


def _verdict(address: str, observed: Findings) -> Verdict:
    return verdict_of((finding for finding in observed if finding.subject == address), "Verified")


def _was_configured(host: Host, snapshot: Snapshot) -> bool:
    row = snapshot.hosts.get(host.name)
    return row is not None and row.host_key is not None
