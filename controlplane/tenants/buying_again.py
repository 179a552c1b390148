"""The word of a person by which servers that have ended are bought again: a field of the retry."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.conditions import repository as conditions
from controlplane.conditions.model import TENANT
from controlplane.events.repository import emit
from controlplane.faults import OPERATORS_ONLY, SERVER_NOT_ENDED, TENANT_DELETING
from controlplane.hosts import repository as host_rows
from controlplane.identity.access import Access
from controlplane.tenants import repository
from controlplane.tenants.repository import TenantRow
from controlplane.tenants.schemas import hosts_without_server


async def buy_again(
    connection: AsyncConnection,
    row: TenantRow,
    hosts: Collection[str],
    access: Access,
    *,
    now: datetime,
) -> None:
    """Let the servers of these hosts, which have ended, be bought again by the next pass.

    What is recorded is their numbers: the word is for no other server.
    """
    if not access.is_operator:
        raise OPERATORS_ONLY()
    if row.deleting:
        raise TENANT_DELETING(name=row.name)
    ended = hosts_without_server(row.document, await conditions.load(connection, row.id))
    service_ids = {
        host.name: host.service_id
        for host in (await host_rows.load(connection, row.id)).values()
        if host.name in ended and host.service_id is not None
    }
    for name in hosts:
        if name not in service_ids:
            raise SERVER_NOT_ENDED(host=name, tenant=row.name)
    await repository.buy_again(connection, row, [service_ids[name] for name in hosts])
    servers = ", ".join(f"{service_ids[name]} of {name}" for name in sorted(set(hosts)))
    await emit(
        connection,
        tenant_id=row.id,
        tenant=row.name,
        at=now,
        subject=TENANT,
        kind="purchase",
        reason="BoughtAgain",
        message=f"instead of {servers}, within limits and freezes",
        actor=access.owner,
    )
