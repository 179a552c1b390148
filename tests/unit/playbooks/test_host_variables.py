"""Variables of a host: existing addresses, its own domains, no secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from blueprint.document import Blueprint
from blueprint.tenant import Dns, DomainSpec
from controlplane.ansible.host_variables import host_variables, secret_variables
from controlplane.reconciler.ports import (
    HostSecrets,
    MailServer,
    MailServerSecrets,
    ObservedHost,
)
from tests.support.tenants import TEXT, rendered

Observe = Callable[..., ObservedHost]
Secrets = Callable[[Blueprint], HostSecrets]


def test_address_that_sends_bulk_has_an_instance_with_its_logins(
    blueprint: Blueprint, observe: Observe, make_secrets: Secrets
) -> None:
    host = host_variables(blueprint, observe(blueprint), make_secrets(blueprint).users)

    assert [(i["address"], i["ip"], i["helo"]) for i in host["instances"]] == [
        ("mx1-2", "198.18.1.11", "out2.mx1.acme.example"),
        ("mx1-3", "198.18.1.12", "out3.mx1.acme.example"),
    ]
    assert host["instances"][0]["users"] == [
        {"username": "mx1-2.acme", "senders": ["b.acme.example", "b.other.example"]}
    ]
    assert host["instances"][0]["unit"] == r"postfix@egress\x2dmx1\x2d2.service"
    assert host["primary"]["ip"] == "198.18.1.10"
    assert not host["retired"]
    assert not host["docker"]
    assert host["mailu"] is None


def test_pending_address_is_left_out_and_nothing_else(
    blueprint: Blueprint, observe: Observe, make_secrets: Secrets
) -> None:
    host = host_variables(
        blueprint, observe(blueprint, waiting=("mx1-3",)), make_secrets(blueprint).users
    )

    assert [instance["address"] for instance in host["instances"]] == ["mx1-2"]
    assert [address["name"] for address in host["addresses"]] == ["mx1-1", "mx1-2"]


def test_host_has_its_planned_names_before_its_reverse_names_are_set(
    blueprint: Blueprint, observe: Observe, make_secrets: Secrets
) -> None:
    observed, users = observe(blueprint), make_secrets(blueprint).users
    unnamed = tuple(replace(address, helo="") for address in observed.addresses)

    assert host_variables(blueprint, replace(observed, addresses=unnamed), users) == host_variables(
        blueprint, observed, users
    )


def test_lone_address_sends_and_passes_its_domains_to_the_inbound_instance(
    make_blueprint: Callable[[int], Blueprint], observe: Observe, make_secrets: Secrets
) -> None:
    blueprint = make_blueprint(1)

    (instance,) = host_variables(blueprint, observe(blueprint), make_secrets(blueprint).users)[
        "instances"
    ]

    assert instance["ip"] == "198.18.1.10"
    assert instance["local_domains"] == ["acme.example", "b.acme.example", "mx1.acme.example"]


def test_mail_is_accepted_only_for_domains_of_this_host(
    blueprint: Blueprint, observe: Observe, make_secrets: Secrets
) -> None:
    inbound = host_variables(blueprint, observe(blueprint), make_secrets(blueprint).users)[
        "inbound"
    ]

    assert inbound["domains"] == ["acme.example"]
    assert inbound["return_paths"] == ["b.acme.example"]
    assert "out2.mx1.acme.example" in inbound["names"]


def test_returned_mail_is_accepted_at_the_target_of_an_alias_too(
    observe: Observe, make_secrets: Secrets
) -> None:
    domains = "{name: acme.example, dns: manual}, {name: other.example}"
    aliased = rendered(TEXT % ("{name: mx1}", domains))
    inbound = host_variables(aliased, observe(aliased), make_secrets(aliased).users)["inbound"]

    assert inbound["domains"] == ["other.example"], "mail of the other goes to its owner's MX"
    assert inbound["return_paths"] == [
        "b.acme.example",
        "b.acme.example.customers.penguinmails.example",
        "b.other.example",
    ]


@pytest.mark.parametrize("dns", Dns)
def test_bounces_to_a_domain_that_drains_come_in_and_nothing_else(
    dns: Dns, observe: Observe, make_secrets: Secrets
) -> None:
    old = DomainSpec(name="old.example", dns=dns, catch_all="sales@old.example")
    text = TEXT % ("{name: mx1}", "{name: acme.example}")
    blueprint = rendered(text, draining_domains=[old])
    inbound = host_variables(blueprint, observe(blueprint), make_secrets(blueprint).users)[
        "inbound"
    ]

    target = "b.old.example.customers.penguinmails.example"
    assert inbound["domains"] == ["acme.example"]
    assert inbound["return_paths"] == ["b.acme.example", "b.old.example"] + (
        [target] if dns is Dns.MANUAL else []
    )
    assert inbound["catch_alls"] == []


def test_size_is_the_one_that_was_ordered(
    blueprint: Blueprint, observe: Observe, make_secrets: Secrets
) -> None:
    host = host_variables(blueprint, observe(blueprint), make_secrets(blueprint).users)
    assert (host["ram_mb"], host["disk_gb"]) == (4096, 50)


def test_host_variables_have_no_secret(
    blueprint: Blueprint, observe: Observe, make_secrets: Secrets
) -> None:
    secrets = make_secrets(blueprint)
    shown = json.dumps(host_variables(blueprint, observe(blueprint), secrets.users))
    hidden = json.dumps(secret_variables(secrets))

    assert "$6$" not in shown
    assert "PRIVATE" not in shown
    assert "$6$salt$mx1-2" in hidden
    assert "PRIVATE-mx1-1" in hidden


def test_missing_value_is_named(
    blueprint: Blueprint, observe: Observe, make_secrets: Secrets
) -> None:
    users = make_secrets(blueprint).users
    observed = observe(blueprint)
    cases = {
        "has no host mx9": (blueprint, replace(observed, name="mx9"), users),
        "primary address of mx1": (blueprint, observe(blueprint, waiting=("mx1-1",)), users),
        "without keys": (blueprint.model_copy(update={"keys": None}), observed, users),
    }
    for message, arguments in cases.items():
        with pytest.raises(ValueError, match=message):
            host_variables(*arguments)


def test_printed_secrets_are_hidden(blueprint: Blueprint, make_secrets: Secrets) -> None:
    shown = repr(make_secrets(blueprint))

    assert "PRIVATE" not in shown
    assert "$6$" not in shown


def test_host_with_mailu_has_docker_and_its_secrets_in_the_other_file(
    blueprint: Blueprint, observe: Observe, make_secrets: Secrets
) -> None:
    own = MailServerSecrets("API-TOKEN", "SECRET-KEY", {"acme.example": "PRIVATE-DKIM"})
    secrets = replace(make_secrets(blueprint), mail_server=own)
    server = MailServer("acme.example", {"front": "ghcr.io/mailu/nginx@sha256:5f"})
    host = host_variables(blueprint, observe(blueprint), secrets.users, mailu=server)

    assert host["docker"]
    assert host["mailu"] == {
        "domain": "acme.example",
        "images": {"front": "ghcr.io/mailu/nginx@sha256:5f"},
        "subnet": "192.168.203.0/24",
        "messages_a_day": 50,
        "webmail": False,
        "held": False,
    }
    shown = json.dumps(host) + repr(secrets)
    assert not [secret for secret in ("API-TOKEN", "SECRET-KEY", "PRIVATE-DKIM") if secret in shown]
    assert secret_variables(secrets)["secret_mailu"] == {
        "api_token": "API-TOKEN",
        "secret_key": "SECRET-KEY",
        "dkim": {"acme.example": "PRIVATE-DKIM"},
    }
