"""Rows of limits, which the purchase journal reads right before each order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch_all, fetch_one
from controlplane.limits.schemas import LimitChange
from kit.queries import Queries

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class LimitRow:
    """Limits of one scope; None: not limited."""

    scope: str
    monthly_cents: int | None = None
    orders_a_day: int | None = None
    reason: str | None = None
    actor: str | None = None
    since: datetime | None = None


async def page(connection: AsyncConnection, *, after: str, limit: int) -> list[LimitRow]:
    """Return limits after a scope."""
    return await fetch_all(connection, SQL.page, LimitRow, after=after, limit=limit)


async def change(
    connection: AsyncConnection, scope: str, body: LimitChange, *, actor: str
) -> LimitRow:
    """Set those limits of a scope that the body has, null ones too; return all of it."""
    values = {
        "scope": scope,
        "monthly_cents": body.monthly_usd_cents,
        "orders_a_day": body.orders_a_day,
        "sets_monthly": "monthly_usd_cents" in body.model_fields_set,
        "sets_orders": "orders_a_day" in body.model_fields_set,
        "reason": body.reason,
        "actor": actor,
    }
    await connection.execute(SQL.set, values)
    await connection.execute(SQL.remove_empty, {"scope": scope})
    return await fetch_one(connection, SQL.find, LimitRow, scope=scope) or LimitRow(scope)
