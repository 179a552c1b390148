"""Tenants that are ordered at once, with the real engine: who holds slots while servers are made.

`python -m tests.bench.reconciler.ordering`
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from blueprint.document import Blueprint
from composition.heartbeat import Progress as Heartbeat
from composition.parts.reconciler import provisioning, reconcile
from controlplane.hostwinds.servers import HostwindsServers
from controlplane.pulumi.engine import PulumiEngine
from controlplane.reconciler.ports import CloudState, Progress
from controlplane.settings import ReconcilerSettings
from kit.waiting import wait_until
from lab.hostwinds.server import Server
from tests.bench.figures import Figure, store
from tests.chaos.reconciler.scene import Scene, staged
from tests.chaos.reconciler.switches import Without
from tests.support.installation import INSTALLATION
from tests.support.memory_configurator import PASSWORD, MemoryConfigurator
from tests.support.memory_internet import MemoryInternet
from tests.support.phases import standard
from tests.support.plain_log import log_plainly
from tests.support.reconciler_part import reconciler_part
from tools.pulumi.engine import GATEWAY

TENANTS, PROVISIONING, LISTED, SLOTS = 40, 300.0, 20.0, 2
GOAL = 720.0
PRODUCT = {"HOSTWINDS_RATE": "2", "CLOUDFLARE_RATE": "2", "HOSTWINDS_PROVISIONING_DEADLINE": "1800"}
"""The product's own limits, in place of those of a run with faults."""
LOOK = 1.0
APPLIED = """
select count(*) from oltp.conditions
where subject = 'tenant' and type = 'InfrastructureReady' and status = 'True'
"""
PEAK = "select max(peak_memory) from oltp.operations where phase = 'cloud'"


@dataclass
class TimedEngine:
    """The engine, and when it ran for whom."""

    engine: PulumiEngine
    runs: list[tuple[str, float, float]] = field(default_factory=list)
    """Tenant, begin and end."""

    def up(self, blueprint: Blueprint, progress: Progress, **given: Any) -> CloudState:
        """Apply a blueprint."""
        began = time.monotonic()
        try:
            return self.engine.up(blueprint, progress, **given)
        finally:
            self.runs.append((blueprint.tenant, began, time.monotonic()))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(prog="make bench-reconciler")
    parser.add_argument("--tenants", type=int, default=TENANTS)
    parser.add_argument("--provisioning", type=float, default=PROVISIONING, help="seconds")
    parser.add_argument("--slots", type=int, default=SLOTS)
    arguments = parser.parse_args()
    log_plainly()
    figures = asyncio.run(_measure(arguments))
    store(figures, "orders")
    for figure in figures:
        print(f"{figure.name:<60} {figure.value:>9.1f} {figure.unit}")


async def _measure(arguments: argparse.Namespace) -> list[Figure]:
    async with staged(
        seed=1,
        tenants=arguments.tenants,
        lease=60,
        listed_after=min(LISTED, arguments.provisioning / 2),
        without=Without.NOTHING,
    ) as scene:
        scene.environment |= PRODUCT
        account = scene.hostwinds
        account.settings.active_after = arguments.provisioning - account.settings.listed_after
        for tenant in scene.tenants:
            tenant.hosts = {"mx1": 1}
            assert await scene.requests.apply(tenant)
        return await _ordered(scene, arguments)


async def _ordered(scene: Scene, arguments: argparse.Namespace) -> list[Figure]:
    engine = TimedEngine(
        PulumiEngine(
            installation=INSTALLATION,
            environment=scene.environment,
            root=scene.directory / "operations",
            gateway=GATEWAY,
        )
    )
    stop, began = asyncio.Event(), time.monotonic()
    reconciling = asyncio.create_task(_reconcile(scene, engine, arguments.slots, stop))
    try:
        took = await asyncio.to_thread(_until_all_are_applied, scene, reconciling, began)
    finally:
        stop.set()
        await reconciling
    return _figures(scene, engine.runs, arguments, began=began, took=took)


def _until_all_are_applied(scene: Scene, reconciling: asyncio.Task[None], began: float) -> float:
    """Wait until all servers, records and reverse names are there; return after how long."""
    names = {f"mx1.{tenant.zone}" for tenant in scene.tenants}

    def has_all() -> bool:
        if reconciling.done():
            reconciling.result()
        with psycopg.connect(scene.dsn) as connection:
            [(applied,)] = connection.execute(APPLIED).fetchall()
        named = set(scene.nameserver.pointers.values())
        print(
            f"{time.monotonic() - began:7.1f} s  ordered {len(_ours(scene))}, "
            f"reverse names {len(names & named)}, applied {applied}",
            flush=True,
        )
        return applied == len(names) and names <= named

    assert wait_until(has_all, seconds=10 * GOAL, longest_pause=10 * LOOK)
    return time.monotonic() - began


async def _reconcile(scene: Scene, engine: TimedEngine, slots: int, stop: asyncio.Event) -> None:
    """Run the product's reconciler on the real engine, with hosts and name servers in memory."""
    own = ReconcilerSettings(engine_slots=slots)
    settings = reconciler_part(scene.dsn, scene.key_ring, scene.environment, own)
    servers = HostwindsServers(scene.environment)
    phases = standard(
        engine,
        MemoryInternet(),
        MemoryConfigurator(),
        servers=servers,
        root_password=lambda _: PASSWORD,
        provisioning=provisioning(settings),
    )
    await reconcile(settings, phases, servers, Heartbeat(), stop)


def _ours(scene: Scene) -> dict[str, Server]:
    """Return the servers of tenants, by tenant."""
    prefix = f"{INSTALLATION}-"
    servers = [s for s in scene.hostwinds.all_servers() if s.srvrname.startswith(prefix)]
    return {server.srvrname.removeprefix(prefix).partition("-")[0]: server for server in servers}


def _figures(
    scene: Scene,
    runs: Sequence[tuple[str, float, float]],
    arguments: argparse.Namespace,
    *,
    began: float,
    took: float,
) -> list[Figure]:
    listed = scene.hostwinds.settings.listed_after
    creation = {
        tenant: (server.visible_at - listed, server.active_at)
        for tenant, server in _ours(scene).items()
    }
    bought = [line for line in scene.hostwinds.ledger if line["kind"] == "server"]
    held = sum(end - begin for _, begin, end in runs)
    meanwhile = sum(
        max(0.0, min(end, creation[tenant][1]) - max(begin, creation[tenant][0]))
        for tenant, begin, end in runs
    )
    provider = sum(active - ordered for ordered, active in creation.values())
    count = len(creation)
    with psycopg.connect(scene.dsn) as connection:
        [(peak,)] = connection.execute(PEAK).fetchall()
    lines = [
        ("tenants", count, ""),
        ("slots", arguments.slots, ""),
        ("the provider's time for a server", arguments.provisioning, "s"),
        ("until all are ordered", max(o for o, _ in creation.values()) - began, "s"),
        ("until all have servers, records and reverse names", took, "s"),
        ("servers paid for", len(bought) - len(scene.foreign["servers"]), ""),
        ("runs of the engine for each", len(runs) / count, ""),
        ("a run", held / len(runs), "s"),
        ("largest process of a run", peak / 2**20, "MB"),
        ("slot time of each tenant", held / count, "s"),
        ("of that, after its order and before the server is active", meanwhile / count, "s"),
        ("share of the provider's time in which a slot is held", 100 * meanwhile / provider, "%"),
    ]
    return [Figure(f"orders: {name}", value, unit) for name, value, unit in lines]


if __name__ == "__main__":
    main()
