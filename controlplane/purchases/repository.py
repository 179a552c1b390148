"""Whether the purchase journal lets anything be bought and ended."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.queries import Queries

SQL = Queries(__file__, text)


async def is_restored(connection: AsyncConnection) -> bool:
    """Return whether the database is another one than the journal belongs to, or was set back."""
    if not (await connection.execute(SQL.has_journal)).scalar_one():
        return False
    return not (await connection.execute(SQL.is_bound)).scalar_one()
