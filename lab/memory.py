"""Hosts and name server in memory: for tests, and for machines that cannot run hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lab.ports import Rule


class MemoryMachines:
    """Servers that exist only as entries."""

    def __init__(self) -> None:
        self.addresses: dict[int, list[str]] = {}
        self.passwords: dict[int, str] = {}
        self.powered: dict[int, bool] = {}
        self.rules: dict[int, list[Rule]] = {}

    def filter(self, server_id: int, rules: Sequence[Rule]) -> None:
        """Record what the port lets pass."""
        self.rules[server_id] = list(rules)

    def set_password(self, server_id: int, password: str) -> None:
        """Record the password."""
        self.passwords[server_id] = password

    def prefer(self, server_id: int, address: str) -> None:
        """Put an address first."""
        addresses = self.addresses[server_id]
        addresses.remove(address)
        addresses.insert(0, address)

    def order(self, server_id: int, name: str, address: str, root_password: str) -> None:
        """Add a host."""
        self.addresses[server_id] = [address]
        self.passwords[server_id] = root_password
        self.powered[server_id] = True

    def attach(self, server_id: int, address: str) -> None:
        """Add an address."""
        self.addresses[server_id].append(address)

    def detach(self, server_id: int, address: str) -> None:
        """Remove an address."""
        self.addresses[server_id].remove(address)

    def power(self, server_id: int, action: Literal["boot", "shutdown", "reboot", "cut"]) -> None:
        """Record whether the host is on."""
        self.powered[server_id] = action in ("boot", "reboot")

    def destroy(self, server_id: int) -> None:
        """Remove a host."""
        for memory in (self.addresses, self.passwords, self.powered, self.rules):
            memory.pop(server_id, None)


class MemoryNameserver:
    """A name server whose zones are only recorded."""

    def __init__(self) -> None:
        self.zones: dict[str, dict[tuple[str, str], tuple[int, tuple[str, ...]]]] = {}
        self.delegated: set[str] = set()
        self.pointers: dict[str, str] = {}

    def create_zone(self, zone: str) -> None:
        """Add a zone."""
        self.zones.setdefault(zone, {})

    def delegate(self, zone: str) -> None:
        """Record the delegation."""
        self.delegated.add(zone)

    def is_delegated(self, zone: str) -> bool:
        """Tell whether the zone is delegated to us."""
        return zone in self.delegated

    def undelegate(self, zone: str) -> None:
        """Remove the delegation."""
        self.delegated.discard(zone)

    def delete_zone(self, zone: str) -> None:
        """Remove a zone."""
        self.zones.pop(zone, None)
        self.undelegate(zone)

    def replace(self, zone: str, name: str, kind: str, ttl: int, rdata: Sequence[str]) -> None:
        """Record an RRset."""
        if rdata:
            self.zones[zone][name, kind] = (ttl, tuple(rdata))
        else:
            self.zones[zone].pop((name, kind), None)

    def set_ptr(self, address: str, name: str | None) -> None:
        """Record a PTR."""
        if name is None:
            self.pointers.pop(address, None)
        else:
            self.pointers[address] = name
