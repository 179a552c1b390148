"""Reconcilers, operations and engines end anywhere: the short form of `make chaos`."""

from __future__ import annotations

import pytest

from tests.chaos.reconciler.disturbances import Kill, end_sessions
from tests.chaos.reconciler.harness import Plan, play
from tests.chaos.reconciler.points import Point, Target
from tests.chaos.reconciler.scene import FOREIGN_SERVERS

pytestmark = pytest.mark.engine
KILLS = (
    Kill(Point.INTENT, Target.OPERATION),
    Kill(Point.ORDERED, Target.RECONCILER),
    Kill(Point.SETTLED, Target.ENGINE),
    Kill(Point.FENCE_HELD, Target.OPERATION),
)


def plan() -> Plan:
    return Plan(
        seed=12,
        tenants=2,
        reconcilers=2,
        edits=4,
        kills=[*KILLS],
        random_kills=2,
        faults=0.5,
        disturbances=(end_sessions,),
        seconds=45,
    )


async def test_nothing_is_bought_twice_or_left_whatever_ends() -> None:
    figures = await play(plan(), print)
    assert figures["broken"] == []
    assert figures["audit"]["counts"]["bought"] > len(FOREIGN_SERVERS), "nothing was tried"
