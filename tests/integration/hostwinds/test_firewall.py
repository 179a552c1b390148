"""A mail host gets a firewall profile that lets mail pass, or the ports that are missing are named.

Its name comes from the portal, with an identifier; only its rules tell what it lets pass.
"""

from __future__ import annotations

from typing import Any, get_args

import pytest

from blueprint.render import INBOUND, OUTBOUND
from hostwinds.client import Client
from hostwinds.faults import (
    FIREWALL_PROFILE_AMBIGUOUS,
    FIREWALL_PROFILE_LACKS,
    FIREWALL_PROFILE_MISSING,
    NOT_IN_EFFECT,
)
from hostwinds.firewall import FirewallProfile, Needs, protect
from hostwinds.journal import Journal
from hostwinds.provider.resources import Firewall, Services
from hostwinds.purchase import Buyer, Deadlines, Order
from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.profiles import rule
from lab.hostwinds.switches import Settings
from tests.support.faults import fault_shown

MAIL = "penguin-mail"
PORTS = (22, 25, 587)
NEEDS = Needs(INBOUND, OUTBOUND)
OPEN = rule("egress", "IPv4", None, None, None)


def rules(*ports: int, **changed: Any) -> list[dict[str, Any]]:
    """Return rules that let TCP ports in and everything out, with the same change in each."""
    return [*(rule("ingress", "IPv4", "tcp", port, port) | changed for port in ports), OPEN]


@pytest.mark.parametrize("form", get_args(Settings.model_fields["profile_list"].annotation))
@pytest.mark.parametrize("names", ["48213-{name}", "hw_48213 {name}", "{name}"])
def test_profile_of_the_portal_is_found_by_the_end_of_its_name(
    hostwinds_account: HostwindsAccount, client: Client, server: int, form: Any, names: str
) -> None:
    hostwinds_account.settings.profile_list = form
    hostwinds_account.settings.profile_names = names
    whole = hostwinds_account.make_profile(MAIL, PORTS)
    hostwinds_account.make_profile("other", [80])
    assert protect(client, server, MAIL, NEEDS) == whole
    assert protect(client, server, MAIL.upper(), NEEDS) == whole
    assert client.firewall(server).name == whole


@pytest.mark.parametrize(
    "needed",
    [
        rules(*PORTS),
        rules(22, protocol=None, port_range_min=None, port_range_max=None),
        rules(22, port_range_min=1, port_range_max=65535),
        [rule("ingress", "IPv4", "TCP", 20, 587), rule("egress", "IPv4", "any", None, None)],
        rules(*PORTS, ethertype=None, remote_ip_prefix="0.0.0.0/0", remote_group_id=None),
        rules(22, ethertype="any", port_range_min=None, port_range_max=None),
        [rule("ingress", "IPv4", "6", 20, 587), *(OPEN | {"protocol": p} for p in ("tcp", "udp"))],
    ],
)
def test_profile_is_judged_by_what_its_rules_allow(
    hostwinds_account: HostwindsAccount, client: Client, server: int, needed: list[dict[str, Any]]
) -> None:
    hostwinds_account.make_profile(MAIL, rules=needed)
    protect(client, server, MAIL, NEEDS)


@pytest.mark.parametrize(
    ("lacking", "lacks"),
    [
        (rules(22), "25/tcp in, 587/tcp in"),
        (rules(22, 25), "587/tcp in"),
        (rules(22, 25, 465), "587/tcp in"),
        (rules(*PORTS, ethertype="IPv6"), "22/tcp in, 25/tcp in, 587/tcp in"),
        (rules(*PORTS, protocol="udp"), "22/tcp in, 25/tcp in, 587/tcp in"),
        (rules(*PORTS, remote_ip_prefix="203.0.113.9/32"), "22/tcp in, 25/tcp in, 587/tcp in"),
        (rules(*PORTS, remote_group_id="own"), "22/tcp in, 25/tcp in, 587/tcp in"),
        (rules(22, 25, port_range_max=None), "587/tcp in"),
        (rules(22, 587, port_range_min=None), "25/tcp in"),
        (rules(*PORTS)[:-1], ", ".join(f"{port} out" for port in OUTBOUND)),
        ([*rules(*PORTS)[:-1], OPEN | {"protocol": "tcp"}], "53/udp out, 123/udp out"),
    ],
)
def test_profile_that_lets_too_little_pass_is_refused_with_what_is_missing(
    hostwinds_account: HostwindsAccount,
    client: Client,
    server: int,
    lacking: list[dict[str, Any]],
    lacks: str,
) -> None:
    whole = hostwinds_account.make_profile(MAIL, rules=lacking)
    with fault_shown(FIREWALL_PROFILE_LACKS, profile=whole, service_id=server, lacks=lacks):
        protect(client, server, MAIL, NEEDS)
    hostwinds_account.make_profile(MAIL, PORTS)
    assert protect(client, server, MAIL, NEEDS) == whole


