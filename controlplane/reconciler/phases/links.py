"""Phase `links`: whether links in mail may lead to a name of their From domain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from blueprint.document import Domain
from blueprint.tenant import Dns
from controlplane.checks.kinds import CheckKind
from controlplane.conditions.failures import FailureThreshold
from controlplane.conditions.model import Status, Verdict, ok
from controlplane.reconciler.checks import Checks, Given
from controlplane.reconciler.findings import Looked, held, look, verdict_of
from controlplane.reconciler.phase import Phase, Verdicts
from controlplane.reconciler.rest import ALWAYS
from controlplane.reconciler.session import AnyReading, Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject
from controlplane.reconciler.table import Row

PROVEN = "Proven"


class Links(Phase[Looked]):
    """Only observes: `cloud` writes the names, `certificates` orders what they show.

    Nothing waits for it. What was proven stays so through passing trouble; after that, and until
    then, links lead to the platform's host.
    """

    row = Row(
        name="links",
        condition="LinksReady",
        about="links to unsubscribe lead to a name of the domain, as seen from outside, if the "
        "platform has a public address; until then to the platform's host",
        subjects=frozenset({Kind.DOMAIN}),
        required=False,
        awaited=False,
    )

    def __init__(self, checks: Checks, threshold: FailureThreshold) -> None:
        self._checks = checks
        self._threshold = threshold

    def readings(self, tenant_id: UUID) -> Sequence[AnyReading]:
        """Return the read of the last check."""
        return self._checks.readings(tenant_id)

    async def observe(self, snapshot: Snapshot, session: Session) -> Looked:
        """Look at every name; later phases find in the snapshot what it is good for."""
        given = Given(blueprint=snapshot.blueprint, cloud=snapshot.cloud)
        findings = await self._checks.findings(CheckKind.LINKS, given, snapshot, session)
        looked = await look(findings, self.row, snapshot, session)
        hosts = {
            domain.unsubscribe_host: domain
            for domain in snapshot.blueprint.domains
            if domain.unsubscribe_host is not None
        }
        snapshot.unsubscribe_hosts = frozenset(
            host
            for host, domain in hosts.items()
            if self._verdict(domain, looked, snapshot).status is Status.TRUE
        )
        snapshot.leading_names = frozenset(
            host
            for host, domain in hosts.items()
            if any(f.ok and f.check == "links.name" for f in looked.of(_subject(domain)))
        )
        return looked

    def holds_until(self, observed: Looked, snapshot: Snapshot) -> datetime:
        """Return that time makes no difference: the database says whether a check is fresh."""
        del observed, snapshot
        return ALWAYS

    def verdicts(self, observed: Looked, snapshot: Snapshot) -> Verdicts:
        """Return for each domain whether its name is proven, or none is wanted."""
        return {
            _subject(domain): self._verdict(domain, observed, snapshot)
            for domain in snapshot.blueprint.domains
        }

    def _verdict(self, domain: Domain, observed: Looked, snapshot: Snapshot) -> Verdict:
        if domain.unsubscribe_host is None:
            return ok("PlatformHost", "the platform has no public address")
        part = _subject(domain)
        own = observed.of(part)
        verdict = verdict_of(own, PROVEN, waits=domain.dns is Dns.MANUAL)
        before = snapshot.conditions.get(part, self.row.condition)
        if before is None or (before.status, before.reason) != (Status.TRUE, PROVEN):
            return verdict
        return held(verdict, PROVEN, own, observed.failures.get(part), self._threshold)


def _subject(domain: Domain) -> str:
    return subject(Kind.DOMAIN, domain.name)
