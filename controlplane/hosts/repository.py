"""Rows of hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.tenant import MailboxServer
from controlplane.database import fetch
from kit.queries import Queries
from kit.readings import Reading

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class HostRow:
    """What is observed of a host, beside its specification."""

    name: str
    incarnation: int
    service_id: int | None
    host_key: str | None
    """As in known_hosts, under the host's name, from first contact on."""
    applied_digest: str | None
    """Of the last run of the playbooks."""
    mail: MailboxServer | None = None
    """What has its mailboxes, from the first run of the playbooks on."""
    refused_digest: str | None = None
    """Of a run that failed, and that is not to be repeated."""
    moves_mail: bool = False
    """Whether it has got Mailu, and the mail that it has of before is not in there yet."""


async def load(connection: AsyncConnection, tenant_id: UUID) -> dict[str, HostRow]:
    """Return a tenant's hosts by name."""
    return await fetch(connection, reading(tenant_id))


def reading(tenant_id: UUID) -> Reading[TextClause, dict[str, HostRow]]:
    """Read a tenant's hosts, by name."""
    return Reading(
        SQL.load,
        {"tenant_id": tenant_id},
        lambda rows: {row["name"]: _row(**row) for row in rows},
    )


async def servers(connection: AsyncConnection) -> dict[int, UUID]:
    """Return the tenant of each server, by its service id."""
    rows = await connection.execute(SQL.servers)
    return {row.service_id: row.tenant_id for row in rows}


async def save(connection: AsyncConnection, tenant_id: UUID, host: HostRow) -> None:
    """Insert or update a host."""
    mail = host.mail.value if host.mail else None
    await connection.execute(SQL.save, {"tenant_id": tenant_id, **vars(host), "mail": mail})


def _row(mail: str | None, **columns: Any) -> HostRow:
    return HostRow(**columns, mail=MailboxServer(mail) if mail else None)
