"""Records in zones that are gone or out of reach: deletion ends, and nothing is left unnoticed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from blueprint.document import Blueprint
from controlplane.pulumi.engine import PulumiEngine
from kit.launchers import write_launcher
from lab.cloudflare.tokens import READ_WRITE
from stacks.faults import CLOUDFLARE_ERROR, FORGOTTEN, ZONE_OUT_OF_REACH
from tests.support.faults import any_values, assert_shows, fault_shown
from tests.support.pulumi_engine import pulumi_engine
from tests.support.tenants import rendered, tenant
from tools.pulumi.engine import Engine, find, gateway_to
from tools.pulumi.parts import CLOUDFLARE_VERSION, Kind, Part

from .conftest import Cloud
from .control_plane import FILE, CommandLine, ControlPlane

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)
OUT_OF_REACH = ZONE_OUT_OF_REACH.name
BOTH = tenant("mx1@acme.example", domains="acme.example beta.example")
ACME = tenant("mx1@acme.example", domains="acme.example")


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """An engine with the plugin of this machine, or one that behaves as Pulumi's own."""
    engine = find()
    if not hasattr(request, "param"):
        return engine
    path = write_launcher(tmp_path / "official", "tests.support.official_plugin")
    part = Part("pulumi-resource-cloudflare", CLOUDFLARE_VERSION, Kind.OFFICIAL, path)
    return replace(engine, cloudflare=part, gateway=gateway_to(part))


OFFICIAL = pytest.mark.parametrize("engine", ["pulumi's own"], indirect=True)


def _remove(cloud: Cloud, name: str) -> None:
    [zone] = [zone for zone in cloud.cloudflare.zones() if zone["name"] == name]
    cloud.cloudflare.delete_zone(zone["id"])


class Tenant:
    """A tenant in the zones acme.example and beta.example, and the token of its next run."""

    def __init__(self, cloud: Cloud, environment: dict[str, str], directory: Path) -> None:
        cloud.cloudflare.create_zone("beta.example")
        self._cloud, self._environment, self._directory = cloud, environment, directory
        self.token = environment["CLOUDFLARE_API_TOKEN"]

    @property
    def engine(self) -> PulumiEngine:
        environment = {**self._environment, "CLOUDFLARE_API_TOKEN": self.token}
        return pulumi_engine(environment, self._directory / "operations")

    def up(self, blueprint: Blueprint, *forgotten: str) -> list[tuple[str, str]]:
        """Apply a blueprint; return the zones that are held, with their codes."""
        state = self.engine.up(blueprint, print, deadline=DEADLINE, forgotten=forgotten)
        return [(held.zone, held.code) for held in state.held]

    def destroy(self, *forgotten: str) -> None:
        """Delete the tenant."""
        self.engine.destroy("acme", print, deadline=DEADLINE, forgotten=forgotten)

    def remove_zone(self, name: str) -> None:
        """Remove a zone from the account."""
        _remove(self._cloud, name)

    def names_in(self, name: str) -> set[str]:
        """Return the names of a zone's records."""
        [zone] = [zone for zone in self._cloud.cloudflare.zones() if zone["name"] == name]
        return {record["name"] for record in self._cloud.cloudflare.records(zone["id"])}

    def servers(self) -> int:
        """Return how many servers are billed."""
        return len(list(self._cloud.hostwinds.all_servers()))

    def is_gone(self) -> bool:
        """Return whether nothing of it is in the state."""
        state = self.engine.state("acme")
        return not (state.hosts or state.records)


@pytest.fixture
def acme(cloud: Cloud, environment: dict[str, str], tmp_path: Path) -> Tenant:
    return Tenant(cloud, environment, tmp_path)


def test_zone_that_was_removed_holds_the_deletion_until_somebody_gives_it_up(acme: Tenant) -> None:
    assert acme.up(rendered(BOTH)) == []
    acme.remove_zone("acme.example")
    for _ in range(2):
        with fault_shown(ZONE_OUT_OF_REACH, zone="acme.example", count=...):
            acme.destroy()
        assert acme.servers() == 0
        assert acme.names_in("beta.example") == set()
    acme.destroy("acme.example")
    assert acme.is_gone()


