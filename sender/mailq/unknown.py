"""Mail of which our host may have taken the last octets, or not: people find out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from sender.mailq.selection import SQL, Changed, Connection, Selection, changed, find_mails
from sender.queue import operations
from sender.reasons import RESOLVED


@dataclass(frozen=True)
class UnknownMail:
    """A mail of unknown outcome."""

    id: UUID
    tenant_id: UUID
    sender: str | None
    recipient: str | None
    reason: str | None
    note: str | None
    """The address that it was handed over to, if that had begun."""
    since: datetime


@dataclass(frozen=True)
class Resolved(Changed):
    """Mail whose outcome was settled."""

    ids: frozenset[UUID] = field(kw_only=True)


async def unknown_mails(
    connection: Connection,
    *,
    tenant_id: UUID | None = None,
    limit: int = 100,
    before: UUID | None = None,
) -> list[UnknownMail]:
    """List mails of unknown outcome, newest first; `before` is the last id of the page before."""
    values = {"tenant_id": tenant_id, "limit": limit, "before": before}
    async with connection.cursor(row_factory=class_row(UnknownMail)) as cursor:
        await cursor.execute(SQL.unknown_mails, values)
        return await cursor.fetchall()


async def resolve(
    connection: Connection,
    selection: Selection,
    *,
    delivered: bool,
    words: str,
    actor: str,
    most: int,
) -> Resolved:
    """Settle outcomes; what was not delivered is sent again. Looks at up to so many mails."""
    owners, following = await find_mails(connection, SQL.unknown_mails_meant, selection, most)
    await connection.execute(SQL.lock_unknown, {"ids": list(owners)})
    done = sorted(await operations.resolve(connection, list(owners), had_effect=delivered))
    verdict = "delivered" if delivered else "not delivered, so it is sent again"
    await connection.execute(
        SQL.record_events,
        {
            "ids": done,
            "tenant_ids": [owners[id_] for id_ in done],
            "kind": RESOLVED,
            "state": "accepted" if delivered else "queued",
            "reason": RESOLVED,
            "words": f"{verdict}: {words}",
            "details": json.dumps({"actor": actor}),
        },
    )
    return Resolved(changed(owners, done, following).tenants, next=following, ids=frozenset(done))
