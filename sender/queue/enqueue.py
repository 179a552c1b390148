"""Enqueueing in the caller's transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg

from sender.queue.model import NewJob
from sender.queue.store import SQL

TOO_MANY = "QU409"
"""SQLSTATE of the function's refusal."""


class TooManyJobs(Exception):
    """The tenant has as many jobs without an outcome as it may have; nothing was enqueued."""

    def __init__(self, waiting: int, most: int) -> None:
        """Carry the numbers: how many it has, and how many it may have."""
        super().__init__(f"{waiting} of at most {most} jobs wait")
        self.waiting = waiting
        self.most = most


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What became of one job."""

    id: UUID
    is_new: bool
    """False: its key had enqueued it before."""
    is_same: bool
    """False: the key came with another body before, and nothing was enqueued."""


async def enqueue(
    connection: psycopg.AsyncConnection[Any],
    tenant_id: UUID,
    jobs: Sequence[NewJob],
    *,
    urgent: bool = False,
) -> list[Enqueued]:
    """Enqueue jobs of one tenant in the caller's transaction; the answers have their order.

    Raises TooManyJobs.
    """
    keys = [_octets(job.key) for job in jobs] if any(job.key for job in jobs) else None
    digests = (
        None if keys is None else [job.digest or hashlib.sha256(job.body).digest() for job in jobs]
    )
    kinds: dict[tuple[str, int, timedelta, timedelta], int] = {}
    kind_of = [
        kinds.setdefault((job.bucket, job.priority, job.delay, job.life), len(kinds) + 1)
        for job in jobs
    ]
    values = {
        "tenant_id": tenant_id,
        "urgent": urgent,
        "buckets": [bucket for bucket, _, _, _ in kinds],
        "priorities": [priority for _, priority, _, _ in kinds],
        "delays": [delay for _, _, delay, _ in kinds],
        "lives": [life for _, _, _, life in kinds],
        "kinds": kind_of if len(kinds) > 1 else None,
        "bodies": [job.body for job in jobs],
        "keys": keys,
        "digests": digests,
    }
    async with connection.cursor(binary=True) as cursor:
        try:
            await cursor.execute(SQL.enqueue, values)
        except psycopg.Error as error:
            if error.sqlstate != TOO_MANY:
                raise
            numbers = json.loads(error.diag.message_detail or "{}")
            raise TooManyJobs(numbers["waiting"], numbers["most"]) from error
        return [Enqueued(*row) for row in await cursor.fetchall()]


def key_of(key: str) -> bytes:
    """Return an idempotency key as it is stored."""
    return hashlib.sha256(key.encode()).digest()[:16]


def _octets(key: str | None) -> bytes | None:
    return None if key is None else key_of(key)
