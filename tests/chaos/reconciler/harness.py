"""One run: tenants are edited while processes end and providers fail; then all is compared."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from kit.paths import checkout
from kit.plugins import SERVED
from tests.chaos import clocks
from tests.chaos.reconciler import auditor
from tests.chaos.reconciler.disturbances import (
    DISTURBANCES,
    Kill,
    Play,
    continue_paused,
    every_kill,
    kill_at_points,
    kill_at_random,
)
from tests.chaos.reconciler.documents import Tenant
from tests.chaos.reconciler.person import Person
from tests.chaos.reconciler.scene import PROVISIONING, Scene, staged
from tests.chaos.reconciler.seats import Seat
from tests.chaos.reconciler.switches import Without
from tests.chaos.starter import starter

PROGRAM = "tests.chaos.reconciler.program"
LOOK = 0.5
CALM = 480.0
"""Seconds within which all has converged once nothing is disturbed."""
QUIET = 2
"""How often in a row nothing is wrong before a run ends."""
IMPATIENCE = 0.25
"""How likely a tenant is edited again that has not settled yet."""
BUSY = """
-- Also what is worked on now or soon: what has drained is taken out by the next pass.
select tenant.name from oltp.tenants as tenant
join oltp.schedule as schedule on schedule.tenant_id = tenant.id
where deleting or lease_owner is not null or due_at < now() + interval '1 minute' or not exists (
    select from oltp.conditions
    where tenant_id = tenant.id and subject = 'tenant' and type = 'Ready' and status = 'True'
      and observed_generation >= tenant.generation)
"""
AWAY = (psycopg.Error, OSError)
Disturbance = Callable[[Play], Awaitable[None]]
Say = Callable[[str], None]


@dataclass
class Plan:
    """What happens in a run."""

    seed: int
    tenants: int = 6
    reconcilers: int = 3
    lease: float = 3.0
    """Seconds."""
    edits: int = 30
    """At least."""
    pace: float = 1.5
    """Seconds between two edits."""
    kills: list[Kill] = field(default_factory=lambda: every_kill(1))
    random_kills: int = 20
    faults: float = 1.0
    """How often the providers fail, by the probabilities of `providers`."""
    disturbances: Sequence[Disturbance] = DISTURBANCES
    rounds: int = 1
    """How often each disturbance comes."""
    seconds: float = 900.0
    """After which no further process is ended, and no tenant edited."""
    listed_after: float = 0.5
    """Seconds from an order until the server is listed."""
    provisioning: float = PROVISIONING
    """Seconds after which an order that shows no server is a person's to settle."""
    without: Without = Without.NOTHING
    clock: str = ""
    """What is added to the clock of the last seat's reconcilers; empty: it is right."""


@asynccontextmanager
async def running(plan: Plan, *, continues: bool = True) -> AsyncIterator[Play]:
    """Start everything, and keep reconcilers running.

    Processes that were stopped at a point go on after their lease, unless `continues` is False.
    """
    wrong = await asyncio.to_thread(clocks.wrong, plan.clock) if plan.clock else None
    async with (
        staged(
            seed=plan.seed,
            tenants=plan.tenants,
            lease=plan.lease,
            listed_after=plan.listed_after,
            provisioning=plan.provisioning,
            without=plan.without,
        ) as scene,
        AsyncExitStack() as stack,
    ):
        modules = {SERVED: scene.environment[SERVED]}
        starters = [await stack.enter_async_context(starter(PROGRAM, modules))]
        if wrong is not None:
            starters.append(await stack.enter_async_context(starter(PROGRAM, modules | wrong)))
        seats = []
        for number in range(1, plan.reconcilers + 1):
            wires = await stack.enter_async_context(scene.wired(number))
            started = starters[0 if number < plan.reconcilers else -1]
            seats.append(Seat(scene, started, number, wires))
        kills = list(plan.kills)
        scene.chance.shuffle(kills)
        played, stop = Play(scene, seats, [each.pid for each in starters], kills), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for seat in seats:
                group.create_task(seat.keep(stop))
            continuing = group.create_task(continue_paused(played)) if continues else None
            try:
                yield played
            finally:
                if continuing is not None:
                    continuing.cancel()
                stop.set()


async def play(plan: Plan, say: Say) -> dict[str, Any]:
    """Run, and return the figures; `broken` says which promises were not kept."""
    async with running(plan) as played:
        person = Person(played.scene)
        await _disturbed(played, plan, person, say)
        return await _judged(played, plan, person, say)


