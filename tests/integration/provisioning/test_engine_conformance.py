"""All engines behave the same: Pulumi's with both emulators, and the double of other tests."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from blueprint.document import Blueprint
from controlplane.reconciler.ports import CloudEngine, CloudState, Progress
from hostwinds.journal import close_server
from hostwinds.journal.file import FileJournal
from tests.support.cloud_engine import Account, InMemoryEngine
from tests.support.engine_conformance import (
    CHECKS,
    Surroundings,
    check_a_server_that_was_ended_in_the_portal_is_not_bought_again,
    check_what_a_killed_run_bought_is_ended_with_its_tenant,
    check_what_a_killed_run_bought_is_found_and_not_bought_again,
)
from tests.support.pulumi_engine import pulumi_engine

from .conftest import ZONES, Cloud

Check = Callable[[Surroundings], None]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state without a stack: the engine makes it."""
    (directory := tmp_path / "state").mkdir()
    return directory


class OverEmulators:
    """The real engine, and the accounts behind the emulators."""

    def __init__(self, engine: CloudEngine, cloud: Cloud) -> None:
        cloud.cloudflare.create_zone("beta.example")
        # The first listing after an order is empty, on a busy machine too.
        cloud.hostwinds.settings.listed_after = 2.0
        self.engine = engine
        self._cloud = cloud

    def servers(self) -> list[str]:
        return [server.srvrname for server in self._cloud.hostwinds.all_servers()]

    def bought(self) -> list[str]:
        ledger = self._cloud.hostwinds.ledger
        return [str(entry["what"]) for entry in ledger if entry["kind"] == "server"]

    def sell_address(self) -> None:
        self._cloud.sell_addresses(1)

    def end(self, label: str) -> None:
        [server] = [s for s in self._cloud.hostwinds.all_servers() if s.srvrname == label]
        self._cloud.hostwinds.end(server.serviceid)

    def forget(self, label: str) -> None:
        close_server(FileJournal(Path(self._cloud.environment["HOSTWINDS_JOURNAL"])), label)

    def move(self, label: str) -> str:
        [server] = [s for s in self._cloud.hostwinds.all_servers() if s.srvrname == label]
        self._cloud.hostwinds.move(server.serviceid)
        return server.main_ip

    def hide_zone(self, zone: str) -> None:
        self._cloud.cloudflare.unreadable.add(zone)


class InMemory:
    """The double, and its account."""

    def __init__(self, kind: type[InMemoryEngine] = InMemoryEngine) -> None:
        self._zones = {*ZONES, "beta.example"}
        self._account = Account(self._zones, sells=False)
        self.engine: CloudEngine = kind(self._account)

    def servers(self) -> list[str]:
        return list(self._account.servers)

    def bought(self) -> list[str]:
        return self._account.bought

    def sell_address(self) -> None:
        [label] = self._account.servers
        self._account.sell_address(label)

    def end(self, label: str) -> None:
        self._account.end(label)

    def forget(self, label: str) -> None:
        self._account.forgotten.add(label)

    def move(self, label: str) -> str:
        return self._account.move(label)

    def hide_zone(self, zone: str) -> None:
        self._zones.remove(zone)


@pytest.mark.engine
@pytest.mark.parametrize("check", CHECKS)
def test_real_engine_conforms(
    check: Check, cloud: Cloud, environment: dict[str, str], tmp_path: Path
) -> None:
    check(OverEmulators(pulumi_engine(environment, tmp_path / "operations"), cloud))


@pytest.mark.parametrize("check", CHECKS)
def test_double_conforms(check: Check) -> None:
    check(InMemory())


class WithoutInventory(InMemoryEngine):
    """A double whose account is derived from its state: nothing exists before a checkpoint."""

    def up(
        self,
        blueprint: Blueprint,
        progress: Progress,
        *,
        deadline: timedelta,
        fence: int | None = None,
        background: bool = False,
        refreshed: bool = False,
        forgotten: Collection[str] = (),
        replaced: int | None = None,
        lost_pointers: Collection[str] = (),
    ) -> CloudState:
        try:
            return super().up(
                blueprint, progress, deadline=deadline, fence=fence, refreshed=refreshed
            )
        finally:
            recorded = {host.server_name for host in self.state(blueprint.tenant).hosts}
            for label in set(self.account.servers) - recorded:
                self.account.end(label)

    def state(self, tenant: str) -> CloudState:
        state = super().state(tenant)
        existing = tuple(host for host in state.hosts if host.server_name in self.account.servers)
        return replace(state, hosts=existing)


@pytest.mark.parametrize(
    "check",
    [
        check_what_a_killed_run_bought_is_found_and_not_bought_again,
        check_what_a_killed_run_bought_is_ended_with_its_tenant,
        check_a_server_that_was_ended_in_the_portal_is_not_bought_again,
    ],
)
def test_double_that_derives_its_inventory_from_its_state_does_not_conform(check: Check) -> None:
    with pytest.raises(AssertionError):
        check(InMemory(WithoutInventory))
