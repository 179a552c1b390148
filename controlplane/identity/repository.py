"""Rows of API keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch_all, fetch_one
from controlplane.identity.keys import NewKey, Scope
from kit.queries import Queries

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class KeyRow:
    """A stored key; an operator's has no tenant."""

    prefix: str
    hash: bytes
    tenant_id: UUID | None
    scopes: frozenset[str]
    created_at: datetime


async def find_key(connection: AsyncConnection, prefix: str) -> KeyRow | None:
    """Return the key of a prefix."""
    await connection.execute(SQL.set_key_prefix, {"prefix": prefix})
    return await fetch_one(connection, SQL.find, _key, prefix=prefix)


async def add_key(
    connection: AsyncConnection,
    key: NewKey,
    *,
    tenant_id: UUID | None,
    scopes: Iterable[Scope],
    now: datetime,
) -> None:
    """Store a new key."""
    await connection.execute(
        SQL.add,
        {
            "prefix": key.prefix,
            "hash": key.hash,
            "tenant_id": tenant_id,
            "scopes": [str(scope) for scope in scopes],
            "now": now,
        },
    )


async def list_keys(
    connection: AsyncConnection, *, tenant_id: UUID | None, limit: int, after: str
) -> list[KeyRow]:
    """Return active keys by prefix, of one tenant if one is given."""
    return await fetch_all(
        connection, SQL.list_in_force, _key, tenant_id=tenant_id, limit=limit, after=after
    )


async def revoke_key(connection: AsyncConnection, prefix: str, *, now: datetime) -> KeyRow | None:
    """Revoke a key and return it; None where none of that prefix is in force."""
    return await fetch_one(connection, SQL.revoke, _key, prefix=prefix, now=now)


def _key(scopes: list[str], **columns: Any) -> KeyRow:
    return KeyRow(scopes=frozenset(scopes), **columns)
