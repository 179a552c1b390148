"""Tenants whose documents contain a requested part."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.queries import Queries

SQL = Queries(__file__, text)


async def names_of_tenants(
    connection: AsyncConnection,
    holding: Mapping[str, Any],
    *,
    tenant: str | None,
    start: str,
    again: bool,
    limit: int,
) -> Sequence[str]:
    """Return names in order, after `start`, of tenants whose specification contains `holding`.

    With `again` the first one may be `start` itself.
    """
    values = {
        "start": start,
        "again": again,
        "tenant": tenant,
        "holding": json.dumps(holding),
        "limit": limit,
    }
    return (await connection.scalars(SQL.names_of_tenants, values)).all()
