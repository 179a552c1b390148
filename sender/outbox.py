"""The queue's public side: `enqueue` joins the caller's transaction."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence, Set
from datetime import UTC, datetime
from uuid import UUID

from blueprint.mail_address import domain_of, folded
from sender.database import SQL, Connection
from sender.faults import IDEMPOTENCY_MISMATCH
from sender.policy.names import BucketName
from sender.policy.providers import own_provider
from sender.queue.enqueue import key_of
from sender.schemas import OutgoingMessage

OWN_ID = r"<[0-9a-f]{{32}}@{domain}>"
"""What `message_id` returns."""


async def enqueue(
    connection: Connection,
    *,
    tenant_id: UUID,
    message: OutgoingMessage,
    idempotency_key: str | None,
) -> UUID:
    """Queue one message in the caller's transaction and return its id.

    The same key with the same message returns the id of the first request and queues nothing;
    with another message it raises IDEMPOTENCY_MISMATCH. The transaction must have
    `app.current_tenant_id` set to this tenant.
    """
    key = None if idempotency_key is None else key_of(idempotency_key)
    [bucket] = await buckets_of(connection, [message])
    done = await connection.execute(
        SQL.enqueue,
        {
            "tenant_id": tenant_id,
            "bucket": bucket,
            "priority": message.priority,
            "run_at": message.run_at,
            "body": encoded(message),
            "key": key,
            "digest": None if key is None else request_digest(message),
            "sender": message.from_address,
            "recipient": message.to,
            "subject": message.subject,
        },
    )
    row = done.one()
    if not row.is_same:
        raise IDEMPOTENCY_MISMATCH()
    return UUID(str(row.id))


async def buckets_of(connection: Connection, messages: Sequence[OutgoingMessage]) -> list[str]:
    """Return the buckets of messages; domains of recipients that are new are looked up later."""
    providers = await _providers_of(connection, {domain_of(message.to) for message in messages})
    return [bucket_of(message, providers[domain_of(message.to)]) for message in messages]


async def provider_of(connection: Connection, bucket: str) -> str | None:
    """Return the provider that receives the mail of a bucket; None: it is not known yet."""
    name = BucketName.parse(bucket)
    if name.recipient_domain is None:
        return name.provider
    return (await _providers_of(connection, {name.recipient_domain}))[name.recipient_domain]


async def _providers_of(connection: Connection, domains: Set[str]) -> dict[str, str | None]:
    found = {domain: own_provider(domain) for domain in domains}
    unknown = [domain for domain, provider in found.items() if provider is None]
    if unknown:
        rows = await connection.execute(SQL.providers_of, {"domains": unknown})
        found.update({row.domain: row.provider for row in rows})
    return found


def bucket_of(message: OutgoingMessage, provider: str | None) -> str:
    """Return the bucket of a message: those of a From address to a provider wait together.

    Without a provider, it is named by the recipient's domain.
    """
    return str(
        BucketName(
            sender=folded(message.from_address),
            provider=provider,
            recipient_domain=None if provider else domain_of(message.to),
            is_reply=_is_reply(message),
            is_transactional=message.transactional,
        )
    )


def _is_reply(message: OutgoingMessage) -> bool:
    """Whether a message answers one of others: a follow-up of an own one is as urgent as that."""
    answered = message.in_reply_to
    return answered is not None and not re.fullmatch(
        OWN_ID.format(domain=re.escape(domain_of(message.from_address))), answered
    )


def encoded(message: OutgoingMessage) -> bytes:
    """Return a message as the body of its job."""
    return message.model_dump_json(by_alias=True, exclude_none=True).encode()


def decoded(body: bytes) -> OutgoingMessage:
    """Read the body of a job; raises ValidationError for one that is no message (any more)."""
    return OutgoingMessage.model_validate_json(body)


def request_digest(message: OutgoingMessage) -> bytes:
    """Return what two requests with one key are compared by: only what the caller gave.

    A field that is added later, with its default, is in neither.
    """
    given = message.model_dump_json(by_alias=True, exclude_unset=True)
    return hashlib.sha256(given.encode()).digest()


def message_id(job_id: UUID, sender: str) -> str:
    """Return the Message-ID header of a message: the same at every attempt, and found by its id."""
    return f"<{job_id.hex}@{sender.rpartition('@')[2]}>"


def created_at(job_id: UUID) -> datetime:
    """Return when a message was queued: its id (UUID version 7) begins with the time."""
    return datetime.fromtimestamp((job_id.int >> 80) / 1000, tz=UTC)
