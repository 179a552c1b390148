"""A process that is stopped while it writes an event delays others, and fails none of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import CONTROLLER, OPERATOR, Database
from controlplane.events.repository import emit


async def write(connection: AsyncConnection, reason: str) -> None:
    await emit(
        connection,
        tenant_id=None,
        tenant=None,
        at=datetime.now(UTC),
        subject="platform",
        kind="mail",
        reason=reason,
        message="",
    )


async def write_both(pools: Database) -> None:
    """Let one writer stop between its event and its commit, and another one write meanwhile."""
    async with pools.begin(OPERATOR) as stopped:
        await write(stopped, "Stopped")
        async with pools.begin(CONTROLLER) as other:
            await write(other, "Other")


async def test_writer_that_never_commits_is_ended_before_others_are_given_up(
    pools: Database,
) -> None:
    with pytest.raises(DBAPIError):
        await write_both(pools)
    async with pools.begin(CONTROLLER) as connection:
        reasons = await connection.scalars(text("select reason from oltp.events"))
        assert reasons.all() == ["Other"]
