"""Reads the required actions from conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch_all
from controlplane.todo.schemas import TodoView
from kit.queries import Queries

SQL = Queries(__file__, text)
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True)
class Position:
    """A row's place in the list."""

    tenant_id: UUID = FIRST
    subject: str = ""
    type: str = ""

    def __str__(self) -> str:
        """Return it as a cursor; a subject may have a slash, a type has none."""
        return f"{self.tenant_id}/{self.subject}/{self.type}"

    @classmethod
    def read(cls, cursor: str) -> Position:
        """Read a cursor; raises ValueError for another text."""
        tenant_id, _, rest = cursor.partition("/")
        subject, _, type_ = rest.rpartition("/")
        return cls(UUID(tenant_id), subject, type_)


async def page(
    connection: AsyncConnection,
    *,
    after: Position,
    tenant_id: UUID | None,
    reason: str | None,
    limit: int,
) -> list[tuple[Position, TodoView]]:
    """Return what is to be done after a position: of a tenant, or of all, by their creation."""
    if tenant_id is not None and after.tenant_id != tenant_id:
        after = Position(tenant_id)
    return await fetch_all(
        connection,
        SQL.page,
        _todo,
        **vars(after),
        last_id=tenant_id or LAST,
        reason=reason,
        limit=limit,
    )


def _todo(tenant_id: UUID, message: str, remedy: str, **columns: Any) -> tuple[Position, TodoView]:
    """Return a row; the message of a fault ends with its remedy, which is shown by itself."""
    view = TodoView(message=message.removesuffix(f"; {remedy}"), remedy=remedy, **columns)
    return Position(tenant_id, view.subject, view.condition), view
