"""Which addresses and domains begin to drain, or are wanted again: decided as a pass begins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.events.repository import emit
from controlplane.reconciler.subjects import Kind, subject
from controlplane.tenants import draining as address_rows
from controlplane.tenants import draining_domains as domain_rows
from controlplane.tenants.draining import Draining
from controlplane.tenants.draining_domains import DrainingDomain
from controlplane.tenants.repository import TenantRow
from sender import directory
from sender.directory import DirectoryEntry


async def mark(
    connection: AsyncConnection, tenant: TenantRow, *, limit: timedelta, now: datetime
) -> tuple[Sequence[Draining], Sequence[DrainingDomain]]:
    """Let the sender give no mail to what is no longer wanted; return what drains.

    Mail can only be on the hosts of addresses that were published, and of domains that were.
    """
    if tenant.paused is None:
        entry = await directory.find(connection, tenant_id=tenant.id)
        await _mark_addresses(connection, tenant, entry, limit=limit, now=now)
        await _mark_domains(connection, tenant, entry, limit=limit, now=now)
        if entry is not None:
            await _publish(connection, tenant, entry)
    return (
        await address_rows.load(connection, tenant.id, limit=limit),
        await domain_rows.load(connection, tenant.id, limit=limit),
    )


def is_marked(
    tenant: TenantRow,
    entry: DirectoryEntry | None,
    addresses: Sequence[Draining],
    domains: Sequence[DrainingDomain],
) -> bool:
    """Return whether `mark` would change nothing, since nothing drains or begins to."""
    if tenant.paused is not None:
        return True
    if addresses or domains:
        return False
    if entry is None:
        return True
    return (
        not address_rows.unwanted({address.name for address in entry.addresses}, tenant)
        and not domain_rows.unwanted({domain.name for domain in entry.domains}, tenant)
        and _marked(tenant, entry) == entry
    )


async def _mark_addresses(
    connection: AsyncConnection,
    tenant: TenantRow,
    entry: DirectoryEntry | None,
    *,
    limit: timedelta,
    now: datetime,
) -> None:
    rows = await address_rows.load(connection, tenant.id, limit=limit)
    published = {address.name for address in entry.addresses} if entry else set()
    known = {row.address for row in rows}
    again = known & address_rows.wanted(tenant)
    gone = {row.address for row in rows if row.is_released and row.address not in published}
    await address_rows.remove(connection, tenant.id, again if tenant.deleting else again | gone)
    released = {row.address for row in rows if row.is_released}
    unwanted = address_rows.unwanted(published - released, tenant)
    await address_rows.add(connection, tenant.id, unwanted)
    message = "it takes no new mail, and is released when its host has sent all it has"
    for address in sorted(unwanted.keys() - known):
        part = subject(Kind.ADDRESS, address)
        await say(connection, tenant, part, "Draining", f"{message}{_end(limit)}", now=now)


async def _mark_domains(
    connection: AsyncConnection,
    tenant: TenantRow,
    entry: DirectoryEntry | None,
    *,
    limit: timedelta,
    now: datetime,
) -> None:
    """Let domains drain, but for those that another tenant has asked for and waits for.

    The entry is published without those that drain, so one that is released is not marked again.
    """
    rows = await domain_rows.load(connection, tenant.id, limit=limit)
    known, wanted = {row.name for row in rows}, domain_rows.wanted(tenant)
    claimed = {row.name for row in rows if row.is_claimed} - wanted
    await domain_rows.remove(connection, tenant.id, known & wanted | claimed)
    published = {domain.name for domain in entry.domains} if entry else set()
    unwanted = domain_rows.unwanted(published - claimed, tenant)
    await domain_rows.add(connection, tenant.id, unwanted.values())
    message = "no new mail leaves from it, and its records are removed when hosts have sent all"
    for name in unwanted:
        part = subject(Kind.DOMAIN, name)
        await say(connection, tenant, part, "Draining", f"{message}{_end(limit)}", now=now)
    message = "another tenant has asked for it: its records are removed now"
    for name in sorted(claimed):
        await say(connection, tenant, subject(Kind.DOMAIN, name), "Claimed", message, now=now)


async def say(
    connection: AsyncConnection,
    tenant: TenantRow,
    part: str,
    reason: str,
    message: str,
    *,
    now: datetime,
) -> None:
    """Record an event of an address or a domain that drains."""
    await emit(
        connection,
        tenant_id=tenant.id,
        tenant=tenant.name,
        at=now,
        subject=part,
        kind="draining",
        reason=reason,
        message=message,
    )


def _end(limit: timedelta) -> str:
    return f": in {limit.total_seconds() / 3600:g} h at the latest"


async def _publish(connection: AsyncConnection, tenant: TenantRow, entry: DirectoryEntry) -> None:
    """Publish the entry as `_marked` returns it."""
    marked = _marked(tenant, entry)
    if marked != entry:
        await directory.publish(connection, tenant_id=tenant.id, entry=marked)


def _marked(tenant: TenantRow, entry: DirectoryEntry) -> DirectoryEntry:
    """Let the entry say which addresses take no new mail, and leave out other domains."""
    wanted, domains = address_rows.wanted(tenant), domain_rows.wanted(tenant)
    return entry.model_copy(
        update={
            "addresses": tuple(
                address.model_copy(update={"draining": address.name not in wanted})
                for address in entry.addresses
            ),
            "domains": tuple(domain for domain in entry.domains if domain.name in domains),
        }
    )
