"""Phase `verification`: each host's mail ports from outside, and its way out by port 25."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from blueprint.document import Domain, Host
from controlplane.checks.kinds import CheckKind
from controlplane.conditions.failures import FailureThreshold
from controlplane.conditions.model import Status, Verdict, aggregate, unknown
from controlplane.hosts import identities
from controlplane.operations import repository as operation_rows
from controlplane.reconciler.checks import Checks, Given
from controlplane.reconciler.findings import Looked, held, look, verdict_of
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import (
    BANNER,
    CERTIFICATE,
    INBOUND,
    Finding,
    Progress,
)
from controlplane.reconciler.public_names import public_names
from controlplane.reconciler.purposes import CA
from controlplane.reconciler.rest import ALWAYS
from controlplane.reconciler.session import AnyReading, Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject
from controlplane.reconciler.table import Row

VERIFIED = "Verified"
NAMES = "DnsReady"
"""Condition of phase `dns`."""
CHANGING = ("cloud", "configuration")
"""Phases whose operations change hosts."""
PASSING = frozenset({CERTIFICATE, INBOUND})
"""Checks whose wrong answers turn off what was right only when they persist."""


class Verification(Phase[Looked]):
    """Checks every host that was ever configured; a failed one is configured again."""

    row = Row(
        name="verification",
        condition="Verified",
        about="hosts greet by name, speak TLS, do not relay, and accept mail for every From "
        "address, as seen from outside; mail leaves from each address",
        subjects=frozenset({Kind.HOST, Kind.ADDRESS, Kind.DOMAIN}),
        needs=("keys", "cloud", "configuration"),
    )

    def __init__(self, checks: Checks, threshold: FailureThreshold) -> None:
        """`threshold` is that of what keeps no mail from leaving, such as a certificate."""
        self._checks = checks
        self._threshold = threshold

    def readings(self, tenant_id: UUID) -> Sequence[AnyReading]:
        """Return the reads of the last check, and of when hosts were changed last."""
        return [*self._checks.readings(tenant_id), *_changes(tenant_id)]

    async def observe(self, snapshot: Snapshot, session: Session) -> Looked:
        """Connect to every address that has an IP."""
        changed_at, run_at = [
            await session.fetch(reading) for reading in _changes(snapshot.tenant.id)
        ]
        given = Given(
            blueprint=snapshot.blueprint,
            cloud=snapshot.cloud,
            authority=snapshot.secrets.public(CA)["certificate"],
            known_hosts={
                name: host.host_key
                for name, host in snapshot.hosts.items()
                if host.host_key is not None
            },
            public_names=tuple(sorted(public_names(snapshot))),
            changed_at=changed_at,
            settled_at=max((at for at in (changed_at, run_at) if at is not None), default=None),
        )
        findings = await self._checks.findings(CheckKind.HOSTS, given, snapshot, session)
        people = {_primary(host) for host in snapshot.blueprint.hosts if host.has_mailu}
        passing = [each for each in findings if _may_pass(each, each.subject in people)]
        looked = await look(passing, self.row, snapshot, session)
        return replace(looked, findings=findings)

    def holds_until(self, observed: Looked, snapshot: Snapshot) -> datetime:
        """Return that time makes no difference: the database says whether a check is fresh."""
        del observed, snapshot
        return ALWAYS

    def verdicts(self, observed: Looked, snapshot: Snapshot) -> Verdicts:
        """Return a verdict for each address and domain; a host has the worst of its addresses."""
        verdicts: dict[str, Verdict] = {}
        for host in snapshot.blueprint.hosts:
            own = {
                address: self._verdict(address, host, observed, snapshot)
                for address in _addresses(host)
            }
            assigned = [part for part in own.items() if snapshot.unmet(self.row, part[0]) is None]
            verdicts |= own
            verdicts[subject(Kind.HOST, host.name)] = aggregate(
                assigned or list(own.items()), VERIFIED
            )
        for domain in snapshot.blueprint.domains:
            receiving = _mail_host(domain, snapshot)
            if receiving is not None:
                name = subject(Kind.DOMAIN, domain.name)
                verdict = self._verdict(name, receiving, observed, snapshot)
                verdicts[name] = _with_names(name, verdict, snapshot)
        return verdicts

    def _verdict(self, part: str, host: Host, observed: Looked, snapshot: Snapshot) -> Verdict:
        """Return what was seen of an address or domain; nothing unanswered turns it off."""
        if not _was_configured(host, snapshot):
            return unknown("NotConfigured", "the host is not configured yet")
        own = observed.of(part)
        verdict = verdict_of(own, VERIFIED) if own else unknown("NotSeen", "it was not asked for")
        if not snapshot.conditions.is_true(part, self.row.condition):
            return verdict
        of_mailu = host.has_mailu and part == _primary(host)
        others = [finding for finding in own if not _may_pass(finding, of_mailu)]
        if len(others) == len(own) or any(finding.ok is False for finding in others):
            return held(verdict, VERIFIED, own, None, self._threshold)
        return held(verdict, VERIFIED, own, observed.failures.get(part), self._threshold)

    def steps(self, observed: Looked, snapshot: Snapshot) -> Sequence[Step]:
        """Return hosts to configure again: outdated ones, or a verified address now fails."""
        wrong = {
            finding.subject
            for finding in observed.findings
            if finding.ok is False
            and snapshot.conditions.is_true(finding.subject, self.row.condition)
        }
        wrong |= {finding.subject for finding in observed.findings if finding.outdated}
        broken = [
            host
            for host in snapshot.blueprint.hosts
            if wrong.intersection((*_addresses(host), *_domains(host, snapshot)))
        ]
        return [Step(subject(Kind.HOST, host.name)) for host in broken]

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Forget what was applied to a host, so that the next pass applies it again.

        It looks at the host's mailboxes, too: a Mailu that lost its database knows none.
        """
        del progress
        name = step.subject.partition("/")[2]
        async with session.begin() as connection:
            await identities.make_due(connection, snapshot.tenant.id, name)
        row = snapshot.hosts.get(name)
        if row is not None:
            await session.save_host(replace(row, applied_digest=None), snapshot.hosts)


