"""The reconciler under test: python -m tests.chaos.reconciler.program starts one for each Task.

Each has a server beside it that forks the processes of its operations, with all imports loaded.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

from composition.heartbeat import Progress
from composition.parts.reconciler import MEGABYTE, reconcile
from controlplane.hostwinds.firewall_look import FirewallLook
from controlplane.hostwinds.servers import HostwindsServers
from controlplane.pulumi import forks, worker
from controlplane.pulumi.engine import PulumiEngine
from controlplane.pulumi.job import Job
from controlplane.reconciler.ports import HostSecrets, ObservedHost
from controlplane.reconciler.sweep import Sweep
from controlplane.settings import ReconcilerSettings
from hostwinds.purchase import Deadlines
from kit.plugins import served
from tests.chaos.reconciler.points import Arms, Watch
from tests.chaos.reconciler.switches import Without, switch_off
from tests.chaos.starter import forked, serve
from tests.support.installation import INSTALLATION
from tests.support.memory_configurator import PASSWORD, MemoryConfigurator
from tests.support.memory_internet import MemoryInternet
from tests.support.phases import standard
from tests.support.plain_log import log_plainly
from tests.support.reconciler_part import reconciler_part
from tools.pulumi.engine import GATEWAY

LISTING, LISTING_LEASE = timedelta(seconds=1), timedelta(seconds=5)
"""Between two listings of the account, instead of a minute; its lease."""
POLL, RETRY_BASE, RETRY_CAP = (timedelta(seconds=seconds) for seconds in (0.1, 0.2, 2))
STOP_WITHIN = timedelta(seconds=20)


@dataclass(frozen=True)
class Task:
    """What a reconciler gets to know."""

    name: str
    dsn: str
    environment: dict[str, str] = field(repr=False)
    """Of operations."""
    operations: str
    """Directory."""
    key_ring: str
    output: str
    arms: str
    lease: float
    """Seconds."""
    workers: int
    without: str
    """What of the product is switched off; empty: nothing."""

    def __str__(self) -> str:
        """Return JSON."""
        return json.dumps(asdict(self))


class OpenHosts(MemoryConfigurator):
    """Hosts that any process of ours reaches: they outlive the reconciler that set them up."""

    def configure(
        self, blueprint: Any, host: ObservedHost, secrets: HostSecrets, **others: Any
    ) -> int:
        """Apply variables; the key was accepted at the first contact, by whichever process."""
        self._keys[host.server_name].add(secrets.ssh_private_key)
        return super().configure(blueprint, host, secrets, **others)


class Warm:
    """The server that forks operations, as the reconciler sees its process."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def poll(self) -> int | None:
        """Return a status when it has ended."""
        return None if Path(f"/proc/{self._pid}").exists() else 1

    def wait(self) -> int:
        """Return at once: it ends with its socket."""
        return 0


async def work(task: Task, operations: forks.ForkServer) -> None:
    """Reconcile until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    servers = HostwindsServers(task.environment)
    engine = PulumiEngine(
        installation=INSTALLATION,
        environment=task.environment,
        root=Path(task.operations),
        gateway=GATEWAY,
        memory=ReconcilerSettings().engine_memory * MEGABYTE,
        forks=operations,
    )
    phases = standard(
        engine,
        MemoryInternet(),
        OpenHosts(),
        servers=servers,
        root_password=lambda _: PASSWORD,
        firewall=FirewallLook(task.environment),
        provisioning=timedelta(seconds=Deadlines.from_environment(task.environment).provisioning),
    )
    settings = reconciler_part(
        task.dsn,
        task.key_ring,
        task.environment,
        ReconcilerSettings(
            workers=task.workers,
            poll=POLL,
            lease=timedelta(seconds=task.lease),
            retry_base=RETRY_BASE,
            retry_cap=RETRY_CAP,
            stop_within=STOP_WITHIN,
        ),
    )
    await reconcile(settings, phases, servers, Progress(), stop)


def fork(line: str) -> tuple[str, int]:
    """Start a reconciler, and the server that forks its operations."""
    task = Task(**json.loads(line))
    ours, theirs = socket.socketpair()

    def serve_operations() -> None:
        ours.close()
        switch_off(Without(task.without))
        watch = Watch(Arms(Path(task.arms)), 0)
        watch.install()

        def operate(job: Job, connection: Connection) -> None:
            watch.reconciler = int(job.controller.partition(".")[0])
            worker.work(job, connection)

        forks.serve(theirs, operate)

    def run_reconciler() -> None:
        theirs.close()
        switch_off(Without(task.without))
        Watch(Arms(Path(task.arms)), os.getpid()).install()
        operations = forks.ForkServer()
        operations._control = ours
        operations._server = cast("Any", Warm(server))
        asyncio.run(work(task, operations))

    server = forked(task.output, serve_operations)
    reconciler = forked(task.output, run_reconciler)
    ours.close()
    theirs.close()
    return task.name, reconciler


if __name__ == "__main__":
    log_plainly(least=logging.INFO)
    intervals: list[tuple[Any, dict[str, object]]] = [
        (Sweep.__init__, {"pause": LISTING, "lease": LISTING_LEASE}),
        (Sweep.watch, {"poll": LISTING.total_seconds()}),
    ]
    for method, defaults in intervals:
        assert defaults.keys() <= method.__kwdefaults__.keys()
        method.__kwdefaults__.update(defaults)
    for module in (GATEWAY, *served(os.environ).values()):
        import_module(module)
    serve(fork)
