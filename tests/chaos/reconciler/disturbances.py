"""What happens to reconcilers, operations, engines and the database while tenants are edited."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.chaos import database
from tests.chaos.reconciler.points import OF_RECONCILER, Point, Target, engines
from tests.chaos.reconciler.scene import Scene
from tests.chaos.reconciler.seats import Seat
from tests.chaos.reconciler.wires import Wire
from tests.support.processes import children
from tests.support.small_disk import CAN_MOUNT, SmallDisk

ARMING = 3.0
"""Seconds between two points that are armed: time for passes to come further than the last one."""
LOOK = 0.1
OUTAGE = 2.0
"""Seconds."""
BETWEEN = (0.5, 3.0)
"""Seconds between two ends at random moments."""
FULL = 6.0
"""Seconds for which a disk is full."""
LEASES = (1.5, 3.0)
"""For how many leases a partition lasts."""
RESET = 0.5
"""How likely connections break at its end."""


@dataclass(frozen=True)
class Kill:
    """What ends where."""

    point: Point
    target: Target


@dataclass
class Play:
    """What disturbances act upon."""

    scene: Scene
    seats: list[Seat]
    starters: list[int]
    """PIDs of the programs that start reconcilers, and the servers of their operations."""
    kills: list[Kill] = field(default_factory=list)
    """Those that have not happened yet."""

    def operations(self) -> list[int]:
        """Return the processes of operations."""
        reconcilers = {seat.pid for seat in self.seats}
        started = [pid for starter in self.starters for pid in children(starter)]
        servers = [pid for pid in started if pid not in reconcilers]
        return [pid for server in servers for pid in children(server)]


def every_kill(times: int, targets: tuple[Target, ...] = tuple(Target)) -> list[Kill]:
    """Return the kills at all points, so many of each."""
    return [
        Kill(point, target)
        for point in Point
        for target in targets
        for _ in range(times)
        if point not in OF_RECONCILER or target in (Target.RECONCILER, Target.PAUSED)
    ]


async def kill_at_points(play: Play) -> None:
    """Arm one point after the other, until something has ended at each.

    A point stays armed until it is reached: those that are seldom come to have all the time.
    """
    armed: dict[Point, Kill] = {}
    clock, arms = asyncio.get_running_loop().time, play.scene.arms
    next_arming = clock()
    try:
        while play.kills or armed:
            for point in [each for each in armed if not arms.is_armed(each)]:
                _count(play, armed.pop(point))
            free = [kill for kill in play.kills if kill.point not in armed]
            if free and clock() >= next_arming:
                next_arming = clock() + ARMING
                kill = free[-1]
                play.kills.remove(kill)
                armed[kill.point] = kill
                arms.arm(kill.point, kill.target)
            await asyncio.sleep(LOOK)
    finally:
        for point, kill in armed.items():
            if arms.disarm(point):
                play.kills.append(kill)
            else:
                _count(play, kill)


def _count(play: Play, kill: Kill) -> None:
    play.scene.done[f"{kill.target}: {kill.point}"] += 1


async def kill_at_random(play: Play, times: int) -> None:
    """End something at random moments."""
    chance = play.scene.chance
    while times:
        await asyncio.sleep(chance.uniform(*BETWEEN))
        target = chance.choice((Target.RECONCILER, Target.OPERATION, Target.ENGINE))
        found: list[int] = []
        if target is Target.RECONCILER:
            found = [seat.pid for seat in play.seats if seat.pid is not None]
        elif target is Target.OPERATION:
            found = play.operations()
        else:
            found = [pid for operation in play.operations() for pid in engines(operation)]
        if found:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(found), signal.SIGKILL)
                play.scene.done[f"{target}: at random"] += 1
                times -= 1


async def continue_paused(play: Play) -> None:
    """Let processes that stopped themselves at a point go on after their lease has ended."""
    while True:
        pids = play.scene.arms.paused()
        if pids:
            await asyncio.sleep(2 * play.scene.lease)
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(LOOK)


async def restart_postgres(play: Play) -> None:
    """Stop the database for a while."""
    await database.restart(play.scene.postgres, OUTAGE)


async def kill_postgres(play: Play) -> None:
    """Kill the database, and start it again."""
    await database.kill(play.scene.postgres)


async def fill_database_disk(play: Play) -> None:
    """Leave no space to the database, which may end by that, and start it again."""
    disk = play.scene.database_disk
    assert disk is not None
    await _fill(disk)
    await database.restart(play.scene.postgres)


async def fill_work_disk(play: Play) -> None:
    """Leave no space to operations."""
    disk = play.scene.work_disk
    assert disk is not None
    await _fill(disk)


async def _fill(disk: SmallDisk) -> None:
    await asyncio.to_thread(disk.fill)
    await asyncio.sleep(FULL)
    await asyncio.to_thread(disk.empty)


async def end_sessions(play: Play) -> None:
    """End all sessions of the database, also those that hold a fence."""
    await database.end_sessions(play.scene.dsn)


async def end_server(play: Play) -> None:
    """End a server of ours in the provider's portal."""
    account = play.scene.hostwinds
    foreign = {server["id"] for server in play.scene.foreign["servers"]}
    ours = [one.serviceid for one in account.all_servers() if one.serviceid not in foreign]
    if ours:
        number = play.scene.chance.choice(ours)
        await asyncio.to_thread(account.end, number, event="ended in the portal")


async def part_from_database(play: Play) -> None:
    """Let nothing pass between a reconciler, with its operations, and PostgreSQL."""
    await _cut(play, play.scene.chance.choice(play.seats).wires.database)


async def part_from_provider(play: Play) -> None:
    """Let nothing pass between a reconciler, with its operations, and one of the providers."""
    wires = play.scene.chance.choice(play.seats).wires
    await _cut(play, play.scene.chance.choice(wires.providers))


async def _cut(play: Play, wire: Wire) -> None:
    """Cut a wire for longer than a lease; what was under way comes late, or breaks."""
    chance = play.scene.chance
    leases = chance.uniform(*LEASES)
    await wire.cut(leases * play.scene.lease, resets=chance.random() < RESET)


async def terminate_reconciler(play: Play) -> None:
    """Stop a reconciler as a service manager does."""
    pids = [seat.pid for seat in play.seats if seat.pid is not None]
    if pids:
        os.kill(play.scene.chance.choice(pids), signal.SIGTERM)


DISTURBANCES: tuple[Callable[[Play], Awaitable[None]], ...] = (
    restart_postgres,
    kill_postgres,
    end_sessions,
    end_server,
    terminate_reconciler,
    part_from_database,
    part_from_provider,
    *((fill_database_disk, fill_work_disk) if CAN_MOUNT else ()),
)
