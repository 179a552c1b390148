"""Dead letters: mail that our hosts refused for good, or that was tried too often."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from sender.mailq.selection import SQL, Changed, Connection, Selection, changed, find_mails
from sender.queue import operations


@dataclass(frozen=True)
class DeadMail:
    """A dead letter."""

    id: UUID
    tenant_id: UUID
    sender: str | None
    """None: nothing but its content is left."""
    recipient: str | None
    attempts: int
    reason: str | None
    words: str | None
    died_at: datetime
    can_be_replayed: bool
    """False: its content was erased."""


async def dead_mails(
    connection: Connection,
    *,
    tenant_id: UUID | None = None,
    code: str | None = None,
    limit: int = 100,
    before: UUID | None = None,
) -> list[DeadMail]:
    """List dead letters, newest first; `before` is the last id of the page before."""
    values = {"tenant_id": tenant_id, "code": code, "limit": limit, "before": before}
    async with connection.cursor(row_factory=class_row(DeadMail)) as cursor:
        await cursor.execute(SQL.dead_mails, values)
        return await cursor.fetchall()


async def replay(connection: Connection, selection: Selection, *, most: int) -> Changed:
    """Send dead letters again, with a whole life and no attempt spent. Looks at up to so many."""
    owners, following = await find_mails(connection, SQL.dead_mails_meant, selection, most)
    return changed(owners, await operations.replay(connection, list(owners)), following)


async def purge(connection: Connection, selection: Selection, *, most: int) -> Changed:
    """Delete dead letters with their content; what became of them stays known."""
    owners, following = await find_mails(connection, SQL.dead_mails_meant, selection, most)
    return changed(owners, await operations.purge(connection, list(owners)), following)
