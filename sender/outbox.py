"""The queue's public side: `enqueue` joins the caller's transaction."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from blueprint.mail_address import domain_of, folded
from sender.database import SQL, Connection
from sender.faults import IDEMPOTENCY_MISMATCH, MAILS_PER_MONTH, MAILS_QUEUED
from sender.policy.names import BucketName
from sender.policy.providers import own_provider
from sender.queue.enqueue import key_of
from sender.schemas import OutgoingMessage, QueueName
from sender.suppression import recipient_hash

OWN_ID = r"<[0-9a-f]{{32}}@{domain}>"
"""What `message_id` returns."""
REFUSALS = frozenset({"QU409", "QU410", "QU422"})
"""SQLSTATEs of what the database's function refuses: quota, month, times; with numbers."""


@dataclass(frozen=True)
class Untimely:
    """Indexes of messages whose times are not allowed."""

    early: Sequence[int]
    """Would expire before they are due."""
    late: Sequence[int]
    """Would expire too long after."""
    far: Sequence[int]
    """Are due too late."""


class TimesRefused(Exception):
    """Messages have times that are not allowed; nothing was enqueued."""

    def __init__(self, found: Untimely) -> None:
        """Carry some of these messages; `untimely` finds all."""
        super().__init__(f"messages with times that are not allowed: {found}")
        self.found = found


@dataclass(frozen=True)
class Quotas:
    """What a tenant may queue; None: anything."""

    mails_per_month: int | None = None
    """In a calendar month (UTC)."""
    mails_queued: int | None = None
    """At a time."""


NO_QUOTAS = Quotas()


async def enqueue(
    connection: Connection,
    *,
    tenant_id: UUID,
    message: OutgoingMessage,
    idempotency_key: str | None,
) -> UUID:
    """Queue one message in the caller's transaction and return its id; see `enqueue_all`."""
    (id_,) = await enqueue_all(
        connection, tenant_id=tenant_id, messages=[message], idempotency_key=idempotency_key
    )
    return id_


async def enqueue_all(
    connection: Connection,
    *,
    tenant_id: UUID,
    messages: Sequence[OutgoingMessage],
    idempotency_key: str | None,
    quotas: Quotas = NO_QUOTAS,
    by_operator: bool = False,
) -> list[UUID]:
    """Queue messages, all or none, in the caller's transaction; return their ids in this order.

    Of operators, those of the class `high` come before the mail of all tenants.

    The same key with the same messages returns the ids of the first request and queues nothing;
    with others it raises IDEMPOTENCY_MISMATCH. Raises TimesRefused, and above the
    quotas MAILS_PER_MONTH or MAILS_QUEUED. The transaction must have `app.current_tenant_id` set to
    this tenant.
    """
    if not messages:
        return []
    columns = await _columns(connection, messages, idempotency_key, by_operator=by_operator)
    urgent = [by_operator and message.queue is QueueName.HIGH for message in messages]
    ids: dict[int, UUID] = {}
    for is_urgent in set(urgent):
        numbers = [number for number, one in enumerate(urgent) if one is is_urgent]
        values = {name: [column[n] for n in numbers] for name, column in columns.items()}
        found = await _enqueue(connection, values, tenant_id, quotas, numbers, is_urgent=is_urgent)
        ids |= zip(numbers, found, strict=True)
    return [ids[number] for number in range(len(messages))]


async def _columns(
    connection: Connection,
    messages: Sequence[OutgoingMessage],
    idempotency_key: str | None,
    *,
    by_operator: bool,
) -> dict[str, list[Any]]:
    """Return what is written of messages, each column in their order."""
    columns: dict[str, list[Any]] = {
        "buckets": await buckets_of(connection, messages, by_operator=by_operator),
        "priorities": [message.priority for message in messages],
        "run_ats": [_in_utc(message.run_at) for message in messages],
        "expiries": [_in_utc(message.expires_at) for message in messages],
        "bodies": [encoded(message) for message in messages],
        "senders": [message.from_address for message in messages],
        "recipients": [message.to for message in messages],
        "hashes": [recipient_hash(message.to) for message in messages],
        "subjects": [message.subject for message in messages],
        "campaigns": [message.campaign for message in messages],
    }
    if idempotency_key is not None:
        columns |= _idempotency(idempotency_key, messages)
    return columns


async def _enqueue(
    connection: Connection,
    columns: Mapping[str, list[Any]],
    tenant_id: UUID,
    quotas: Quotas,
    numbers: Sequence[int],
    *,
    is_urgent: bool,
) -> list[UUID]:
    """Queue messages of one kind; `numbers` are their indexes for the caller."""
    values = {
        "tenant_id": tenant_id,
        "is_urgent": is_urgent,
        "keys": None,
        "digests": None,
        "mails_per_month": quotas.mails_per_month,
        "mails_queued": quotas.mails_queued,
        **columns,
    }
    try:
        if isinstance(connection, AsyncSession):
            connection = await connection.connection()
        rows = (await connection.exec_driver_sql(SQL.enqueue.text, values)).all()
    except DBAPIError as error:
        _raise_refusal(error, numbers)
        raise
    if not all(row.is_same for row in rows):
        raise IDEMPOTENCY_MISMATCH()
    return [UUID(str(row.id)) for row in rows]


def _in_utc(at: datetime | None) -> datetime | None:
    """Return a time as PostgreSQL reads it: it knows no offset of 16 hours and more."""
    return None if at is None else at.astimezone(UTC)


def _idempotency(key: str, messages: Sequence[OutgoingMessage]) -> dict[str, list[bytes]]:
    """Return a key for each message, and with all of them what the request is compared by.

    The first has the key as it is, so that it is the same in requests of any kind.
    """
    digests = [request_digest(message) for message in messages]
    whole = digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()
    names = [key, *(f"{key}\n{number}" for number in range(1, len(messages)))]
    return {"keys": [key_of(name) for name in names], "digests": [whole] * len(messages)}


def _raise_refusal(error: DBAPIError, numbers: Sequence[int]) -> None:
    """Raise what a refusal of the database's function means."""
    cause = error.orig
    if not isinstance(cause, psycopg.Error):
        return
    detail = json.loads(cause.diag.message_detail or "{}") if cause.sqlstate in REFUSALS else {}
    match cause.sqlstate:
        case "QU422":
            refused = {why: [numbers[n] for n in places] for why, places in detail.items()}
            raise TimesRefused(Untimely(**refused)) from error
        case "QU410":
            raise MAILS_PER_MONTH(**detail) from error
        case "QU409":
            raise MAILS_QUEUED(waiting=detail["waiting"], most=detail["most"]) from error


async def untimely(connection: Connection, messages: Sequence[OutgoingMessage]) -> Untimely:
    """Return the messages whose times `enqueue_all` would refuse now."""
    values = {
        "run_ats": [_in_utc(message.run_at) for message in messages],
        "expiries": [_in_utc(message.expires_at) for message in messages],
    }
    row = (await connection.execute(SQL.untimely, values)).one()
    return Untimely(row.early, row.late, row.far)


async def buckets_of(
    connection: Connection, messages: Sequence[OutgoingMessage], *, by_operator: bool = False
) -> list[str]:
    """Return the buckets of messages; domains of recipients that are new are looked up later."""
    providers = await _providers_of(connection, {domain_of(message.to) for message in messages})
    return [
        bucket_of(message, providers[domain_of(message.to)], by_operator=by_operator)
        for message in messages
    ]


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


def bucket_of(message: OutgoingMessage, provider: str | None, *, by_operator: bool = False) -> str:
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
            is_operators=by_operator,
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
