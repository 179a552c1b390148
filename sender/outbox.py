"""The durable queue's public side: `enqueue` joins the caller's transaction."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import UUID

import uuid_utils

from sender.clock import Clock, SystemClock
from sender.database import SQL
from sender.faults import IDEMPOTENCY_MISMATCH
from sender.schemas import OutgoingMessage, State
from sender.trail import Connection, Step, record

LIFETIME = timedelta(hours=48)
"""A message that could not be handed over in this time is given up."""


async def enqueue(
    connection: Connection,
    *,
    tenant_id: UUID,
    generation: int,
    message: OutgoingMessage,
    idempotency_key: str | None,
    clock: Clock | None = None,
) -> UUID:
    """Queue one message in the caller's transaction and return its id.

    `generation` is that of the tenant's document, which may not be published yet.
    The same key with the same message returns the id of the first request and queues nothing;
    with another message it raises IDEMPOTENCY_MISMATCH. For the API's role the transaction must
    have `app.current_tenant_id` set to this tenant.
    """
    now = (clock or SystemClock()).now()
    digest = hashlib.sha256(_json(message).encode()).digest()
    job_id = UUID(str(uuid_utils.uuid7()))
    run_at = max(message.run_at or now, now)
    inserted = await connection.execute(
        SQL.enqueue,
        {
            "id": job_id,
            "tenant_id": tenant_id,
            "generation": generation,
            "priority": message.priority,
            "run_at": run_at,
            "expires_at": run_at + LIFETIME,
            "message_id": f"<{job_id.hex}@{message.from_domain}>",
            "idempotency_key": idempotency_key,
            "request_digest": digest,
            "now": now,
        },
    )
    if inserted.first() is None:
        return await _earlier(connection, tenant_id, idempotency_key, digest)
    await connection.execute(
        SQL.insert_payload,
        {"job_id": job_id, "tenant_id": tenant_id, "body": _json(without_contents(message))},
    )
    for number, item in enumerate(message.attachments):
        row = {"job_id": job_id, "tenant_id": tenant_id, "number": number, "content": item.data}
        await connection.execute(SQL.insert_attachment, row)
    await record(
        connection,
        [Step(job_id, tenant_id, now, "enqueued", State.QUEUED, f"queued for {message.to}")],
    )
    return job_id


def without_contents(message: OutgoingMessage) -> OutgoingMessage:
    """Return a message as it is listed and decided about: its files are stored apart."""
    emptied = tuple(item.model_copy(update={"content": ""}) for item in message.attachments)
    return message.model_copy(update={"attachments": emptied})


def _json(message: OutgoingMessage) -> str:
    return message.model_dump_json(by_alias=True, exclude_none=True)


async def _earlier(connection: Connection, tenant_id: UUID, key: str | None, digest: bytes) -> UUID:
    found = await connection.execute(
        SQL.find_enqueued, {"tenant_id": tenant_id, "idempotency_key": key}
    )
    row = found.one()
    if row.request_digest != digest:
        raise IDEMPOTENCY_MISMATCH()
    return UUID(str(row.id))
