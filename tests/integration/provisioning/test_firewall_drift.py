"""A firewall that is changed in the provider's portal is detected, and corrected or reported."""

from __future__ import annotations

from typing import Any

import pytest

from blueprint.document import Firewall
from blueprint.render import INBOUND, OUTBOUND
from controlplane.hostwinds.firewall_look import INTERVAL, PAUSE, FirewallLook
from hostwinds import faults as provider
from lab.hostwinds.profiles import rule
from tests.support.faults import assert_shows
from tests.support.installation import PLATFORM

from .conftest import Cloud
from .control_plane import FILE, CommandLine, ControlPlane

pytestmark = [pytest.mark.engine]
MAIL = PLATFORM.firewall_profile
PORTS = [22, 25, 587]


@pytest.fixture
def server(control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine) -> int:
    """The server of a tenant whose infrastructure is ready."""
    penguin.apply(FILE)
    control_plane.reconcile()
    assert_ready(penguin)
    [server] = cloud.hostwinds.all_servers()
    return int(server.serviceid)


def assert_ready(penguin: CommandLine) -> None:
    waited = penguin(
        "wait", "tenant", "acme", "--for=condition=InfrastructureReady", "--timeout=0s"
    )
    assert waited.status == 0, penguin("describe", "tenant", "acme").out


def only_out(ports: list[int]) -> list[dict[str, Any]]:
    inbound = [rule("ingress", "IPv4", "tcp", port, port) for port in PORTS]
    return [*inbound, *(rule("egress", "IPv4", "tcp", port, port) for port in ports)]


def test_profile_chosen_in_the_portal_is_replaced_by_ours(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine, server: int
) -> None:
    """Also while an address waits for the portal."""
    for other, addresses in (("default", 1), ("smtp", 1), ("web", 2)):
        if addresses > 1:
            penguin.apply(FILE.replace("addresses: 1", f"addresses: {addresses}"))
            control_plane.reconcile()
        cloud.hostwinds.set_profile(cloud.hostwinds.owned(server), other)
        control_plane.reconcile()
        [shown] = cloud.hostwinds.all_servers()
        assert shown.profiles == [f"48213-{MAIL}"]
        assert_ready(penguin)
        assert penguin.last_operation()["kind"] == "refresh"
    control_plane.reconcile()
    assert cloud.bought() == ["server"]


def test_rules_changed_in_the_portal_are_named_until_they_are_corrected(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine, server: int
) -> None:
    changes: list[tuple[dict[str, Any], str]] = [
        ({"ports": [22]}, "25/tcp in, 587/tcp in"),
        ({"rules": only_out([53, 80, 443])}, "25/tcp out, 53/udp out, 123/udp out"),
    ]
    for changed, lacks in changes:
        whole = cloud.hostwinds.make_profile(MAIL, **changed)
        control_plane.reconcile()
        assert_shows(
            penguin.condition("InfrastructureReady"),
            provider.FIREWALL_PROFILE_LACKS,
            profile=whole,
            service_id=server,
            lacks=lacks,
        )
    cloud.hostwinds.make_profile(MAIL, PORTS)
    control_plane.reconcile()
    assert_ready(penguin)
    assert cloud.bought() == ["server"]


def test_provider_that_does_not_answer_leaves_a_settled_tenant_as_it_is(
    control_plane: ControlPlane, penguin: CommandLine, server: int
) -> None:
    control_plane.environment["HOSTWINDS_API_KEY"] = "rotated"
    control_plane.reconcile()
    assert_ready(penguin)
    assert provider.UNAUTHORIZED.name in {entry.get("code") for entry in control_plane.log}


def test_firewalls_take_turns_at_half_the_rate_of_the_account(
    control_plane: ControlPlane, cloud: Cloud, server: int
) -> None:
    now = [0.0]
    look = FirewallLook(control_plane.environment, clock=lambda: now[0])
    first = Firewall(profile=MAIL, inbound=INBOUND, outbound=OUTBOUND)
    second = Firewall(profile="other", inbound=INBOUND, outbound=OUTBOUND)
    assert look(server, first) is None
    cloud.hostwinds.set_profile(cloud.hostwinds.owned(server), "web")
    assert look(server, second) is None
    now[0] = PAUSE
    assert look(server, second) is not None


def test_firewall_that_was_right_is_asked_for_twice_an_hour_and_a_wrong_one_each_time(
    control_plane: ControlPlane, cloud: Cloud, server: int
) -> None:
    """All hosts of all tenants share two requests a second."""
    now = [0.0]
    look = FirewallLook(control_plane.environment, clock=lambda: now[0])
    needed = Firewall(profile=MAIL, inbound=INBOUND, outbound=OUTBOUND)
    assert look(server, needed) is None

    cloud.hostwinds.set_profile(cloud.hostwinds.owned(server), "web")
    now[0] = INTERVAL - 1
    assert look(server, needed) is None
    now[0] = INTERVAL
    assert look(server, needed) is not None

    cloud.hostwinds.set_profile(cloud.hostwinds.owned(server), f"48213-{MAIL}")
    assert look(server, needed) is None
