"""Who gets no more mail: per tenant, known by the hash of the address only."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from blueprint.mail_address import folded
from sender.database import SQL, Connection


class Reason(StrEnum):
    """Why a tenant's recipient is suppressed."""

    UNSUBSCRIBED = "unsubscribed"


def recipient_hash(address: str) -> bytes:
    """Return the SHA-256 of an address in the form in which addresses are compared."""
    return hashlib.sha256(folded(address).encode()).digest()


async def suppress(
    connection: Connection,
    *,
    tenant_id: UUID,
    recipient: bytes,
    reason: Reason,
    source: str,
    now: datetime,
) -> None:
    """Suppress a recipient hash for a tenant; done already is fine."""
    await connection.execute(
        SQL.suppress,
        {
            "tenant_id": tenant_id,
            "recipient": recipient,
            "reason": reason.value,
            "source": source,
            "now": now,
        },
    )
