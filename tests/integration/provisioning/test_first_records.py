"""Nothing is bought before a record is written and read back in the zones that it needs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from controlplane.pulumi.engine import PulumiEngine
from lab.cloudflare.tokens import READ_ONLY, READ_WRITE
from stacks.faults import CLOUDFLARE_UNAUTHORIZED
from tests.support.faults import any_values, assert_shows
from tests.support.pulumi_engine import pulumi_engine
from tests.support.tenants import rendered, tenant
from tools.pulumi.engine import Engine

from .by_hand import ByHand
from .conftest import Cloud
from .control_plane import FILE, CommandLine, ControlPlane

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)
BOTH = tenant("mx1@acme.example", domains="acme.example beta.example")
IN_PLATFORM_ZONE = tenant("mx1@acme.example", domains="beta.example").replace(
    ", zone: acme.example", ""
)
UNAUTHORIZED = CLOUDFLARE_UNAUTHORIZED.name


@pytest.fixture
def zones(cloud: Cloud) -> None:
    cloud.cloudflare.create_zone("beta.example")


def engine_with(environment: dict[str, str], token: str, directory: Path) -> PulumiEngine:
    return pulumi_engine({**environment, "CLOUDFLARE_API_TOKEN": token}, directory / "operations")


def names_in(cloud: Cloud, zone: str) -> list[str]:
    [match] = [z for z in cloud.cloudflare.zones() if z["name"] == zone]
    return [record["name"] for record in cloud.cloudflare.records(match["id"])]


@pytest.mark.usefixtures("zones")
def test_token_that_may_only_read_buys_nothing_until_it_may_write(
    environment: dict[str, str], cloud: Cloud, tmp_path: Path
) -> None:
    blueprint = rendered(BOTH)
    token = cloud.cloudflare.add_token(READ_ONLY)
    state = engine_with(environment, token, tmp_path).up(blueprint, print, deadline=DEADLINE)
    assert {held.zone: held.code for held in state.held} == {
        "acme.example": UNAUTHORIZED,
        "beta.example": UNAUTHORIZED,
    }
    assert "403" in state.held[0].message
    assert state.hosts == ()
    assert cloud.bought() == []

    lines: list[str] = []
    engine = engine_with(environment, cloud.environment["CLOUDFLARE_API_TOKEN"], tmp_path)
    state = engine.up(blueprint, lines.append, deadline=DEADLINE)
    assert state.held == ()
    assert cloud.bought() == ["server"]
    assert engine.preview(blueprint, print).changes == ()
    assert not any("dns.adopted" in line for line in lines)


@pytest.mark.usefixtures("zones")
@pytest.mark.parametrize(
    ("document", "read_only", "held", "is_bought"),
    [
        (BOTH, ["acme.example"], {"acme.example"}, False),  # the zone of the host's names
        (BOTH, ["beta.example"], {"beta.example"}, True),
        (
            IN_PLATFORM_ZONE,
            ["beta.example"],
            {"beta.example"},
            False,  # no domain is left
        ),
    ],
)
def test_zone_that_cannot_be_written_holds_back_what_needs_it(
    environment: dict[str, str],
    cloud: Cloud,
    tmp_path: Path,
    document: str,
    read_only: list[str],
    held: set[str],
    is_bought: bool,
) -> None:
    token = cloud.cloudflare.add_token(READ_WRITE, read_only=read_only)
    engine = engine_with(environment, token, tmp_path)
    state = engine.up(rendered(document), print, deadline=DEADLINE)
    assert {zone.zone for zone in state.held} == held
    assert bool(state.hosts) is is_bought
    assert cloud.bought() == ["server"] * is_bought
    for zone in read_only:
        assert names_in(cloud, zone) == []


@pytest.mark.usefixtures("zones")
def test_zone_that_fails_later_holds_back_its_domain_only(
    environment: dict[str, str], cloud: Cloud, tmp_path: Path
) -> None:
    """Records of both zones name the new host: one is changed in each, and others are added."""
    cloud.cloudflare.create_zone("gamma.example")
    first = engine_with(environment, cloud.environment["CLOUDFLARE_API_TOKEN"], tmp_path)
    before = tenant("mx1@acme.example", domains="acme.example beta.example")
    first.up(rendered(before), print, deadline=DEADLINE)
    unchanged = names_in(cloud, "beta.example")
    token = cloud.cloudflare.add_token(READ_WRITE, read_only=["beta.example", "gamma.example"])
    domains = "acme.example beta.example gamma.example"
    later = tenant("mx1@acme.example", "mx2@acme.example", domains=domains)
    state = engine_with(environment, token, tmp_path).up(
        rendered(later, generation=2), print, deadline=DEADLINE
    )
    assert {zone.zone for zone in state.held} == {"beta.example", "gamma.example"}
    assert names_in(cloud, "beta.example") == unchanged
    assert {host.name for host in state.hosts} == {"mx1", "mx2"}
    assert cloud.bought() == ["server", "server"]
    again = engine_with(environment, cloud.environment["CLOUDFLARE_API_TOKEN"], tmp_path)
    blueprint = rendered(later, generation=2)
    assert again.up(blueprint, print, deadline=DEADLINE).held == ()
    assert again.preview(blueprint, print).changes == ()


def test_record_whose_answer_was_lost_is_found_in_the_zone(
    environment: dict[str, str], cloud: Cloud, tmp_path: Path
) -> None:
    cloud.cloudflare.faults.inject("lost_answer")
    engine = engine_with(environment, cloud.environment["CLOUDFLARE_API_TOKEN"], tmp_path)
    blueprint = rendered(tenant("mx1@acme.example", domains="acme.example"))
    assert engine.up(blueprint, print, deadline=DEADLINE).held == ()
    assert engine.preview(blueprint, print).changes == ()


@pytest.mark.usefixtures("zones")
def test_run_by_hand_with_a_token_that_may_only_read_buys_nothing(
    engine: Engine, environment: dict[str, str], cloud: Cloud, tmp_path: Path
) -> None:
    token = cloud.cloudflare.add_token(READ_ONLY)
    by_hand = ByHand(engine, {**environment, "CLOUDFLARE_API_TOKEN": token}, tmp_path)
    by_hand.configure(rendered(BOTH))
    shown = by_hand.up()
    assert f"[{UNAUTHORIZED}]" in shown
    assert cloud.bought() == []


def test_preview_writes_no_record(
    environment: dict[str, str], cloud: Cloud, tmp_path: Path
) -> None:
    engine = engine_with(environment, cloud.environment["CLOUDFLARE_API_TOKEN"], tmp_path)
    engine.preview(rendered(tenant("mx1@acme.example", domains="acme.example")), print)
    assert names_in(cloud, "acme.example") == []


def test_cause_is_shown_at_the_host_that_is_not_bought(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine
) -> None:
    """The zone of its own names can be written, and that of the only domain cannot."""
    usual = control_plane.environment["CLOUDFLARE_API_TOKEN"]
    token = cloud.cloudflare.add_token(READ_WRITE, read_only=["acme.example"])
    control_plane.environment["CLOUDFLARE_API_TOKEN"] = token
    penguin.apply(FILE.replace(", zone: acme.example", ""))
    control_plane.reconcile()
    for subject in ("host/mx1", "domain/acme.example"):
        condition = penguin.condition("InfrastructureReady", subject)
        assert_shows(condition, CLOUDFLARE_UNAUTHORIZED, **any_values(CLOUDFLARE_UNAUTHORIZED))
        assert "acme.example" in condition["message"]
    assert cloud.bought() == []
    control_plane.environment["CLOUDFLARE_API_TOKEN"] = usual
    control_plane.reconcile()
    assert cloud.bought() == ["server"]