@OFFICIAL
def test_token_that_does_not_reach_a_zone_deletes_everything_else(
    acme: Tenant, cloud: Cloud
) -> None:
    acme.up(rendered(BOTH))
    written, usual = acme.names_in("acme.example"), acme.token
    acme.token = cloud.cloudflare.add_token(READ_WRITE, zones=["beta.example"])
    with fault_shown(ZONE_OUT_OF_REACH, zone="acme.example", count=...):
        acme.destroy()
    assert acme.servers() == 0
    assert acme.names_in("beta.example") == set()
    assert acme.names_in("acme.example") == written
    acme.token = usual
    acme.destroy("acme.example")  # reached again, so that the decision has no effect
    assert acme.names_in("acme.example") == set()
    assert acme.is_gone()


@OFFICIAL
def test_zone_that_was_added_again_takes_its_old_records_with_it(
    acme: Tenant, cloud: Cloud
) -> None:
    acme.up(rendered(BOTH))
    acme.remove_zone("acme.example")
    cloud.cloudflare.register("acme.example")
    lines: list[str] = []
    state = acme.engine.up(rendered(BOTH), lines.append, deadline=DEADLINE)
    assert state.held == ()
    assert_shows("\n".join(lines), FORGOTTEN, records=...)
    assert "acme.example" in acme.names_in("acme.example")
    assert acme.engine.preview(rendered(BOTH), print).changes == ()
    acme.remove_zone("acme.example")
    cloud.cloudflare.register("acme.example")
    acme.destroy()
    assert acme.is_gone()
    assert acme.servers() == 0


def test_trouble_that_passes_deletes_nothing_yet(acme: Tenant, cloud: Cloud) -> None:
    acme.up(rendered(BOTH))
    before = acme.names_in("beta.example")
    cloud.cloudflare.faults.inject("server_error", times=-1)
    with fault_shown(CLOUDFLARE_ERROR, **any_values(CLOUDFLARE_ERROR)):
        acme.destroy()
    assert acme.servers() == 1
    assert acme.names_in("beta.example") == before
    cloud.cloudflare.faults.clear()
    acme.destroy()
    assert acme.is_gone()


def test_domain_that_is_taken_out_with_its_zone_is_shown_until_it_is_given_up(
    acme: Tenant,
) -> None:
    acme.up(rendered(BOTH))
    acme.remove_zone("beta.example")
    blueprint = rendered(ACME, generation=2)
    assert acme.up(blueprint) == [("beta.example", OUT_OF_REACH)]
    assert any("beta.example" in key for key in acme.engine.state("acme").records)
    assert acme.servers() == 1
    assert acme.up(blueprint, "beta.example") == []
    assert not any("beta.example" in key for key in acme.engine.state("acme").records)
    assert acme.engine.preview(blueprint, print).changes == ()


def test_record_that_somebody_deleted_does_not_hold_its_zone(acme: Tenant, cloud: Cloud) -> None:
    acme.up(rendered(ACME))
    [zone] = [z for z in cloud.cloudflare.zones() if z["name"] == "acme.example"]
    texts = [r for r in cloud.cloudflare.records(zone["id"]) if r["type"] == "TXT"]
    for record in texts:
        cloud.cloudflare.delete(zone["id"], record["id"])
    later = tenant("mx1@acme.example", "mx2@acme.example", domains="acme.example")
    assert acme.up(rendered(later, generation=2)) == []
    names = {r["name"] for r in texts}
    assert names <= acme.names_in("acme.example")


def test_zone_is_named_at_the_tenant_until_a_command_gives_it_up(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine
) -> None:
    cloud.cloudflare.create_zone("beta.example")
    penguin.apply(FILE.replace("dns: cloudflare}", "dns: cloudflare}, {name: beta.example}"))
    control_plane.reconcile()
    _remove(cloud, "beta.example")
    penguin.apply(FILE)
    control_plane.reconcile()
    shown = penguin.condition("InfrastructureReady")
    assert_shows(shown, ZONE_OUT_OF_REACH, zone="beta.example", count=...)
    file = str(control_plane.file)
    assert penguin("apply", "-f", file, "--forget-zone", "beta.example").status == 0
    control_plane.reconcile()
    waited = penguin("wait", "tenant", "acme", "--for=condition=DnsReady", "--timeout=0s")
    assert waited.status == 0, waited.err

    _remove(cloud, "acme.example")
    assert penguin("delete", "tenant", "acme", "--yes").status == 0
    control_plane.reconcile()
    assert_shows(penguin.condition("Ready"), ZONE_OUT_OF_REACH, zone="acme.example", count=...)
    assert list(cloud.hostwinds.all_servers()) == []
    forgotten = penguin("delete", "tenant", "acme", "--yes", "--forget-zone", "acme.example")
    assert forgotten.status == 0, forgotten.err
    control_plane.reconcile()
    assert penguin("get", "tenant", "acme").status == 1
