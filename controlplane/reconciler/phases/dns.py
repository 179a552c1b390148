"""Phase `dns`: every record at its own and at a recursive name server, and reverse names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from blueprint.tenant import Dns as Provider
from controlplane.checks.kinds import CheckKind
from controlplane.conditions.failures import FailureThreshold
from controlplane.conditions.model import Verdict, aggregate, unknown
from controlplane.reconciler.checks import Checks, Given
from controlplane.reconciler.drift import note_records
from controlplane.reconciler.findings import Looked, held, look, verdict_of
from controlplane.reconciler.phase import Phase, Verdicts
from controlplane.reconciler.rest import ALWAYS
from controlplane.reconciler.session import AnyReading, Session
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

    def __init__(
        self, checks: Checks, threshold: FailureThreshold, drifted: Collection[str] = ()
    ) -> None:
        """`drifted` are the reasons for which a record is not as it was written."""
        self._drifted = drifted
        self._checks = checks
        self._threshold = threshold

    def readings(self, tenant_id: UUID) -> Sequence[AnyReading]:
        """Return the read of the last check."""
        return self._checks.readings(tenant_id)

    async def observe(self, snapshot: Snapshot, session: Session) -> Looked:
        """Look up every name, unless that was done lately and all was right."""
        given = Given(blueprint=snapshot.blueprint, cloud=snapshot.cloud)
        findings = await self._checks.findings(CheckKind.DNS, given, snapshot, session)
        await note_records(findings, self._drifted, _manual(snapshot), snapshot, session)
        return await look(findings, self.row, snapshot, session)

    def holds_until(self, observed: Looked, snapshot: Snapshot) -> datetime:
        """Return that time makes no difference: the database says whether a check is fresh."""
        del observed, snapshot
        return ALWAYS

    def verdicts(self, observed: Looked, snapshot: Snapshot) -> Verdicts:
        """Return whether the names of each address and domain are right; a host has the worst."""
        manual = _manual(snapshot)
        assigned = {
            subject(Kind.ADDRESS, address.name)
            for host in snapshot.cloud.hosts
            for address in host.addresses
            if address.ip
        }
        verdicts: dict[str, Verdict] = {}
        for part in snapshot.parents:
            if kind_of(part) is Kind.ADDRESS and part not in assigned:
                verdicts[part] = unknown("WaitingForProvider", "the address has no IP yet")
            elif kind_of(part) in (Kind.ADDRESS, Kind.DOMAIN):
                verdicts[part] = self._verdict(part, observed, snapshot, waits=part in manual)
        for host in snapshot.blueprint.hosts:
            own = [subject(Kind.ADDRESS, address.name) for address in host.addresses]
            counted = [part for part in own if part in assigned] or own
            worst = aggregate([(part, verdicts[part]) for part in counted], VERIFIED)
            verdicts[subject(Kind.HOST, host.name)] = worst
        return verdicts

    def _verdict(self, part: str, observed: Looked, snapshot: Snapshot, *, waits: bool) -> Verdict:
        own = observed.of(part)
        verdict = verdict_of(own, VERIFIED, waits=waits)
        if not snapshot.conditions.is_true(part, self.row.condition):
            return verdict
        return held(verdict, VERIFIED, own, observed.failures.get(part), self._threshold)


def _manual(snapshot: Snapshot) -> set[str]:
    """Return the domains whose records their owners write."""
    return {
        subject(Kind.DOMAIN, domain.name)
        for domain in snapshot.blueprint.domains
        if domain.dns is Provider.MANUAL
    }
