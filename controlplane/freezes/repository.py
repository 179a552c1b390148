"""Rows of freezes, which the purchase journal reads right before each order and each end."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch_all
from controlplane.freezes.schemas import FreezeView, Frozen
from kit.queries import Queries

SQL = Queries(__file__, text)


async def frozen(connection: AsyncConnection) -> list[FreezeView]:
    """Return everything that is frozen."""
    return await fetch_all(connection, SQL.list, FreezeView)


async def freeze(connection: AsyncConnection, what: Frozen, *, reason: str, actor: str) -> None:
    """Freeze it; what is frozen already gets another reason."""
    values = {"what": str(what), "reason": reason, "actor": actor}
    await connection.execute(SQL.freeze, values)


async def unfreeze(connection: AsyncConnection, what: Frozen) -> bool:
    """Let it go on; False when it was not frozen."""
    return (await connection.execute(SQL.unfreeze, {"what": str(what)})).rowcount == 1
