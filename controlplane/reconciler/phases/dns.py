"""Phase `dns`: every record at its own and at a recursive name server, and reverse names."""

from __future__ import annotations

from blueprint.tenant import Dns as Provider
from controlplane.conditions.failures import FailureThreshold
from controlplane.conditions.model import TENANT, Verdict, unknown
from controlplane.reconciler.findings import Looked, held, look, verdict_of
from controlplane.reconciler.phase import Phase, Verdicts
from controlplane.reconciler.ports import Verifier
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, kind_of, subject
from controlplane.reconciler.table import Row

VERIFIED = "DnsVerified"


class Dns(Phase[Looked]):
    """Only observes: records are written by phase `cloud`, or by the owner of the zone.

    What was verified stays so through trouble of name servers and passing mistakes.
    """

    row = Row(
        name="dns",
        condition="DnsReady",
        about="name servers return every record, and the reverse name of each address matches",
        subjects=frozenset({Kind.HOST, Kind.ADDRESS, Kind.DOMAIN}),
        needs=("cloud",),
    )

    def __init__(self, verifier: Verifier, threshold: FailureThreshold) -> None:
        self._verifier = verifier
        self._threshold = threshold

    async def observe(self, snapshot: Snapshot, session: Session) -> Looked:
        """Look up every name."""
        findings = await self._verifier.verify_dns(snapshot.blueprint, snapshot.cloud)
        return await look(findings, self.row, snapshot, session)

    def verdicts(self, observed: Looked, snapshot: Snapshot) -> Verdicts:
        """Return for each host, address and domain whether its names are right."""
        manual = {
            subject(Kind.DOMAIN, domain.name)
            for domain in snapshot.blueprint.domains
            if domain.dns is Provider.MANUAL
        }
        assigned = {a.name for host in snapshot.cloud.hosts for a in host.addresses if a.ip}
        verdicts: dict[str, Verdict] = {}
        for part in snapshot.parents:
            kind, _, name = part.partition("/")
            if part == TENANT or kind_of(part) not in self.row.subjects:
                continue
            if kind == Kind.ADDRESS and name not in assigned:
                verdicts[part] = unknown("WaitingForProvider", "the address has no IP yet")
                continue
            own = observed.of(part)
            verdict = verdict_of(own, VERIFIED, waits=part in manual)
            if snapshot.conditions.is_true(part, self.row.condition):
                failures = observed.failures.get(part)
                verdict = held(verdict, VERIFIED, own, failures, self._threshold)
            verdicts[part] = verdict
        return verdicts
