"""Domains whose records are kept until no host has mail of them: their rows, and which do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.tenant import DomainSpec
from controlplane.database import fetch
from controlplane.tenants.draining import LONGEST
from controlplane.tenants.repository import TenantRow
from kit.queries import Queries
from kit.readings import Reading

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class DrainingDomain:
    """A domain that the document no longer has."""

    domain: DomainSpec
    """As it was when the document had it."""
    since: datetime
    """By the clock of the database, like `is_over`."""
    is_claimed: bool = False
    """Another tenant has asked for it."""
    is_over: bool = False
    """It is not waited for any more: the time is over, or an operator has decided so."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.domain.name


async def load(
    connection: AsyncConnection, tenant_id: UUID, *, limit: timedelta = LONGEST
) -> list[DrainingDomain]:
    """Return a tenant's domains that drain, the longest draining first."""
    return await fetch(connection, reading(tenant_id, limit=limit))


def reading(tenant_id: UUID, *, limit: timedelta) -> Reading[TextClause, list[DrainingDomain]]:
    """Read a tenant's domains that drain, the longest draining first."""
    return Reading(
        SQL.load_draining_domains,
        {"tenant_id": tenant_id, "limit": limit},
        lambda rows: [_draining(**row) for row in rows],
    )


async def add(connection: AsyncConnection, tenant_id: UUID, domains: Iterable[DomainSpec]) -> None:
    """Let domains drain; those that do already began when they did."""
    for domain in domains:
        values = {"tenant_id": tenant_id, "domain": domain.name, "spec": domain.model_dump_json()}
        await connection.execute(SQL.add_draining_domain, values)


async def remove(connection: AsyncConnection, tenant_id: UUID, names: Collection[str]) -> None:
    """Forget domains that are wanted again, or released."""
    if names:
        values = {"tenant_id": tenant_id, "domains": sorted(names)}
        await connection.execute(SQL.remove_draining_domains, values)


def wanted(tenant: TenantRow) -> set[str]:
    """Return the domains of a tenant's document; a deletion removes their records last of all."""
    return {domain.name for domain in tenant.document.spec.domains}


def unwanted(names: Iterable[str], tenant: TenantRow) -> dict[str, DomainSpec]:
    """Return those of a tenant's domains that its document no longer has."""
    former = {} if tenant.applied is None else {d.name: d for d in tenant.applied.spec.domains}
    gone = sorted(set(names) - wanted(tenant))
    return {name: former[name] for name in gone if name in former}


def kept_before_a_pass(tenant: TenantRow, rows: Iterable[DrainingDomain]) -> list[DomainSpec]:
    """Return what is kept, also of a document that no pass has seen yet."""
    applied = () if tenant.applied is None else tenant.applied.spec.domains
    former = unwanted((domain.name for domain in applied), tenant)
    kept: Mapping[str, DomainSpec] = former | {row.name: row.domain for row in rows}
    return [domain for name, domain in kept.items() if name not in wanted(tenant)]


def _draining(spec: Any, **columns: Any) -> DrainingDomain:
    return DrainingDomain(domain=DomainSpec.model_validate(spec), **columns)
