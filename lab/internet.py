"""The lab's real infrastructure: network, hosts, DNS, package repository and receiver."""

from __future__ import annotations

import base64
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kit.faults import Fault
from lab import cgroups, leftovers, network, repository, time_server
from lab.emulator_server import RunningServer, serve
from lab.hosts import Hosts
from lab.layers import Layers
from lab.nameserver.guest import make
from lab.nameserver.server import TTL, KnotNameserver
from lab.receiver import Receiver
from lab.registry import stand_in
from lab.registry.front import NAMES
from lab.registry.images import Images
from lab.registry.server import PORT as REGISTRY_PORT
from lab.registry.server import Registry
from lab.time_server import TimeServer

Report = Callable[[str, str], None]
"""(part, state) → a line that `penguin lab up` shows."""


@dataclass(frozen=True)
class Parts:
    """What is built once on a machine."""

    guest: tuple[Path, Path]
    """Layers of the lab's own guests, topmost first."""
    host: tuple[Path, ...]
    """Layers of the servers that the provider sells, topmost first."""
    packages: Path
    """Package repository of these servers."""


def build(cache: Path, report: Report, *, golden: bool = False) -> Parts:
    """Build what is missing, for guests and for hosts at the same time.

    Only for the holder of the machine's lab lock: when one build fails, all are ended.
    """
    layers = Layers(cache, lambda line: report("layers", line))
    with ThreadPoolExecutor() as pool:
        guest = pool.submit(lambda: (layers.mail(), layers.base()))
        try:
            host = layers.host()
            packages = repository.provide(cache, host, lambda line: report("packages", line))
            above = (layers.golden(),) if golden else ()
            return Parts(guest.result(), (*above, host), packages)
        except BaseException:
            cgroups.kill(cgroups.root() / cgroups.BUILD)  # the other build is not needed
            raise


class Internet:
    """Everything that needs root. `start` returns when DNS answers; the receiver starts later."""

    machines: Hosts
    nameserver: KnotNameserver
    registry: Registry
    registry_url: str
    images: Images
    time: TimeServer

    def __init__(
        self,
        directory: Path,
        cache: Path,
        report: Report,
        clear: Callable[[Path], None] = leftovers.clear,
        *,
        golden: bool = False,
    ) -> None:
        """Servers that are ordered have the playbooks' packages already if `golden`."""
        self._directory = directory
        self._hosts = directory / leftovers.HOSTS
        self._cache = cache
        self._report = report
        self._clear = clear
        self.golden = golden
        self._repository: RunningServer | None = None
        self._receiver: Receiver | None = None
        self._receiving: threading.Thread | None = None
        self._layers: tuple[Path, ...] = ()

    def start(self) -> None:
        """Build what is missing; start network, time, name server and repository."""
        started = time.monotonic()
        parts = build(self._cache, self._report, golden=self.golden)
        self._layers = parts.guest
        started = self._done("layers and packages", started)
        network.up()
        started = self._done("network", started)
        served = repository.app(parts.packages)
        self._repository = serve(served, network.listener(repository.PORT))
        self.time = TimeServer(network.datagrams(time_server.PORT))
        self.time.start()
        secret = base64.b64encode(secrets.token_bytes(32)).decode()
        self.nameserver = KnotNameserver(make(self._hosts, self._layers, secret), secret)
        self.nameserver.start()
        self.machines = Hosts(self._hosts, parts.host)
        started = self._done("name server and resolver", started)
        self._start_registry()
        self._done("container registry", started)

    def _start_registry(self) -> None:
        """Serve images by the names that hosts pull them from elsewhere, too."""
        directory = self._directory / leftovers.REGISTRY
        pushed = self._cache / leftovers.CACHE / leftovers.REGISTRY
        self.registry = Registry(
            directory,
            pushed,
            lambda: network.listener(REGISTRY_PORT),
            partial(cgroups.inside, "registry"),
        )
        if stand_in.found(self._cache) is None:
            shutil.rmtree(pushed, ignore_errors=True)  # what another version of it has pushed
        self.registry_url = self.registry.start()
        self.images = Images(
            self.registry.connect,
            directory,
            found=partial(stand_in.found, self._cache),
            built=partial(stand_in.base, self._cache),
        )
        self.images.push_if_built()
        for name in NAMES:
            self.nameserver.create_zone(name)
            self.nameserver.delegate(name)
            self.nameserver.replace(name, name, "A", TTL, [network.SERVICES])

    def receive(self, ready: Callable[[], None]) -> None:
        """Start the receiver in a thread, which calls `ready` once mail is verified."""
        self._receiver = receiver = Receiver(self._hosts, self._layers)

        def work() -> None:
            started = time.monotonic()
            try:
                receiver.start(self.nameserver)
            except Fault as error:
                self._report("receiver", f"failed: {error}")
            else:
                self._done("receiver", started)
                ready()

        self._receiving = threading.Thread(target=work, name="receiver", daemon=True)
        self._receiving.start()

    def stop(self) -> None:
        """End everything and remove it from the machine, also when the end of a part fails."""
        with ExitStack() as cleanup:
            cleanup.callback(leftovers.clear_builds, self._cache)
            cleanup.callback(self._clear, self._directory)
            if self._repository is not None:
                cleanup.callback(self._repository.stop)
            if hasattr(self, "registry"):
                cleanup.callback(self.registry.stop)
            if hasattr(self, "time"):
                cleanup.callback(self.time.stop)
            if hasattr(self, "nameserver"):
                cleanup.callback(self.nameserver.close)
            if hasattr(self, "machines"):
                cleanup.callback(self.machines.close)
            cleanup.callback(self._end_receiver)

    def _end_receiver(self) -> None:
        if self._receiver is not None and self._receiving is not None:
            self._receiver.cancel()
            self._receiving.join()
            self._receiver.close()

    def _done(self, part: str, started: float) -> float:
        now = time.monotonic()
        self._report(part, f"{now - started:.1f} s")
        return now
