"""Providers of many tenants in memory, of which some keep a tenant waiting, and some fail."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Mapping
from ipaddress import IPv4Address
from typing import Any

from blueprint.document import Blueprint
from controlplane.pulumi.faults import FAILED
from controlplane.reconciler.ports import CloudState, Progress, Server
from tests.support.cloud_engine import Account, InMemoryEngine

FIRST = int(IPv4Address("20.100.100.100"))
"""Those of the first hundred addresses have the same length: none is the beginning of another."""


class LargeAccount(Account):
    """An account in which a server is found by its number, and has an address of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: set[str] = set()
        """Labels of servers whose further addresses are not bought."""
        self._addresses = (str(IPv4Address(number)) for number in itertools.count(FIRST))
        self._labels: dict[int, str] = {}

    def order(self, label: str) -> Any:
        """Sell a server."""
        server = super().order(label)
        self._labels[server.service_id] = label
        return server

    def look(
        self, service_ids: Collection[int], last: Mapping[int, str | None]
    ) -> dict[int, Server]:
        """Return servers as the provider shows them."""
        del last  # they are shown as they are now
        return {
            number: Server(self.servers[self._labels[number]].main_ip, ())
            for number in service_ids
            if number in self._labels
        }

    def address(self, label: str, name: str) -> str | None:
        """Return an additional address of a server."""
        return None if label in self.waiting else super().address(label, name)


class WatchedEngine(InMemoryEngine):
    """Fails for some tenants, and notes when it was asked for the state of each."""

    def __init__(self, account: LargeAccount) -> None:
        super().__init__(account)
        self.failing: set[str] = set()
        """Names of tenants."""
        self.asked: Callable[[str, float], None] = lambda _name, _at: None
        """Called with the name of a tenant and the time of each look."""

    def state(self, tenant: str) -> CloudState:
        """Return the last checkpoint."""
        self.asked(tenant, time.monotonic())
        return super().state(tenant)

    def up(self, blueprint: Blueprint, progress: Progress, **given: Any) -> CloudState:
        """Apply a blueprint."""
        if blueprint.tenant in self.failing:
            raise FAILED(reason="the provider refuses it")
        return super().up(blueprint, progress, **given)
