"""What the API needs of the sender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection


class Outbox(Protocol):
    """Takes messages and explains them. Documents are plain JSON data of the sender's models."""

    async def enqueue(
        self,
        connection: AsyncConnection,
        *,
        tenant_id: UUID,
        message: Mapping[str, Any],
        idempotency_key: str | None,
    ) -> UUID:
        """Queue one mail in the caller's transaction; raises Problem for one it refuses."""

    async def list(
        self, connection: AsyncConnection, *, tenant_id: UUID, before: UUID | None, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        """Return a tenant's messages, newest first; each has `id`."""

    async def explain(
        self, connection: AsyncConnection, *, message_id: str
    ) -> Mapping[str, Any] | None:
        """Say what became of a message (by id or Message-ID) and why; None when it is not seen."""