async def _disturbed(played: Play, plan: Plan, person: Person, say: Say) -> None:
    """Edit tenants until all ends and disturbances are over, or the time is."""
    scene = played.scene
    scene.faults.begin(plan.faults)
    killing = asyncio.create_task(kill_at_points(played))
    at_random = asyncio.create_task(kill_at_random(played, plan.random_kills))
    disturbing = asyncio.create_task(_disturb(played, plan, say))
    acting = asyncio.create_task(_act(person))
    tasks = {killing, at_random, disturbing}
    began, edits = time.monotonic(), 0
    try:
        while edits < plan.edits or not all(task.done() for task in tasks):
            for task in (*tasks, acting):
                if task.done():
                    task.result()
            if time.monotonic() - began > plan.seconds:
                break
            edits += await _edit(scene, say)
            await asyncio.sleep(plan.pace)
    finally:
        for task in (*tasks, acting):
            task.cancel()
        await asyncio.gather(*tasks, acting, return_exceptions=True)
        if played.kills:
            say(f"time is over: {len(played.kills)} ends at points did not happen")
        scene.faults.begin(0)
        scene.done["edits"] = edits


async def _edit(scene: Scene, say: Say) -> int:
    """Edit one tenant, usually one that has settled; return the number of edits."""
    chance = scene.chance
    tenant = chance.choice(scene.tenants)
    if tenant.name in await busy(scene) and chance.random() > IMPATIENCE:
        return 0
    before = dict(tenant.hosts)
    way = tenant.edit(chance)
    if not await declare(scene, tenant):
        tenant.hosts = before
        return 0
    say(f"{tenant.name} {way}: {_shown(tenant)}")
    return 1


async def _disturb(played: Play, plan: Plan, say: Say) -> None:
    disturbances = [one for one in plan.disturbances for _ in range(plan.rounds)]
    played.scene.chance.shuffle(disturbances)
    for disturb in disturbances:
        await asyncio.sleep(played.scene.chance.uniform(2, 8))
        say(disturb.__name__)
        await disturb(played)
        played.scene.done[disturb.__name__] += 1


async def _act(person: Person) -> None:
    while True:
        await person.act()
        await asyncio.sleep(LOOK)


async def declare(scene: Scene, tenant: Tenant) -> bool:
    """Apply what is declared of a tenant; False where it has to wait for its deletion."""
    scene.hostwinds.note("declared", tenant=tenant.name, hosts=[*tenant.hosts])
    scene.settled.discard(tenant.name)
    return await scene.requests.apply(tenant)


async def busy(scene: Scene) -> set[str]:
    """Return the tenants that have not converged; all while the database is away.

    Those that have are noted in the history.
    """
    try:
        async with scene.admin() as connection:
            rows = await (await connection.execute(BUSY)).fetchall()
    except AWAY:
        return {tenant.name for tenant in scene.tenants}
    found = {str(row[0]) for row in rows}
    for name in {tenant.name for tenant in scene.tenants} - found - scene.settled:
        scene.settled.add(name)
        scene.hostwinds.note("settled", tenant=name)
    return found


async def _judged(played: Play, plan: Plan, person: Person, say: Say) -> dict[str, Any]:
    """Wait until all has converged, and compare."""
    scene = played.scene
    began = time.monotonic()
    say("calm")
    quiet = 0
    wrong: list[str] = []
    while True:
        await person.act()
        waiting, found = await busy(scene), await audited(scene)
        before, wrong = wrong, _wrong(found)
        for line in wrong:
            if line not in before:
                say(f"not yet  {line}")
        quiet = 0 if waiting or wrong else quiet + 1
        took = time.monotonic() - began
        if quiet == QUIET or took > CALM:
            break  # what is due again after this look is not stuck
        await asyncio.sleep(LOOK)
    broken = wrong + [f"{tenant} has not converged" for tenant in sorted(waiting)]
    broken += scene.broken
    say(f"converged after {took:.0f} s, {scene.faults.happened} faults of providers")
    return {
        "seed": plan.seed,
        "without": plan.without,
        "tenants": plan.tenants,
        "reconcilers": plan.reconcilers,
        "provider_faults": scene.faults.happened,
        "converged_seconds": round(took, 1),
        "happened": dict(sorted(scene.done.items())),
        "not_reached": [f"{kill.target}: {kill.point}" for kill in played.kills],
        "audit": found,
        "left": person.left,
        "broken": broken,
    }


async def audited(scene: Scene) -> dict[str, Any]:
    """Let the auditor look, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.chaos.reconciler.auditor",
        str(scene.audit_input()),
        cwd=checkout(),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, "the auditor failed"
    result: dict[str, Any] = json.loads(output)
    return result


def _wrong(found: dict[str, Any]) -> list[str]:
    return [f"{kind}: {line}" for kind in auditor.KINDS for line in found[kind]]


def _shown(tenant: Tenant) -> str:
    return ", ".join(f"{name} with {count}" for name, count in tenant.hosts.items()) or "nothing"
