"""The schedule: most urgent first, each once, and the later token wins."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text

from controlplane.database import CONTROLLER, Database
from controlplane.faults import NOT_FOUND
from controlplane.schedule.repository import Lease, claim, release, renew, request_pass
from controlplane.schedule.schemas import Priority
from controlplane.schedule.turns import Turns
from tests.integration.controlplane.conftest import Clock, create, document
from tests.support.faults import assert_shows

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


async def look(client: httpx2.AsyncClient, name: str) -> dict[str, Any]:
    """Return when a tenant is looked at next, as the API shows it."""
    answer = await client.get(f"/tenants/{name}/next-look")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_next_look_says_when_and_why(three, pools, clock, operator) -> None:
    requested = await look(operator, "a1")
    assert (requested["why"], requested["worker"]) == ("requested", None)
    held = await take(pools, clock, "here/1/0")
    assert held is not None
    assert (await look(operator, "a1"))["worker"] == "here/1/0"
    await give_back(pools, clock, held, minutes=10)
    later = (clock() + timedelta(minutes=10)).isoformat().replace("+00:00", "Z")
    assert await look(operator, "a1") == {
        "due_at": later,
        "why": "regular",
        "unfinished_passes": 0,
        "waits_for": None,
        "worker": None,
    }
    held = await take(pools, clock)
    assert held is not None
    await end_leases(pools)
    assert (await look(operator, "b2"))["worker"] is None, "its process is dead"
    async with pools.begin(CONTROLLER) as connection:
        await release(
            *(connection, held),
            due_at=None,
            priority=Priority.RETRY,
            attempts=3,
            now=clock(),
        )
    shown = await look(operator, "b2")
    assert (shown["due_at"], shown["why"], shown["unfinished_passes"]) == (None, "retried", 3)


async def test_next_look_of_another_tenant_is_not_shown(three, client_of, operator) -> None:
    tenant = await client_of(three["a1"])
    assert (await look(tenant, "a1"))["why"] == "requested"
    for client, name in ((tenant, "b2"), (operator, "none")):
        refused = await client.get(f"/tenants/{name}/next-look")
        assert_shows(refused.json(), NOT_FOUND, name=name)


async def test_claim_follows_the_order_of_priorities_that_it_is_given(three, pools, clock) -> None:
    due = {three[name]: seconds for name, seconds in (("a1", 8), ("b2", 9), ("c3", 10))}
    while held := await take(pools, clock):
        await give_back(pools, clock, held, seconds=due[str(held.tenant_id)])
    clock.advance(seconds=11)
    async with pools.begin(CONTROLLER) as connection:
        await request_pass(connection, UUID(three["c3"]), Priority.USER, now=clock())
        order = [Priority.RESYNC, Priority.USER]
        first = await claim(connection, owner="me", now=clock(), lease=LEASE, order=order)
    assert first is not None
    assert (str(first.tenant_id), first.priority) == (three["a1"], Priority.RESYNC)


async def test_burst_of_requests_leaves_regular_looks_their_turn(pools, clock, operator) -> None:
    regular = {(await create(operator, f"r{number}"))["id"] for number in range(3)}
    while held := await take(pools, clock):
        await give_back(pools, clock, held, seconds=10)
    clock.advance(seconds=11)
    for number in range(12):
        await create(operator, f"u{number:02}")
    turns, taken = Turns(lambda: 0.0), []
    for _ in range(9):
        async with pools.begin(CONTROLLER) as connection:
            lease = await claim(
                connection, owner="me", now=clock(), lease=LEASE, order=turns.order()
            )
        assert lease is not None
        turns.begin(lease.priority, clock() - lease.due_at)
        taken.append(str(lease.tenant_id))
    assert regular <= set(taken), "the requests alone are more than these turns"
    assert taken[0] not in regular
