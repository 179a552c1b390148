"""Mail that waits: it is withdrawn, or tried again now."""

from __future__ import annotations

import json

from sender.mailq.selection import SQL, Changed, Connection, Selection, changed, owners
from sender.queue import operations
from sender.reasons import WITHDRAWN


async def withdraw(
    connection: Connection, selection: Selection, *, words: str, actor: str, most: int
) -> Changed:
    """Cancel up to so many mails that wait: held, deferred or not due yet."""
    query = SQL.waiting_mails if selection.ids is None else SQL.waiting_mails_of_ids
    await connection.execute(SQL.find_by_keys)
    found = await owners(connection, query, selection.values(most))
    done = sorted(await operations.cancel(connection, list(found), WITHDRAWN))
    await connection.execute(
        SQL.record_events,
        {
            "ids": done,
            "tenant_ids": [found[id_] for id_ in done],
            "kind": "decided",
            "state": "cancelled",
            "reason": WITHDRAWN,
            "words": words,
            "details": json.dumps({"actor": actor}),
        },
    )
    return changed(found, done, most)


async def retry(connection: Connection, selection: Selection, *, most: int) -> Changed:
    """Let up to so many deferred mails be due now."""
    await connection.execute(SQL.find_by_keys)
    found = await owners(connection, SQL.deferred_mails, selection.values(most))
    return changed(found, await operations.set_due(connection, list(found)), most)
