"""Nothing is bought twice and no purchase is lost, whatever the engine's state contains."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from blueprint.document import Blueprint
from blueprint.naming import purchase_name, server_name
from controlplane.hostwinds.servers import HostwindsServers
from controlplane.pulumi.engine import PulumiEngine
from hostwinds.faults import INTERRUPTED, NOT_SHOWN, REPLACEMENT_NAME
from hostwinds.journal import close_server
from hostwinds.journal.file import FileJournal
from hostwinds.variables import END_DEADLINE
from kit.faults import Fault
from tests.support.faults import assert_shows
from tests.support.installation import INSTALLATION
from tests.support.pulumi_engine import pulumi_engine
from tests.support.tenants import rendered, tenant

from .conftest import Cloud

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)


@pytest.fixture
def journal(cloud: Cloud) -> FileJournal:
    return FileJournal(Path(cloud.environment["HOSTWINDS_JOURNAL"]))


def fails(act: Callable[[], object]) -> Fault:
    with pytest.raises(Fault) as caught:
        act()
    return caught.value


def test_server_in_no_state_is_ended_with_its_tenant(
    cloud_engine: PulumiEngine, blueprint: Blueprint, cloud: Cloud, journal: FileJournal
) -> None:
    """Killed between the order and the checkpoint, then deleted."""
    name = blueprint.hosts[0].server_name
    other = server_name(INSTALLATION, "acme-two", "mx1", 1)
    for label in (name, other):
        journal.open(label)
        cloud.hostwinds.order(label, "54", 12)
    journal.settle(other, "1002")
    [mine, _] = cloud.hostwinds.all_servers()
    mine.visible_at = float("inf")  # the API does not show it yet
    error = fails(lambda: cloud_engine.destroy("acme", print, deadline=DEADLINE))
    assert_shows(error, INTERRUPTED, what=...)
    assert error.retryable
    mine.visible_at = 0
    cloud_engine.destroy("acme", print, deadline=DEADLINE)
    assert [server.srvrname for server in cloud.hostwinds.all_servers()] == [other]
    assert [intent.key for intent in journal.intents()] == [other]


def test_earlier_holder_of_the_lease_buys_nothing(
    cloud_engine: PulumiEngine, blueprint: Blueprint, cloud: Cloud, journal: FileJournal
) -> None:
    journal.raise_fence(f"{INSTALLATION}/acme", 4)
    error = fails(lambda: cloud_engine.up(blueprint, print, deadline=DEADLINE, fence=3))
    assert error.code.name == "hostwinds.superseded"
    assert cloud.bought() == []
    assert journal.intents() == []
    cloud_engine.up(blueprint, print, deadline=DEADLINE, fence=5)
    assert journal.fence(f"{INSTALLATION}/acme") == 5
    assert cloud.bought() == ["server"]


def test_address_that_a_killed_run_adopted_is_released_when_it_is_not_wanted_any_more(
    cloud_engine: PulumiEngine, cloud: Cloud, journal: FileJournal
) -> None:
    """Killed between the adoption and the checkpoint, then reduced."""
    smaller = rendered(tenant("mx1@acme.example", domains="acme.example"), generation=2)
    state = cloud_engine.up(smaller, print, deadline=DEADLINE)
    [server] = cloud.hostwinds.all_servers()
    adopted = cloud.hostwinds.attach(server.serviceid)
    key = f"{server.serviceid}/{purchase_name(server.srvrname, 'mx1-2')}"
    journal.open(key)
    journal.settle(key, adopted)

    assert cloud_engine.up(smaller, print, deadline=DEADLINE) == state

    assert server.further == []
    assert [intent.key for intent in journal.intents()] == [server.srvrname]


def test_server_that_a_killed_run_bought_is_ended_when_it_is_not_wanted_any_more(
    cloud_engine: PulumiEngine, blueprint: Blueprint, cloud: Cloud, journal: FileJournal
) -> None:
    cloud_engine.up(blueprint, print, deadline=DEADLINE)
    unwanted = server_name(INSTALLATION, "acme", "mx2", 1)
    others = server_name(INSTALLATION, "acme-two", "mx2", 1)
    for label in (unwanted, others):
        journal.open(label)
        cloud.hostwinds.order(label, "54", 12)
    [bought] = [one for one in cloud.hostwinds.all_servers() if one.srvrname == unwanted]
    bought.visible_at = float("inf")  # the API does not show it yet

    error = fails(lambda: cloud_engine.up(blueprint, print, deadline=DEADLINE))

    assert_shows(error, INTERRUPTED, what=...)
    bought.visible_at = 0
    cloud_engine.up(blueprint, print, deadline=DEADLINE)
    labels = {server.srvrname for server in cloud.hostwinds.all_servers()}
    assert labels == {blueprint.hosts[0].server_name, others}
    assert journal.find(unwanted) is None
    assert journal.find(others) is not None


def test_run_that_ends_a_server_does_not_wait_until_it_is_gone(
    environment: dict[str, str], cloud: Cloud, journal: FileJournal, tmp_path: Path
) -> None:
    """The listing sees it through; the tenant is not deleted before."""
    engine = pulumi_engine({**environment, END_DEADLINE: "0"}, tmp_path / "brief")
    hosts = ("mx1@acme.example", "mx2@acme.example")
    engine.up(rendered(tenant(*hosts, domains="acme.example")), print, deadline=DEADLINE)
    cloud.hostwinds.settings.only = "terminate"
    cloud.hostwinds.faults.inject("no_effect")  # it takes long
    smaller = rendered(tenant(hosts[0], domains="acme.example"), generation=2)
    state = engine.up(smaller, print, deadline=DEADLINE)
    assert [host.name for host in state.hosts] == ["mx1"]
    [ending] = [row for row in journal.intents() if row.ending_at is not None]
    assert engine.up(smaller, print, deadline=DEADLINE) == state, "no failure"

    error = fails(lambda: engine.destroy("acme", print, deadline=DEADLINE))
    assert_shows(error, INTERRUPTED, what=...)
    assert [server.srvrname for server in cloud.hostwinds.all_servers()] == [ending.key]
    servers = HostwindsServers(environment)
    servers.listed()
    cloud.hostwinds.end(int(str(ending.outcome)))
    servers.listed()
    assert journal.intents() == []
    engine.destroy("acme", print, deadline=DEADLINE)


def test_server_that_never_boots_is_in_the_state_and_ended_with_its_tenant(
    environment: dict[str, str], blueprint: Blueprint, cloud: Cloud, tmp_path: Path
) -> None:
    environment = {**environment, "HOSTWINDS_PROVISIONING_DEADLINE": "1"}
    engine = pulumi_engine(environment, tmp_path / "o")
    cloud.hostwinds.faults.inject("never_boots")
    for _ in range(2):
        error = fails(lambda: engine.up(blueprint, print, deadline=DEADLINE))
        assert error.code.name == "hostwinds.not_active"
        assert "is still build" in str(error)
    [host] = engine.state("acme").hosts
    assert (host.service_id, host.primary_ip) == (1001, None)
    assert cloud.bought() == ["server"]
    engine.destroy("acme", print, deadline=DEADLINE)
    assert list(cloud.hostwinds.all_servers()) == []


def test_tenant_whose_server_was_ended_in_the_portal_can_be_deleted(
    cloud_engine: PulumiEngine, blueprint: Blueprint, cloud: Cloud, journal: FileJournal
) -> None:
    cloud_engine.up(blueprint, print, deadline=DEADLINE)
    cloud.sell_addresses(1)
    cloud_engine.up(blueprint, print, deadline=DEADLINE)
    cloud.hostwinds.end(1001)
    name = blueprint.hosts[0].server_name
    for _ in range(2):  # the account is empty, which a wrong key shows, too
        error = fails(lambda: cloud_engine.destroy("acme", print, deadline=DEADLINE))
        assert_shows(error, NOT_SHOWN, service_id=1001, name=name)
        assert [host.service_id for host in cloud_engine.state("acme").hosts] == [1001]
        assert journal.find(name) is not None
    close_server(journal, name)  # a person has looked: `penguin purchases forget`
    cloud_engine.destroy("acme", print, deadline=DEADLINE)
    assert cloud_engine.state("acme").hosts == ()
    assert all(not cloud.cloudflare.records(zone["id"]) for zone in cloud.cloudflare.zones())
    cloud_engine.destroy("acme", print, deadline=DEADLINE)
    assert journal.intents() == []


def test_other_size_under_the_same_name_ends_nothing(
    cloud_engine: PulumiEngine, blueprint: Blueprint, cloud: Cloud
) -> None:
    cloud_engine.up(blueprint, print, deadline=DEADLINE)
    [host] = blueprint.hosts
    larger = blueprint.model_copy(
        update={"hosts": (host.model_copy(update={"cpu": 1, "ram_mb": 2048}),), "generation": 2}
    )
    error = fails(lambda: cloud_engine.up(larger, print, deadline=DEADLINE))
    assert_shows(error, REPLACEMENT_NAME)
    assert [server.serviceid for server in cloud.hostwinds.all_servers()] == [1001]
    assert cloud.bought() == ["server"]
