"""The mail that hosts with Mailu hold: it goes with a mailbox or host only if a person agrees."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import execute_each, fetch
from controlplane.mailu.comparison import Held, megabytes_of
from kit.queries import Queries
from kit.readings import Reading

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class HeldMail:
    """One mailbox, as the last look saw it."""

    host: str
    address: str
    size: int
    """In bytes."""
    is_ours: bool
    confirmed: bool
    """Whether a person has agreed that its mail is destroyed."""
    discards: int | None = None
    """How many mails of the whole host, if the host loses Mailu."""


async def load(connection: AsyncConnection, tenant_id: UUID) -> list[HeldMail]:
    """Return the mailboxes on a tenant's hosts, by host and address."""
    return await fetch(connection, reading(tenant_id))


def reading(tenant_id: UUID) -> Reading[TextClause, list[HeldMail]]:
    """Read the mailboxes on a tenant's hosts, by host and address."""
    return Reading(
        SQL.load_held_mail,
        {"tenant_id": tenant_id},
        lambda rows: [HeldMail(**row) for row in rows],
    )


async def expect(
    connection: AsyncConnection, tenant_id: UUID, host: str, addresses: Iterable[str]
) -> None:
    """Keep mailboxes that are about to be made: from then on they may get mail."""
    values = {"tenant_id": tenant_id, "host": host}
    await execute_each(connection, SQL.expect_mail, ({**values, "address": a} for a in addresses))


async def save(
    connection: AsyncConnection, tenant_id: UUID, host: str, mail: Mapping[str, Held]
) -> None:
    """Keep what a host has, and forget what it has no more."""
    values = {"tenant_id": tenant_id, "host": host}
    await connection.execute(SQL.drop_held_mail, {**values, "addresses": list(mail)})
    rows = ({**values, "address": address, **vars(held)} for address, held in mail.items())
    await execute_each(connection, SQL.save_held_mail, rows)


async def confirm(
    connection: AsyncConnection,
    tenant_id: UUID,
    mailboxes: Iterable[HeldMail],
    discards: int | None = None,
) -> None:
    """Record that exactly this mail may be destroyed, and how many mails with Mailu of a host.

    Without a number the earlier one stays.
    """
    names = [f"{each.host}/{each.address}" for each in mailboxes]
    values = {"tenant_id": tenant_id, "names": names, "discards": discards}
    await connection.execute(SQL.confirm_mail, values)


async def forget_other_hosts(
    connection: AsyncConnection, tenant_id: UUID, hosts: Collection[str]
) -> None:
    """Forget the mailboxes of hosts that do not exist any more."""
    values = {"tenant_id": tenant_id, "hosts": list(hosts)}
    drops = (SQL.drop_mail_of_others, SQL.drop_identities, SQL.drop_purges, SQL.drop_closed)
    for statement in drops:
        await connection.execute(statement, values)


def megabytes(mailboxes: Iterable[HeldMail]) -> int:
    """Return what mailboxes hold together."""
    return megabytes_of(sum(each.size for each in mailboxes))
