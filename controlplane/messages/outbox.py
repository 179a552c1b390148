"""The API's `Outbox` on the sender's public functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.problems import Problem, ProblemError
from sender.errors import IdempotencyKeyReused, MessageNotFound
from sender.explain import explain, list_messages
from sender.queue import enqueue
from sender.schemas import OutgoingMessage


class SenderOutbox:
    """Queues and explains in the transaction that it is given."""

    async def enqueue(
        self,
        connection: AsyncConnection,
        *,
        tenant_id: UUID,
        message: Mapping[str, Any],
        idempotency_key: str | None,
    ) -> UUID:
        """Queue one mail; raises Problem `message.invalid` or `idempotency.mismatch`."""
        try:
            checked = OutgoingMessage.model_validate(message)
        except ValidationError as error:
            raise _invalid(error) from None
        try:
            return await enqueue(
                connection, tenant_id=tenant_id, message=checked, idempotency_key=idempotency_key
            )
        except IdempotencyKeyReused as error:
            raise Problem(
                409, "idempotency.mismatch", str(error), "use a new key for a new message"
            ) from None

    async def list(
        self, connection: AsyncConnection, *, tenant_id: UUID, before: UUID | None, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        """Return a tenant's messages, newest first."""
        found = await list_messages(connection, tenant_id=tenant_id, before=before, limit=limit)
        return [message.model_dump(mode="json", by_alias=True) for message in found]

    async def explain(
        self, connection: AsyncConnection, *, message_id: str
    ) -> Mapping[str, Any] | None:
        """Say what became of a message, and why."""
        try:
            found = await explain(connection, message_id)
        except MessageNotFound:
            return None
        return found.model_dump(mode="json", by_alias=True)


def _invalid(error: ValidationError) -> Problem:
    errors = [
        ProblemError(
            code="message.invalid_value",
            detail=detail["msg"].removeprefix("Value error, "),
            remedy="see /api/v1/openapi.json",
            path=".".join(str(step) for step in detail["loc"]),
        )
        for detail in error.errors(include_url=False, include_input=False)
    ]
    return Problem(
        422, "message.invalid", "the message cannot be sent", "mend what `errors` lists", errors
    )
