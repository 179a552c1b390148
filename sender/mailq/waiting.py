"""Mail that waits: it is withdrawn, or tried again now."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sender.mailq.selection import (
    SQL,
    Changed,
    Connection,
    Owners,
    Place,
    Selection,
    changed,
    owners,
)
from sender.queue import operations
from sender.reasons import WITHDRAWN

FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)


async def withdraw(
    connection: Connection, selection: Selection, *, words: str, actor: str, most: int
) -> Changed:
    """Cancel up to so many mails that wait: held, deferred or not due yet.

    Of those to a domain, so many mails are looked at, and by `retry`, too.
    """
    query = SQL.waiting_mails if selection.ids is None else SQL.waiting_mails_of_ids
    found, place = await _find(connection, selection, query, most, states=["queued", "retry"])
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
    return _changed(selection, found, done, place, most)


async def retry(connection: Connection, selection: Selection, *, most: int) -> Changed:
    """Let up to so many deferred mails be due now."""
    found, place = await _find(
        connection, selection, SQL.deferred_mails, most, states=["retry"], is_later=True
    )
    done = await operations.set_due(connection, list(found))
    return _changed(selection, found, done, place, most)


async def _find(
    connection: Connection,
    selection: Selection,
    query: str,
    most: int,
    *,
    states: Sequence[str],
    is_later: bool = False,
) -> tuple[Owners, Place | None]:
    """Return the mail that is meant; of a search by domain also where the next one goes on."""
    await connection.execute(SQL.find_by_keys)
    if not selection.is_by_domain:
        return await owners(connection, query, selection.values(most)), None
    tenant, (after_tenant, after_id) = selection.tenant_id, selection.after or (FIRST, FIRST)
    values: dict[str, Any] = {
        "last_tenant": tenant or LAST,
        "after_tenant": max(after_tenant, tenant or FIRST),
        "after_id": after_id,
        "states": list(states),
        "is_later": is_later,
    }
    cursor = await connection.execute(SQL.mails_to_domain, selection.values(most) | values)
    rows = await cursor.fetchall()
    place = rows[0][:2] if rows and rows[0][2] else None
    return {id_: owner for *_, id_, owner in rows if id_ is not None}, place


def _changed(
    selection: Selection, found: Owners, done: Collection[UUID], place: Place | None, most: int
) -> Changed:
    if not selection.is_by_domain:
        return changed(found, done, most)
    return Changed(Counter(found[id_] for id_ in done), is_all=place is None, next=place)
