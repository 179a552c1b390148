"""Mail that a change of the document destroys: a person has to agree to it."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.document import Blueprint
from controlplane.faults import DESTROYS_MAIL, HOST_LEAVES_MAIL
from controlplane.hosts import held_mail
from controlplane.hosts.held_mail import HeldMail

MOST_NAMED = 5
"""Mailboxes that a refusal names."""


async def agree(
    connection: AsyncConnection,
    tenant_id: UUID,
    kept: Blueprint | None,
    *,
    is_agreed: bool,
    discards: int | None = None,
) -> None:
    """Record which mail may be destroyed; raises a fault for more than a person has agreed to.

    What is not in `kept` is destroyed; without one, all. What was agreed to before, and is kept
    now, is not destroyed any more. `discards` are how many mails may go with Mailu of a host, which
    the host counts: there the other agreement is not enough.
    """
    held = await held_mail.load(connection, tenant_id)
    destroyed = held if kept is None else _destroyed(held, kept)
    without = {host.name for host in kept.hosts if not host.has_mailu} if kept else set()
    if discards is None:
        _require_empty([each for each in destroyed if each.host in without])
    new = [each for each in destroyed if not each.confirmed and each.host not in without]
    if new and not is_agreed:
        raise DESTROYS_MAIL(
            mailboxes=len(new), megabytes=held_mail.megabytes(new), names=_names(new)
        )
    if destroyed or any(each.confirmed for each in held):
        await held_mail.confirm(connection, tenant_id, destroyed, discards)


def _require_empty(leaving: Collection[HeldMail]) -> None:
    """Refuse to take Mailu from a host whose mailboxes hold mail, unless it was agreed before."""
    for host in sorted({each.host for each in leaving}):
        own = [each for each in leaving if each.host == host]
        full = [each for each in own if each.size > 0 and not each.confirmed]
        if full:
            raise HOST_LEAVES_MAIL(
                host=host, mailboxes=len(full), megabytes=held_mail.megabytes(full)
            )


def _destroyed(held: Collection[HeldMail], blueprint: Blueprint) -> list[HeldMail]:
    """Return the mailboxes that a blueprint does not keep; foreign ones stay with their host."""
    hosts = {host.primary.helo: host.name for host in blueprint.hosts if host.has_mailu}
    domains = {domain.name: hosts.get(domain.mail_host) for domain in blueprint.domains}
    declared = {(domains[box.domain], box.address) for box in blueprint.mailboxes}
    return [
        each
        for each in held
        if each.host not in hosts.values()
        or (each.is_ours and (each.host, each.address) not in declared)
    ]


def _names(mailboxes: Collection[HeldMail]) -> str:
    names = [f"{each.address} on {each.host}" for each in mailboxes]
    more = len(names) - MOST_NAMED
    return ", ".join([*names[:MOST_NAMED], *([f"{more} more"] if more > 0 else [])])
