"""Phase `certificates`: of a public authority, for port 25 of hosts and for names of links."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from controlplane.certificates import repository
from controlplane.certificates.faults import EXPIRED, FAULTS, NO_AUTHORITY, RATE_LIMITED
from controlplane.certificates.repository import CertificateRow, Challenge
from controlplane.conditions.model import Verdict, ask_of, bad, failed, ok, unknown
from controlplane.reconciler.issuance import Issuance, Ports
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import Progress
from controlplane.reconciler.rest import ALWAYS
from controlplane.reconciler.session import AnyReading, Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject
from controlplane.reconciler.table import Row
from kit.faults import Fault

ASKS = {code.reason: ask_of(code.acts, code.remedy) for code in FAULTS}
"""What has to be done, by the reason of a row."""


@dataclass(frozen=True)
class Observed:
    """The rows of the tenant's names, and the time of the look."""

    rows: Mapping[str, CertificateRow]
    now: datetime


Wanted = Mapping[str, tuple[str, Challenge]]
"""Names that are to have a certificate, and how they are proven, by subject."""


def of_hosts(snapshot: Snapshot) -> Wanted:
    """Return the names of hosts, which are in zones that we write."""
    return {
        subject(Kind.HOST, host.name): (host.primary.helo, Challenge.DNS)
        for host in snapshot.blueprint.hosts
        if not host.is_retired
    }


def of_hosts_and_links(snapshot: Snapshot) -> Wanted:
    """Return the names of hosts, and those for links, which lead to the public endpoints."""
    links = {
        subject(Kind.DOMAIN, domain.name): (domain.unsubscribe_host, Challenge.HTTP)
        for domain in snapshot.blueprint.domains
        if domain.unsubscribe_host is not None
    }
    return {**of_hosts(snapshot), **links}


