"""Senders and servers end at the worst moments: the short form of `make chaos-queue`."""

from __future__ import annotations

from tests.chaos.queue import disturbances
from tests.chaos.queue.harness import Plan, play

SOME = (disturbances.end_sessions, disturbances.kill_postgres)


async def test_each_mail_is_received_once_whatever_ends() -> None:
    plan = Plan(
        seed=10,
        kills=1,
        random_kills=1,
        disturbances=SOME,
        rate=80,
        lease=1,
        least_open=5,
        most_waiting=200,
    )
    figures = await play(plan, print)
    assert figures["broken"] == []
    assert len(figures["kills"]) >= len(plan.deaths())
