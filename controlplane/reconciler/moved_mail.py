"""When the mail that a host has of the time before Mailu can be moved into its mailboxes."""

from __future__ import annotations

from blueprint.document import Blueprint, Host
from controlplane.mailu.comparison import Plan
from controlplane.mailu.declared import TenantMail, declared
from controlplane.mailu.faults import INCOMPLETE
from controlplane.mailu.wanted import WantedUser


def lacking_nothing(
    blueprint: Blueprint, host: Host, mail: TenantMail, plan: Plan
) -> frozenset[str]:
    """Return the mailboxes of people on a host; raises a fault while Mailu lacks something.

    Until then mail is held: Mailu would refuse for good what it does not know. A mailbox whose name
    Mailu cannot have is left out.
    """
    domains = {each.name for each in blueprint.domains if each.receives and each.is_on(host)}
    wanted = {each.key for each in declared([mail]).objects if isinstance(each, WantedUser)}
    lacking = domains - {each.name for each in mail.domains} | wanted - plan.present
    lacking |= {each.key for each in plan.writes}
    if lacking:
        raise INCOMPLETE(names=", ".join(sorted(lacking)), where=f"host/{host.name}")
    return frozenset(wanted & {box.address for box in mail.mailboxes})
