"""The schedule: most urgent first, each once, and the later token wins."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from controlplane.database import CONTROLLER, Database
from controlplane.schedule.repository import Lease, Priority, claim, release, renew, request_pass
from tests.integration.controlplane.conftest import Clock, document

LEASE = timedelta(seconds=60)


@pytest.fixture
async def three(operator, pools: Database, clock: Clock) -> dict[str, str]:
    ids = {}
    for name in ("a1", "b2", "c3"):
        ids[name] = (await operator.post("/tenants", json=document(name))).json()["id"]
        clock.advance(seconds=1)
    return ids


async def take(pools: Database, clock: Clock, owner: str = "me") -> Lease | None:
    async with pools.begin(CONTROLLER) as connection:
        return await claim(connection, owner=owner, now=clock(), lease=LEASE)


async def give_back(pools: Database, clock: Clock, held: Lease, **due: float) -> None:
    async with pools.begin(CONTROLLER) as connection:
        await release(
            connection,
            held,
            due_at=clock() + timedelta(**due) if due else None,
            priority=Priority.RESYNC,
            attempts=0,
            now=clock(),
        )


async def end_leases(pools: Database) -> None:
    """Let all leases have ended by the database's clock."""
    async with pools.begin(CONTROLLER) as connection:
        await connection.execute(text("update oltp.schedule set lease_until = 'epoch'"))


async def test_claim_by_several_workers_gives_a_tenant_to_one(three, pools, clock) -> None:
    taken = await asyncio.gather(*(take(pools, clock, f"w{n}") for n in range(5)))
    ids = [str(lease.tenant_id) for lease in taken if lease]
    assert sorted(ids) == sorted(three.values())


async def test_claim_takes_a_user_request_before_a_resync(three, pools, clock) -> None:
    while held := await take(pools, clock):
        await give_back(pools, clock, held, seconds=10)
    clock.advance(seconds=11)
    async with pools.begin(CONTROLLER) as connection:
        await request_pass(connection, UUID(three["c3"]), Priority.USER, now=clock())
    first = await take(pools, clock)
    assert first is not None
    assert str(first.tenant_id) == three["c3"]


async def test_lease_with_an_old_token_neither_renews_nor_releases(three, pools, clock) -> None:
    first = await take(pools, clock)
    await take(pools, clock)
    await take(pools, clock)
    await end_leases(pools)
    again = await take(pools, clock, "other")
    assert first is not None
    assert again is not None
    assert again.token > first.token
    async with pools.begin(CONTROLLER) as connection:
        assert not await renew(connection, first, lease=LEASE)
        assert await renew(connection, again, lease=LEASE)
    await give_back(pools, clock, first, seconds=0.1)
    async with pools.begin(CONTROLLER) as connection:
        assert await renew(connection, again, lease=LEASE), "still held"


async def test_lease_renewed_keeps_the_tenant(three, pools, clock) -> None:
    held = [await take(pools, clock) for _ in range(3)]
    await end_leases(pools)
    async with pools.begin(CONTROLLER) as connection:
        for lease in held:
            assert lease is not None
            assert await renew(connection, lease, lease=LEASE)
    assert await take(pools, clock) is None


@pytest.mark.parametrize("hours", [-1, 1])
async def test_lease_is_not_shorter_for_a_process_whose_clock_is_wrong(
    three, pools, clock, hours: float
) -> None:
    for _ in three:
        assert await take(pools, clock) is not None
    clock.advance(hours=hours)
    assert await take(pools, clock, "other") is None
    await end_leases(pools)
    clock.advance(hours=1 - hours)
    assert await take(pools, clock, "other") is not None


async def test_lease_of_a_process_whose_clock_is_behind_holds(three, pools, clock) -> None:
    held = [await take(pools, clock, "behind") for _ in three]
    clock.advance(hours=-1)
    async with pools.begin(CONTROLLER) as connection:
        for lease in held:
            assert lease is not None
            assert await renew(connection, lease, lease=LEASE)
    clock.advance(hours=1)
    assert await take(pools, clock) is None


async def test_release_without_a_due_time_waits_for_a_request(three, pools, clock) -> None:
    while held := await take(pools, clock):
        await give_back(pools, clock, held)
        last = held
    clock.advance(days=365)
    assert await take(pools, clock) is None
    async with pools.begin(CONTROLLER) as connection:
        await request_pass(connection, last.tenant_id, Priority.USER, now=clock())
    lease = await take(pools, clock)
    assert lease is not None
    assert lease.tenant_id == last.tenant_id
