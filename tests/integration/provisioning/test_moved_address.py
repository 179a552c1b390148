"""A main address that was changed at the provider is adopted, with all that has its number."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from blueprint.document import Blueprint
from hostwinds.faults import ADDRESS_LOST
from lab.hostwinds.server import Server
from tests.support.faults import fault_shown
from tests.support.memory_configurator import PASSWORD, MemoryConfigurator
from tests.support.pulumi_engine import pulumi_engine
from tests.support.tenants import rendered, tenant
from tools.pulumi.engine import Engine

from .by_hand import ByHand
from .conftest import Cloud
from .control_plane import FILE, CommandLine, ControlPlane

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)


@pytest.fixture
def server(control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine) -> Server:
    """The server of a tenant that is ready."""
    control_plane.configurator = MemoryConfigurator()
    control_plane.root_password = lambda _: PASSWORD
    penguin.apply(FILE)
    control_plane.reconcile()
    assert_ready(penguin)
    [server] = cloud.hostwinds.all_servers()
    return server


def assert_ready(penguin: CommandLine) -> None:
    waited = penguin("wait", "tenant", "acme", "--for=condition=Ready", "--timeout=0s")
    assert waited.status == 0, waited.err + penguin("describe", "tenant", "acme").out


def addresses(cloud: Cloud) -> dict[str, set[str]]:
    """Return the numbers of the A records by name."""
    found: dict[str, set[str]] = {}
    for zone in cloud.cloudflare.zones():
        for record in cloud.cloudflare.records(zone["id"]):
            if record["type"] == "A":
                found.setdefault(record["name"], set()).add(record["content"])
    return found


@pytest.mark.parametrize("old_address", ["released", "kept"])
def test_address_of_the_pool_gets_names_profile_and_configuration(
    control_plane: ControlPlane,
    cloud: Cloud,
    penguin: CommandLine,
    server: Server,
    old_address: str,
) -> None:
    account, old = cloud.hostwinds, server.main_ip
    assert set(addresses(cloud)) == {"mx1.acme.example", "out.mx1.acme.example"}
    account.switchboard.change({"old_address": old_address})
    account.move(server.serviceid)
    account.set_profile(server, "default")

    control_plane.reconcile()

    assert_ready(penguin)
    assert server.main_ip != old
    assert {number for numbers in addresses(cloud).values() for number in numbers} == {
        server.main_ip
    }
    assert cloud.nameserver.pointers[server.main_ip] == "mx1.acme.example"
    assert server.profiles == ["48213-penguin-mail"]
    assert server.main_ip in penguin("get", "addresses").out
    assert "recreate" not in penguin("logs", "acme").out + penguin("events").out
    assert penguin.last_operation()["kind"] == "configure"
    assert cloud.bought() == ["server"]
    before = penguin.last_operation()["id"]
    control_plane.reconcile()
    assert penguin.last_operation()["id"] == before
    assert_ready(penguin)


def test_tenant_continues_after_a_refresh_by_hand(
    control_plane: ControlPlane,
    cloud: Cloud,
    penguin: CommandLine,
    server: Server,
    engine: Engine,
    tmp_path: Path,
) -> None:
    """The state has the new address by then, and not the record that was deleted by hand."""
    [zone] = [zone for zone in cloud.cloudflare.zones() if zone["name"] == "acme.example"]
    before = {record["comment"] for record in cloud.cloudflare.records(zone["id"])}
    [mx] = [r for r in cloud.cloudflare.records(zone["id"]) if r["comment"].endswith("e/MX")]
    cloud.cloudflare.delete(zone["id"], mx["id"])
    cloud.hostwinds.move(server.serviceid)
    by_hand = ByHand(engine, control_plane.environment, tmp_path)
    by_hand.configure(rendered(tenant("mx1@acme.example", domains="acme.example")))
    by_hand.run_checked("refresh", "--yes", "--skip-preview")

    control_plane.reconcile()

    assert_ready(penguin)
    assert {record["comment"] for record in cloud.cloudflare.records(zone["id"])} == before
    assert set.union(*addresses(cloud).values()) == {server.main_ip}
    assert cloud.nameserver.pointers[server.main_ip] == "mx1.acme.example"
    last = penguin.last_operation()["id"]
    control_plane.reconcile()
    assert (penguin.last_operation()["id"], cloud.bought()) == (last, ["server"])


def test_address_that_moved_while_its_zone_was_held_is_adopted_afterwards(
    environment: dict[str, str], blueprint: Blueprint, cloud: Cloud, tmp_path: Path
) -> None:
    engine = pulumi_engine(environment, tmp_path / "operations")
    engine.up(blueprint, print, deadline=DEADLINE)
    cloud.cloudflare.unreadable.add("acme.example")
    [server] = cloud.hostwinds.all_servers()
    old = server.main_ip
    cloud.hostwinds.move(1001)
    with fault_shown(ADDRESS_LOST, service_id=1001, address=old):
        engine.up(blueprint, print, deadline=DEADLINE, refreshed=True)
    state = engine.up(blueprint, print, deadline=DEADLINE)
    assert [zone.zone for zone in state.held] == ["acme.example"]
    cloud.cloudflare.unreadable.clear()
    [host] = engine.up(blueprint, print, deadline=DEADLINE).hosts
    assert addresses(cloud)["mx1.acme.example"] == {host.primary_ip}
    assert host.primary_ip == server.main_ip != old
    assert cloud.nameserver.pointers[server.main_ip] == "mx1.acme.example"
    assert cloud.bought() == ["server"]


def test_further_address_that_a_person_has_made_the_main_one_changes_nothing(
    environment: dict[str, str], blueprint: Blueprint, cloud: Cloud, tmp_path: Path
) -> None:
    engine = pulumi_engine(environment, tmp_path / "operations")
    engine.up(blueprint, print, deadline=DEADLINE)
    cloud.sell_addresses(1)
    state = engine.up(blueprint, print, deadline=DEADLINE)
    before = addresses(cloud)
    [secondary] = before["mx1-2.acme.example"]
    cloud.hostwinds.prefer(1001, secondary)
    assert engine.up(blueprint, print, deadline=DEADLINE, refreshed=True) == state
    assert addresses(cloud) == before
    assert cloud.bought() == ["server", "address"]
