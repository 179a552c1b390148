"""Addresses and From domains that take no new mail, before they are released or given up.

`sender.directory.publish` says which these are; intents for them are refused from then on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from uuid import UUID

from sender.database import SQL, Connection
from sender.directory import closed
from sender.policy.names import BucketName
from sender.reasons import ADDRESS_RELEASED

LOOKS = 40
PAUSE = 0.05
"""Seconds between looks: transactions of intents take some milliseconds."""


async def in_hand(
    connection: Connection, *, tenant_id: UUID, addresses: Collection[str]
) -> dict[str, int | None]:
    """Return how many mails are being handed over to addresses; None: some may still begin.

    `directory.closed(domain)` among them counts those of a From domain. All were closed in a
    transaction that has ended. An intent that did not see that is in a transaction which is open by
    now: its end is awaited.
    """
    if not await _have_ended(connection):
        return dict.fromkeys(addresses)
    values = {"tenant_id": tenant_id, "addresses": list(addresses)}
    found = {row.address for row in await connection.execute(SQL.closed, values)}
    begun = await connection.execute(SQL.begun, {"tenant_id": tenant_id})
    mails = Counter(
        name for row in begun for name in (row.address, closed(BucketName.parse(row.bucket).domain))
    )
    return {name: mails[name] if name in found else None for name in addresses}


async def _have_ended(connection: Connection) -> bool:
    """Return whether the transactions that write intents now have ended; waits a little."""
    older = await _claimants(connection)
    for _ in range(LOOKS):
        if not older:
            return True
        await asyncio.sleep(PAUSE)
        older &= await _claimants(connection)
    return False


async def _claimants(connection: Connection) -> set[str]:
    return {row.virtualtransaction for row in await connection.execute(SQL.claimants)}


async def lose(
    connection: Connection, *, tenant_id: UUID, address: str, queue_ids: Collection[str]
) -> int:
    """Say of messages that their host had them unsent when it was released; return how many.

    Those that are no longer accepted, and mail that is not a message's, such as bounces, are none.
    """
    values = {
        "tenant_id": tenant_id,
        "address": address,
        "queue_ids": list(queue_ids),
        "reason": ADDRESS_RELEASED,
        "words": f"{address} was released before its host had sent it",
    }
    return int(await connection.scalar(SQL.lose_accepted, values) or 0)
