"""Enqueueing in the caller's transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import tuple_row

from sender.queue.model import NewJob
from sender.queue.store import SQL

TOO_MANY = "QU409"
"""SQLSTATE of the function's refusal."""
KIND = attrgetter("bucket", "priority", "delay", "life")
"""What the jobs of a call mostly have in common."""


class TooManyJobs(Exception):
    """The tenant has as many jobs without an outcome as it may have; nothing was enqueued."""

    def __init__(self, waiting: int, most: int) -> None:
        """Carry the numbers: how many it has, and how many it may have."""
        super().__init__(f"{waiting} of at most {most} jobs wait")
        self.waiting = waiting
        self.most = most


class Enqueued(NamedTuple):
    """What became of one job."""

    id: UUID
    is_new: bool = True
    """False: its key had enqueued it before."""
    is_same: bool = True
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
    if not jobs:
        return []
    bodies = [job.body for job in jobs]
    kind_of = [KIND(job) for job in jobs]
    kinds = {kind: number for number, kind in enumerate(dict.fromkeys(kind_of), start=1)}
    keys = digests = None
    if any(job.key is not None for job in jobs):
        keys = [_octets(job.key) for job in jobs]
        digests = [job.digest or hashlib.sha256(job.body).digest() for job in jobs]
    if len(jobs) == 1 and keys is None:  # arrays cost a little more
        values = [tenant_id, urgent, *kind_of[0], bodies[0]]
        return [Enqueued(*row) for row in await _run(connection, SQL.enqueue_one, values)]
    if len(kinds) == 1:
        values = [tenant_id, urgent, *kind_of[0], bodies, keys, digests]
        ((ids, are_new, are_same),) = await _run(connection, SQL.enqueue_alike, values)
        return list(map(Enqueued, ids, *([are_new, are_same] if are_new else [])))
    values = [
        tenant_id,
        urgent,
        *map(list, zip(*kinds, strict=True)),
        bodies,
        keys,
        digests,
        [kinds[kind] for kind in kind_of],
    ]
    return [Enqueued(*row) for row in await _run(connection, SQL.enqueue, values)]


async def _run(
    connection: psycopg.AsyncConnection[Any], query: str, values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    async with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        try:
            await cursor.execute(query, values)
        except psycopg.Error as error:
            if error.sqlstate != TOO_MANY:
                raise
            numbers = json.loads(error.diag.message_detail or "{}")
            raise TooManyJobs(numbers["waiting"], numbers["most"]) from error
        return await cursor.fetchall()


def key_of(key: str) -> bytes:
    """Return an idempotency key as it is stored."""
    return hashlib.sha256(key.encode()).digest()[:16]


def _octets(key: str | None) -> bytes | None:
    return None if key is None else key_of(key)