def _changes(tenant_id: UUID) -> list[AnyReading]:
    return [operation_rows.last_end(tenant_id, phase) for phase in CHANGING]


def _may_pass(finding: Finding, of_mailu: bool) -> bool:
    """Return whether a wrong answer counts only when it persists.

    No trouble of Mailu, such as a restart, withdraws what its address sends; an open relay does.
    """
    return finding.check in PASSING or (of_mailu and finding.check == BANNER)


def _primary(host: Host) -> str:
    return subject(Kind.ADDRESS, host.primary.name)


def _addresses(host: Host) -> list[str]:
    return [subject(Kind.ADDRESS, address.name) for address in host.addresses]


def _domains(host: Host, snapshot: Snapshot) -> list[str]:
    return [
        subject(Kind.DOMAIN, domain.name)
        for domain in snapshot.blueprint.domains
        if domain.is_on(host)
    ]


def _with_names(part: str, verdict: Verdict, snapshot: Snapshot) -> Verdict:
    """Return the verdict on a domain; while its owner has to write its records, it waits here, too.

    Mailu takes mail for a domain only when it has found its names.
    """
    waits = (part, NAMES) in snapshot.waiting and verdict.status is Status.UNKNOWN
    return replace(verdict, waits=True) if waits else verdict


def _mail_host(domain: Domain, snapshot: Snapshot) -> Host | None:
    """Return the host that accepts mail of a domain."""
    return next(filter(domain.is_on, snapshot.blueprint.hosts), None)


def _was_configured(host: Host, snapshot: Snapshot) -> bool:
    row = snapshot.hosts.get(host.name)
    return row is not None and row.host_key is not None
