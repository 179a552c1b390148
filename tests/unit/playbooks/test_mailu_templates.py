"""The files of Mailu on a host: one compose file and one environment, of our own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml

from blueprint.document import Blueprint
from blueprint.naming import SYSTEM_MAILBOX
from controlplane.images.catalogue import images_of
from controlplane.reconciler.ports import MailServer

from .test_templates import settings

Render = Callable[..., str]
DIGEST = f"sha256:{'5f' * 32}"
SERVER = MailServer(
    domain="acme.example",
    images={name: f"{image.name}@{DIGEST}" for name, image in images_of("2024.06.57").items()},
)


@pytest.fixture
def mailu(render: Render, blueprint: Blueprint) -> Render:
    """Render a file of the role."""

    def make(name: str, server: MailServer = SERVER, **extra: Any) -> str:
        return render(extra.pop("of", blueprint), "mailu", name, mailu=server, **extra)

    return make


def compose(mailu: Render, server: MailServer = SERVER) -> dict[str, Any]:
    return dict(yaml.safe_load(mailu("compose.yml.j2", server)))


def environment(text: str) -> dict[str, str]:
    lines = (line.partition("=") for line in text.splitlines() if line and line[0] != "#")
    return {name: value for name, _, value in lines}


def test_services_are_those_that_mailboxes_need(mailu: Render) -> None:
    needed = {"front", "admin", "imap", "smtp", "antispam", "resolver", "redis"}
    assert set(compose(mailu)["services"]) == needed
    with_webmail = compose(mailu, replace(SERVER, webmail=True))["services"]
    assert set(with_webmail) == needed | {"webmail"}


def test_images_are_those_that_are_pinned(mailu: Render) -> None:
    services = compose(mailu, replace(SERVER, webmail=True))["services"]
    assert {name: service["image"] for name, service in services.items()} == SERVER.images


def test_ports_of_people_are_published_at_the_primary_address_only(mailu: Render) -> None:
    services = compose(mailu, replace(SERVER, webmail=True))["services"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    ports = [f"198.18.1.10:{port}:{port}" for port in (25, 80, 443, 465, 993)]
    assert published == {"front": ports}


def test_administration_and_resolver_have_addresses_that_nothing_else_gets(mailu: Render) -> None:
    file = compose(mailu, replace(SERVER, subnet="10.9.8.0/24"))
    fixed = {
        name: service["networks"]["default"]["ipv4_address"]
        for name, service in file["services"].items()
        if "networks" in service
    }
    assert fixed == {"admin": "10.9.8.3", "resolver": "10.9.8.254"}
    [network] = file["networks"]["default"]["ipam"]["config"]
    assert network == {
        "subnet": "10.9.8.0/24",
        "ip_range": "10.9.8.128/26",
        "gateway": "10.9.8.1",
    }


def test_names_are_resolved_by_the_validating_resolver(mailu: Render) -> None:
    services = compose(mailu)["services"]
    others = {
        name: service for name, service in services.items() if name not in ("redis", "resolver")
    }
    assert {tuple(service["dns"]) for service in others.values()} == {("192.168.203.254",)}


def test_only_the_administration_can_read_the_token_of_the_api(mailu: Render) -> None:
    services = compose(mailu)["services"]
    secrets = {name: service.get("secrets", []) for name, service in services.items()}
    assert secrets.pop("redis") == []
    assert secrets.pop("admin") == ["secret_key", "api_token"]
    assert set(map(tuple, secrets.values())) == {("secret_key",)}


def test_health_of_an_idle_container_is_seldom_asked(mailu: Render) -> None:
    services = compose(mailu, replace(SERVER, webmail=True))["services"]
    assert services.pop("redis").get("healthcheck") is None  # its image has no such command
    assert [each["healthcheck"] for each in services.values()] == [{"interval": "5m"}] * len(
        services
    )


def test_settings_are_the_decided_ones(mailu: Render) -> None:
    decided = {
        "TLS_FLAVOR": "cert",
        "API": "false",
        "API_TOKEN_FILE": "/run/secrets/api_token",
        "SECRET_KEY_FILE": "/run/secrets/secret_key",
        "DOMAIN": "acme.example",
        "HOSTNAMES": "mx1.acme.example",
        "RECIPIENT_DELIMITER": "+",
        "MESSAGE_RATELIMIT": "50/day",
        "AUTH_REQUIRE_TOKENS": "True",
        "AUTH_RATELIMIT_EXEMPTION": "198.18.1.10/32,198.51.100.7/32",
        "DKIM_SELECTOR": "mu1",
        "ANTIVIRUS": "none",
        "SCAN_MACROS": "False",
        "FULL_TEXT_SEARCH": "off",
        "DISABLE_STATISTICS": "True",
        "WEBMAIL": "none",
        "PORTS": "25,80,443,465,993",
    }
    shown = environment(mailu("mailu.env.j2", base_sender_sources=["198.51.100.7/32"]))
    assert {name: shown[name] for name in decided} == decided
    assert not {"SECRET_KEY", "API_TOKEN", "INITIAL_ADMIN_PW"} & set(shown)


def test_settings_of_a_host_differ_by_what_was_ordered(mailu: Render, blueprint: Blueprint) -> None:
    large = environment(mailu("mailu.env.j2"))
    [host] = blueprint.hosts
    small = environment(
        mailu(
            "mailu.env.j2",
            replace(SERVER, messages_a_day=20, webmail=True),
            of=blueprint.model_copy(update={"hosts": (host.model_copy(update={"ram_mb": 2048}),)}),
        )
    )
    assert set(small) - set(large) == {"CPU_COUNT", "LD_PRELOAD"}
    assert small | large == small | large | {}
    assert (small["CPU_COUNT"], small["LD_PRELOAD"]) == ("1", "")
    assert (small["MESSAGE_RATELIMIT"], small["WEBMAIL"]) == ("20/day", "roundcube")


def test_settings_are_known_to_mailu(mailu: Render) -> None:
    from lab.mailu.admin.settings import KNOWN

    assert set(environment(mailu("mailu.env.j2", replace(SERVER, webmail=True)))) <= KNOWN


UNJUDGED = (
    ["b@b.acme.example"],
    ["B@B.Acme.Example", "abuse@acme.example"],
    ["postmaster+x@acme.example"],
    [f"{SYSTEM_MAILBOX}@acme.example"],
    ["abuse@mx1.acme.example"],
)
JUDGED = (
    ["sales@acme.example"],
    ["b@b.acme.example", "sales@acme.example"],
    ["sales@acme.example", "b@b.acme.example"],
    ["b@b.acme.example.evil.example"],
    ["b@bxacme.example"],
    ["xabuse@acme.example"],
    ["abuse@foreign.example"],
)


@pytest.mark.parametrize("recipients", [*UNJUDGED, *JUDGED])
def test_returned_mail_alone_is_not_judged(mailu: Render, recipients: list[str]) -> None:
    rule = mailu("settings.conf.j2")
    [pattern] = re.findall(r'^ *rcpt = "/(.*)/i";$', rule, flags=re.MULTILINE)
    others = [one for one in recipients if re.search(pattern, one, re.IGNORECASE)]
    assert bool(others) == (recipients in JUDGED)
    assert "inverse = yes" in rule
    assert "want_spam = yes" in rule


def test_inbound_instance_takes_returned_mail_from_containers_only(
    render: Render, blueprint: Blueprint
) -> None:
    main = settings(render(blueprint, "inbound", "main.cf.j2", mailu=SERVER))
    assert main["inet_interfaces"] == "10.255.0.1"
    assert main["mynetworks"] == "192.168.203.0/24"
    assert main["smtpd_client_restrictions"] == "permit_mynetworks, reject"
    assert main["smtpd_relay_restrictions"] == "reject_unauth_destination"
    domains = main["virtual_mailbox_domains"].split(", ")
    assert "b.acme.example" in domains
    assert "mx1.acme.example" in domains
    assert "acme.example" not in domains
    master = render(blueprint, "inbound", "master.cf.j2", mailu=SERVER)
    listeners = re.findall(r"^(\S+)\s+inet\b", master, flags=re.MULTILINE)
    assert listeners == ["10.255.0.1:10026", "10.255.0.1:10027"]


def test_firewall_lets_containers_hand_over_mail_and_send_it(
    render: Render, blueprint: Blueprint
) -> None:
    rules = render(blueprint, "base", "firewall.nft.j2", mailu=SERVER)
    assert (
        'iifname "br-mailu" ip saddr 192.168.203.0/24 ip daddr 10.255.0.1 tcp dport 10026 accept'
        in rules
    )
    assert "elements = { 192.168.203.0/24 }" in rules
    without = render(blueprint, "base", "firewall.nft.j2")
    assert "10026" not in without
    assert "192.168.203" not in without


def test_lone_address_passes_its_domains_to_mailu(
    render: Render, make_blueprint: Callable[[int], Blueprint]
) -> None:
    alone = settings(render(make_blueprint(1), "egress", "main.cf.j2", mailu=SERVER))
    assert " acme.example = relay:[198.18.1.10] " in alone["transport_maps"]
    assert alone["myhostname"] != alone["smtp_helo_name"] == "mx1.acme.example"
    assert alone["smtpd_banner"] == "mx1.acme.example ESMTP"


@pytest.mark.parametrize(
    ("rules", "which"),
    [("hold.nft.j2", re.escape("198.18.1.10")), ("incomplete.nft.j2", "@held")],
)
def test_mail_to_port_25_is_led_to_a_listener_that_refuses_it_for_now(
    render: Render, blueprint: Blueprint, rules: str, which: str
) -> None:
    text = render(blueprint, "inbound", rules, mailu=replace(SERVER, held=True))
    lines = [line.strip() for line in text.splitlines() if "dnat to" in line]
    led = f"ip daddr {which} tcp dport 25 dnat to 10\\.255\\.0\\.1:10027"
    assert [bool(re.fullmatch(led, lines[0])), len(lines)] == [True, 2]
    assert lines[1] == f"meta skuid postfix {lines[0]}"


def test_mail_that_is_held_while_domains_are_made_is_not_held_for_ever(
    render: Render, blueprint: Blueprint
) -> None:
    rules = render(blueprint, "inbound", "incomplete.nft.j2", mailu=SERVER)
    assert "elements = { 198.18.1.10 timeout 15m }" in rules


def test_listener_that_refuses_mail_for_now_is_there_before_mail_is_held(
    render: Render, blueprint: Blueprint
) -> None:
    master = render(blueprint, "inbound", "master.cf.j2", mailu=SERVER)
    assert "10.255.0.1:10027 inet n - n - - smtpd\n    -o smtpd_client_restrictions=defer" in master
    for role, name, accounts in (
        ("base", "firewall.nft.j2", "ct status dnat"),
        ("docker", "containers.nft.j2", "meta skuid postfix"),
    ):
        rules = render(blueprint, role, name, mailu=SERVER)
        assert f"{accounts} ip daddr 10.255.0.1 tcp dport 10027 accept" in rules
        assert "10027" not in render(blueprint, role, name)


def test_domain_that_mailu_does_not_know_is_refused_for_now(mailu: Render) -> None:
    assert settings(mailu("postfix.cf.j2"))["relay_domains_reject_code"] == "454"
    each_connection = "smtp/inet=smtp inet n - n - - smtpd -o max_use=1"
    assert each_connection in mailu("postfix.master.j2").splitlines()


def test_lone_address_beside_mailu_greets_as_itself_and_takes_mailu_for_another_server(
    render: Render, make_blueprint: Callable[[int], Blueprint]
) -> None:
    main, master = (
        render(make_blueprint(1), "egress", name, mailu=SERVER)
        for name in ("main.cf.j2", "master.cf.j2")
    )
    assert settings(main)["myhostname"] == "submission.mx1.acme.example"
    assert settings(main)["smtp_helo_name"] == "mx1.acme.example"
    assert "  -o myhostname=mx1.acme.example" in master.splitlines()[:4]
