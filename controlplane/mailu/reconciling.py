"""One run over a host: observe, compare, apply, purge, get in, and look again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from controlplane.mailu.api import Api
from controlplane.mailu.applying import Record, apply
from controlplane.mailu.comparison import Plan, Removal, compare
from controlplane.mailu.declared import TenantMail, declared
from controlplane.mailu.objects import DOMAIN
from controlplane.mailu.observed import observe
from controlplane.mailu.own_tokens import OwnTokens, ensure_tokens

Purge = Callable[[Collection[str]], Collection[str]]
"""Removes the files of mailboxes and domains that are gone; returns those whose files are left."""


@dataclass(frozen=True)
class Removals:
    """What may be destroyed on a host, and what is kept in mind meanwhile."""

    confirmed: Collection[str]
    """The mailboxes whose mail may be destroyed."""
    unpurged: Collection[str]
    """Mailboxes and domains that were removed, and whose files may be there."""
    record: Record
    """Keeps that files have to be purged, before anything is removed."""
    purged: Callable[[Collection[str]], None]
    """Forgets names whose files are gone."""


def reconcile(
    api: Api,
    tenants: Sequence[TenantMail],
    removals: Removals,
    own: OwnTokens,
    *,
    purge: Purge,
    hold: Callable[[], None],
    progress: Callable[[str], None],
) -> Plan:
    """Bring a host to what its tenants declare, and return what is left; raises a fault.

    `hold` is called before a domain is made: from then on Mailu refuses for good what the domain
    has no mailbox for yet.

    A name that is free in Mailu and has files of its predecessor gets a new owner only when these
    are gone. A name that is in use is not purged, whatever was recorded: its removal is still to
    come, or it was declared again before.
    """
    wanted = declared(tenants)
    domains = {domain.name for tenant in tenants for domain in tenant.domains}

    def purge_all(names: set[str]) -> set[str]:
        """Purge, and return what is left.

        Of a domain there is only its key, and the file of a declared one has the declared key.
        """
        left = set(purge(names - domains)) if names - domains else set()
        removals.purged(names - left)
        return left

    seen = observe(api, wanted)
    left = purge_all(set(removals.unpurged) - {*seen.users, *seen.domains})
    removed: set[str] = set()

    def record(removal: Removal) -> None:
        removals.record(removal)
        removed.update((removal.key, *removal.users))

    plan = compare(wanted, seen, left)
    if any(write.kind is DOMAIN and write.key not in seen.domains for write in plan.writes):
        hold()
    for line in apply(api, plan, record=record, confirmed=removals.confirmed):
        progress(line)
    left |= purge_all(removed)
    ensure_tokens(api, own, progress)
    return compare(wanted, observe(api, wanted), left)
