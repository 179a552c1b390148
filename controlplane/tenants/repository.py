"""Rows of tenants and of what hangs on them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.document import PublicKeys
from blueprint.tenant import Tenant

COLUMNS = (
    "id, name, generation, observed_generation, document, deleting, paused_at, paused_by, "
    "pause_reason, public_keys, sending_since, created_at, updated_at"
)


@dataclass(frozen=True)
class Pause:
    """Why nothing is changed for a tenant."""

    reason: str
    actor: str
    """Prefix of the key that asked for it."""
    since: datetime

    @property
    def sentence(self) -> str:
        """Return reason and actor in one line."""
        return f"{self.reason} (by key {self.actor})"


@dataclass(frozen=True)
class TenantRow:
    """A tenant as it is kept."""

    id: UUID
    name: str
    generation: int
    observed_generation: int
    document: Tenant
    deleting: bool
    paused: Pause | None
    public_keys: PublicKeys | None
    sending_since: date | None
    """First UTC day of the warm-up."""
    created_at: datetime
    updated_at: datetime


async def find(
    connection: AsyncConnection, name: str, *, for_update: bool = False
) -> TenantRow | None:
    """Return a tenant by its name."""
    lock = " for update" if for_update else ""
    row = (
        await connection.execute(
            text(f"select {COLUMNS} from oltp.tenants where name = :name{lock}"),  # noqa: S608
            {"name": name},
        )
    ).one_or_none()
    return None if row is None else _tenant(row)


async def get(connection: AsyncConnection, id_: UUID) -> TenantRow | None:
    """Return a tenant by its id."""
    row = (
        await connection.execute(
            text(f"select {COLUMNS} from oltp.tenants where id = :id"),  # noqa: S608 - constant
            {"id": id_},
        )
    ).one_or_none()
    return None if row is None else _tenant(row)


async def lock(connection: AsyncConnection, id_: UUID) -> None:
    """Keep others from writing a tenant until the transaction ends."""
    await connection.execute(
        text("select 1 from oltp.tenants where id = :id for no key update"), {"id": id_}
    )


async def page(
    connection: AsyncConnection, *, after: str, labels: Sequence[tuple[str, str]], limit: int
) -> list[TenantRow]:
    """Return tenants that have all these labels, by name, after a name."""
    rows = await connection.execute(
        text(
            f"select {COLUMNS} from oltp.tenants where name > :after "  # noqa: S608 - constant
            "and document->'metadata'->'labels' @> all(cast(:labels as jsonb[])) "
            "order by name limit :limit"
        ),
        {"after": after, "labels": [json.dumps(dict([label])) for label in labels], "limit": limit},
    )
    return [_tenant(row) for row in rows]


async def insert(
    connection: AsyncConnection, id_: UUID, document: Tenant, *, now: datetime
) -> TenantRow | None:
    """Keep a new tenant of generation 1 and return it; None when the name is taken."""
    done = await connection.execute(
        text(
            "insert into oltp.tenants (id, name, generation, document, created_at, updated_at) "
            "values (:id, :name, 1, cast(:document as jsonb), :now, :now) "
            "on conflict (name) do nothing"
        ),
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
        deleting=False,
        paused=None,
        public_keys=None,
        sending_since=None,
        created_at=now,
        updated_at=now,
    )


async def replace(
    connection: AsyncConnection, row: TenantRow, document: Tenant, now: datetime
) -> TenantRow:
    """Write a new specification and return the tenant, whose generation grows by one."""
    await connection.execute(
        text(
            "update oltp.tenants set document = cast(:document as jsonb), "
            "generation = generation + 1, updated_at = :now where id = :id"
        ),
        {"id": row.id, "document": document.model_dump_json(by_alias=True), "now": now},
    )
    return dataclasses.replace(
        row, document=document, generation=row.generation + 1, updated_at=now
    )


async def mark_deleting(connection: AsyncConnection, row: TenantRow, now: datetime) -> None:
    """Wish that a tenant be gone."""
    await connection.execute(
        text(
            "update oltp.tenants set deleting = true, generation = generation + 1, "
            "updated_at = :now where id = :id"
        ),
        {"id": row.id, "now": now},
    )


async def is_paused(connection: AsyncConnection, tenant_id: UUID) -> bool:
    """Tell whether a tenant is paused at this moment."""
    found = await connection.execute(
        text("select 1 from oltp.tenants where id = :id and paused_at is not null"),
        {"id": tenant_id},
    )
    return found.first() is not None


async def set_pause(connection: AsyncConnection, row: TenantRow, pause: Pause | None) -> None:
    """Pause a tenant, or with None resume it; the generation stays."""
    await connection.execute(
        text(
            "update oltp.tenants set paused_at = :since, paused_by = :actor, "
            "pause_reason = :reason where id = :id"
        ),
        {
            "id": row.id,
            "since": pause and pause.since,
            "actor": pause and pause.actor,
            "reason": pause and pause.reason,
        },
    )


async def owner_of(connection: AsyncConnection, domain: str) -> TenantRow | None:
    """Return the tenant of a domain; None for one of nobody whom the connection may see."""
    found = await connection.execute(
        text("select tenant_id from oltp.domains where name = :name"), {"name": domain}
    )
    tenant_id = found.scalar_one_or_none()
    return None if tenant_id is None else await get(connection, tenant_id)


async def names(connection: AsyncConnection, ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """Return the names of tenants by their ids."""
    rows = await connection.execute(
        text("select id, name from oltp.tenants where id = any(:ids)"),
        {"ids": [id_ for id_ in set(ids) if id_ is not None]},
    )
    return {row.id: row.name for row in rows}


async def own_domains(
    connection: AsyncConnection, tenant_id: UUID, names: Sequence[str]
) -> list[str]:
    """Make exactly these domains the tenant's; return those that belong to somebody else."""
    await connection.execute(
        text("delete from oltp.domains where tenant_id = :id and name <> all(:names)"),
        {"id": tenant_id, "names": list(names)},
    )
    # In order of name, so that two writers never wait for each other in a circle.
    for name in sorted(names):
        await connection.execute(
            text(
                "insert into oltp.domains (name, tenant_id) values (:name, :id) "
                "on conflict (name) do nothing"
            ),
            {"name": name, "id": tenant_id},
        )
    rows = await connection.execute(
        text("select name from oltp.domains where tenant_id = :id"), {"id": tenant_id}
    )
    ours = {row.name for row in rows}
    return [name for name in names if name not in ours]


