"""The queue's public side: `enqueue` joins the caller's transaction."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from blueprint.mail_address import domain_of, folded
from sender.database import SQL, Connection
from sender.faults import IDEMPOTENCY_MISMATCH
from sender.queue.enqueue import key_of
from sender.schemas import OutgoingMessage

TRANSACTIONAL = "transactional"
CAMPAIGN = "campaign:"
QUEUE = "queue:"
"""These follow the address in the names of buckets, each after a space; no address has one."""


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
    done = await connection.execute(
        SQL.enqueue,
        {
            "tenant_id": tenant_id,
            "bucket": bucket_of(message),
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


def bucket_of(message: OutgoingMessage) -> str:
    """Return the bucket of a message: those of a From address wait together.

    Transactional mail has a bucket of its own: a campaign may wait for what it does not need.
    """
    name = folded(message.from_address)
    return f"{name} {TRANSACTIONAL}" if message.transactional else name


def bucket_apart(message: OutgoingMessage) -> str:
    """Return the bucket of a message whose campaign or queue is stopped: it is named by both.

    So it is held and released like any other, and the rest of its mailbox's mail goes on.
    """
    labels = [bucket_of(message), f"{QUEUE}{message.queue}"]
    if message.campaign is not None:
        labels.append(f"{CAMPAIGN}{message.campaign.lower()}")
    return " ".join(labels)


@dataclass(frozen=True)
class Sender:
    """What all messages of a bucket have in common."""

    bucket: str

    @property
    def from_address(self) -> str:
        """The From address, folded."""
        return self._parts[0]

    @property
    def from_domain(self) -> str:
        """Its domain."""
        return domain_of(self.from_address)

    @property
    def transactional(self) -> bool:
        """Whether it is no campaign mail."""
        return TRANSACTIONAL in self._parts

    @property
    def campaign(self) -> str | None:
        """Their campaign, where they wait apart from others."""
        return self._label(CAMPAIGN)

    @property
    def queue(self) -> str | None:
        """The class of their priorities, where they wait apart from others."""
        return self._label(QUEUE)

    @property
    def _parts(self) -> list[str]:
        return self.bucket.split(" ")

    def _label(self, kind: str) -> str | None:
        labels = (part.removeprefix(kind) for part in self._parts if part.startswith(kind))
        return next(labels, None)


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
