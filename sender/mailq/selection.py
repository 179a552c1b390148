"""Which mail is meant, how it is found page by page, and what was changed of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self
from uuid import UUID

import psycopg

from kit.queries import Queries

Connection = psycopg.AsyncConnection[Any]
SQL: Queries[str] = Queries(__file__, str)
Owners = Mapping[UUID, UUID]
"""Tenants by the ids of their messages."""
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Place(NamedTuple):
    """Where a search goes on: it looks at mail in the order of tenants and ids."""

    tenant_id: UUID
    message_id: UUID
    began: datetime
    """When the search began, by the database's time."""

    def __str__(self) -> str:
        """Return it as text, for `read`."""
        microseconds = (self.began - EPOCH) // timedelta(microseconds=1)
        return f"{self.tenant_id}/{self.message_id}/{microseconds}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what was written."""
        tenant, message, microseconds = text.split("/")
        began = EPOCH + timedelta(microseconds=int(microseconds))
        return cls(UUID(tenant), UUID(message), began)


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
    """Where the search goes on; None: it begins."""

    def values(self, most: int) -> dict[str, Any]:
        """Return the parameters of a query that looks at so many mails."""
        tenant, (after_tenant, after_id, began) = self.tenant_id, self.after or (FIRST, FIRST, None)
        return {
            "tenant_id": tenant,
            "last_tenant": tenant or LAST,
            "after_tenant": max(after_tenant, tenant or FIRST),
            "after_id": after_id,
            "began": began,
            "code": self.code,
            "recipient_domain": self.recipient_domain,
            "ids": None if self.ids is None else list(self.ids),
            "most": most,
        }


@dataclass(frozen=True)
class Changed:
    """What was changed, by tenant."""

    tenants: Mapping[UUID, int]
    next: Place | None = field(kw_only=True)
    """Where the search goes on; None: it has ended."""

    @property
    def count(self) -> int:
        """Return how many in all."""
        return sum(self.tenants.values())

    @property
    def notes(self) -> Mapping[UUID, str]:
        """Return what else the event of a tenant says, after the count."""
        return {}


async def find(
    connection: Connection, query: str, selection: Selection, most: int, **values: object
) -> tuple[list[tuple[Any, ...]], Place | None]:
    """Look at up to so many mails; return what is meant of them, and where the search goes on."""
    await connection.execute(SQL.find_by_keys, {"sorts": "off" if selection.ids is None else "on"})
    cursor = await connection.execute(query, selection.values(most) | values)
    rows = await cursor.fetchall()
    if not rows:
        return [], None
    *place, has_more = rows[0][:4]
    return [row[4:] for row in rows if row[4] is not None], Place(*place) if has_more else None


async def find_mails(
    connection: Connection, query: str, selection: Selection, most: int, **values: object
) -> tuple[Owners, Place | None]:
    """Look at up to so many mails; return those meant, and where the search goes on."""
    found, following = await find(connection, query, selection, most, **values)
    return dict(found), following


def changed(owners: Owners, done: Collection[UUID], following: Place | None) -> Changed:
    """Return what was changed of what was found."""
    return Changed(Counter(owners[id_] for id_ in done), next=following)
