"""Rows of checks from outside: what was checked, what was found, and when it is due again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.checks.kinds import FRESH, CheckKind, Intervals
from controlplane.database import fetch_all
from kit.queries import Queries
from kit.readings import Reading

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class Check:
    """The last check of one kind."""

    kind: str
    digest: str
    """Of what was checked."""
    findings: list[dict[str, Any]]
    is_right: bool
    """Whether all was answered, and nothing is wrong."""
    is_fresh: bool
    """Whether it is young enough to be relied on."""


@dataclass(frozen=True)
class Due:
    """A check that is to be made now."""

    tenant_id: UUID
    kind: CheckKind
    input: str
    """What is to be checked, as JSON."""
    digest: str
    is_right: bool
    """Whether it was at the last time."""


def reading(tenant_id: UUID) -> Reading[TextClause, dict[str, Check]]:
    """Read the last checks of a tenant, by kind."""
    return Reading(
        SQL.load,
        {"tenant_id": tenant_id},
        lambda rows: {row["kind"]: Check(**row) for row in rows},
    )


async def save(
    connection: AsyncConnection,
    tenant_id: UUID,
    kind: CheckKind,
    *,
    given: str,
    digest: str,
    findings: str,
    is_right: bool,
    interval: timedelta,
) -> None:
    """Keep a check that was made now; it is due again after `interval`, and fresh for longer."""
    values = {
        "tenant_id": tenant_id,
        "kind": kind,
        "input": given,
        "digest": digest,
        "findings": findings,
        "is_right": is_right,
        "interval": interval,
        "fresh_for": FRESH * interval,
    }
    await connection.execute(SQL.save, values)


async def claim(connection: AsyncConnection, *, count: int, intervals: Intervals) -> list[Due]:
    """Return checks that are due, the longest first; no other process gets them meanwhile."""
    values = {"kinds": list(intervals), "intervals": list(intervals.values()), "count": count}
    return await fetch_all(connection, SQL.claim, _due, **values)


async def confirm(
    connection: AsyncConnection, due: Due, *, findings: str, is_right: bool, interval: timedelta
) -> bool:
    """Keep what was found; False where something else is to be checked by now."""
    values = {
        "tenant_id": due.tenant_id,
        "kind": due.kind,
        "digest": due.digest,
        "findings": findings,
        "is_right": is_right,
        "fresh_for": FRESH * interval,
    }
    return (await connection.execute(SQL.confirm, values)).rowcount == 1


async def postpone(connection: AsyncConnection, due: Due, *, pause: timedelta) -> None:
    """Let a check that was not answered be made again after a pause."""
    values = {
        "tenant_id": due.tenant_id,
        "kind": due.kind,
        "digest": due.digest,
        "pause": pause,
    }
    await connection.execute(SQL.postpone, values)


async def overdue(connection: AsyncConnection) -> float:
    """Return for how many seconds the oldest check has been due."""
    seconds: float = (await connection.execute(SQL.overdue)).scalar_one()
    return seconds


def _due(kind: str, **columns: Any) -> Due:
    return Due(kind=CheckKind(kind), **columns)
