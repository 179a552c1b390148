"""Lists a tenant's messages, by what they are and where they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from blueprint.mail_address import folded
from sender.database import SQL, Connection
from sender.explain import CONTENT, view_of
from sender.schemas import MessageView, State
from sender.suppression import recipient_hash

MOST = 5_000
"""Messages that one search looks at: a tenant may have millions, and few of them be wanted."""


@dataclass(frozen=True)
class Filter:
    """What is wanted; all that is given must be true of a message."""

    states: Collection[State] | None = None
    """One of these."""
    reason: str | None = None
    recipient: str | None = None
    """The address."""
    sender: str | None = None
    """The From address."""
    campaign: str | None = None
    since: datetime | None = None
    """Queued at this moment or later."""
    until: datetime | None = None
    """Queued before this moment."""

    @property
    def is_given(self) -> bool:
        """Whether anything is wanted in particular."""
        return any(getattr(self, field.name) is not None for field in fields(self))


@dataclass(frozen=True)
class Found:
    """A page of messages, newest first."""

    items: list[MessageView]
    next: UUID | None
    """Where the search goes on; None: nothing is left."""


async def search(
    connection: Connection,
    *,
    tenant_id: UUID,
    wanted: Filter = Filter(),
    limit: int = 50,
    before: UUID | None = None,
    most: int = MOST,
) -> Found:
    """Find a tenant's messages among `most`; `before` is `next` of the page before.

    A page may have fewer than `limit`, or none, and still another one follow.
    """
    few = wanted.states is wanted.reason is wanted.sender is wanted.campaign is None
    values = {
        "tenant_id": tenant_id,
        "before": before,
        "since": wanted.since,
        "until": wanted.until,
        "recipient": None if wanted.recipient is None else recipient_hash(wanted.recipient),
        "most": limit + 1 if few else most,
        "content": list(CONTENT),
        "states": None if wanted.states is None else [state.value for state in wanted.states],
        "reason": wanted.reason,
        "sender": None if wanted.sender is None else folded(wanted.sender),
        "campaign": None if wanted.campaign is None else wanted.campaign.lower(),
        "limit": limit + 1,
    }
    await connection.execute(SQL.find_by_keys)
    is_rare = wanted.states is not None and State.ACCEPTED not in wanted.states
    query = SQL.search_not_accepted if is_rare and wanted.recipient is None else SQL.search
    rows = (await connection.execute(query, values)).all()
    items = [view_of(row) for row in rows if row.id is not None]
    if len(items) > limit:
        return Found(items[:limit], items[limit - 1].id)
    return Found(items, rows[0].last)
