"""Rows of conditions."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.conditions.model import Condition, Status


async def load(connection: AsyncConnection, tenant_id: UUID) -> list[Condition]:
    """Return all conditions of a tenant."""
    return (await load_all(connection, [tenant_id]))[tenant_id]


async def load_all(
    connection: AsyncConnection, tenant_ids: Sequence[UUID]
) -> dict[UUID, list[Condition]]:
    """Return all conditions of each of some tenants, in one question."""
    rows = await connection.execute(
        text(
            "select tenant_id, subject, type, status, reason, message, observed_generation, "
            "last_transition_at from oltp.conditions where tenant_id = any(:ids) "
            "order by tenant_id, subject, type"
        ),
        {"ids": list(tenant_ids)},
    )
    found: dict[UUID, list[Condition]] = {tenant_id: [] for tenant_id in tenant_ids}
    for row in rows:
        found[row.tenant_id].append(
            Condition(
                row.subject,
                row.type,
                Status(row.status),
                row.reason,
                row.message,
                row.observed_generation,
                row.last_transition_at,
            )
        )
    return found


async def save(
    connection: AsyncConnection, tenant_id: UUID, conditions: Sequence[Condition]
) -> None:
    """Write conditions over those of the same subject and type."""
    if not conditions:
        return
    await connection.execute(
        text(
            "insert into oltp.conditions (tenant_id, subject, type, status, reason, message, "
            "observed_generation, last_transition_at) values (:id, :subject, :type, :status, "
            ":reason, :message, :generation, :at) on conflict (tenant_id, subject, type) do update "
            "set status = excluded.status, reason = excluded.reason, message = excluded.message, "
            "observed_generation = excluded.observed_generation, "
            "last_transition_at = excluded.last_transition_at"
        ),
        [
            {
                "id": tenant_id,
                "subject": c.subject,
                "type": c.type,
                "status": str(c.status),
                "reason": c.reason,
                "message": c.message,
                "generation": c.observed_generation,
                "at": c.last_transition_at,
            }
            for c in conditions
        ],
    )


async def forget(connection: AsyncConnection, tenant_id: UUID, subjects: Sequence[str]) -> None:
    """Delete the conditions of all subjects but these."""
    await connection.execute(
        text("delete from oltp.conditions where tenant_id = :id and subject <> all(:subjects)"),
        {"id": tenant_id, "subjects": list(subjects)},
    )
