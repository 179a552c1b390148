"""How often, and for how long, a condition that is True was observed to be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch_all
from kit.queries import Queries
from kit.readings import Reading

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class Failures:
    """Consecutive wrong looks at a subject; looks without an answer do not count."""

    looks: int
    age: timedelta
    """Since the first of them, by the clock of the database."""


@dataclass(frozen=True)
class FailureThreshold:
    """When a condition that is True becomes False: after both."""

    looks: int = 3
    period: timedelta = timedelta(minutes=30)

    def is_reached(self, failures: Failures) -> bool:
        """Return whether a wrong answer is no passing one."""
        return failures.looks >= self.looks and failures.age >= self.period


def counted_types(tenant_id: UUID) -> Reading[TextClause, frozenset[str]]:
    """Read the types of conditions of which failures are counted."""
    return Reading(
        SQL.failing_types,
        {"tenant_id": tenant_id},
        lambda rows: frozenset(row["type"] for row in rows),
    )


async def record(
    connection: AsyncConnection,
    tenant_id: UUID,
    type_: str,
    *,
    wrong: Sequence[str],
    unanswered: Sequence[str],
) -> dict[str, Failures]:
    """Count one look at each wrong subject, and return their failures.

    Those of unanswered subjects stay; all others end.
    """
    names = {"tenant_id": tenant_id, "type": type_}
    kept = [*wrong, *unanswered]
    await connection.execute(SQL.end_failures, {**names, "kept": kept})
    rows = await fetch_all(connection, SQL.count_failure, _failures, **names, subjects=list(wrong))
    return dict(rows)


def _failures(subject: str, looks: int, age: timedelta) -> tuple[str, Failures]:
    return subject, Failures(looks, age)
