"""Addresses that are kept until their hosts have sent all mail: their rows, and which do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.naming import bulk_addresses, host_of
from blueprint.tenant import HostSpec, Tenant
from controlplane.database import fetch
from controlplane.tenants.repository import TenantRow
from kit.queries import Queries
from kit.readings import Reading

SQL = Queries(__file__, text)
LONGEST = timedelta(hours=48)
"""For as long a host tries to send a mail (`egress_queue_lifetime` of the playbooks)."""


@dataclass(frozen=True)
class Draining:
    """An address that the document no longer wants for bulk mail."""

    address: str
    host: HostSpec
    """As it was when the document had it."""
    since: datetime
    """By the clock of the database, like `is_over`."""
    is_released: bool = False
    is_over: bool = False
    """It is not waited for any more: the time is over, or an operator has decided so."""


async def load(
    connection: AsyncConnection, tenant_id: UUID, *, limit: timedelta = LONGEST
) -> list[Draining]:
    """Return a tenant's addresses that drain or were released, the longest draining first."""
    return await fetch(connection, reading(tenant_id, limit=limit))


def reading(tenant_id: UUID, *, limit: timedelta) -> Reading[TextClause, list[Draining]]:
    """Read a tenant's addresses that drain or were released, the longest draining first."""
    return Reading(
        SQL.load_draining,
        {"tenant_id": tenant_id, "limit": limit},
        lambda rows: [_draining(**row) for row in rows],
    )


async def add(connection: AsyncConnection, tenant_id: UUID, hosts: Mapping[str, HostSpec]) -> None:
    """Let addresses drain, each of a host; those that do already began when they did."""
    for address, host in hosts.items():
        values = {"tenant_id": tenant_id, "address": address, "host": host.model_dump_json()}
        await connection.execute(SQL.add_draining, values)


async def release(connection: AsyncConnection, tenant_id: UUID, address: str) -> None:
    """Record that an address may be removed."""
    await connection.execute(SQL.release_draining, {"tenant_id": tenant_id, "address": address})


async def remove(connection: AsyncConnection, tenant_id: UUID, addresses: Collection[str]) -> None:
    """Forget addresses that are wanted again, or gone."""
    if addresses:
        values = {"tenant_id": tenant_id, "addresses": list(addresses)}
        await connection.execute(SQL.remove_draining, values)


async def release_now(connection: AsyncConnection, tenant_id: UUID, *, always: bool) -> None:
    """Let nothing be waited for that drains now; with `always`, that will drain."""
    values = {"tenant_id": tenant_id, "always": always}
    await connection.execute(SQL.set_release_before, values)


def kept(rows: Iterable[Draining]) -> dict[str, HostSpec]:
    """Return the addresses that are not released yet, each with its host."""
    return {row.address: row.host for row in rows if not row.is_released}


def hosts_of(tenant: TenantRow, rows: Iterable[Draining]) -> set[str]:
    """Return the names of the hosts that a tenant may have."""
    kept_ones = [row.host for row in rows if not row.is_released]
    hosts = (*_hosts(tenant.applied), *_hosts(tenant.document), *kept_ones)
    return {host.name for host in hosts}


def wanted(tenant: TenantRow) -> set[str]:
    """Return the addresses that a tenant's document wants for bulk mail; none of a deleted one."""
    hosts = () if tenant.deleting and tenant.paused is None else tenant.document.spec.hosts
    return {address for host in hosts for address in bulk_addresses(host)}


def unwanted(addresses: Iterable[str], tenant: TenantRow) -> dict[str, HostSpec]:
    """Return those of a tenant's addresses that it no longer wants, each with its host."""
    hosts = {host.name: host for host in (*_hosts(tenant.applied), *_hosts(tenant.document))}
    return {
        address: hosts[host_of(address)]
        for address in sorted(set(addresses) - wanted(tenant))
        if host_of(address) in hosts
    }


def kept_before_a_pass(tenant: TenantRow, rows: Iterable[Draining]) -> dict[str, HostSpec]:
    """Return what is kept, also of a document that no pass has seen yet."""
    rows = list(rows)
    applied = [address for host in _hosts(tenant.applied) for address in bulk_addresses(host)]
    released = {row.address for row in rows if row.is_released}
    return unwanted(set(applied) - released, tenant) | kept(rows)


def _hosts(document: Tenant | None) -> tuple[HostSpec, ...]:
    return () if document is None else document.spec.hosts


def _draining(host: Any, **columns: Any) -> Draining:
    return Draining(host=HostSpec.model_validate(host), **columns)
