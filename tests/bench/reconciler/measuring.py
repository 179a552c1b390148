"""The measurements of `make bench-reconciler`."""

from __future__ import annotations

import asyncio
import random
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import quantiles

from sqlalchemy import text

from composition.settings import VerificationSettings
from controlplane.checks.kinds import CheckKind
from controlplane.database import CONTROLLER
from controlplane.schedule.schemas import Priority
from tests.bench.figures import Figure
from tests.bench.reconciler.counting import counted
from tests.bench.reconciler.outside_costs import costs
from tests.bench.reconciler.world import World

GOAL_PICK_UP, GOAL_SWEEP, GOAL_SHARE = 1.0, 2.0, 5.0
GOAL_COMMITS, GOAL_STATEMENTS, GOAL_CHECKS = 2.0, 5.0, 25.0
DUE = text("""
update oltp.checks set due_at = clock_timestamp()
where (tenant_id, kind) in (select tenant_id, kind from oltp.checks where is_right limit :count)
""")
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
    await _passes(world, names[:20], Priority.RESYNC)
    unchanged = await _passes(world, names, Priority.RESYNC)
    whole = await _passes(world, names, Priority.PLATFORM)
    await world.request(others)
    tenants, settings = len(world.names), world.settings
    # A whole pass comes after three quarters of its time on average.
    share = 100 * tenants * unchanged.seconds / settings.resync.total_seconds()
    share_of_whole = 100 * tenants * whole.seconds / (0.75 * settings.whole_pass.total_seconds())
    return [
        _goal("statements of an unchanged pass", unchanged.statements, "", GOAL_STATEMENTS),
        _goal("commits of an unchanged pass", unchanged.commits, "", GOAL_COMMITS),
        _goal("statements of a whole pass", whole.statements, "", GOAL_STATEMENTS),
        _goal("commits of a whole pass", whole.commits, "", GOAL_COMMITS),
        Figure("reconciler: processor time of an unchanged pass", unchanged.seconds * 1000, "ms"),
        Figure("reconciler: processor time of a whole pass", whole.seconds * 1000, "ms"),
        _goal("processor share of unchanged passes", share + share_of_whole, "%", GOAL_SHARE),
        Figure("reconciler: unchanged passes in a second", unchanged.rate, "passes/s"),
        Figure("reconciler: memory of the process", _memory(), "MB"),
    ]


@dataclass(frozen=True)
class Cost:
    """What a pass has cost on average."""

    statements: float
    commits: float
    seconds: float
    """Processor time of this process."""
    rate: float
    """Passes in a second."""


async def _passes(world: World, names: Sequence[str], priority: Priority) -> Cost:
    await world.request(names, priority=priority)
    began, used = time.monotonic(), time.process_time()
    with counted() as count:
        passes = await world.until_nothing_is_due()
    return Cost(
        len(count.statements) / passes,
        count.commits / passes,
        (time.process_time() - used) / passes,
        passes / (time.monotonic() - began),
    )


def _memory() -> float:
    """Return the memory of this process, emulators included, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def sweep(world: World) -> list[Figure]:
    """Measure a sweep that finds nothing new."""
    swept = world.sweep()
    await swept.look()
    used = time.process_time()
    await swept.look()
    return [_goal("sweep, processor time", time.process_time() - used, "s", GOAL_SWEEP)]


async def checks(world: World, directory: Path) -> list[Figure]:
    """Measure checks from outside, and what the checker does beside them."""
    name = world.quiet[0]
    real = await asyncio.to_thread(costs, world.rendered(name), directory)
    checker = world.checker()
    async with world.database.begin(CONTROLLER) as connection:
        await connection.execute(DUE, {"count": SAMPLE})
    made, used = 0, time.process_time()
    while count := await checker.step():
        made += count
    beside = (time.process_time() - used) / made
    intervals = VerificationSettings().intervals
    own = {CheckKind.DNS: real.dns, CheckKind.HOSTS: real.hosts, CheckKind.LINKS: 0.0}
    seconds = sum((own[kind] + beside) / at.total_seconds() for kind, at in intervals.items())
    return [
        Figure("reconciler: processor time of a check of names", real.dns * 1000, "ms"),
        Figure("reconciler: questions to name servers of it", real.questions, ""),
        Figure("reconciler: processor time of a check of hosts", real.hosts * 1000, "ms"),
        Figure("reconciler: processor time beside a check", beside * 1000, "ms"),
        _goal(
            "processor share of checks from outside",
            100 * seconds * len(world.names),
            "%",
            GOAL_CHECKS,
        ),
    ]


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
