"""The rows of suppressed recipients, one for each reason."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import uuid_utils
from sqlalchemy import text

from blueprint.mail_address import folded
from kit.queries import Queries
from sender.database import Connection
from sender.faults import NOT_JUSTIFIED
from sender.schemas import Suppression, SuppressionReason

SQL = Queries(__file__, text)
WISHES = frozenset({SuppressionReason.UNSUBSCRIBED, SuppressionReason.COMPLAINED})
"""Reasons that the recipient gave: more mail to the address needs a justification."""


def recipient_hash(address: str) -> bytes:
    """Return the SHA-256 of an address in the form in which addresses are compared."""
    return hashlib.sha256(folded(address).encode()).digest()


async def suppress(
    connection: Connection,
    *,
    tenant_id: UUID,
    recipient: bytes,
    reason: SuppressionReason,
    source: str,
    now: datetime,
) -> None:
    """Suppress a recipient hash for a tenant; done already is fine."""
    await suppress_all(
        connection,
        tenant_id=tenant_id,
        recipients=[recipient],
        reason=reason,
        source=source,
        now=now,
    )


async def suppress_all(
    connection: Connection,
    *,
    tenant_id: UUID,
    recipients: Collection[bytes],
    reason: SuppressionReason,
    source: str,
    now: datetime,
    added_by: str | None = None,
) -> int:
    """Suppress recipient hashes for a tenant; return how many were not, for this reason.

    A row that exists stays as it is.
    """
    # In order: two requests with the same recipients never wait for each other in a circle.
    ordered = sorted(set(recipients))
    added = await connection.execute(
        SQL.suppress,
        {
            "ids": [UUID(str(uuid_utils.uuid7())) for _ in ordered],
            "tenant_id": tenant_id,
            "recipients": ordered,
            "reason": reason.value,
            "source": source,
            "added_by": added_by,
            "now": now,
        },
    )
    return int(added.rowcount)  # type: ignore[attr-defined]  # a session's result has it, too


async def find(connection: Connection, *, tenant_id: UUID, recipient: bytes) -> list[Suppression]:
    """Return why a recipient is suppressed for a tenant, the oldest reason first."""
    rows = await connection.execute(SQL.find, {"tenant_id": tenant_id, "recipient": recipient})
    return [Suppression.model_validate(dict(row)) for row in rows.mappings()]


async def list_suppressions(
    connection: Connection,
    *,
    tenant_id: UUID,
    reason: SuppressionReason | None,
    limit: int,
    before: UUID | None = None,
) -> list[Suppression]:
    """List a tenant's suppressions, newest first; `before` is the last id of the page before."""
    rows = await connection.execute(
        SQL.list,
        {
            "tenant_id": tenant_id,
            "reason": None if reason is None else reason.value,
            "limit": limit,
            "before": before,
        },
    )
    return [Suppression.model_validate(dict(row)) for row in rows.mappings()]


async def remove(
    connection: Connection,
    *,
    tenant_id: UUID,
    recipient: bytes,
    reason: SuppressionReason | None,
    justified: bool,
) -> list[Suppression]:
    """Remove a recipient's suppression for one reason, or all; return what was removed.

    Raises NOT_JUSTIFIED where that needs a justification: the transaction must then be rolled back.
    """
    rows = await connection.execute(
        SQL.remove,
        {
            "tenant_id": tenant_id,
            "recipient": recipient,
            "reason": None if reason is None else reason.value,
        },
    )
    removed = [Suppression.model_validate(dict(row)) for row in rows.mappings()]
    removed.sort(key=lambda item: item.id)
    wish = next((row.reason for row in removed if row.reason in WISHES), None)
    if wish is not None and not justified:
        raise NOT_JUSTIFIED(reason=wish)
    return removed
