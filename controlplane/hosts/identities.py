"""What Mailu had of a tenant's mailboxes at the last look, and whose files have to be purged."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import execute_each, fetch, fetch_all
from kit.faults import Actor, Fault, reason_of
from kit.queries import Queries
from kit.readings import Reading

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class Noted:
    """A fault as it is kept."""

    subject: str
    """A domain or an address; empty for the host."""
    code: str
    sentence: str
    retryable: bool
    acts: str = Actor.NOBODY
    """Who has to act; not known of what was kept by an earlier version."""
    remedy: str = ""

    @property
    def reason(self) -> str:
        """Return the code as a condition's reason."""
        return reason_of(self.code)


def noted(subject: str, fault: Fault) -> Noted:
    """Return a fault in the form in which it is kept."""
    code = fault.code
    return Noted(subject, code.name, fault.sentence, fault.retryable, code.acts, fault.remedy)


@dataclass(frozen=True)
class Identity:
    """The last look at a host."""

    host: str
    digest: str
    configured: str | None
    at: datetime
    findings: tuple[Noted, ...] = ()
    trouble: Noted | None = None
    stopped: frozenset[str] = frozenset()
    """The mailboxes that were stopped; changed by `save_stopped` alone once there is a row."""


async def load(connection: AsyncConnection, tenant_id: UUID) -> dict[str, Identity]:
    """Return the last looks at a tenant's hosts, by host."""
    return await fetch(connection, reading(tenant_id))


def reading(tenant_id: UUID) -> Reading[TextClause, dict[str, Identity]]:
    """Read the last looks at a tenant's hosts, by host."""
    return Reading(
        SQL.load_identities,
        {"tenant_id": tenant_id},
        lambda rows: {row["host"]: _identity(**row) for row in rows},
    )


async def save(connection: AsyncConnection, tenant_id: UUID, identity: Identity) -> None:
    """Keep the last look at a host."""
    trouble = identity.trouble and json.dumps(asdict(identity.trouble))
    findings = json.dumps([asdict(finding) for finding in identity.findings])
    stopped = sorted(identity.stopped)
    values = {**vars(identity), "trouble": trouble, "findings": findings, "stopped": stopped}
    values |= {"tenant_id": tenant_id}
    await connection.execute(SQL.save_identity, values)


async def make_due(connection: AsyncConnection, tenant_id: UUID, host: str) -> None:
    """Let the next pass look at a host, whenever the last look was."""
    await connection.execute(SQL.make_identity_due, {"tenant_id": tenant_id, "host": host})


async def save_stopped(
    connection: AsyncConnection, tenant_id: UUID, host: str, stopped: Collection[str]
) -> None:
    """Keep which mailboxes of a host are stopped now, if it was looked at."""
    values = {"tenant_id": tenant_id, "host": host, "stopped": sorted(stopped)}
    await connection.execute(SQL.save_stopped, values)


async def unpurged(connection: AsyncConnection, tenant_id: UUID, host: str) -> frozenset[str]:
    """Return the addresses and domains whose files are still on a host."""
    rows = await fetch_all(
        connection, SQL.load_purges, lambda name: name, tenant_id=tenant_id, host=host
    )
    return frozenset(rows)


def unpurged_hosts(tenant_id: UUID) -> Reading[TextClause, frozenset[str]]:
    """Read the hosts on which something has to be purged."""
    return Reading(
        SQL.load_unpurged_hosts,
        {"tenant_id": tenant_id},
        lambda rows: frozenset(row["host"] for row in rows),
    )


async def add_purges(
    connection: AsyncConnection, tenant_id: UUID, host: str, names: Collection[str]
) -> None:
    """Keep what has to be purged."""
    values = {"tenant_id": tenant_id, "host": host}
    await execute_each(connection, SQL.add_purge, ({**values, "name": name} for name in names))


async def remove_purges(
    connection: AsyncConnection, tenant_id: UUID, host: str, names: Collection[str]
) -> None:
    """Forget what has been purged."""
    values = {"tenant_id": tenant_id, "host": host, "names": list(names)}
    await connection.execute(SQL.remove_purges, values)


async def closed(connection: AsyncConnection, tenant_id: UUID, host: str) -> frozenset[str]:
    """Return the mailboxes of a host that were closed for a stop."""
    rows = await fetch_all(
        connection, SQL.load_closed, lambda address: address, tenant_id=tenant_id, host=host
    )
    return frozenset(rows)


async def add_closed(connection: AsyncConnection, tenant_id: UUID, host: str, address: str) -> None:
    """Keep that a mailbox is closed for a stop."""
    values = {"tenant_id": tenant_id, "host": host, "address": address}
    await connection.execute(SQL.add_closed, values)


async def remove_closed(
    connection: AsyncConnection, tenant_id: UUID, host: str, address: str
) -> None:
    """Forget a mailbox that was opened again."""
    values = {"tenant_id": tenant_id, "host": host, "address": address}
    await connection.execute(SQL.remove_closed, values)


def _identity(
    findings: list[Mapping[str, Any]],
    trouble: Mapping[str, Any] | None,
    stopped: list[str],
    **columns: Any,
) -> Identity:
    return Identity(
        stopped=frozenset(stopped),
        findings=tuple(Noted(**finding) for finding in findings),
        trouble=Noted(**trouble) if trouble else None,
        **columns,
    )
