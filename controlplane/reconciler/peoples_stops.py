"""Stops of people's mail: which mailboxes are stopped, and which were closed for that."""

from __future__ import annotations

from collections.abc import Iterable

from blueprint.mail_address import domain_of
from controlplane.mailu.declared import TenantMail
from sender.schemas import Stop, StopScope

WHOLE = frozenset({StopScope.PLATFORM, StopScope.TENANT})


def stopped(mail: TenantMail, stops: Iterable[Stop]) -> frozenset[str]:
    """Return the mailboxes of a host that stops of platform, tenant, domain or mailbox concern.

    A mailbox with an alias in a domain can send from it.
    """
    of = {(stop.scope, stop.name) for stop in stops}
    if any(scope in WHOLE for scope, _ in of):
        return frozenset(box.address for box in mail.mailboxes)
    return frozenset(
        box.address
        for box in mail.mailboxes
        if (StopScope.MAILBOX, box.address) in of
        or any((StopScope.DOMAIN, domain_of(each)) in of for each in (box.address, *box.aliases))
    )
