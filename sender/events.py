"""Events of messages in an order in which none is missed."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sender.database import SQL, Connection
from sender.faults import CURSOR_UNKNOWN
from sender.schemas import MessageEvent, State

MOST = 10_000
"""Events that one look passes over."""
CURSOR = r"^[0-9]{1,19}-[0-9]{1,18}$"
START = "0-0"


@dataclass(frozen=True)
class Events:
    """A page of events, oldest first."""

    items: list[MessageEvent]
    next: str
    """Where to go on; the cursor that was given, when nothing followed it."""


async def events_after(
    connection: Connection,
    cursor: str,
    *,
    tenant_id: UUID,
    message_id: UUID | None = None,
    states: Collection[State] | None = None,
    since: datetime | None = None,
    limit: int,
    most: int = MOST,
) -> Events:
    """Return a tenant's events after a cursor (`START`: from the first), of the next `most`.

    Raises CURSOR_UNKNOWN for a cursor that this database cannot have given.
    """
    assert re.match(CURSOR, cursor)  # noqa: S101 - held by the API
    xid, _, number = cursor.partition("-")
    values = {
        "tenant_id": tenant_id,
        "xid": xid,
        "number": int(number),
        "message_id": message_id,
        "states": None if states is None else [state.value for state in states],
        "since": since,
        "most": limit if states is None else most,
        "limit": limit,
    }
    rows = (await connection.execute(SQL.events_after, values)).all()
    first = rows[0]
    if not first.is_known:
        raise CURSOR_UNKNOWN(cursor=cursor)
    items = [
        MessageEvent(
            id=f"{row.xid}-{row.number}",
            message_id=row.message_id,
            at=row.at,
            state=row.state,
            reason=row.reason,
            message=row.words,
            details=row.details,
        )
        for row in rows
        if row.xid is not None
    ]
    if len(items) == limit:
        return Events(items, items[-1].id)
    last = cursor if first.last_xid is None else f"{first.last_xid}-{first.last_number}"
    return Events(items, last)
