"""One run: mail is offered while senders die and servers fail; then all is compared."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any

from tests.chaos import clocks
from tests.chaos.queue import verdict
from tests.chaos.queue.calm import emptied
from tests.chaos.queue.disturbances import DISTURBANCES, Play
from tests.chaos.queue.measures import Measure, Measures
from tests.chaos.queue.offering import Offer
from tests.chaos.queue.points import Point
from tests.chaos.queue.program import Kind
from tests.chaos.queue.scene import Scene, staged
from tests.chaos.queue.seats import Death, Seat
from tests.chaos.starter import starter

LOOK = 0.2
PROGRAM = "tests.chaos.queue.program"
REST = 1_000
"""Mails that are left to be handed over at the end, at least."""
RIGHT = ("",)
"""Clocks."""
Disturbance = Callable[[Play], Awaitable[None]]
Say = Callable[[str], None]


@dataclass
class Plan:
    """What happens in a run."""

    seed: int
    kills: int
    """At each point."""
    random_kills: int
    kinds: Sequence[Kind] = (Kind.SENDER, Kind.SENDER)
    """Of the senders."""
    disturbances: Sequence[Disturbance] = DISTURBANCES
    rounds: int = 1
    """How often each disturbance comes."""
    hosts: int = 8
    clocks: Sequence[str] = RIGHT
    """Of the senders of the first seat, one after the other; empty: the right one."""
    rate: float = 600.0
    """Mails a second."""
    lease: float = 2.0
    """Seconds."""
    least_open: int = 10
    """Hand-overs that a sender has open when it is killed."""
    most_waiting: int = 10_000
    """Mails that wait before some of them are cancelled: more are offered than can be handled."""
    measures: Sequence[Measures] = ()
    """What is measured without any kills."""
    durable: bool = True

    def deaths(self) -> list[Death]:
        """Return the senders' ends, not in order."""
        points = [
            point
            for point in Point
            if Kind.SENDER in self.kinds or point is not Point.COMPOSE
            for _ in range(self.kills)
        ]
        return [*points, *[None] * self.random_kills]


async def play(plan: Plan, say: Say) -> dict[str, Any]:
    """Run, and return the figures; `broken` says which promises were not kept."""
    async with (
        staged(plan.kinds, plan.seed, plan.lease, plan.hosts, durable=plan.durable) as scene,
        AsyncExitStack() as opened,
    ):
        deaths = plan.deaths()
        scene.chance.shuffle(deaths)
        seats = []
        for number, of_seat in enumerate((plan.clocks, *[RIGHT] * (len(plan.kinds) - 1)), 1):
            environment = {} if of_seat is RIGHT else await asyncio.to_thread(clocks.environment)
            starting = await opened.enter_async_context(starter(PROGRAM, environment))
            seats.append(Seat(scene, starting, number, deaths, plan.least_open, of_seat))
        played = Play(scene, seats, Offer(scene, plan.rate, plan.most_waiting))
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for seat in seats:
                group.create_task(seat.keep(stop))
            try:
                await _disturbed(played, plan, deaths, say)
                found = await _measured(played, plan, say)
                return await _judged(scene, plan, say) | {"measures": found}
            finally:
                stop.set()


async def _disturbed(played: Play, plan: Plan, deaths: list[Death], say: Say) -> None:
    """Offer mail until all ends of senders and all disturbances are over."""
    scene, enough = played.scene, asyncio.Event()
    offering = asyncio.create_task(played.offer.run(enough))
    disturbances = [one for one in plan.disturbances for _ in range(plan.rounds)]
    scene.chance.shuffle(disturbances)
    all_deaths = len(deaths)
    try:
        for number, disturb in enumerate(disturbances, 1):
            # The ends of senders are spread over the disturbances.
            left = all_deaths * (1 - number / (len(disturbances) + 1))
            while len(deaths) > left:  # noqa: ASYNC110 - seats take from it
                await asyncio.sleep(LOOK)
            await disturb(played)
            scene.done[disturb.__name__] += 1
            say(
                f"{disturb.__name__}: {all_deaths - len(deaths)} of {all_deaths} ends begun,"
                f" {len(scene.offered):,} mails offered, {len(scene.received()):,} received"
            )
        while deaths or any(seat.is_mortal for seat in played.seats):  # noqa: ASYNC110 - see above
            await asyncio.sleep(LOOK)
        enough.set()
        await offering
        await played.offer.cancel(REST)
    finally:
        offering.cancel()


async def _measured(played: Play, plan: Plan, say: Say) -> list[dict[str, Any]]:
    found: list[Measure] = []
    for measures in plan.measures:
        await played.offer.cancel(REST)
        await emptied(played.scene)
        async for measure in measures(played):
            found.append(measure)
            say(str(measure))
    return [asdict(measure) | {"is_met": measure.is_met} for measure in found]


async def _judged(scene: Scene, plan: Plan, say: Say) -> dict[str, Any]:
    waits = await emptied(scene)
    jobs = await verdict.fates(scene)
    broken = [*waits, *verdict.broken(scene, jobs)]
    states, kills = verdict.states(jobs), verdict.kills(scene, jobs)
    if not waits:
        await verdict.settle(scene, jobs)
        broken += [*await emptied(scene), *verdict.unsettled(scene, jobs)]
    rate = len(scene.offered) / max(scene.offering, 1.0)
    say(f"{len(scene.offered):,} mails offered at {rate:,.0f}/s: {states}")
    for one in kills:
        say(
            f"  {one.kills} killed {one.point}: {one.unknown} unknown of {one.doubtful} possible,"
            f" {one.median_open:.0f} hand-overs open (least {one.least_open}),"
            f" {one.median_rate}/s offered ({one.at_full_rate} times 500 or more)"
        )
    return {
        "senders": list(plan.kinds),
        "seed": plan.seed,
        "offered": len(scene.offered),
        "rate": round(rate, 1),
        "states": states,
        "kills": [asdict(one) for one in kills],
        "disturbances": dict(scene.done),
        "broken": broken,
    }
