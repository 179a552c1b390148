"""Phase `activation`: what the sender's directory says that a tenant may use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from blueprint.document import Domain
from controlplane.conditions.model import TENANT, Status, Verdict, bad, ok
from controlplane.reconciler import purposes
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import Progress
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, kind_of, subject
from controlplane.reconciler.table import Row
from controlplane.tenants import repository
from sender.directory import (
    DirectoryEntry,
    SendingAddress,
    SendingDomain,
    SendingMailbox,
    publish,
    withdraw,
)


class Activation(Phase[date]):
    """Publishes the tenant's entry; an equal one changes nothing."""

    row = Row(
        name="activation",
        condition="SendingEnabled",
        about="the sender may send from the domain",
        subjects=frozenset({Kind.DOMAIN, Kind.MAILBOX}),
        needs=("keys", "dns", "verification"),
        mail_flows=True,
    )

    async def observe(self, snapshot: Snapshot, session: Session) -> date:
        """Return the first day of the warm-up: today where it has not begun."""
        return snapshot.tenant.sending_since or session.clock().date()

    def verdicts(self, seen: date, snapshot: Snapshot) -> Verdicts:
        """Say of each domain, and of the mailboxes in it, whether mail may leave from it."""
        del seen
        usable = any(address.ready for address in self._addresses(snapshot))
        domains = {
            domain.name: self._may_send(snapshot, domain, usable)
            for domain in snapshot.blueprint.domains
        }
        verdicts = {subject(Kind.DOMAIN, name): verdict for name, verdict in domains.items()}
        for box in snapshot.blueprint.mailboxes:
            verdicts[subject(Kind.MAILBOX, box.address)] = domains[box.domain]
        return verdicts

    def steps(self, seen: date, snapshot: Snapshot) -> Sequence[Step]:
        """Publish at every pass: the sender keeps what is equal."""
        del seen, snapshot
        return [Step(upkeep=True)]

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Make sure that the sender knows what is verified, and only that."""
        del step, progress
        started = await self.observe(snapshot, session)
        entry = self._entry(snapshot, started)
        async with session.begin() as connection:
            await publish(connection, tenant_id=snapshot.tenant.id, entry=entry)
            verified = any(domain.verified for domain in entry.domains)
            if verified and snapshot.tenant.sending_since is None:
                await repository.set_sending_since(connection, snapshot.tenant.id, started)

    async def remove(self, snapshot: Snapshot, session: Session) -> None:
        """Stop sending before anything else is given back."""
        stopped = bad("Deleting", "the tenant is being deleted")
        for one in snapshot.parents:
            if one == TENANT or kind_of(one) in self.row.subjects:
                snapshot.conditions.set(one, self.row.condition, stopped)
        async with session.begin() as connection:
            await withdraw(connection, tenant_id=snapshot.tenant.id)

    def _entry(self, snapshot: Snapshot, started: date) -> DirectoryEntry:
        blueprint, secrets = snapshot.blueprint, snapshot.secrets
        verdicts = self.verdicts(started, snapshot)
        return DirectoryEntry(
            tenant=snapshot.tenant.name,
            addresses=self._addresses(snapshot),
            domains=tuple(
                SendingDomain(
                    name=domain.name,
                    return_path=domain.return_path,
                    selector=secrets.public(purposes.dkim(domain.name))["selector"],
                    sealed_dkim_key=secrets.sealed(purposes.dkim(domain.name)),
                    verified=verdicts[subject(Kind.DOMAIN, domain.name)].status is Status.TRUE,
                )
                for domain in blueprint.domains
            ),
            mailboxes=tuple(
                SendingMailbox(address=box.address, daily_cap=box.daily_cap)
                for box in blueprint.mailboxes
            ),
            warmup=blueprint.sending.warmup,
            warmup_started=started,
        )

    def _addresses(self, snapshot: Snapshot) -> tuple[SendingAddress, ...]:
        secrets = snapshot.secrets
        ca = secrets.public(purposes.CA)["certificate"]
        numbers = {a.name: a.ip for host in snapshot.cloud.hosts for a in host.addresses}
        return tuple(
            SendingAddress(
                name=address.name,
                ip=ip,
                helo=address.helo,
                username=secrets.public(purposes.submission(address.name))["username"],
                sealed_password=secrets.sealed(purposes.submission(address.name)),
                ca_pem=ca,
                ready=snapshot.unmet(self.row, subject(Kind.ADDRESS, address.name)) is None,
            )
            for host in snapshot.blueprint.hosts
            for address in host.addresses
            if address.sends_bulk and (ip := numbers.get(address.name))
        )

    def _may_send(self, snapshot: Snapshot, domain: Domain, usable: bool) -> Verdict:
        unmet = snapshot.unmet(self.row, subject(Kind.DOMAIN, domain.name))
        if unmet is not None:
            return bad("DomainNotVerified", unmet.message, waits=unmet.waits)
        if not usable:
            return bad("NoVerifiedAddress", "no address of the tenant is verified")
        return ok("Published")
