"""All processes share the slots of the provider's account, and know when it is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from controlplane.database import CONTROLLER, Database
from controlplane.reconciler.slots import PAUSE, AccountSlots, Slots, SlotsOfPass
from controlplane.schedule import account_slots as rows
from controlplane.schedule.schemas import Pool
from hostwinds.faults import HALF_DONE, UNAUTHORIZED
from kit.faults import Fault

LEASE = timedelta(minutes=1)
LIMIT = 3


class Replica:
    """The slots of one process: two of its own, and three of the account of all."""

    def __init__(self, database: Database, tokens: Callable[[], int]) -> None:
        self._slots = Slots({Pool.ENGINE: 2, Pool.HOSTS: 1})
        self._account = AccountSlots(database, {Pool.ENGINE: LIMIT}, LEASE)
        self._tokens = tokens
        self.woken: list[int] = []

    def of_a_pass(self) -> SlotsOfPass:
        """Return the slots of a further pass."""

        async def freed(_pool: Pool, count: int) -> None:
            self.woken.append(count)

        return SlotsOfPass(self._slots, self._account, self._tokens(), lambda: None, freed)

    async def run(self, fault: Fault | None = None) -> str:
        """Run an operation that may fail; return why there was no slot, or nothing."""
        own = self.of_a_pass()
        async with own.one(Pool.ENGINE) as failures:
            if failures is not None and fault is not None:
                failures.append(fault)
        return "" if own.wait is None else own.wait.reason

    async def is_free(self) -> bool:
        return await self._account.is_free(Pool.ENGINE)


@pytest.fixture
def replicas(pools: Database) -> tuple[Replica, Replica]:
    tokens = iter(range(1, 100))
    return Replica(pools, lambda: next(tokens)), Replica(pools, lambda: next(tokens))


async def pass_time(database: Database, passed: timedelta) -> None:
    """Let time pass for the database."""
    async with database.begin(CONTROLLER) as connection:
        for table in ("account_slots", "account_troubles"):
            await connection.execute(
                text(f"update oltp.{table} set until = until - cast(:passed as interval)"),  # noqa: S608 - a constant
                {"passed": passed},
            )


async def test_processes_together_have_as_many_slots_as_the_account(
    replicas: tuple[Replica, Replica],
) -> None:
    one, other = replicas
    waits: list[Any] = []
    async with AsyncExitStack() as running:
        for replica in (one, one, other, other):
            own = replica.of_a_pass()
            await running.enter_async_context(own.one(Pool.ENGINE))
            waits.append(own.wait and own.wait.reason)
        assert waits == [None, None, None, "WaitingForSlot"]
        assert not await other.is_free()
        of_hosts = other.of_a_pass()
        async with of_hosts.one(Pool.HOSTS) as failures:
            assert failures == [], "what is done on hosts is no matter of the account"
    assert await one.run() == ""
    assert await other.is_free()


async def test_pass_takes_one_slot_whatever_plan_the_server_makes(pools: Database) -> None:
    async with pools.begin(CONTROLLER) as connection:
        for way in ("hashagg", "hashjoin", "mergejoin", "material", "sort"):
            await connection.execute(text(f"set local enable_{way} = off"))
        assert await rows.take(connection, Pool.ENGINE, 1, limit=LIMIT, lease=LEASE)
        taken = await connection.execute(
            text("select count(*) from oltp.account_slots where token = 1")
        )
        assert taken.scalar_one() == 1


async def test_slot_of_a_dead_process_is_free_after_its_lease(
    replicas: tuple[Replica, Replica], pools: Database
) -> None:
    one, other = replicas
    dead, alive = one.of_a_pass(), one.of_a_pass()
    async with dead.one(Pool.ENGINE), alive.one(Pool.ENGINE):
        async with other.of_a_pass().one(Pool.ENGINE):
            assert await other.run() == "WaitingForSlot"
            await pass_time(pools, LEASE / 2)
            await alive.renew()
            await pass_time(pools, LEASE * 0.75)
        assert await other.run() == "", "its own"
        async with other.of_a_pass().one(Pool.ENGINE) as first:
            assert first == []
            async with other.of_a_pass().one(Pool.ENGINE) as second:
                assert second == [], "that of the dead one"
                third = AccountSlots(pools, {Pool.ENGINE: LIMIT}, LEASE)
                assert not await third.is_free(Pool.ENGINE), "the one that is alive has its own"


async def test_account_that_is_refused_is_tried_by_one_pass_a_minute_of_all_processes(
    replicas: tuple[Replica, Replica], pools: Database
) -> None:
    one, other = replicas
    assert await one.run(UNAUTHORIZED.shown()) == ""
    assert await other.run() == "WaitingForAccount"
    assert not await other.is_free()
    await pass_time(pools, PAUSE)
    trying = other.of_a_pass()
    async with trying.one(Pool.ENGINE) as failures:
        assert failures == [], "the one that tries"
        assert await one.run() == "WaitingForAccount"
        assert await other.run() == "WaitingForAccount"
        failures.append(UNAUTHORIZED.shown())
    assert await one.run() == "WaitingForAccount"
    assert one.woken == other.woken == []


async def test_account_that_works_again_wakes_as_many_as_there_are_slots(
    replicas: tuple[Replica, Replica], pools: Database
) -> None:
    one, other = replicas
    await one.run(UNAUTHORIZED.shown())
    await pass_time(pools, PAUSE)
    assert await other.run() == ""
    assert await one.run() == ""
    assert (other.woken, one.woken) == ([LIMIT], [1])


async def test_fault_of_one_tenant_closes_nothing(replicas: tuple[Replica, Replica]) -> None:
    one, other = replicas
    assert await one.run(HALF_DONE.shown()) == ""
    assert await other.run() == ""
    assert one.woken == [1]
