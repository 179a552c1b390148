"""How often, and for how long, a condition that is True was observed to be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch_all
from kit.queries import Queries

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class Doubt:
    """Consecutive wrong looks at a subject; looks without an answer do not count."""

    looks: int
    age: timedelta
    """Since the first of them, by the clock of the database."""


@dataclass(frozen=True)
class Patience:
    """When a condition that is True becomes False: after both."""

    looks: int = 3
    period: timedelta = timedelta(minutes=30)

    def is_over(self, doubt: Doubt) -> bool:
        """Return whether a wrong answer is no passing one."""
        return doubt.looks >= self.looks and doubt.age >= self.period


async def record(
    connection: AsyncConnection,
    tenant_id: UUID,
    type_: str,
    *,
    wrong: Sequence[str],
    unanswered: Sequence[str],
) -> dict[str, Doubt]:
    """Count one look at each wrong subject, and return their doubts.

    Those of unanswered subjects stay; all others end.
    """
    names = {"tenant_id": tenant_id, "type": type_}
    kept = [*wrong, *unanswered]
    await connection.execute(SQL.end_doubts, {**names, "kept": kept})
    rows = await fetch_all(connection, SQL.doubt, _doubt, **names, subjects=list(wrong))
    return dict(rows)


def _doubt(subject: str, looks: int, age: timedelta) -> tuple[str, Doubt]:
    return subject, Doubt(looks, age)
