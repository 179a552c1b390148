"""Gives up messages that wait, and says which ones it came too late for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sender.database import SQL, Connection
from sender.reasons import CANCELLED
from sender.schemas import State
from sender.search import Filter, search

WAITING = frozenset({State.QUEUED, State.HELD, State.DEFERRED})


@dataclass(frozen=True)
class Cancelled:
    """What became of some messages that waited."""

    cancelled: list[UUID]
    in_work: list[UUID]
    """In the hands of a sender: they may leave, or wait again in a moment."""
    next: UUID | None
    """Where to go on; None: there were no more."""


async def cancel(
    connection: Connection, *, tenant_id: UUID, ids: Sequence[UUID], actor: str
) -> set[UUID]:
    """Give up a tenant's messages that wait, and return those that did.

    The transaction must have `app.current_tenant_id` set to this tenant.
    """
    values = {
        "tenant_id": tenant_id,
        "ids": list(ids),
        "reason": CANCELLED,
        "words": f"cancelled by key {actor}",
    }
    return {row.id for row in await connection.execute(SQL.cancel, values)}


async def cancel_found(
    connection: Connection,
    *,
    tenant_id: UUID,
    wanted: Filter,
    actor: str,
    limit: int,
    before: UUID | None = None,
) -> Cancelled:
    """Give up the messages that wait and are wanted, at most so many, the newest first."""
    states = WAITING if wanted.states is None else WAITING.intersection(wanted.states)
    found = await search(
        connection,
        tenant_id=tenant_id,
        wanted=replace(wanted, states=states),
        limit=limit,
        before=before,
    )
    ids = [message.id for message in found.items]
    gone = await cancel(connection, tenant_id=tenant_id, ids=ids, actor=actor)
    return Cancelled(
        cancelled=[id_ for id_ in ids if id_ in gone],
        in_work=[id_ for id_ in ids if id_ not in gone],
        next=found.next,
    )
