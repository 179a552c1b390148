"""Rows of API keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.identity.keys import NewKey, Scope


@dataclass(frozen=True)
class KeyRow:
    """A key as it is kept; `tenant_id` None is an operator's."""

    prefix: str
    hash: bytes
    tenant_id: UUID | None
    scopes: frozenset[str]
    revoked: bool


async def find_key(connection: AsyncConnection, prefix: str) -> KeyRow | None:
    """Return the key of a prefix; the API role sees this one row only."""
    await connection.execute(
        text("select set_config('app.api_key_prefix', :prefix, true)"), {"prefix": prefix}
    )
    row = (
        await connection.execute(
            text(
                "select prefix, hash, tenant_id, scopes, revoked_at is not null as revoked "
                "from oltp.api_keys where prefix = :prefix"
            ),
            {"prefix": prefix},
        )
    ).one_or_none()
    if row is None:
        return None
    return KeyRow(row.prefix, bytes(row.hash), row.tenant_id, frozenset(row.scopes), row.revoked)


async def add_key(
    connection: AsyncConnection,
    key: NewKey,
    *,
    tenant_id: UUID | None,
    scopes: Iterable[Scope],
    now: datetime,
) -> None:
    """Keep a new key."""
    await connection.execute(
        text(
            "insert into oltp.api_keys (prefix, hash, tenant_id, scopes, created_at) "
            "values (:prefix, :hash, :tenant_id, :scopes, :now)"
        ),
        {
            "prefix": key.prefix,
            "hash": key.hash,
            "tenant_id": tenant_id,
            "scopes": [str(scope) for scope in scopes],
            "now": now,
        },
    )
