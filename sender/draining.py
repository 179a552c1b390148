"""Addresses that take no new mail, so that they can be released once their host has sent all of it.

`sender.directory.publish` says which these are; intents for them are refused from then on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sender.database import SQL, Connection
from sender.reasons import ADDRESS_RELEASED


@dataclass(frozen=True)
class Closed:
    """An address that takes no new mail."""

    age: timedelta
    """Since it was published as such, by the clock of the database."""
    in_hand: int | None
    """Mails that are being handed over to it; None: some may still begin."""


async def closed(
    connection: Connection, *, tenant_id: UUID, addresses: Collection[str]
) -> dict[str, Closed]:
    """Return those of a tenant's addresses that take no new mail."""
    values = {"tenant_id": tenant_id, "addresses": list(addresses)}
    rows = await connection.execute(SQL.draining, values)
    return {row.address: Closed(row.age, row.in_hand) for row in rows}


async def lose(
    connection: Connection, *, tenant_id: UUID, address: str, queue_ids: Collection[str]
) -> int:
    """Say of messages that their host had them unsent when it was released; return how many.

    Those that are no longer accepted, and mail that is not a message's, such as bounces, are none.
    """
    values = {
        "tenant_id": tenant_id,
        "notes": [f"{address} {queue_id}" for queue_id in queue_ids],
        "reason": ADDRESS_RELEASED,
        "words": f"{address} was released before its host had sent it",
    }
    return int(await connection.scalar(SQL.lose_accepted, values) or 0)


async def forget(connection: Connection, *, tenant_id: UUID) -> None:
    """Forget the addresses of a deleted tenant, whose mail is refused in any case."""
    await connection.execute(SQL.forget_draining, {"tenant_id": tenant_id})
