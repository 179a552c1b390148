"""What the blueprint of a tenant declares for one of its hosts."""

from __future__ import annotations

from blueprint.document import Blueprint, Host
from blueprint.records import return_paths
from controlplane.mailu.declared import DeclaredDomain, DeclaredMailbox, TenantMail


def mail_of(blueprint: Blueprint, host: Host) -> TenantMail:
    """Return the domains and mailboxes of a host, its return paths and its own names.

    A domain whose key for people's mail was not made yet is left out: it comes in the next pass.
    """
    people = blueprint.keys.people if blueprint.keys is not None else {}
    here = [domain for domain in blueprint.domains if domain.is_on(host)]
    leaving = [domain for domain in blueprint.draining_domains if domain.is_on(host)]
    domains = tuple(
        DeclaredDomain(
            domain.name,
            people[domain.name].public_key,
            people[domain.name].selector,
            domain.catch_all,
        )
        for domain in here
        if domain.receives and domain.name in people
    )
    names = {domain.name for domain in domains}
    mailboxes = tuple(
        DeclaredMailbox(box.address, box.quota_bytes, box.aliases, box.forward, box.keep)
        for box in blueprint.mailboxes
        if box.domain in names
    )
    paths = return_paths(blueprint.records, [*here, *leaving])
    # A server takes mail for its own names (RFC 5321, 4.5.1), the inbound instance here.
    own = {address.helo for address in host.addresses} - {domain.name for domain in here}
    return TenantMail(blueprint.tenant, domains, mailboxes, (*paths, *sorted(own)))
