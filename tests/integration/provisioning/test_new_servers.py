"""While the provider creates servers, the real engine has ended, and no slot is held."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import psycopg
import pytest

from controlplane.hostwinds.servers import HostwindsServers
from controlplane.reconciler.sweep import Sweep
from controlplane.settings import ReconcilerSettings
from hostwinds.variables import SERVER_DEADLINE
from tests.support.waiting import reached

from .conftest import Cloud
from .control_plane import FILE, CommandLine, ControlPlane

pytestmark = pytest.mark.engine
NAMES = ("acme", "beta", "gamma")
MEGABYTE = 2**20


@pytest.fixture
def ordering(control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine) -> ControlPlane:
    """A control plane with one slot, and three tenants whose servers are not booted."""
    control_plane.environment[SERVER_DEADLINE] = "0"
    control_plane.settings = ReconcilerSettings(engine_slots=1, poll=timedelta(milliseconds=50))
    cloud.hostwinds.faults.inject("never_boots", times=-1)
    for name in NAMES:
        if name != "acme":
            cloud.cloudflare.create_zone(f"{name}.example")
        penguin.apply(FILE.replace("acme", name))
    return control_plane


def test_no_slot_is_held_while_servers_are_created(ordering: ControlPlane, cloud: Cloud) -> None:
    def statuses() -> list[str]:
        return [cloud.hostwinds.status(server) for server in cloud.hostwinds.all_servers()]

    async def awaited() -> int:
        with psycopg.connect(ordering.dsn) as connection:
            query = "select count(*) from oltp.awaited_servers where not is_finished"
            [(count,)] = connection.execute(query).fetchall()
            return int(count)

    async def slots_used() -> int:
        assert ordering.metrics.slots is not None
        return sum(ordering.metrics.slots.used.values())

    async def named() -> set[str]:
        return set(cloud.nameserver.pointers.values())

    async def play() -> None:
        stop = asyncio.Event()
        reconciling = asyncio.create_task(ordering.reconciler().run(stop))
        try:
            await reached(awaited, lambda count: count == len(NAMES))
            await reached(slots_used, lambda count: count == 0)
            assert statuses() == ["BUILD"] * len(NAMES)
            for server in cloud.hostwinds.all_servers():
                cloud.hostwinds.power("boot", server.serviceid)
                server.wait_for_boot()
            servers = HostwindsServers(ordering.environment)
            await Sweep(ordering.database, servers, ordering.clock).look()
            await reached(named, lambda names: names >= {f"mx1.{name}.example" for name in NAMES})
        finally:
            stop.set()
            await reconciling

    ordering.run(play())
    assert cloud.bought() == ["server"] * len(NAMES)
    with psycopg.connect(ordering.dsn) as connection:
        query = "select peak_memory from oltp.operations where phase = 'cloud'"
        peaks = [peak for (peak,) in connection.execute(query)]
    assert len(peaks) >= 2 * len(NAMES)
    assert all(peak > MEGABYTE for peak in peaks)
