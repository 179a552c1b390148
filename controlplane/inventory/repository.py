"""Tenants whose documents hold a part that somebody asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def names_of_tenants(
    connection: AsyncConnection,
    holding: Mapping[str, Any],
    *,
    tenant: str | None,
    start: str,
    again: bool,
    limit: int,
) -> list[str]:
    """Return names in order, behind `start`, of tenants whose specification holds `holding`.

    With `again` the first one may be `start` itself.
    """
    rows = await connection.execute(
        text(
            f"select name from oltp.tenants where name {'>=' if again else '>'} :start "  # noqa: S608
            "and document->'spec' @> cast(:holding as jsonb) "
            f"{'' if tenant is None else 'and name = :tenant '}order by name limit :limit"
        ),
        {"start": start, "tenant": tenant, "holding": json.dumps(holding), "limit": limit},
    )
    return [row.name for row in rows]
