"""Idempotency keys: a repeated request gets the response of the first one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.database import AdvisoryLock
from kit.queries import Queries
from sender.faults import IDEMPOTENCY_MISMATCH

SQL = Queries(__file__, text)
LIFETIME = timedelta(hours=24)


@dataclass(frozen=True)
class StoredResponse:
    """The response to a request with an idempotency key; its body is JSON."""

    status: int
    body: str


async def find(
    connection: AsyncConnection, owner: str, key: str, request: str, *, now: datetime
) -> StoredResponse | None:
    """Return the response to a key; other requests with it wait for the transaction."""
    await connection.execute(
        SQL.lock_response, {"lock": AdvisoryLock.IDEMPOTENCY_KEY, "name": f"{owner}/{key}"}
    )
    stored = await connection.execute(
        SQL.find_response, {"owner": owner, "key": key, "since": now - LIFETIME}
    )
    row = stored.one_or_none()
    if row is None:
        return None
    if bytes(row.request_hash) != _hash(request):
        raise IDEMPOTENCY_MISMATCH()
    return StoredResponse(row.status, row.body)


async def save(
    connection: AsyncConnection,
    owner: str,
    key: str,
    request: str,
    response: StoredResponse,
    *,
    now: datetime,
) -> None:
    """Store the response to a key, and delete those that are too old."""
    await connection.execute(SQL.delete_expired_responses, {"since": now - LIFETIME})
    await connection.execute(
        SQL.save_response,
        {
            "owner": owner,
            "key": key,
            "request_hash": _hash(request),
            "status": response.status,
            "body": response.body,
            "now": now,
        },
    )


def _hash(request: str) -> bytes:
    return hashlib.sha256(request.encode()).digest()