class Certificates(Phase[Observed]):
    """Orders and renews; a host without one shows that of the tenant's own authority.

    So a certificate that fails keeps no host from being configured, and no mail from leaving. A
    host with Mailu is not Ready without one, since people's mail clients do not accept it.
    """

    row = Row(
        name="certificates",
        condition="CertificatesReady",
        about="hosts have a certificate of a public authority for their name at port 25, and "
        "domains for the name of their links, and it is renewed in time; without one hosts show "
        "that of the tenant's own authority, and links have the platform's host; a host with Mailu "
        "is not Ready without one",
        subjects=frozenset({Kind.HOST, Kind.DOMAIN}),
        needs=("cloud",),
        required=False,
    )

    def __init__(
        self, ports: Ports, wanted: Callable[[Snapshot], Wanted] = of_hosts_and_links
    ) -> None:
        self._ports = ports
        self._wanted = wanted

    def readings(self, tenant_id: UUID) -> Sequence[AnyReading]:
        """Return the read of the tenant's rows."""
        return [repository.reading(tenant_id)]

    async def observe(self, snapshot: Snapshot, session: Session) -> Observed:
        """Read what was issued; later phases find it in the snapshot."""
        now = session.clock()
        rows = await session.fetch(repository.reading(snapshot.tenant.id))
        snapshot.certificates = repository.valid(rows.values(), now=now)
        return Observed(rows, now)

    def verdicts(self, observed: Observed, snapshot: Snapshot) -> Verdicts:
        """Return whether the certificate of each subject is valid, and renewed in time."""
        verdicts: dict[str, Verdict] = {}
        people = {
            subject(Kind.HOST, each.name) for each in snapshot.blueprint.hosts if each.has_mailu
        }
        for part, (name, _) in self._wanted(snapshot).items():
            row = observed.rows.get(name)
            if row is None and name in _elsewhere(snapshot):
                message = f"none is ordered: {name} does not lead to the public address"
                verdicts[part] = ok("NameElsewhere", message)
            else:
                verdicts[part] = self._verdict(name, row, observed.now, part in people)
        for domain in snapshot.blueprint.domains:
            none = ok("PlatformHost", "links have the platform's host")
            verdicts.setdefault(subject(Kind.DOMAIN, domain.name), none)
        return verdicts

    def _verdict(
        self, name: str, row: CertificateRow | None, now: datetime, has_mailu: bool
    ) -> Verdict:
        if row is not None and row.not_after is not None and row.not_after <= now:
            reason = row.trouble or "it was not renewed"
            return failed(EXPIRED(name=row.name, reason=reason))
        if row is not None and row.reason:
            waits = row.reason == RATE_LIMITED.reason
            return bad(row.reason, row.trouble, waits=waits, ask=ASKS.get(row.reason))
        if row is not None and row.not_after is not None:
            return ok("Issued", f"valid until {row.not_after:%Y-%m-%d %H:%M} UTC")
        if not self._ports.authority.directories:
            none = ok("OwnAuthority", "no public authority is set")
            return failed(NO_AUTHORITY(name=name)) if has_mailu else none
        return unknown("Waiting", "no certificate is issued yet")

    def steps(self, observed: Observed, snapshot: Snapshot) -> Sequence[Step]:
        """Return what is to be ordered, renewed or continued now, and what is left to remove."""
        wanted = self._wanted(snapshot)
        steps = [
            Step(part, operation="certify", maintenance=row is not None and row.chain is not None)
            for part, (name, _) in wanted.items()
            if self._is_due(row := observed.rows.get(name), name, observed.now, snapshot)
            or _is_left_behind(row)
        ]
        if observed.rows.keys() - _kept(wanted, snapshot):
            steps.append(Step(operation="withdraw"))
        return steps

    def _is_due(
        self, row: CertificateRow | None, name: str, now: datetime, snapshot: Snapshot
    ) -> bool:
        """Return whether an order is to be made or continued; one that must fail is not made."""
        if not self._ports.authority.directories:
            return False
        if name in _elsewhere(snapshot) and (row is None or row.order_url is None):
            return False
        if row is None:
            return True
        if row.next_attempt_at is not None and row.next_attempt_at > now:
            return False
        return row.order_url is not None or row.renew_at is None or row.renew_at <= now

    def holds_until(self, observed: Observed, snapshot: Snapshot) -> datetime:
        """Return when the next order, renewal or end of a certificate is."""
        del snapshot
        times = (
            at
            for row in observed.rows.values()
            for at in (row.next_attempt_at, row.renew_at, row.not_after)
            if at is not None and at > observed.now
        )
        return min(times, default=ALWAYS)

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Order, renew or continue; without a subject, forget names that are not wanted."""
        tenant, wanted = snapshot.tenant, self._wanted(snapshot)
        if step.subject not in wanted:
            await self._forget(_kept(wanted, snapshot), snapshot, session)
            return
        name, challenge = wanted[step.subject]
        async with session.begin() as connection:
            await repository.wanted(connection, name, tenant.id, challenge)
            row = (await repository.load(connection, tenant.id))[name]
        failure = None
        if self._is_due(row, name, session.clock(), snapshot):
            try:
                await self._issuance(row, snapshot, session).run(progress)
            except Fault as fault:
                failure = fault
        await self._sweep(name, snapshot, session, progress)
        if failure is not None:
            raise failure

    async def remove(self, snapshot: Snapshot, session: Session) -> None:
        """Remove the answers and the names of a tenant that is deleted."""
        await self._forget((), snapshot, session)

    async def _sweep(
        self, name: str, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Remove the answers of an order that is over; a later pass does where this one fails."""
        async with session.read() as connection:
            row = (await repository.load(connection, snapshot.tenant.id)).get(name)
        if row is None or not _is_left_behind(row):
            return
        try:
            await self._issuance(row, snapshot, session).withdraw()
        except Fault as fault:
            progress(f"{name}: the answer to {row.challenge} is removed later: {fault.message}")

    async def _forget(self, wanted: Container[str], snapshot: Snapshot, session: Session) -> None:
        async with session.read() as connection:
            rows = await repository.load(connection, snapshot.tenant.id)
        for name, row in rows.items():
            if name in wanted:
                continue
            if row.answering:
                await self._issuance(row, snapshot, session).withdraw()
            async with session.begin() as connection:
                await repository.forget(connection, name)

    def _issuance(self, row: CertificateRow, snapshot: Snapshot, session: Session) -> Issuance:
        return Issuance(self._ports, snapshot.secrets.vault, session, snapshot.tenant.name, row)


def _elsewhere(snapshot: Snapshot) -> set[str | None]:
    """Return the names for links that do not lead here: an authority could not verify them."""
    hosts = {domain.unsubscribe_host for domain in snapshot.blueprint.domains}
    return hosts - snapshot.leading_names


def _kept(wanted: Wanted, snapshot: Snapshot) -> set[str]:
    """Return the names whose certificates stay: also those of links to domains that drain."""
    draining = (domain.unsubscribe_host for domain in snapshot.blueprint.draining_domains)
    names = {name for name, _ in wanted.values()}
    return names.union(name for name in draining if name is not None)


def _is_left_behind(row: CertificateRow | None) -> bool:
    """Return whether answers may be published of which no order has a use any more."""
    return row is not None and row.answering and row.order_url is None
