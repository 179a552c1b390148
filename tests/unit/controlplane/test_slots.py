"""Slots of operations, and an account that its provider refuses."""

from __future__ import annotations

import pytest

from controlplane.reconciler.slots import PAUSE_SECONDS, Slots, SlotsOfPass
from controlplane.schedule.schemas import Pool
from hostwinds.faults import HALF_DONE, UNAUTHORIZED
from kit.faults import Fault


class Seconds:
    """A monotonic clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Seconds:
    return Seconds()


@pytest.fixture
def slots(time: Seconds) -> Slots:
    return Slots({Pool.ENGINE: 2, Pool.HOSTS: 1}, time)


class Passes:
    """Passes that run one after the other, and how many are woken after each."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.woken: list[int] = []

    async def run(self, fault: Fault | None = None) -> str:
        """Run an operation that may fail; return why there was no slot, or nothing."""

        async def freed(_pool: Pool, count: int) -> None:
            self.woken.append(count)

        own = SlotsOfPass(self._slots, lambda: None, freed)
        async with own.one(Pool.ENGINE) as failures:
            if failures is not None and fault is not None:
                failures.append(fault)
        return "" if own.wait is None else own.wait.reason


async def test_slots_of_a_pool_are_as_many_as_its_limit(slots: Slots) -> None:
    async def freed(_pool: Pool, _count: int) -> None:
        """Wake nobody."""

    passes = [SlotsOfPass(slots, lambda: None, freed) for _ in range(3)]
    async with (
        passes[0].one(Pool.ENGINE) as first,
        passes[1].one(Pool.ENGINE) as second,
        passes[2].one(Pool.ENGINE) as third,
        passes[2].one(Pool.HOSTS) as of_hosts,
    ):
        assert (first, second, third, of_hosts) == ([], [], None, [])
    assert passes[2].wait is not None
    assert passes[2].wait.reason == "WaitingForSlot"
    assert slots.used == {Pool.ENGINE: 0, Pool.HOSTS: 0}


async def test_account_that_is_refused_is_tried_by_one_pass_a_minute(
    slots: Slots, time: Seconds
) -> None:
    passes = Passes(slots)
    assert await passes.run(UNAUTHORIZED.shown()) == ""
    assert await passes.run() == "WaitingForAccount"
    time.now += PAUSE_SECONDS
    assert await passes.run(UNAUTHORIZED.shown()) == "", "the one that tries"
    assert await passes.run() == "WaitingForAccount"
    assert passes.woken == []


async def test_while_one_pass_tries_an_account_all_others_wait(slots: Slots, time: Seconds) -> None:
    passes = Passes(slots)
    await passes.run(UNAUTHORIZED.shown())
    time.now += PAUSE_SECONDS

    async def freed(_pool: Pool, _count: int) -> None:
        """Wake nobody."""

    async with SlotsOfPass(slots, lambda: None, freed).one(Pool.ENGINE):
        assert await passes.run() == "WaitingForAccount"


async def test_account_that_works_again_wakes_as_many_as_there_are_slots(
    slots: Slots, time: Seconds
) -> None:
    passes = Passes(slots)
    await passes.run(UNAUTHORIZED.shown())
    time.now += PAUSE_SECONDS
    assert await passes.run() == ""
    assert await passes.run() == ""
    assert passes.woken == [2, 1]


async def test_fault_of_one_tenant_closes_nothing(slots: Slots) -> None:
    passes = Passes(slots)
    assert await passes.run(HALF_DONE.shown()) == ""
    assert await passes.run() == ""
    assert passes.woken == [1, 1]
