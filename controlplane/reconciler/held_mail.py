"""No mail of people is destroyed by the reconciler unless a person has agreed to it."""

from __future__ import annotations

from collections.abc import Collection

from blueprint.document import Blueprint
from controlplane.hosts import held_mail
from controlplane.mailu.faults import HOLDS_MAIL
from controlplane.reconciler.ports import CloudState
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot


def ended_by(blueprint: Blueprint, state: CloudState) -> set[str]:
    """Return the hosts that a blueprint ends or replaces."""
    kept = {host.name: host.server_name for host in blueprint.hosts}
    return {host.name for host in state.hosts if kept.get(host.name) != host.server_name}


async def require_consent(hosts: Collection[str], snapshot: Snapshot, session: Session) -> int:
    """Raise a fault if hosts have mail that a person has not agreed to destroy.

    Return how many mails may go with Mailu of a host that stays; such a host counts them.
    """
    async with session.read() as connection:
        held = await held_mail.load(connection, snapshot.tenant.id)
    for name in sorted(hosts):
        own = [each for each in held if each.host == name]
        if not all(each.confirmed for each in own):
            raise HOLDS_MAIL(
                kind="host", name=name, mailboxes=len(own), megabytes=held_mail.megabytes(own)
            ).at(f"host/{name}")
    return max((each.discards or 0 for each in held if each.host in hosts), default=0)


async def forget_ended(ended: Collection[str], snapshot: Snapshot, session: Session) -> None:
    """Forget the mailboxes of hosts that do not exist any more, or are others by now."""
    kept = {host.name for host in snapshot.cloud.hosts} - set(ended)
    async with session.begin() as connection:
        await held_mail.forget_other_hosts(connection, snapshot.tenant.id, kept)
