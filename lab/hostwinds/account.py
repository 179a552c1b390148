"""The emulated provider's account: servers, tasks with a duration, and the ledger."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from lab.hostwinds.catalogue import IMAGES, PRICES, PROFILES
from lab.injection import Injection
from lab.ports import Machines, Nameserver

FAULTS = (
    "late_error",
    "lost_answer",
    "never_boots",
    "no_effect",
    "not_json",
    "server_error",
    "slow",
    "unauthorized",
)
POOL = IPv4Address("198.18.1.10")
"""First address on sale."""


class ProviderError(Exception):
    """A refusal, with the message of the API."""

    def __init__(self, action: str, message: str, number: str | None = None) -> None:
        super().__init__(message)
        self.action = action
        self.number = number


@dataclass
class Server:
    """One VPS of the account."""

    serviceid: int
    srvrname: str
    main_ip: str
    password: str
    price: dict[str, Any]
    location_id: int
    image: str
    cycle: str
    visible_at: float
    booted: Future[None] | None = None
    ips: list[str] = field(default_factory=list)
    profile: str = "default"
    locked: bool = False
    suspended: bool = False
    off: bool = False


class HostwindsAccount:
    """The account of one API key. Every method is one short critical section."""

    def __init__(
        self,
        machines: Machines,
        nameserver: Nameserver,
        key: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        show_after: float = 0.0,
        first_address: IPv4Address = POOL,
    ) -> None:
        self.key = key
        self.faults = Injection(*FAULTS)
        self.ledger: list[dict[str, Any]] = []
        self._machines = machines
        self._nameserver = nameserver
        self._clock = clock
        self.show_after = show_after
        self._servers: dict[int, Server] = {}
        self._ids = itertools.count(1001)
        self._addresses = (str(first_address + n) for n in itertools.count())
        self._released: list[str] = []
        self._boots = ThreadPoolExecutor(max_workers=4, thread_name_prefix="boot")
        self._lock = threading.RLock()

    def close(self) -> None:
        """Wait for running boots; nothing is booted afterwards."""
        self._boots.shutdown(wait=True, cancel_futures=True)

    def order(
        self,
        name: str,
        rid: str,
        location_id: int,
        template: str = IMAGES[0]["uuid"],
        cycle: str = "monthly",
    ) -> int:
        """Sell a server: charged at once, listed later, active when it has booted."""
        with self._lock:
            if rid not in PRICES:
                raise ProviderError("Add Instance", "Resource Id is invalid.")
            address = self._released.pop(0) if self._released else next(self._addresses)
            server = Server(
                serviceid=next(self._ids),
                srvrname=name,
                main_ip=address,
                password=secrets.token_urlsafe(12),
                price=PRICES[rid],
                location_id=location_id,
                image=next(image["name"] for image in IMAGES if image["uuid"] == template),
                cycle=cycle,
                visible_at=self._clock() + self.show_after,
                ips=[address],
            )
            self._servers[server.serviceid] = server
            self._invoice("server", name, PRICES[rid]["monthly"])
            if not self.faults.consume("never_boots"):
                self.begin(server)
            return server.serviceid

    def begin(self, server: Server) -> None:
        """Boot a server for the first time."""
        server.booted = self._boots.submit(
            self._machines.order,
            server.serviceid,
            server.srvrname,
            server.main_ip,
            server.password,
        )

    def visible(self) -> list[Server]:
        """List the servers that the API shows by now."""
        with self._lock:
            now = self._clock()
            return [server for server in self._servers.values() if server.visible_at <= now]

    def server(self, action: str, service_id: int) -> Server:
        """Return one server; raises ProviderError."""
        with self._lock:
            server = self._servers.get(service_id)
            if server is None or server.visible_at > self._clock():
                raise ProviderError(action, "A valid serviceid is required.", "721334")
            return server

    def changeable(self, action: str, service_id: int) -> Server:
        """Return a server that may be changed: neither locked nor suspended."""
        server = self.server(action, service_id)
        if server.locked:
            raise ProviderError(action, "Service is locked.")
        if server.suspended:
            raise ProviderError(action, "Service is suspended.")
        return server

    def terminate(self, service_id: int) -> None:
        """End a server; its addresses go back to the pool."""
        with self._lock:
            server = self.changeable("Terminate", service_id)
            if self.faults.consume("no_effect"):
                return
            del self._servers[service_id]
        _wait_for_boot(server)
        self._machines.destroy(service_id)
        for address in server.ips:
            self._nameserver.set_ptr(address, None)
        with self._lock:
            self._released += server.ips

    def power(self, action: str, service_id: int) -> None:
        """Boot, shut down or reboot. A server that has never booted is booted as if it were new."""
        server = self.changeable(action.title(), service_id)
        if server.booted is None:
            self.begin(server)
            return
        self._machines.power(service_id, action)  # type: ignore[arg-type]
        server.off = action == "shutdown"

    def attach(self, service_id: int) -> str:
        """Sell a secondary address, as through the portal."""
        with self._lock:
            server = self.server("Portal", service_id)
            address = self._released.pop(0) if self._released else next(self._addresses)
            self._invoice("address", f"{server.srvrname} {address}", "4.99")
        _wait_for_boot(server)
        self._machines.attach(service_id, address)
        with self._lock:
            server.ips.append(address)
        return address

    def release(self, service_id: int, address: str) -> None:
        """Release a secondary address."""
        server = self.changeable("Delete IP", service_id)
        if address == server.main_ip:
            raise ProviderError("Delete IP", "The main IP can not be deleted.")
        if address not in server.ips:
            raise ProviderError("Delete IP", "IP is not assigned to this service.")
        if self.faults.consume("no_effect"):
            return
        self._machines.detach(service_id, address)
        self._nameserver.set_ptr(address, None)
        with self._lock:
            server.ips.remove(address)
            self._released.append(address)

    def set_pointer(self, service_id: int, address: str, name: str) -> None:
        """Set a PTR."""
        server = self.changeable("Set rDNS", service_id)
        if address not in server.ips:
            raise ProviderError("Set rDNS", "IP is not assigned to this service.")
        self._nameserver.set_ptr(address, name)

    def set_profile(self, service_id: int, name: str) -> None:
        """Set a firewall profile."""
        server = self.changeable("Set Firewall", service_id)
        if name not in PROFILES:
            raise ProviderError("Set Firewall", "Firewall profile not found.")
        if not self.faults.consume("no_effect"):
            server.profile = name

    def set_cycle(self, service_id: int, cycle: str) -> None:
        """Change how often a server is paid for."""
        server = self.changeable("Change Billing Cycle", service_id)
        if cycle == "hourly":
            message = "Hourly products are disabled! Please contact customer service."
            raise ProviderError("Change Billing Cycle", message)
        server.cycle = cycle

    def status(self, server: Server) -> str:
        """Return the provider's name of a server's state."""
        if server.suspended:
            return "suspended"
        if server.booted is None or not server.booted.done():
            return "BUILD"
        if server.booted.exception() is not None:
            return "error"
        return "SHUTOFF" if server.off else "ACTIVE"

    def _invoice(self, kind: str, what: str, amount: str) -> None:
        self.ledger.append({"kind": kind, "what": what, "usd": amount})

    def all_servers(self) -> Iterator[Server]:
        """Yield every server, shown by the API or not: for the portal and for tests."""
        with self._lock:
            yield from list(self._servers.values())


def _wait_for_boot(server: Server) -> None:
    """Return when the boot has ended, successfully or not."""
    if server.booted is not None:
        wait([server.booted])
