"""The measurements of `make bench-reconciler`."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import quantiles

from sqlalchemy import text

from controlplane.database import CONTROLLER
from tests.bench.figures import Figure
from tests.bench.reconciler.counting import counted
from tests.bench.reconciler.world import World

GOAL_PICK_UP, GOAL_SWEEP, GOAL_SHARE = 1.0, 2.0, 5.0
GOAL_COMMITS, GOAL_STATEMENTS = 2.0, 5.0
NEVER = "'infinity'"
SAMPLE = 300
"""Passes of which costs are measured."""
OLDEST = text("""
select coalesce(extract(epoch from cast(:now as timestamptz) - min(due_at)), 0)::float8
from oltp.schedule where due_at <= :now and tenant_id = any(:ids)
""")


async def unchanged(world: World) -> list[Figure]:
    """Measure passes with nothing to do."""
    others = [name for name in world.names if name not in world.quiet]
    await world.request(others, NEVER)
    names = random.Random(1).sample(world.quiet, min(SAMPLE, len(world.quiet)))  # noqa: S311 - a sample
    await world.request(names[:20])
    await world.until_nothing_is_due()
    await world.request(names)
    began, used = time.monotonic(), time.process_time()
    with counted() as count:
        passes = await world.until_nothing_is_due()
    await world.request(others)
    seconds = (time.process_time() - used) / passes
    rate = passes / (time.monotonic() - began)
    resync = world.settings.resync.total_seconds()
    share = 100 * seconds * len(world.names) / resync
    statements, commits = len(count.statements) / passes, count.commits / passes
    return [
        _goal("statements of an unchanged pass", statements, "", GOAL_STATEMENTS),
        _goal("commits of an unchanged pass", commits, "", GOAL_COMMITS),
        Figure("reconciler: processor time of an unchanged pass", seconds * 1000, "ms"),
        _goal("processor share of unchanged passes", share, "%", GOAL_SHARE),
        Figure("reconciler: unchanged passes in a second", rate, "passes/s"),
    ]


async def sweep(world: World) -> list[Figure]:
    """Measure a sweep that finds nothing new."""
    swept = world.sweep()
    await swept.look()
    used = time.process_time()
    await swept.look()
    return [_goal("sweep, processor time", time.process_time() - used, "s", GOAL_SWEEP)]


@dataclass
class Watch:
    """When tenants that were changed are seen by a pass."""

    loop: asyncio.AbstractEventLoop
    changed: dict[str, float] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)
    all_seen: asyncio.Event = field(default_factory=asyncio.Event)

    def asked(self, tenant: str, at: float) -> None:
        """Note that a pass has begun."""
        if (before := self.changed.pop(tenant, None)) is not None:
            self.delays.append(at - before)
            if not self.changed:
                self.loop.call_soon_threadsafe(self.all_seen.set)


async def changes(world: World, seconds: float, burst: int) -> list[Figure]:
    """Measure changes of users one after the other, and many at once, beside regular passes."""
    watch = Watch(asyncio.get_running_loop())
    world.engine.asked = watch.asked
    await world.spread(world.settings.resync)
    stop = asyncio.Event()
    running = asyncio.create_task(world.reconciler.run(stop))
    rng = random.Random(2)  # noqa: S311 - a choice of tenants
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        number += 1
        await _change(world, watch, rng.choice(world.quiet), 100 + number)
        await asyncio.sleep(rng.random() / 2)  # users come at any time
    late = await _lateness(world, world.quiet)
    single = list(watch.delays)
    watch.delays.clear()
    began = time.monotonic()
    many = rng.sample(world.quiet, min(burst, len(world.quiet)))
    for name in many:
        await _change(world, watch, name, 10)
    watch.all_seen.clear()
    if watch.changed:
        await watch.all_seen.wait()
    whole = time.monotonic() - began
    late_after = await _lateness(world, world.quiet)
    stop.set()
    await running
    return [
        _goal("pick-up of a change, p99", _p99(single), "s", GOAL_PICK_UP),
        _goal(
            "lateness of a regular look",
            late,
            "s",
            world.settings.resync.total_seconds(),
            "the interval",
        ),
        Figure(f"reconciler: burst of {len(many)} changes, all begun", whole, "s"),
        Figure("reconciler: lateness of a regular look after the burst", late_after, "s"),
    ]


async def _change(world: World, watch: Watch, name: str, cap: int) -> None:
    await world.change(name, cap)
    watch.changed[name] = time.monotonic()


async def _lateness(world: World, names: Sequence[str]) -> float:
    """Return for how long the oldest look that is due has been so."""
    async with world.database.begin(CONTROLLER) as connection:
        values = {"now": world.clock(), "ids": [world.ids[name] for name in names]}
        return float((await connection.execute(OLDEST, values)).scalar_one())


def _p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100)[98] if len(values) > 1 else max(values, default=0.0)


def _goal(name: str, value: float, unit: str, goal: float, peer: str = "goal") -> Figure:
    return Figure(f"reconciler: {name}", value, unit, peer, value / goal)


SECONDS = timedelta(minutes=1).total_seconds()
"""Of changes one after the other."""
BURST = 500
