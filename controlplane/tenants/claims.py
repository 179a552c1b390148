"""Claims of tenants on domains: none is in or around what another tenant occupies.

A claim lasts until the records of its domain are gone, so a domain that is taken out of a document
is free at once only where nothing was ever provisioned. Records that are kept for mail on hosts are
removed when another tenant asks for their domain: it is free after the owner's next pass.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.tenant import DomainSpec
from blueprint.zones import occupied, registrable
from kit.database import AdvisoryLock
from kit.queries import Queries
from kit.readings import Reading

SQL = Queries(__file__, text)


async def claim(
    connection: AsyncConnection, tenant_id: UUID, domains: Sequence[DomainSpec]
) -> set[str]:
    """Assign domains to a tenant, or return those that overlap with another tenant's.

    Claims below the same registered domain wait for each other's transaction, so of two concurrent
    ones the second sees the first.
    """
    added = await _added(connection, tenant_id, domains)
    await connection.execute(SQL.lock_domains, {**added, "lock": AdvisoryLock.DOMAINS})
    taken = await _taken(connection, added)
    if not taken:
        await connection.execute(SQL.remove_domains, added)
        await connection.execute(SQL.insert_domains, added)
        wanted = [domain.name for domain in domains]
        await connection.execute(SQL.forget_domains, {"id": tenant_id, "names": wanted})
    return taken


def claimed(tenant_id: UUID) -> Reading[TextClause, frozenset[str]]:
    """Read the domains that a tenant has claimed."""
    return Reading(
        SQL.domains_of, {"id": tenant_id}, lambda rows: frozenset(row["name"] for row in rows)
    )


async def taken(
    connection: AsyncConnection, tenant_id: UUID, domains: Sequence[DomainSpec]
) -> set[str]:
    """Return the domains that `claim` would refuse now."""
    return await _taken(connection, await _added(connection, tenant_id, domains))


async def end_draining(
    connection: AsyncConnection,
    tenant_id: UUID,
    domains: Sequence[DomainSpec],
    *,
    now: datetime,
) -> None:
    """Let domains of other tenants drain no longer if nothing else keeps a tenant from these.

    Their owners' documents do not have them. The passes that remove their records are requested.
    """
    added = await _added(connection, tenant_id, domains)
    await connection.execute(SQL.end_draining_domains, {**added, "now": now})


async def _added(
    connection: AsyncConnection, tenant_id: UUID, domains: Sequence[DomainSpec]
) -> dict[str, Any]:
    """Return the domains that a tenant does not occupy yet, as parameters of queries."""
    own = {
        row.name: row.occupies
        for row in await connection.execute(SQL.domains_of, {"id": tenant_id})
    }
    added = [domain for domain in domains if own.get(domain.name) != occupied(domain)]
    return {
        "id": tenant_id,
        "names": [domain.name for domain in added],
        "occupied": [occupied(domain) for domain in added],
        "registered": [registrable(domain.name) for domain in added],
    }


async def _taken(connection: AsyncConnection, added: Mapping[str, Any]) -> set[str]:
    await connection.execute(SQL.show_domains, {"registered": " ".join(added["registered"])})
    taken = set(await connection.scalars(SQL.taken_domains, added))
    await connection.execute(SQL.show_domains, {"registered": ""})
    return taken


async def release(connection: AsyncConnection, tenant_id: UUID, in_use: Collection[str]) -> None:
    """Free a tenant's domains that are neither in use nor in its current document."""
    await connection.execute(SQL.release_domains, {"id": tenant_id, "names": sorted(in_use)})
