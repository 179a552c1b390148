"""Erases what is stored of a recipient; messages stay as rows that are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from kit.queries import Queries
from sender.queue import operations
from sender.reasons import ERASED

SQL: Queries[str] = Queries(__file__, str)


@dataclass(frozen=True)
class Erased:
    """What was done with a recipient's messages."""

    erased: int
    cancelled: int
    """Of them: had waited."""
    in_work: int
    """In the hands of a sender: to be erased in a moment."""
    next: UUID | None
    """Where to go on; None: there were no more."""


async def erase(
    connection: psycopg.AsyncConnection[Any],
    recipient: bytes,
    *,
    tenant_id: UUID | None,
    limit: int = 1000,
    before: UUID | None = None,
) -> Erased:
    """Cancel a recipient's messages that wait, and empty those that are over, newest first.

    `recipient` is the hash of the address. Address, subject, bodies, notes, and the words and
    details of events go, and so does the hash: what is erased is not found again.
    """
    wanted = {"recipient": recipient, "tenant_id": tenant_id, "limit": limit, "before": before}
    rows = await (await connection.execute(SQL.messages_of_recipient, wanted)).fetchall()
    ids: list[UUID] = [row[0] for row in rows]
    cancelled = await operations.cancel(connection, ids, ERASED)
    await connection.execute(SQL.record_cancelled, {"ids": list(cancelled), "reason": ERASED})
    over = {"ids": list(await operations.erase(connection, ids))}
    await connection.execute(SQL.empty_messages, over)
    await connection.execute(SQL.empty_events, over)
    return Erased(
        erased=len(over["ids"]),
        cancelled=len(cancelled),
        in_work=len(ids) - len(over["ids"]),
        next=ids[-1] if len(ids) == limit else None,
    )
