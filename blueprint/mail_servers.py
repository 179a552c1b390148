"""What has the mailboxes of a host where the document does not say it."""

from __future__ import annotations

from collections.abc import Mapping

from blueprint import naming
from blueprint.mail_address import domain_of
from blueprint.platform import Platform
from blueprint.tenant import DomainName, HostSpec, MailboxServer, Tenant


def with_mail_servers(
    tenant: Tenant, platform: Platform, known: Mapping[str, MailboxServer] | None = None
) -> Tenant:
    """Return a document in which each host has `mail`.

    A host that does not name it keeps what it is known to have, by its name. One that is not known
    gets Mailu if the mail of a declared mailbox goes to it.
    """
    spec = tenant.spec
    if all(host.mail is not None for host in spec.hosts):
        return tenant
    names = {host.name: _name(tenant, host, platform) for host in spec.hosts}
    with_people = {receiving_host(domain_of(box.address), names) for box in spec.mailboxes}

    def settled(host: HostSpec) -> HostSpec:
        usual = MailboxServer.MAILU if host.name in with_people else MailboxServer.NONE
        mail = host.mail or (known or {}).get(host.name, usual)
        return host.model_copy(update={"mail": mail})

    hosts = tuple(settled(host) for host in spec.hosts)
    return tenant.model_copy(update={"spec": spec.model_copy(update={"hosts": hosts})})


def receiving_host(domain: DomainName, names: Mapping[str, DomainName]) -> str:
    """Return the host that gets a domain's mail, of hosts with their own names.

    It is one below the domain's name, else any: of several the first, so that the order of the
    document does not matter.
    """
    own = [host for host, name in names.items() if name.partition(".")[2] == domain]
    return min(own or names)


def _name(tenant: Tenant, host: HostSpec, platform: Platform) -> DomainName:
    return naming.base_name(tenant.metadata.name, host, platform)
