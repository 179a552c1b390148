"""Which addresses begin to drain, or are wanted again: decided at the beginning of a pass."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.events.repository import emit
from controlplane.tenants import draining as draining_rows
from controlplane.tenants.draining import Draining
from controlplane.tenants.repository import TenantRow
from sender import directory
from sender.directory import DirectoryEntry


async def mark(
    connection: AsyncConnection, tenant: TenantRow, *, limit: timedelta, now: datetime
) -> list[Draining]:
    """Let the sender give no mail to addresses that are no longer wanted; return what drains.

    Mail can only be on the hosts of addresses that were published.
    """
    rows = await draining_rows.load(connection, tenant.id, limit=limit)
    if tenant.paused is not None:
        return rows
    entry = await directory.find(connection, tenant_id=tenant.id)
    published = {address.name for address in entry.addresses} if entry else set()
    known, wanted = {row.address for row in rows}, draining_rows.wanted(tenant)
    again = known & wanted
    gone = {row.address for row in rows if row.is_released and row.address not in published}
    await draining_rows.remove(connection, tenant.id, again if tenant.deleting else again | gone)
    released = {row.address for row in rows if row.is_released}
    unwanted = draining_rows.unwanted(published - released, tenant)
    await draining_rows.add(connection, tenant.id, unwanted)
    if entry is not None:
        await _publish(connection, tenant, entry, published - wanted)
    rows = await draining_rows.load(connection, tenant.id, limit=limit)
    for address in sorted(unwanted.keys() - known):
        await emit(
            connection,
            tenant_id=tenant.id,
            tenant=tenant.name,
            at=now,
            subject=f"address/{address}",
            kind="draining",
            reason="Draining",
            message="it takes no new mail, and is released when its host has sent all it has: "
            f"in {limit.total_seconds() / 3600:g} h at the latest",
        )
    return rows


async def _publish(
    connection: AsyncConnection, tenant: TenantRow, entry: DirectoryEntry, closed: Collection[str]
) -> None:
    addresses = tuple(
        address.model_copy(update={"draining": address.name in closed})
        for address in entry.addresses
    )
    marked = entry.model_copy(update={"addresses": addresses})
    if marked != entry:
        await directory.publish(connection, tenant_id=tenant.id, entry=marked)