@pytest.mark.parametrize(
    ("listed", "passes"),
    [(None, False), ([], False), ({}, False), ("", False), ({"3": rules(25)[0]}, True)],
)
def test_rules_are_read_in_every_form_of_a_list(listed: Any, passes: bool) -> None:
    profile = FirewallProfile.model_validate({"name": "x", "security_group_rules": listed})
    assert any(one.allows("ingress", "25/tcp") for one in profile.rules) is passes


@pytest.mark.parametrize(
    ("ready", "lacks"),
    [
        ("default", "25/tcp in, 587/tcp in"),
        ("smtp", "22/tcp in"),
        ("web", "22/tcp in, 25/tcp in, 587/tcp in"),
    ],
)
def test_profile_of_the_provider_does_not_fit_and_never_ends_ssh(
    client: Client, server: int, ready: str, lacks: str
) -> None:
    with fault_shown(FIREWALL_PROFILE_LACKS, profile=ready, service_id=server, lacks=lacks):
        protect(client, server, ready, NEEDS)
    assert client.firewall(server).name == "default"


def test_profile_that_worked_is_restored_when_another_lets_less_pass(
    hostwinds_account: HostwindsAccount, client: Client, server: int
) -> None:
    whole = hostwinds_account.make_profile(MAIL, PORTS)
    protect(client, server, MAIL, NEEDS)
    with fault_shown(FIREWALL_PROFILE_LACKS, profile="smtp", service_id=server, lacks="22/tcp in"):
        protect(client, server, "smtp", NEEDS)
    assert client.firewall(server).name == whole


def test_profile_without_ssh_of_an_interrupted_run_is_not_restored(
    hostwinds_account: HostwindsAccount, client: Client, server: int
) -> None:
    hostwinds_account.set_profile(hostwinds_account.owned(server), "smtp")
    with fault_shown(FIREWALL_PROFILE_LACKS, profile="web", service_id=server, lacks=...):
        protect(client, server, "web", NEEDS)
    assert client.firewall(server).name == "default"


def test_profiles_that_add_up_are_judged_together(
    hostwinds_account: HostwindsAccount, client: Client, server: int
) -> None:
    hostwinds_account.settings.set_firewall = "adds"
    hostwinds_account.make_profile(MAIL, [25, 587])
    protect(client, server, MAIL, NEEDS)
    assert client.firewall(server).name == f"default, 48213-{MAIL}"


def test_profile_that_does_not_exist_says_how_to_make_it(
    hostwinds_account: HostwindsAccount, client: Client, server: int
) -> None:
    with fault_shown(FIREWALL_PROFILE_MISSING):
        protect(client, server, MAIL, NEEDS)
    with fault_shown(FIREWALL_PROFILE_MISSING, profile="custom"):
        protect(client, server, "custom", NEEDS)
    assert client.firewall(server).name == "default"


def test_server_whose_profile_does_not_exist_is_not_bought(
    hostwinds_account: HostwindsAccount, client: Client, journal: Journal
) -> None:
    buyer = Buyer(client, journal, Deadlines())
    order = Order("acme-mx1-1", 1, 2048, 50, "Seattle", "Debian 13", "monthly", MAIL, INBOUND)
    with fault_shown(FIREWALL_PROFILE_MISSING):
        buyer.instance(order, print)
    assert hostwinds_account.ledger == []


def test_profiles_that_end_alike_are_not_chosen_among_unless_one_is_equal(
    hostwinds_account: HostwindsAccount, client: Client, server: int
) -> None:
    whole = hostwinds_account.make_profile("mail", PORTS)
    hostwinds_account.make_profile("webmail", [80])
    with fault_shown(FIREWALL_PROFILE_AMBIGUOUS):
        protect(client, server, "mail", NEEDS)
    assert protect(client, server, whole, NEEDS) == whole


def test_profile_that_is_not_set_is_no_success(
    hostwinds_account: HostwindsAccount, client: Client, server: int
) -> None:
    hostwinds_account.make_profile(MAIL, PORTS)
    hostwinds_account.faults.inject("no_effect", times=-1)
    with fault_shown(NOT_IN_EFFECT, service_id=server, what="it keeps firewall profile default"):
        protect(client, server, MAIL, NEEDS)


def test_profile_whose_rules_are_changed_in_the_portal_is_set_and_judged_again(
    hostwinds_account: HostwindsAccount, client: Client, server: int, journal: Journal
) -> None:
    hostwinds_account.make_profile(MAIL, PORTS)
    services = Services(client, Buyer(client, journal, Deadlines()), lambda _: None)
    inputs = {"serviceId": server, "profile": MAIL, "inbound": [*INBOUND], "outbound": [*OUTBOUND]}
    resource = Firewall()
    ident, outputs = resource.create(inputs, services)
    assert resource.read(ident, {**inputs, **outputs}, services) == (inputs, outputs)
    hostwinds_account.make_profile(MAIL, [22])
    assert resource.read(ident, {**inputs, **outputs}, services) == (inputs, {"applied": ""})
