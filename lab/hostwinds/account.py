"""The emulated provider's account: servers, addresses, and what is charged for them."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from typing import Any, Literal

from lab.agenda import Agenda
from lab.hostwinds import catalogue
from lab.hostwinds.errors import ProviderError
from lab.hostwinds.profiles import Profiles
from lab.hostwinds.server import Server, Upgrade
from lab.hostwinds.switches import FAULTS, Settings, Switchboard
from lab.injection import Injection
from lab.ports import Machines, Nameserver

POOL = IPv4Address("198.18.1.10")
"""First address on sale."""
POINTER_ZONE = "hostwindsdns.com"
Power = Literal["boot", "shutdown", "reboot"]


class HostwindsAccount:
    """What is behind the API. Every method is one short critical section."""

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
        self.settings = Settings(listed_after=show_after)
        self.switchboard = Switchboard(self.settings)
        self.faults = Injection(*FAULTS)
        self.agenda = Agenda(clock, ProviderError)
        self.profiles = Profiles()
        self.ledger: list[dict[str, Any]] = []
        """Every invoice."""
        self.smtp_filters: list[dict[str, Any]] = []
        self._machines = machines
        self._nameserver = nameserver
        self._clock = clock
        self._servers: dict[int, Server] = {}
        self._ids = itertools.count(1001)
        self._addresses = (str(first_address + n) for n in itertools.count())
        self._released: list[str] = []
        self._boots = ThreadPoolExecutor(max_workers=4, thread_name_prefix="boot")
        self._lock = threading.RLock()

    def close(self) -> None:
        """Wait for running boots; nothing is booted and nothing lands afterwards."""
        self.agenda.stop()
        self._boots.shutdown(wait=True, cancel_futures=True)

    def fails(self, fault: str, action: str) -> bool:
        """Tell whether a call fails this way, and count it down."""
        if self.settings.only not in ("", action):
            return False
        return self.faults.consume(fault)

    # Servers

    def order(
        self,
        name: str,
        rid: str,
        location_id: int,
        template: str = catalogue.IMAGES[0]["uuid"],
        cycle: str = "monthly",
        *,
        delivered: bool = True,
    ) -> int:
        """Sell a server: charged at once, listed later, active when it has booted."""
        with self._lock:
            if rid not in catalogue.PLANS:
                raise ProviderError("Add Instance", "Resource Id is invalid.")
            service_id = next(self._ids)
            price = catalogue.monthly(rid, self.settings)
            months = catalogue.MONTHS[cycle]
            label = name or f"hwsrv-{service_id}"
            self._invoice("server", label, f"{float(price) * months:.2f}")
            if not delivered:
                return service_id
            address = self._sell()
            server = Server(
                serviceid=service_id,
                userid=self.settings.userid,
                srvrname=label,
                main_ip=address,
                password=secrets.token_urlsafe(12),
                rid=rid,
                monthly=price,
                location_id=location_id,
                template=template,
                cycle=cycle,
                visible_at=self._clock() + self.settings.listed_after,
                ips=[address],
            )
            self._servers[service_id] = server
            if not self.fails("never_boots", "add_instance"):
                self.begin(server)
            return service_id

    def begin(self, server: Server) -> None:
        """Boot a server for the first time, or with an empty disk."""
        server.booted = self._boots.submit(self._boot, server)

    def _boot(self, server: Server) -> None:
        settings, number = self.settings, server.serviceid
        server.open = settings.reachable_after <= 0
        first = secrets.token_urlsafe(12) if settings.password_after > 0 else server.password
        self._filter(server)
        self._machines.order(number, server.srvrname, server.main_ip, first)
        for address in server.ips:
            if address != server.main_ip:
                self._machines.attach(number, address)
        now = self._clock()
        server.active_at = max(now, server.visible_at + settings.active_after)
        reachable = server.active_at - now + settings.reachable_after
        if not server.open:
            self.agenda.after(reachable, lambda: self._open(server))
        if first != server.password:
            self.agenda.after(reachable + settings.password_after, lambda: self._unlock(server))

    def _open(self, server: Server) -> None:
        if server.serviceid in self._servers:
            server.open = True
            self._filter(server)

    def _unlock(self, server: Server) -> None:
        if server.serviceid in self._servers:
            self._machines.set_password(server.serviceid, server.password)

    def visible(self) -> list[Server]:
        """List the servers that the API shows by now to the key of this account."""
        with self._lock:
            return [server for server in self._servers.values() if self._shows(server)]

    def owned(self, service_id: int, action: str | None = None) -> Server:
        """Return a server as the portal knows it, whatever the key; raises ProviderError."""
        server = self._servers.get(service_id)
        if server is None:
            raise unknown(action)
        return server

    def server(self, action: str | None, service_id: int) -> Server:
        """Return a server that the API shows to the key; raises ProviderError."""
        with self._lock:
            server = self.owned(service_id, action)
            if not self._shows(server) or self.settings.key == "rotated":
                raise unknown(action)
            return server

    def changeable(self, action: str | None, service_id: int) -> Server:
        """Return a server that the API may change: neither locked nor suspended."""
        server = self.server(action, service_id)
        if server.locked:
            raise ProviderError(action, "Service is locked.")
        if server.suspended:
            raise ProviderError(action, "Service is suspended.")
        return server

    def _shows(self, server: Server) -> bool:
        return server.userid == self.settings.userid and server.visible_at <= self._clock()

    def end(self, service_id: int) -> None:
        """End a server; its addresses go back to the pool. Idempotent."""
        with self._lock:
            server = self._servers.pop(service_id, None)
        if server is None:
            return
        server.wait_for_boot()
        self._machines.destroy(service_id)
        with self._lock:
            addresses = [*server.ips, *server.coming]
            server.ips, server.coming = [], []
        for address in addresses:
            self._take_back(address)

    def power(self, action: Power, service_id: int) -> None:
        """Boot, shut down or reboot. A server that has never booted is booted as if it were new."""
        server = self.owned(service_id)
        if server.booted is None:
            self.begin(server)
            return
        server.wait_for_boot()
        self._machines.power(service_id, action)
        server.off = action == "shutdown"
        if server.new_password is not None and action != "shutdown":
            server.password, server.new_password = server.new_password, None
            self._machines.set_password(service_id, server.password)

    def rebuild(self, service_id: int, *, template: str | None = None) -> None:
        """Throw the disk away and boot again, with another root password and host key."""
        server = self.owned(service_id)
        server.wait_for_boot()
        self._machines.destroy(service_id)
        server.template = template or server.template
        server.password = secrets.token_urlsafe(12)
        self.begin(server)

    def status(self, server: Server) -> str:
        """Return the provider's name of a server's state."""
        return self.settings.status_case.of(self._status(server))

    def _status(self, server: Server) -> str:
        if server.suspended:
            return "suspended"
        if server.booted is None or not server.booted.done():
            return "BUILD"
        if server.booted.exception() is not None:
            return "error"
        if self._clock() < server.active_at:
            return "BUILD"
        if server.upgrade is not None and server.upgrade.applied:
            return "RESIZED"
        return "SHUTOFF" if server.off else "ACTIVE"

    def all_servers(self) -> Iterator[Server]:
        """Yield every server, shown by the API or not: for the portal and for tests."""
        with self._lock:
            yield from list(self._servers.values())

    # Addresses

    def attach(self, service_id: int) -> str:
        """Sell a secondary address, as through the portal; it appears after a while."""
        with self._lock:
            server = self.owned(service_id)
            address = self._sell()
            server.coming.append(address)
            self._invoice("address", f"{server.srvrname} {address}", catalogue.ADDRESS_USD)
        self.agenda.after(self.settings.attached_after, lambda: self._attach(server, address))
        return address

    def _attach(self, server: Server, address: str) -> None:
        server.wait_for_boot()
        if address not in server.coming:
            return  # the server has ended
        self._machines.attach(server.serviceid, address)
        with self._lock:
            server.coming.remove(address)
            server.ips.append(address)

    def attached(self, action: str | None, service_id: int, address: str) -> Server:
        """Return a changeable server that has an address; raises ProviderError."""
        server = self.changeable(action, service_id)
        if address not in server.ips:
            raise ProviderError(action, "IP is not assigned to this service.")
        return server

    def secondary(self, action: str | None, service_id: int, address: str) -> Server:
        """Return a changeable server that has an address beside the main one."""
        server = self.attached(action, service_id, address)
        if address == server.main_ip:
            raise ProviderError(action, "The main IP can not be deleted.")
        return server

    def release(self, service_id: int, address: str) -> None:
        """Take an address back into the pool."""
        server = self.owned(service_id)
        with self._lock:
            if address not in server.ips:
                return
            server.ips.remove(address)
        self._machines.detach(service_id, address)
        self._take_back(address)

    def prefer(self, service_id: int, address: str) -> None:
        """Make an attached address the main one."""
        server = self.owned(service_id)
        if address in server.ips:
            self._machines.prefer(service_id, address)
            server.main_ip = address

    def move(self, service_id: int) -> None:
        """Replace the main address by one of the pool, as a person may in the portal.

        After some changes in a row nothing happens any more, without a word.
        """
        settings, now = self.settings, self._clock()
        with self._lock:
            server = self.owned(service_id)
            server.moves = [at for at in server.moves if at > now - settings.move_rest]
            if len(server.moves) >= settings.moves_in_a_row:
                return
            server.moves.append(now)
            old, new = server.main_ip, self._sell()
            kept = settings.old_address == "kept"
            others = [address for address in server.ips if address != old]
            server.main_ip, server.ips = new, [new, *others, *([old] if kept else [])]
            server.open = False
        server.wait_for_boot()
        self._filter(server)
        self.agenda.after(settings.move_usable_after, lambda: self._arrive(server, old, new))

    def _arrive(self, server: Server, old: str, new: str) -> None:
        if server.serviceid not in self._servers:
            return
        self._machines.attach(server.serviceid, new)
        self._machines.prefer(server.serviceid, new)
        if old not in server.ips:
            self._machines.detach(server.serviceid, old)
            self._take_back(old)
        self._open(server)

    def set_pointer(self, server: Server, address: str, name: str) -> None:
        """Set a PTR; name servers answer it after a while."""

        def publish() -> None:
            if address in server.ips:
                self._nameserver.set_ptr(address, name)

        self.agenda.after(self.settings.pointer_after, publish)

    def _sell(self) -> str:
        address = self._released.pop(0) if self._released else next(self._addresses)
        self._nameserver.set_ptr(address, default_pointer(address))
        return address

    def _take_back(self, address: str) -> None:
        self._nameserver.set_ptr(address, default_pointer(address))
        with self._lock:
            self._released.append(address)

    # Firewall

    def set_profile(self, server: Server, name: str) -> None:
        """Give a server a firewall profile, instead of its profiles or beside them."""
        adds = self.settings.set_firewall == "adds"
        kept = [profile for profile in server.profiles if adds and profile != name]
        server.profiles = [*kept, name]
        self._filter(server)

    def suspend(self, server: Server, *, suspended: bool) -> None:
        """Suspend a server, which nothing reaches then, or end that."""
        server.suspended = suspended
        self._filter(server)

    def make_profile(
        self, name: str, ports: Sequence[int] = (), rules: Sequence[dict[str, Any]] = ()
    ) -> str:
        """Make or change a profile in the portal; return its name with the identifier.

        TCP `ports` are let in and everything out, or `rules` are taken as they are.
        """
        full = self.settings.profile_names.format(name=name)
        self.profiles.make(full, ports, rules)
        self._refilter(full)
        return full

    def remove_profile(self, name: str) -> None:
        """Remove a profile in the portal; servers that have it let nothing of it pass any more."""
        full = self.settings.profile_names.format(name=name)
        self.profiles.remove(full)
        self._refilter(full)

    def _refilter(self, profile: str) -> None:
        for server in self.all_servers():
            if profile in server.profiles:
                self._filter(server)

    def _filter(self, server: Server) -> None:
        reachable = server.open and not server.suspended
        rules = self.profiles.rules(server.profiles) if reachable else []
        self._machines.filter(server.serviceid, rules)

    # Money

    def order_upgrade(self, server: Server, rid: str) -> None:
        """Write an order and an invoice; the server stays as it is."""
        more = float(catalogue.monthly(rid, self.settings)) - float(server.monthly)
        server.upgrade = Upgrade(next(self._ids), rid, server.rid, f"{max(more, 0):.2f}")

    def pay_upgrade(self, service_id: int) -> None:
        """Pay the invoice of an upgrade, as in the portal."""
        server = self.owned(service_id)
        if server.upgrade is not None and not server.upgrade.paid:
            server.upgrade.paid = True
            self._invoice("upgrade", server.srvrname, server.upgrade.usd)

    def apply_upgrade(self, server: Server, upgrade: Upgrade) -> None:
        """Resize a server whose upgrade is paid."""
        upgrade.applied, server.rid = True, upgrade.rid

    def end_upgrade(self, server: Server, upgrade: Upgrade, *, keep: bool) -> None:
        """Confirm or revert an upgrade."""
        server.rid = upgrade.rid if keep else upgrade.before
        server.monthly = catalogue.monthly(server.rid, self.settings) if keep else server.monthly
        server.upgrade = None

    def charge(self, what: str, usd: str) -> None:
        """Write the invoice of a fee."""
        self._invoice("fee", what, usd)

    def charges(self) -> dict[str, Any]:
        """Return what runs and costs by now, and what was invoiced at all."""
        with self._lock:
            servers = list(self._servers.values())
            addresses = sum(len(server.further) for server in servers)
            monthly = sum(float(server.monthly) for server in servers)
            monthly += addresses * float(catalogue.ADDRESS_USD)
            fees = [line for line in self.ledger if line["kind"] == "fee"]
            return {
                "servers": len(servers),
                "addresses": addresses,
                "usd_a_month": f"{monthly:.2f}",
                "fees": len(fees),
                "usd_fees": f"{sum(float(line['usd']) for line in fees):.2f}",
                "usd_invoiced": f"{sum(float(line['usd']) for line in self.ledger):.2f}",
            }

    def _invoice(self, kind: str, what: str, amount: str) -> None:
        line = {"kind": kind, "what": what, "usd": amount, "userid": self.settings.userid}
        self.ledger.append(line)


def unknown(action: str | None) -> ProviderError:
    """Return the refusal of a serviceid."""
    number = "721334" if action == "Upgrade Server" else None
    return ProviderError(action, "A valid serviceid is required.", number)


def default_pointer(address: str) -> str:
    """Return the name that an address has before another one is set."""
    return f"hwsrv-{int(IPv4Address(address)) % 10_000_000}.{POINTER_ZONE}"
