"""Stops of people's mail: which mailboxes of a host are stopped, and which domains as a whole."""

from __future__ import annotations

from collections.abc import Iterable

from blueprint.mail_address import domain_of
from controlplane.hosts.held_mail import HeldMail
from controlplane.mailu.declared import TenantMail
from sender.schemas import Stop, StopScope

WHOLE = frozenset({StopScope.PLATFORM, StopScope.TENANT})


def stopped(
    host: str, mail: TenantMail, held: Iterable[HeldMail], stops: Iterable[Stop]
) -> frozenset[str]:
    """Return the mailboxes of a host that stops of platform, tenant, domain or mailbox concern.

    Those that the document has given up are among them as long as the host has them. A mailbox
    with an alias in a domain can send from it.
    """
    of = {(stop.scope, stop.name) for stop in stops}
    senders = {each.address: {each.address} for each in held if each.host == host and each.is_ours}
    senders |= {box.address: {box.address, *box.aliases} for box in mail.mailboxes}
    is_whole = any(scope in WHOLE for scope, _ in of)
    return frozenset(
        address
        for address, names in senders.items()
        if is_whole
        or (StopScope.MAILBOX, address) in of
        or any((StopScope.DOMAIN, domain_of(name)) in of for name in names)
    )


def is_stopped(domain: str, stops: Iterable[Stop]) -> bool:
    """Return whether all mail of a domain is stopped."""
    of_domain = (StopScope.DOMAIN, domain)
    return any(stop.scope in WHOLE or (stop.scope, stop.name) == of_domain for stop in stops)
