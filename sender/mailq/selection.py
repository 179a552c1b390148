"""Which mail is meant, and what was changed of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from kit.queries import Queries

Connection = psycopg.AsyncConnection[Any]
SQL: Queries[str] = Queries(__file__, str)
Owners = Mapping[UUID, UUID]
"""Tenants by the ids of their messages."""
Place = tuple[UUID, UUID]
"""A tenant, and a message of it: where a search goes on."""


@dataclass(frozen=True)
class Selection:
    """Mail for which all that is given is true."""

    tenant_id: UUID | None = None
    code: str | None = None
    """The reason why it is held, deferred or dead."""
    recipient_domain: str | None = None
    """In lower case."""
    ids: Sequence[UUID] | None = None
    after: Place | None = None
    """Of a search by domain: where the one before ended."""

    @property
    def is_by_domain(self) -> bool:
        """Whether no index leads to the mail: it is looked for page by page."""
        return self.ids is None and self.recipient_domain is not None

    def values(self, most: int) -> dict[str, Any]:
        """Return the parameters of a query."""
        return {
            "tenant_id": self.tenant_id,
            "code": self.code,
            "recipient_domain": self.recipient_domain,
            "ids": None if self.ids is None else list(self.ids),
            "most": most,
        }


@dataclass(frozen=True)
class Changed:
    """What was changed, by tenant."""

    tenants: Mapping[UUID, int]
    is_all: bool
    """False: the same call, after `next` where that is given, may find more."""
    next: Place | None = field(default=None, kw_only=True)

    @property
    def count(self) -> int:
        """Return how many in all."""
        return sum(self.tenants.values())

    @property
    def notes(self) -> Mapping[UUID, str]:
        """Return what else the event of a tenant says, after the count."""
        return {}


async def owners(connection: Connection, query: str, values: dict[str, Any]) -> Owners:
    """Run a query that returns ids of messages and of their tenants."""
    cursor = await connection.execute(query, values)
    return dict(await cursor.fetchall())


def changed(found: Owners, done: Collection[UUID], most: int) -> Changed:
    """Return what was changed of what was found."""
    return Changed(Counter(found[id_] for id_ in done), is_all=len(found) < most or not done)
