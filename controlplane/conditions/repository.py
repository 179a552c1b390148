"""Rows of conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.conditions.model import Ask, Condition, Status
from controlplane.database import fetch, fetch_all
from kit.faults import Actor
from kit.queries import Queries
from kit.readings import Reading

SQL = Queries(__file__, text)


async def load(connection: AsyncConnection, tenant_id: UUID) -> list[Condition]:
    """Return all conditions of a tenant."""
    return await fetch(connection, reading(tenant_id))


def reading(tenant_id: UUID) -> Reading[TextClause, list[Condition]]:
    """Read all conditions of a tenant."""
    return Reading(
        SQL.load_all,
        {"ids": [tenant_id], "subject": None},
        lambda rows: [_condition(**row)[1] for row in rows],
    )


async def load_all(
    connection: AsyncConnection, tenant_ids: Sequence[UUID], *, subject: str | None = None
) -> dict[UUID, list[Condition]]:
    """Return all conditions of several tenants, or those of one subject of each."""
    loaded: dict[UUID, list[Condition]] = {tenant_id: [] for tenant_id in tenant_ids}
    for tenant_id, condition in await fetch_all(
        connection, SQL.load_all, _condition, ids=list(tenant_ids), subject=subject
    ):
        loaded[tenant_id].append(condition)
    return loaded


async def save(
    connection: AsyncConnection, tenant_id: UUID, conditions: Sequence[Condition]
) -> None:
    """Insert or update conditions."""
    if conditions:
        await connection.execute(SQL.save, [_columns(tenant_id, each) for each in conditions])


async def delete_others(
    connection: AsyncConnection, tenant_id: UUID, subjects: Sequence[str]
) -> None:
    """Delete the conditions of all other subjects."""
    await connection.execute(
        SQL.delete_others, {"tenant_id": tenant_id, "subjects": list(subjects)}
    )


async def count_asked(connection: AsyncConnection) -> dict[tuple[str, str], int]:
    """Count the required actions, by reason and who has to act."""
    rows = await connection.execute(SQL.count_asked)
    return {(row["reason"], row["acts"]): row["count"] for row in rows.mappings()}


async def count_stalled(connection: AsyncConnection) -> dict[str, int]:
    """Return how many tenants are stalled, by reason."""
    rows = await connection.execute(SQL.count_stalled)
    return {row["reason"]: row["count"] for row in rows.mappings()}


def _columns(tenant_id: UUID, condition: Condition) -> dict[str, Any]:
    ask = condition.ask
    asked = {"acts": ask and str(ask.acts), "remedy": ask and ask.remedy}
    own = {name: value for name, value in vars(condition).items() if name != "ask"}
    return {"tenant_id": tenant_id, **own, **asked, "status": str(condition.status)}


def _condition(
    tenant_id: UUID, status: str, acts: str | None, remedy: str | None, **columns: Any
) -> tuple[UUID, Condition]:
    ask = None if acts is None else Ask(Actor(acts), remedy or "")
    return tenant_id, Condition(status=Status(status), ask=ask, **columns)
