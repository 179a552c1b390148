"""Enqueueing in the caller's transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from itertools import starmap
from typing import Any, NamedTuple, overload
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader, Transformer
from psycopg.pq import Format
from psycopg.rows import tuple_row

from sender.queue.arrays import register_in
from sender.queue.model import NewJob
from sender.queue.store import SQL

TOO_MANY = "QU409"
"""SQLSTATE of the function's refusal."""
IDS_OID = psycopg.adapters.types["uuid"].array_oid
IDS = Transformer().get_loader(IDS_OID, Format.BINARY)
"""Reads an array of ids."""


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


class Answers(Sequence[Enqueued]):
    """What became of the jobs of a call; made when the first is read, since many callers read none.

    A thousand objects cost more than their making: Python's garbage collector looks at them.
    """

    def __init__(self, ids: bytes, *others: Sequence[bool] | None) -> None:
        """Take the ids as they came, whether they are new, and the same; None: all are."""
        self._ids = ids
        self._others = others

    @cached_property
    def _all(self) -> list[Enqueued]:
        ids = IDS.load(self._ids)
        yes = [True] * len(ids)
        return list(map(Enqueued, ids, *(column or yes for column in self._others)))

    def __len__(self) -> int:
        """Count the jobs."""
        return len(self._all)

    @overload
    def __getitem__(self, place: int) -> Enqueued: ...
    @overload
    def __getitem__(self, place: slice) -> list[Enqueued]: ...
    def __getitem__(self, place: int | slice) -> Enqueued | list[Enqueued]:
        """Return the answer to a job, or to several."""
        return self._all[place]


class Unread(Loader):
    """Leaves an array of ids as it came."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        """Return its octets."""
        return bytes(data)


async def enqueue(
    connection: psycopg.AsyncConnection[Any],
    tenant_id: UUID,
    jobs: Sequence[NewJob],
    *,
    urgent: bool = False,
) -> Sequence[Enqueued]:
    """Enqueue jobs of one tenant in the caller's transaction; the answers have their order.

    Raises TooManyJobs.
    """
    if not jobs:
        return []
    buckets, bodies, priorities, delays, lives, keys, digests = zip(*jobs, strict=True)
    columns = buckets, priorities, delays, lives
    kind = [column[0] for column in columns]
    idempotency: list[Any] = [None, None]
    if keys.count(None) < len(jobs):
        idempotency = [list(map(_octets, keys)), list(map(_digest, digests, bodies))]
    elif len(jobs) == 1:  # arrays cost a little more
        values = [tenant_id, urgent, *kind, *bodies]
        ((id_,),) = await _run(connection, SQL.enqueue_one, values)
        return [Enqueued(id_)]
    if all(column.count(column[0]) == len(jobs) for column in columns):
        values = [tenant_id, urgent, *kind, list(bodies), *idempotency]
        (row,) = await _run(connection, SQL.enqueue_alike, values)
        return Answers(*row)
    kind_of = list(zip(*columns, strict=True))
    kinds = {kind: number for number, kind in enumerate(dict.fromkeys(kind_of), start=1)}
    values = [
        tenant_id,
        urgent,
        *map(list, zip(*kinds, strict=True)),
        list(bodies),
        *idempotency,
        [kinds[kind] for kind in kind_of],
    ]
    return list(starmap(Enqueued, await _run(connection, SQL.enqueue, values)))


async def _run(
    connection: psycopg.AsyncConnection[Any], query: str, values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    async with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        register_in(cursor.adapters)
        cursor.adapters.register_loader(IDS_OID, Unread)
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


def _digest(digest: bytes | None, body: bytes) -> bytes:
    return digest or hashlib.sha256(body).digest()
