"""Cancels what waits of tenants that were deleted, also while no sender ran."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import structlog
from psycopg import AsyncConnection, Error
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from sender import reasons
from sender.dispatch.store import SQL
from sender.queue import operations
from sender.schemas import State

AT_ONCE = 1000
"""Messages that one transaction cancels."""
log = structlog.get_logger(__name__)


async def cancel_mail_of_deleted(pool: AsyncConnectionPool[Any], slots: Collection[int]) -> None:
    """Cancel the mail of deleted tenants in some slots that is in nobody's hands.

    What is in work now, or was enqueued during the deletion, is found the next time.
    """
    try:
        async with pool.connection() as connection:
            cursor = await connection.execute(SQL.withdrawn, {"slots": list(slots)})
            for (tenant_id,) in await cursor.fetchall():
                while await _cancel_some(connection, tenant_id):
                    await connection.commit()
    except (Error, PoolTimeout) as error:
        log.warning("sender.not_cancelled", error=str(error))


async def _cancel_some(connection: AsyncConnection[Any], tenant_id: UUID) -> int:
    """Return how many messages of a tenant were cancelled."""
    found = await operations.waiting(connection, tenant_id, limit=AT_ONCE)
    cancelled = list(await operations.cancel(connection, found, reasons.TENANT_DELETED))
    count = len(cancelled)
    if cancelled:
        values = {
            "ids": cancelled,
            "tenant_ids": [tenant_id] * count,
            "kinds": ["decided"] * count,
            "states": [State.CANCELLED.value] * count,
            "reasons": [reasons.TENANT_DELETED] * count,
            "words": ["the tenant was deleted"] * count,
            "details": ["{}"] * count,
        }
        await connection.execute(SQL.record_events, values)
    return count
