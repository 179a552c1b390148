"""Mail that waits: it is withdrawn, or tried again now."""

from __future__ import annotations

import json

from sender.mailq.selection import SQL, Changed, Connection, Selection, changed, find_mails
from sender.queue import operations
from sender.reasons import WITHDRAWN


async def withdraw(
    connection: Connection, selection: Selection, *, words: str, actor: str, most: int
) -> Changed:
    """Cancel mail that waits: held, deferred or not due yet. Looks at up to so many mails."""
    states = ["queued", "retry"]
    owners, following = await find_mails(
        connection, SQL.waiting_mails, selection, most, states=states, is_later=False
    )
    done = sorted(await operations.cancel(connection, list(owners), WITHDRAWN))
    await connection.execute(
        SQL.record_events,
        {
            "ids": done,
            "tenant_ids": [owners[id_] for id_ in done],
            "kind": "decided",
            "state": "cancelled",
            "reason": WITHDRAWN,
            "words": words,
            "details": json.dumps({"actor": actor}),
        },
    )
    return changed(owners, done, following)


async def retry(connection: Connection, selection: Selection, *, most: int) -> Changed:
    """Let deferred mail be due now. Looks at up to so many mails."""
    owners, following = await find_mails(
        connection, SQL.waiting_mails, selection, most, states=["retry"], is_later=True
    )
    return changed(owners, await operations.set_due(connection, list(owners)), following)
