"""Phase `activation`: tells the sender which addresses and domains it may use."""

from __future__ import annotations

from blueprint.document import Domain
from controlplane.conditions.model import TENANT, Type, Verdict, aggregate, bad, ok
from controlplane.reconciler import keys
from controlplane.reconciler.context import Context
from controlplane.tenants import repository
from sender.directory import (
    DirectoryEntry,
    SendingAddress,
    SendingDomain,
    SendingMailbox,
    publish,
)


class Activation:
    """Publishes the tenant's entry; an equal one changes nothing."""

    name = "activation"

    async def run(self, context: Context) -> None:
        """Make sure that the sender knows what is verified, and only that."""
        addresses = _addresses(context)
        usable = any(address.ready and address.sends_bulk for address in addresses)
        parts = [
            (f"domain/{domain.name}", _may_send(context, domain, usable))
            for domain in context.blueprint.domains
        ]
        verified = {subject for subject, verdict in parts if verdict.status == "True"}
        today = context.ports.clock().date()
        started = context.tenant.sending_since or today
        entry = DirectoryEntry(
            tenant=context.tenant.name,
            addresses=addresses,
            domains=tuple(
                SendingDomain(
                    name=domain.name,
                    return_path=domain.return_path,
                    selector=context.secrets.public(keys.dkim(domain.name))["selector"],
                    sealed_dkim_key=context.secrets.sealed(keys.dkim(domain.name)),
                    verified=f"domain/{domain.name}" in verified,
                )
                for domain in context.blueprint.domains
            ),
            mailboxes=tuple(
                SendingMailbox(address=box.address, daily_cap=box.daily_cap)
                for box in context.blueprint.mailboxes
            ),
            warmup=context.blueprint.sending.warmup,
            warmup_started=started,
        )
        async with context.begin() as connection:
            await publish(connection, tenant_id=context.tenant.id, entry=entry)
            if verified and context.tenant.sending_since is None:
                await repository.set_sending_since(connection, context.tenant.id, today)
        for subject, verdict in parts:
            context.conditions.set(subject, Type.SENDING, verdict)
        context.conditions.set(TENANT, Type.SENDING, aggregate(parts, "Published"))


def _addresses(context: Context) -> tuple[SendingAddress, ...]:
    numbers = {a.name: a.ip for host in context.state.hosts for a in host.addresses}
    ca = context.secrets.public(keys.CA)["certificate"]
    return tuple(
        SendingAddress(
            name=address.name,
            ip=ip,
            helo=address.helo,
            username=context.secrets.public(keys.submission(address.name))["username"],
            sealed_password=context.secrets.sealed(keys.submission(address.name)),
            ca_pem=ca,
            sends_bulk=address.sends_bulk,
            ready=all(
                context.conditions.is_true(f"address/{address.name}", type_)
                for type_ in (Type.DNS, Type.VERIFIED)
            ),
        )
        for host in context.blueprint.hosts
        for address in host.addresses
        if address.sends_bulk and (ip := numbers.get(address.name))
    )


def _may_send(context: Context, domain: Domain, usable: bool) -> Verdict:
    dns = context.conditions.get(f"domain/{domain.name}", Type.DNS)
    if dns is None or dns.status != "True":
        message = dns.message if dns else "nobody has looked yet"
        return bad("DomainNotVerified", message, waits=domain.dns == "manual")
    if not usable:
        return bad("NoVerifiedAddress", "no address of the tenant is verified")
    return ok("Published")
