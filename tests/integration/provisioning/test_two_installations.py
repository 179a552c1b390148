"""Staging and production in one provider account never touch each other's resources."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from blueprint.document import Blueprint
from controlplane.pulumi.engine import PulumiEngine
from kit.faults import Fault
from tests.support.installation import INSTALLATION, PLATFORM
from tests.support.pulumi_engine import kill_engine, pulumi_engine
from tests.support.tenants import rendered, tenant

from .conftest import Cloud

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)
OTHER = "staging"


def blueprint_of(installation: str, zone: str) -> Blueprint:
    """Render the same tenant for an installation, in a zone."""
    platform = PLATFORM.model_copy(update={"installation": installation})
    return rendered(tenant(f"mx1@{zone}*2", domains=zone), platform=platform)


@pytest.fixture
def engine_of(environment: dict[str, str], tmp_path: Path) -> Callable[[str], PulumiEngine]:
    """Each installation has a state of its own; account and journal are the same."""

    def engine(installation: str) -> PulumiEngine:
        state = tmp_path / f"state-{installation}"
        state.mkdir(exist_ok=True)
        return pulumi_engine(
            {**environment, "PULUMI_BACKEND_URL": f"file://{state}?metadata=skip"},
            tmp_path / f"operations-{installation}",
            installation=installation,
        )

    return engine


def records(cloud: Cloud, zone: str) -> list[str]:
    """Return the comments of a zone's records."""
    [match] = [z for z in cloud.cloudflare.zones() if z["name"] == zone]
    return sorted(str(record["comment"]) for record in cloud.cloudflare.records(match["id"]))


def test_tenants_of_one_name_keep_their_servers_addresses_and_records(
    engine_of: Callable[[str], PulumiEngine], cloud: Cloud
) -> None:
    cloud.cloudflare.create_zone("beta.example")
    ours, theirs = engine_of(INSTALLATION), engine_of(OTHER)
    mine, other = blueprint_of(INSTALLATION, "acme.example"), blueprint_of(OTHER, "beta.example")
    theirs.up(other, print, deadline=DEADLINE, fence=9)
    cloud.sell_addresses(1)
    before = theirs.up(other, print, deadline=DEADLINE, fence=9)
    assert before.pending == ()
    unchanged = records(cloud, "beta.example")

    state = ours.up(mine, print, deadline=DEADLINE, fence=1)

    assert state.pending == ("mx1-2",)
    assert {server.srvrname for server in cloud.hostwinds.all_servers()} == {
        mine.hosts[0].server_name,
        other.hosts[0].server_name,
    }
    assert cloud.bought() == ["server", "address", "server"]

    ours.destroy("acme", print, deadline=DEADLINE, fence=2)

    [remaining] = cloud.hostwinds.all_servers()
    assert remaining.srvrname == other.hosts[0].server_name
    assert records(cloud, "acme.example") == []
    assert records(cloud, "beta.example") == unchanged
    assert theirs.up(other, print, deadline=DEADLINE, fence=9) == before
    assert theirs.preview(other, print).changes == ()


def test_server_in_no_state_is_ended_by_its_own_installation_only(
    engine_of: Callable[[str], PulumiEngine], cloud: Cloud
) -> None:
    theirs = blueprint_of(OTHER, "acme.example")

    def killed(line: str) -> None:
        if "ordering" in line:  # the plugin buys; its engine is killed before the checkpoint
            kill_engine()

    with pytest.raises(Fault):
        engine_of(OTHER).up(theirs, killed, deadline=DEADLINE)
    engine_of(INSTALLATION).destroy("acme", print, deadline=DEADLINE)
    servers = list(cloud.hostwinds.all_servers())
    engine_of(OTHER).up(theirs, print, deadline=DEADLINE)

    assert cloud.bought().count("server") == 1
    assert [server.srvrname for server in cloud.hostwinds.all_servers()] == [
        theirs.hosts[0].server_name
    ]
    assert servers in ([], list(cloud.hostwinds.all_servers()))


def test_records_of_another_installation_are_foreign(
    engine_of: Callable[[str], PulumiEngine], cloud: Cloud
) -> None:
    theirs = blueprint_of(OTHER, "acme.example")
    engine_of(OTHER).up(theirs, print, deadline=DEADLINE)
    unchanged = records(cloud, "acme.example")

    state = engine_of(INSTALLATION).up(
        blueprint_of(INSTALLATION, "acme.example"), print, deadline=DEADLINE
    )

    [held] = state.held
    assert (held.zone, held.code) == ("acme.example", "dns.foreign_record")
    assert state.hosts == ()
    assert records(cloud, "acme.example") == unchanged
    assert cloud.bought() == ["server"]
