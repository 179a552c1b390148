"""Looks at tenants without a lease are postponed unless one is taken or asked for meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from controlplane.database import CONTROLLER, Database
from controlplane.schedule.repository import (
    DueTenant,
    claim,
    list_due,
    postpone,
    release,
    request_pass,
)
from controlplane.schedule.schemas import Priority
from tests.integration.controlplane.conftest import Clock, document

MINUTE = timedelta(minutes=1)
EARLIER = text("""
update oltp.schedule set due_at = due_at - interval '1 hour' where tenant_id = :id
""")
DUE_AT = text("select due_at from oltp.schedule where tenant_id = :id")
SAME = text("update oltp.schedule set priority = :priority, due_at = :now")


@pytest.fixture
async def three(operator, pools: Database, clock: Clock) -> list[UUID]:
    """Tenants that are due at the same time."""
    ids = [
        UUID((await operator.post("/tenants", json=document(name))).json()["id"])
        for name in ("a1", "b2", "c3")
    ]
    async with pools.begin(CONTROLLER) as connection:
        await connection.execute(SAME, {"priority": int(Priority.RESYNC), "now": clock()})
    return ids


async def due(
    pools: Database, clock: Clock, after: DueTenant | None = None, count: int = 9
) -> list[DueTenant]:
    async with pools.begin(CONTROLLER) as connection:
        return await list_due(connection, Priority.RESYNC, until=clock(), after=after, count=count)


async def put_off(pools: Database, tenants: list[DueTenant], until: datetime) -> int:
    async with pools.begin(CONTROLLER) as connection:
        return await postpone(connection, tenants, due_at=until)


async def test_pages_have_each_due_tenant_once(three, pools, clock) -> None:
    first = await due(pools, clock, count=2)
    second = await due(pools, clock, after=first[-1], count=2)
    assert sorted(one.tenant_id for one in (*first, *second)) == sorted(three)


async def test_tenant_that_a_worker_has_is_not_listed(three, pools, clock) -> None:
    async with pools.begin(CONTROLLER) as connection:
        held = await claim(connection, owner="me", now=clock(), lease=MINUTE)
    assert held is not None
    assert held.tenant_id not in {one.tenant_id for one in await due(pools, clock)}


async def test_tenants_that_are_as_listed_are_postponed_together(three, pools, clock) -> None:
    listed = await due(pools, clock)
    assert await put_off(pools, listed, clock() + MINUTE) == len(three)
    assert await due(pools, clock) == []
    clock.advance(minutes=1)
    assert [one.tenant_id for one in await due(pools, clock)] == sorted(three)


async def ask_for(pools: Database, tenant: DueTenant, now: datetime) -> None:
    async with pools.begin(CONTROLLER) as connection:
        await request_pass(connection, tenant.tenant_id, Priority.USER, now=now)


async def take(pools: Database, tenant: DueTenant, now: datetime) -> None:
    async with pools.begin(CONTROLLER) as connection:
        held = await claim(connection, owner="me", now=now, lease=MINUTE)
    assert held is not None
    assert held.tenant_id == tenant.tenant_id


async def take_and_release(pools: Database, tenant: DueTenant, now: datetime) -> None:
    async with pools.begin(CONTROLLER) as connection:
        held = await claim(connection, owner="me", now=now, lease=MINUTE)
        assert held is not None
        await release(connection, held, due_at=now, priority=Priority.RESYNC, attempts=1, now=now)
    assert held.tenant_id == tenant.tenant_id


@pytest.mark.parametrize("meanwhile", [ask_for, take, take_and_release])
async def test_tenant_that_is_asked_for_or_taken_meanwhile_stays_due(
    three, pools, clock, meanwhile: Callable[[Database, DueTenant, datetime], Awaitable[None]]
) -> None:
    async with pools.begin(CONTROLLER) as connection:
        await connection.execute(EARLIER, {"id": three[0]})
    [tenant, *others] = await due(pools, clock)
    assert tenant.tenant_id == three[0]
    await meanwhile(pools, tenant, clock())
    assert await put_off(pools, [tenant, *others], clock() + MINUTE) == len(others)
    async with pools.begin(CONTROLLER) as connection:
        at = (await connection.execute(DUE_AT, {"id": three[0]})).scalar_one()
    assert at <= clock()


async def test_tenant_that_is_being_taken_is_not_waited_for(three, pools, clock) -> None:
    listed = await due(pools, clock)
    async with pools.begin(CONTROLLER) as connection:
        held = await claim(connection, owner="me", now=clock(), lease=MINUTE)
        assert held is not None
        assert await put_off(pools, listed, clock() + MINUTE) == len(three) - 1
