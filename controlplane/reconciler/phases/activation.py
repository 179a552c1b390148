"""Phase `activation`: publishes in the sender's directory what a tenant may send from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from blueprint.document import Domain
from blueprint.tenant import SendingHours
from controlplane.conditions.model import TENANT, Status, Verdict, bad, ok
from controlplane.reconciler import purposes
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import Progress
from controlplane.reconciler.rest import ALWAYS
from controlplane.reconciler.session import AnyReading, Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, kind_of, subject
from controlplane.reconciler.table import Row
from controlplane.tenants import repository
from sender.directory import (
    DirectoryEntry,
    SendingAddress,
    SendingDomain,
    SendingMailbox,
    entry_of,
    publish,
    withdraw,
)


@dataclass(frozen=True)
class Published:
    """The tenant's entry in the sender's directory."""

    entry: DirectoryEntry | None
    started: date
    """First day of the warm-up: today before it begins."""
    today: date


class Activation(Phase[Published]):
    """Publishes the tenant's entry."""

    row = Row(
        name="activation",
        condition="SendingEnabled",
        about="the sender may send from the domain",
        subjects=frozenset({Kind.DOMAIN, Kind.MAILBOX}),
        needs=("keys", "dns", "verification"),
        mail_flows=True,
    )

    def readings(self, tenant_id: UUID) -> Sequence[AnyReading]:
        """Return the read of the entry."""
        return [entry_of(tenant_id)]

    async def observe(self, snapshot: Snapshot, session: Session) -> Published:
        """Read the entry as the sender does."""
        entry = await session.fetch(entry_of(snapshot.tenant.id))
        today = session.clock().date()
        return Published(entry, snapshot.tenant.sending_since or today, today)

    def verdicts(self, observed: Published, snapshot: Snapshot) -> Verdicts:
        """Return for each domain and mailbox whether mail may be sent from it."""
        entry = observed.entry
        sending = {domain.name for domain in entry.domains if domain.verified} if entry else set()
        usable = _is_any_usable(self._addresses(observed, snapshot))
        domains: dict[str, Verdict] = {}
        for domain in snapshot.blueprint.domains:
            verdict = self._may_send(snapshot, domain, usable)
            if verdict.status is Status.TRUE and domain.name not in sending:
                verdict = bad("NotPublished", "the sender's directory does not list it yet")
            domains[domain.name] = verdict
        verdicts = {subject(Kind.DOMAIN, name): verdict for name, verdict in domains.items()}
        for box in snapshot.blueprint.mailboxes:
            verdicts[subject(Kind.MAILBOX, box.address)] = domains[box.domain]
        return verdicts

    def steps(self, observed: Published, snapshot: Snapshot) -> Sequence[Step]:
        """Publish what is verified, and only that."""
        is_current = observed.entry == self._entry(observed, snapshot)
        return [] if is_current else [Step(maintenance=True)]

    def holds_until(self, observed: Published, snapshot: Snapshot) -> datetime:
        """Return the next day, until the warm-up has begun: it begins today."""
        if snapshot.tenant.sending_since is not None:
            return ALWAYS
        return datetime.combine(observed.today + timedelta(days=1), time(), UTC)

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Publish the entry; the warm-up begins with the first verified domain."""
        del step, progress
        entry = self._entry(await self.observe(snapshot, session), snapshot)
        async with session.begin() as connection:
            await publish(connection, tenant_id=snapshot.tenant.id, entry=entry)
            verified = any(domain.verified for domain in entry.domains)
            if verified and snapshot.tenant.sending_since is None:
                await repository.set_sending_since(
                    connection, snapshot.tenant.id, entry.warmup_started
                )

    async def remove(self, snapshot: Snapshot, session: Session) -> None:
        """Stop sending before anything else is removed."""
        stopped = bad("Deleting", "the tenant is being deleted")
        for name in snapshot.parents:
            if name == TENANT or kind_of(name) in self.row.subjects:
                snapshot.conditions.set(name, self.row.condition, stopped)
        async with session.begin() as connection:
            await withdraw(connection, tenant_id=snapshot.tenant.id)

    def _entry(self, observed: Published, snapshot: Snapshot) -> DirectoryEntry:
        blueprint, secrets = snapshot.blueprint, snapshot.secrets
        addresses = self._addresses(observed, snapshot)
        usable = _is_any_usable(addresses)
        return DirectoryEntry(
            tenant=snapshot.tenant.name,
            generation=blueprint.generation,
            addresses=addresses,
            domains=tuple(
                SendingDomain(
                    name=domain.name,
                    return_path=domain.return_path,
                    selector=secrets.public(purposes.dkim(domain.name))["selector"],
                    sealed_dkim_key=secrets.sealed(purposes.dkim(domain.name)),
                    verified=self._may_send(snapshot, domain, usable).status is Status.TRUE,
                    catch_all=domain.catch_all,
                    unsubscribe_host=domain.unsubscribe_host
                    if domain.unsubscribe_host in snapshot.unsubscribe_hosts
                    else None,
                )
                for domain in blueprint.domains
            ),
            mailboxes=tuple(
                SendingMailbox(address=box.address, daily_cap=box.daily_cap, aliases=box.aliases)
                for box in blueprint.mailboxes
            ),
            hours=SendingHours.model_validate(
                blueprint.sending.model_dump(include=set(SendingHours.model_fields))
            ),
            warmup=blueprint.sending.warmup,
            warmup_started=observed.started,
            postal_address=blueprint.sending.postal_address,
            footer_text=blueprint.sending.footer,
            language=blueprint.sending.language,
        )

    def _addresses(self, observed: Published, snapshot: Snapshot) -> tuple[SendingAddress, ...]:
        """Return the addresses for bulk mail. Another IP is warmed up from its first day on."""
        published = observed.entry.addresses if observed.entry else ()
        started = {(address.name, address.ip): address.warmup_started for address in published}
        secrets = snapshot.secrets
        ca = secrets.public(purposes.CA)["certificate"]
        ips = {a.name: a.ip for host in snapshot.cloud.hosts for a in host.addresses}
        return tuple(
            SendingAddress(
                name=address.name,
                ip=ip,
                helo=address.helo,
                username=secrets.public(purposes.submission(address.name))["username"],
                sealed_password=secrets.sealed(purposes.submission(address.name)),
                ca_pem=ca,
                ready=ready,
                draining=address.draining,
                warmup_started=started.get((address.name, ip))
                or (observed.today if ready else None),
            )
            for host in snapshot.blueprint.hosts
            for address in host.addresses
            if address.sends_bulk and (ip := ips.get(address.name))
            for ready in [snapshot.unmet(self.row, subject(Kind.ADDRESS, address.name)) is None]
        )

    def _may_send(self, snapshot: Snapshot, domain: Domain, usable: bool) -> Verdict:
        """Return whether all conditions that a domain needs to send are True."""
        unmet = snapshot.unmet(self.row, subject(Kind.DOMAIN, domain.name))
        if unmet is not None:
            return bad("DomainNotVerified", unmet.message, waits=unmet.waits)
        if not usable:
            return bad("NoVerifiedAddress", "no address of the tenant is verified")
        return ok("Published")


def _is_any_usable(addresses: Iterable[SendingAddress]) -> bool:
    """Return whether an address takes new mail."""
    return any(address.ready and not address.draining for address in addresses)
