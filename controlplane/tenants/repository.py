"""Rows of tenants, their domains and digests."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.document import PublicKeys
from blueprint.tenant import Tenant
from controlplane.database import fetch, fetch_all, fetch_one
from controlplane.tenants.selectors import Requirement, parameters
from kit.queries import Queries
from kit.readings import Reading

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class Pause:
    """The reason why a tenant is not changed. A repeated request is an equal pause."""

    reason: str
    actor: str
    """Prefix of the requester's key."""
    since: datetime = field(compare=False)

    @property
    def sentence(self) -> str:
        """Return reason and actor in one line."""
        return f"{self.reason} (by key {self.actor})"


@dataclass(frozen=True)
class TenantRow:
    """A stored tenant."""

    id: UUID
    name: str
    generation: int
    observed_generation: int
    document: Tenant
    applied: Tenant | None
    """The document of the observed generation."""
    deleting: bool
    paused: Pause | None
    forgotten_zones: Sequence[str]
    """Zones of which an operator decided that their records are gone, if they are out of reach."""
    public_keys: PublicKeys | None
    sending_since: date | None
    """First UTC day of the warm-up."""
    refresh_asked_at: datetime | None
    """When a comparison with the providers was asked for that has not succeeded yet."""
    bought_again: Sequence[int]
    """Service ids of servers that have ended, instead of which a person lets others be bought."""
    created_at: datetime
    updated_at: datetime

    def as_applied(self) -> TenantRow:
        """Return the tenant with the document that was applied last, if one was."""
        if self.applied is None:
            return self
        return dataclasses.replace(self, document=self.applied, generation=self.observed_generation)


async def find(
    connection: AsyncConnection, name: str, *, for_update: bool = False
) -> TenantRow | None:
    """Return a tenant by its name."""
    if for_update:
        await connection.execute(SQL.lock, {"id": None, "name": name})
    return await fetch_one(connection, SQL.find, _tenant, id=None, name=name)


async def get(connection: AsyncConnection, id_: UUID) -> TenantRow | None:
    """Return a tenant by its id."""
    return await fetch(connection, reading(id_))


def reading(id_: UUID) -> Reading[TextClause, TenantRow | None]:
    """Read a tenant."""
    return Reading(
        SQL.find, {"id": id_, "name": None}, lambda rows: _tenant(**rows[0]) if rows else None
    )


async def lock(connection: AsyncConnection, id_: UUID) -> None:
    """Lock a tenant against other writers until the transaction ends."""
    await connection.execute(SQL.lock, {"id": id_, "name": None})


async def page(
    connection: AsyncConnection,
    *,
    after: str,
    limit: int,
    inclusive: bool = False,
    name: str | None = None,
    spec: Mapping[str, Any] | None = None,
) -> list[TenantRow]:
    """Return tenants in order of name, after a name or with `inclusive` from it on.

    Their specification contains `spec`, or did while a part drains.
    """
    return await fetch_all(
        connection,
        SQL.page,
        _tenant,
        after=after,
        inclusive=inclusive,
        name=name,
        spec=json.dumps(spec or {}),
        limit=limit,
    )


async def select(
    connection: AsyncConnection,
    *,
    after: str,
    requirements: Sequence[Requirement],
    reason: str | None,
    limit: int,
) -> list[TenantRow]:
    """Return tenants in order of name that meet all requirements.

    With `reason` they have a condition of it that is not True, or requires an action.
    """
    if not requirements and reason is None:
        return await page(connection, after=after, limit=limit)
    values = {"after": after, "reason": reason, "limit": limit}
    if not requirements:
        return await fetch_all(connection, SQL.page_with_reason, _tenant, **values)
    return await fetch_all(
        connection, SQL.page_with_labels, _tenant, **values, **parameters(requirements)
    )


async def insert(
    connection: AsyncConnection, id_: UUID, document: Tenant, *, now: datetime
) -> TenantRow | None:
    """Insert a tenant of generation 1 and return it; None when the name is in use."""
    done = await connection.execute(
        SQL.insert,
        {
            "id": id_,
            "name": document.metadata.name,
            "document": document.model_dump_json(by_alias=True),
            "now": now,
        },
    )
    if done.rowcount == 0:
        return None
    return TenantRow(
        id=id_,
        name=document.metadata.name,
        generation=1,
        observed_generation=0,
        document=document,
        applied=None,
        deleting=False,
        paused=None,
        forgotten_zones=(),
        public_keys=None,
        sending_since=None,
        refresh_asked_at=None,
        bought_again=(),
        created_at=now,
        updated_at=now,
    )


async def replace(
    connection: AsyncConnection, row: TenantRow, document: Tenant, now: datetime
) -> TenantRow:
    """Write a new specification and return the tenant, whose generation grows by one."""
    await connection.execute(
        SQL.replace,
        {"id": row.id, "document": document.model_dump_json(by_alias=True), "now": now},
    )
    return dataclasses.replace(
        row, document=document, generation=row.generation + 1, updated_at=now
    )


async def mark_deleting(connection: AsyncConnection, row: TenantRow, now: datetime) -> None:
    """Request that a tenant be deleted."""
    await connection.execute(SQL.mark_deleting, {"id": row.id, "now": now})


