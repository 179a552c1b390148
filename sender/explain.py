"""Answers why a message is where it is, out of the rows that every decision left."""

from __future__ import annotations

from uuid import UUID

from blueprint.mail_address import domain_of
from sender.database import SQL
from sender.faults import MESSAGE_NOT_FOUND
from sender.schemas import Decision, Explanation, MessageView, Stop
from sender.trail import Connection


async def explain(connection: Connection, message_id: str | UUID) -> Explanation:
    """Explain one message by our id or by its Message-ID header, with or without brackets.

    Raises MESSAGE_NOT_FOUND, also for a message that the connection's tenant may not see.
    """
    view = await find(connection, message_id)
    rows = await connection.execute(SQL.decisions, {"id": view.id})
    decisions = [Decision.model_validate(dict(row)) for row in rows.mappings()]
    return Explanation(message=view, stops=await _stops(connection, view), decisions=decisions)


async def find(connection: Connection, message_id: str | UUID) -> MessageView:
    """Return one message as it stands; raises MESSAGE_NOT_FOUND."""
    wanted = str(message_id).strip().strip("<>")
    found = await connection.execute(
        SQL.view, {"id": _as_uuid(wanted), "message_id": f"<{wanted}>"}
    )
    row = found.mappings().first()
    if row is None:
        raise MESSAGE_NOT_FOUND(id=wanted)
    return MessageView.model_validate(dict(row))


async def list_messages(
    connection: Connection, *, tenant_id: UUID, limit: int = 50, before: UUID | None = None
) -> list[MessageView]:
    """List a tenant's messages, newest first; `before` is the last id of the page before."""
    rows = await connection.execute(
        SQL.list, {"tenant_id": tenant_id, "limit": limit, "before": before}
    )
    return [MessageView.model_validate(dict(row)) for row in rows.mappings()]


async def _stops(connection: Connection, view: MessageView) -> list[Stop]:
    if view.finished_at is not None:
        return []
    domain = domain_of(view.from_address)
    rows = await connection.execute(
        SQL.stops_of_message, {"tenant_id": view.tenant_id, "domain": domain}
    )
    return [Stop.model_validate(dict(row)) for row in rows.mappings()]


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
