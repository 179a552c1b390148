"""Slots of operations of one process."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from controlplane.reconciler.slots import AccountSlots, Slots, SlotsOfPass
from controlplane.schedule.schemas import Pool

NO_DATABASE: Any = None
"""A placeholder: no pool of these tests has a limit in the account."""
WITHOUT_LIMIT = AccountSlots(NO_DATABASE, {}, timedelta(minutes=1))


async def test_slots_of_a_pool_are_as_many_as_its_limit() -> None:
    slots = Slots({Pool.ENGINE: 2, Pool.HOSTS: 1})

    async def freed(_pool: Pool, _count: int) -> None:
        """Wake nobody."""

    passes = [SlotsOfPass(slots, WITHOUT_LIMIT, token, lambda: None, freed) for token in (1, 2, 3)]
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