async def is_paused(connection: AsyncConnection, tenant_id: UUID) -> bool:
    """Return whether a tenant is paused at present."""
    return bool(await connection.scalar(SQL.is_paused, {"id": tenant_id}))


async def set_pause(connection: AsyncConnection, row: TenantRow, pause: Pause | None) -> None:
    """Pause a tenant, or with None resume it; the generation stays."""
    columns = dict.fromkeys(("since", "actor", "reason")) if pause is None else vars(pause)
    await connection.execute(SQL.set_pause, {"id": row.id, **columns})


async def ask_refresh(connection: AsyncConnection, row: TenantRow, now: datetime) -> None:
    """Ask for a comparison of the state with the providers; the generation stays."""
    await connection.execute(SQL.ask_refresh, {"id": row.id, "now": now})


async def ask_refresh_of_all(connection: AsyncConnection, now: datetime) -> None:
    """Ask for a comparison of the state of each tenant with the providers."""
    await connection.execute(SQL.ask_refresh_of_all, {"now": now})


async def end_refresh(connection: AsyncConnection, row: TenantRow) -> None:
    """Record that the comparison that `row` asks for has succeeded."""
    values = {"id": row.id, "asked_at": row.refresh_asked_at}
    await connection.execute(SQL.end_refresh, values)


async def buy_again(
    connection: AsyncConnection, row: TenantRow, service_ids: Iterable[int]
) -> None:
    """Record servers that have ended, instead of which others may be bought."""
    await connection.execute(SQL.buy_again, {"id": row.id, "service_ids": sorted(set(service_ids))})


async def set_forgotten_zones(
    connection: AsyncConnection, row: TenantRow, zones: Iterable[str]
) -> None:
    """Record the zones that an operator gave up; the generation stays."""
    await connection.execute(SQL.set_forgotten_zones, {"id": row.id, "zones": sorted(zones)})


async def owner_of(connection: AsyncConnection, domain: str) -> TenantRow | None:
    """Return the tenant of a domain, None without one that the connection may see."""
    tenant_id = await connection.scalar(SQL.owner_of, {"domain": domain})
    return None if tenant_id is None else await get(connection, tenant_id)


async def names(connection: AsyncConnection, ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """Return the names of tenants by their ids."""
    tenant_ids = [id_ for id_ in set(ids) if id_ is not None]
    rows = await connection.execute(SQL.names, {"ids": tenant_ids})
    return {row.id: row.name for row in rows}


async def record_digest(
    connection: AsyncConnection, tenant_id: UUID, digest: str, *, cloud: str
) -> None:
    """Record that the control plane rendered a blueprint; `cloud` is its digest for providers."""
    values = {"id": tenant_id, "digest": digest, "cloud": cloud}
    await connection.execute(SQL.add_digest, values)


async def has_digest(connection: AsyncConnection, tenant_id: UUID, digest: str) -> bool:
    """Return whether the control plane rendered a blueprint."""
    values = {"id": tenant_id, "digest": digest}
    return bool(await connection.scalar(SQL.has_digest, values))


async def set_observed(connection: AsyncConnection, row: TenantRow) -> None:
    """Record the last generation that a pass completed, and its document."""
    document = row.document.model_dump_json(by_alias=True)
    values = {"id": row.id, "generation": row.generation, "document": document}
    await connection.execute(SQL.set_observed, values)


async def set_public_keys(connection: AsyncConnection, tenant_id: UUID, keys: PublicKeys) -> None:
    """Record the public halves of a tenant's keys."""
    await connection.execute(
        SQL.set_public_keys, {"id": tenant_id, "keys": keys.model_dump_json(by_alias=True)}
    )


async def set_sending_since(connection: AsyncConnection, tenant_id: UUID, day: date) -> None:
    """Record the first day of the warm-up."""
    await connection.execute(SQL.set_sending_since, {"id": tenant_id, "day": day})


async def delete(connection: AsyncConnection, tenant_id: UUID) -> None:
    """Delete a tenant and everything that belongs to it, but for operations and events."""
    await connection.execute(SQL.delete, {"id": tenant_id})


def _tenant(
    document: Any,
    applied_document: Any,
    public_keys: Any,
    paused_at: datetime | None,
    paused_by: str,
    pause_reason: str,
    **columns: Any,
) -> TenantRow:
    current = Tenant.model_validate(document)
    applied = None
    if applied_document is not None:
        is_current = applied_document == document  # as it is most of the time
        applied = current if is_current else Tenant.model_validate(applied_document)
    return TenantRow(
        document=current,
        applied=applied,
        public_keys=None if public_keys is None else PublicKeys.model_validate(public_keys),
        paused=None if paused_at is None else Pause(pause_reason, paused_by, paused_at),
        **columns,
    )


async def was_cancelled(connection: AsyncConnection, tenant: TenantRow) -> bool:
    """Return whether an operation of the generation was cancelled, also while it still ends."""
    values = {"tenant_id": tenant.id, "generation": tenant.generation}
    return bool((await connection.execute(SQL.is_cancelled, values)).scalar_one())