async def remember_digest(
    connection: AsyncConnection, tenant_id: UUID, digest: str, generation: int, now: datetime
) -> None:
    """Remember that a blueprint came from here."""
    await connection.execute(
        text(
            "insert into oltp.digests (tenant_id, digest, generation, first_at) "
            "values (:id, :digest, :generation, :now) on conflict do nothing"
        ),
        {"id": tenant_id, "digest": digest, "generation": generation, "now": now},
    )


async def knows_digest(connection: AsyncConnection, tenant_id: UUID, digest: str) -> bool:
    """Tell whether a blueprint came from here."""
    found = await connection.execute(
        text("select 1 from oltp.digests where tenant_id = :id and digest = :digest"),
        {"id": tenant_id, "digest": digest},
    )
    return found.first() is not None


async def set_observed(connection: AsyncConnection, tenant_id: UUID, generation: int) -> None:
    """Record which generation has been visited to its end."""
    await connection.execute(
        text("update oltp.tenants set observed_generation = :generation where id = :id"),
        {"id": tenant_id, "generation": generation},
    )


async def set_public_keys(connection: AsyncConnection, tenant_id: UUID, keys: PublicKeys) -> None:
    """Record the public halves of a tenant's keys."""
    await connection.execute(
        text("update oltp.tenants set public_keys = cast(:keys as jsonb) where id = :id"),
        {"id": tenant_id, "keys": keys.model_dump_json(by_alias=True)},
    )


async def set_sending_since(connection: AsyncConnection, tenant_id: UUID, day: date) -> None:
    """Record the first day of the warm-up."""
    await connection.execute(
        text("update oltp.tenants set sending_since = :day where id = :id"),
        {"id": tenant_id, "day": day},
    )


async def delete(connection: AsyncConnection, tenant_id: UUID) -> None:
    """Forget a tenant and everything that hangs on it; operations and events stay."""
    await connection.execute(text("delete from oltp.tenants where id = :id"), {"id": tenant_id})


def _pause(row: Any) -> Pause | None:
    if row.paused_at is None:
        return None
    return Pause(reason=row.pause_reason, actor=row.paused_by, since=row.paused_at)


def _tenant(row: Any) -> TenantRow:
    keys = row.public_keys
    return TenantRow(
        id=row.id,
        name=row.name,
        generation=row.generation,
        observed_generation=row.observed_generation,
        document=Tenant.model_validate(row.document),
        deleting=row.deleting,
        paused=_pause(row),
        public_keys=None if keys is None else PublicKeys.model_validate(keys),
        sending_since=row.sending_since,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
