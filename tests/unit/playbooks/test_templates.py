"""Templates rendered for a host: the settings that sending depends on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
import yaml

from blueprint.document import Blueprint, Mailbox
from sender.tokens import Tokens

Render = Callable[..., str]
SECRETS = r"\bsecret_(users|certificates|public_certificates|mailu)\b"
"""The variables of the secrets file."""


def settings(text: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in text.splitlines() if re.match(r"^[a-z_]+ =", line))
    return {key.strip(): value.strip() for key, value in pairs}


def test_instance_listens_sends_and_greets_by_one_address(
    render: Render, blueprint: Blueprint
) -> None:
    main = settings(render(blueprint, "egress", "main.cf.j2"))

    assert main["inet_interfaces"] == main["smtp_bind_address"] == "198.18.1.11"
    assert main["smtp_bind_address_enforce"] == "yes"
    assert main["myhostname"] == main["smtp_helo_name"] == "out2.mx1.acme.example"


def test_instance_has_the_decided_settings(render: Render, blueprint: Blueprint) -> None:
    main = settings(render(blueprint, "egress", "main.cf.j2"))
    decided = {
        "enable_long_queue_ids": "yes",
        "in_flow_delay": "0",
        "maximal_queue_lifetime": "2d",
        "bounce_queue_lifetime": "2d",
        "delay_warning_time": "0",
        "initial_destination_concurrency": "1",
        "smtp_destination_concurrency_limit": "2",
        "smtp_transport_rate_delay": "5s",
        "mynetworks": "",
        "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
        "smtpd_tls_auth_only": "yes",
    }

    assert {key: main[key] for key in decided} == decided
    assert "reject_sender_login_mismatch" in main["smtpd_sender_restrictions"]
    assert not [key for key in main if "milter" in key]


def test_instance_has_submission_and_no_port_25(render: Render, blueprint: Blueprint) -> None:
    master = render(blueprint, "egress", "master.cf.j2")
    listeners = re.findall(r"^(\S+)\s+inet\b", master, flags=re.MULTILINE)

    assert listeners == ["198.18.1.11:587"]
    assert "smtpd_tls_security_level=encrypt" in master


def test_login_owns_the_return_paths_of_its_tenant_only(
    render: Render, blueprint: Blueprint
) -> None:
    rules = [
        line.rpartition(" ")
        for line in render(blueprint, "egress", "sender_login.j2").splitlines()
        if line.startswith("/")
    ]
    owners = [(re.compile(pattern.strip("/"), re.IGNORECASE), name) for pattern, _, name in rules]

    def owner(address: str) -> list[str]:
        return [name for pattern, name in owners if pattern.search(address)]

    made = Tokens(bytes(32)).return_path(UUID(int=1), "198.18.1.11", "b.acme.example")
    local = made.partition("@")[0]
    assert owner(made) == owner(made.upper()) == ["mx1-2.acme"]
    assert owner("b+abc234@b.acme.example") == []
    assert owner(f"{local}@bxacme.example") == []
    assert owner(f"{local}@b.acme.example.evil.example") == []
    assert owner("ceo@acme.example") == []


def test_infrastructure_refusals_are_deferred_only_for_listed_addresses(
    render: Render, blueprint: Blueprint
) -> None:
    calm = render(blueprint, "egress", "delivery_status_filter.j2")
    trouble = render(
        blueprint, "egress", "delivery_status_filter.j2", egress_addresses_in_trouble=["mx1-2"]
    )

    assert not [line for line in calm.splitlines() if line.startswith("/")]
    (rule,) = [line for line in trouble.splitlines() if line.startswith("/")]
    pattern = rule[1 : rule.rindex("/")]
    assert re.sub(pattern, r"4\1", "5.7.1 PTR missing") == "4.7.1 PTR missing"
    assert re.sub(pattern, r"4\1", "5.1.1 unknown user") == "5.1.1 unknown user"


def test_lone_address_passes_its_domains_to_the_inbound_instance(
    render: Render, make_blueprint: Callable[[int], Blueprint]
) -> None:
    alone = settings(render(make_blueprint(1), "egress", "main.cf.j2"))
    among_others = settings(render(make_blueprint(3), "egress", "main.cf.j2"))

    for name in ("b.acme.example", "acme.example", "mx1.acme.example"):
        assert f" {name} = relay:[127.0.0.1]:10025" in alone["transport_maps"]
    assert "transport_maps" not in among_others


def test_inbound_instance_accepts_returned_mail_and_relays_nothing(
    render: Render, blueprint: Blueprint
) -> None:
    main = settings(render(blueprint, "inbound", "main.cf.j2"))

    assert main["smtpd_relay_restrictions"] == "reject_unauth_destination"
    assert main["mynetworks"] == ""
    assert {"dsn", "etrn"} <= set(main["smtpd_discard_ehlo_keywords"].split(", "))
    assert "b.acme.example" in main["virtual_mailbox_domains"].split(", ")
    assert "soft_bounce" not in main


def test_retired_host_refuses_mail_for_now_only(render: Render, blueprint: Blueprint) -> None:
    hosts = tuple(
        host.model_copy(
            update={
                "addresses": tuple(
                    address.model_copy(update={"draining": address.sends_bulk})
                    for address in host.addresses
                )
            }
        )
        for host in blueprint.hosts
    )
    retired = blueprint.model_copy(update={"hosts": hosts})
    assert settings(render(retired, "inbound", "main.cf.j2"))["soft_bounce"] == "yes"


MAILBOXES = (
    ("sales@acme.example", "people/sales%40acme.example/"),
    ("SALES+eu@acme.example", "people/sales%40acme.example/"),
    ("o'neil$1@acme.example", "people/o%27neil%241%40acme.example/"),
    ("a/b|c*@acme.example", "people/a%2Fb%7Cc%2A%40acme.example/"),
    ("abuse@acme.example", "people/abuse%40acme.example/"),
    ("postmaster@acme.example", "postmaster/"),
    ("abuse@out2.mx1.acme.example", "postmaster/"),
    (f"b+{'a' * 48}@b.acme.example", "bounces/"),
    (f"B+{'Z' * 48}@B.ACME.EXAMPLE", "bounces/"),
    (f"b+{'a' * 47}@b.acme.example", None),
    (f"b+{'b' * 49}@b.acme.example", "bounces/"),
    (f"b+{'a' * 50}@b.acme.example", None),
    (f"b+{'1' * 48}@b.acme.example", None),
    ("b+x@b.acme.example", None),
    ("salesx@acme.example", None),
    ("xsales@acme.example", None),
    ("sales@acmexexample", None),
    ("ann@other.example", None),
)


def test_mailboxes_are_those_that_are_declared(render: Render, blueprint: Blueprint) -> None:
    names = ("sales", "o'neil$1", "a/b|c*", "abuse")
    declared = [
        Mailbox(address=f"{name}@acme.example", domain="acme.example", daily_cap=10)
        for name in names
    ]
    declared.append(Mailbox(address="ann@other.example", domain="other.example", daily_cap=10))
    with_mailboxes = blueprint.model_copy(update={"mailboxes": tuple(declared)})
    table = render(with_mailboxes, "inbound", "mailboxes.j2")
    assert {address: looked_up(table, address) for address, _ in MAILBOXES} == dict(MAILBOXES)


def looked_up(table: str, address: str) -> str | None:
    """Look an address up in a table of regular expressions, as Postfix does."""
    for rule in (line for line in table.splitlines() if line and not line.startswith("#")):
        pattern, _, result = rule[1:].rpartition(f"{rule[0]} ")
        if re.search(pattern, address, re.IGNORECASE):
            return result
    return None


def test_mail_to_an_alias_and_its_sub_addresses_is_the_mailboxs(
    render: Render, blueprint: Blueprint
) -> None:
    aliases = ("hello@acme.example", "a.b@acme-mail.example")
    box = Mailbox(
        address="sales@acme.example", domain="acme.example", daily_cap=10, aliases=aliases
    )
    table = render(blueprint.model_copy(update={"mailboxes": (box,)}), "inbound", "mailboxes.j2")
    for address in ("hello@acme.example", "Hello+x@acme.example", "a.b@acme-mail.example"):
        assert looked_up(table, address) == "people/sales%40acme.example/"
    assert looked_up(table, "axb@acme-mail.example") is None
    assert looked_up(table, "hello@acme-mail.example") is None


def test_catch_all_gets_what_no_other_mailbox_of_its_domain_gets(
    render: Render, blueprint: Blueprint
) -> None:
    boxes = [
        Mailbox(address=f"{name}@acme.example", domain="acme.example", daily_cap=10)
        for name in ("sales", "all")
    ]
    domains = [
        domain.model_copy(update={"catch_all": "all@acme.example"}) for domain in blueprint.domains
    ]
    changed = {"mailboxes": tuple(boxes), "domains": tuple(domains)}
    table = render(blueprint.model_copy(update=changed), "inbound", "mailboxes.j2")
    assert looked_up(table, "anybody@acme.example") == "people/all%40acme.example/"
    assert looked_up(table, "sales+x@acme.example") == "people/sales%40acme.example/"
    assert looked_up(table, "postmaster@acme.example") == "postmaster/"
    assert looked_up(table, "b+x@b.acme.example") is None
    assert looked_up(table, "anybody@sub.acme.example") is None


def test_domain_in_punycode_is_accepted_in_unicode_too(
    render: Render, blueprint: Blueprint
) -> None:
    """A sender who uses SMTPUTF8 may write either (RFC 6531 3.7.1)."""
    name, shown = "xn--bcher-kva.example", "bücher.example"
    domain = blueprint.domains[0].model_copy(
        update={"name": name, "return_path": f"b.{name}", "catch_all": f"all@{name}"}
    )
    boxes = tuple(
        Mailbox(address=f"{local}@{name}", domain=name, daily_cap=10) for local in ("sales", "all")
    )
    changed = blueprint.model_copy(update={"domains": (domain,), "mailboxes": boxes})
    main = settings(render(changed, "inbound", "main.cf.j2"))
    table = render(changed, "inbound", "mailboxes.j2")

    assert {name, shown, f"b.{shown}"} <= set(main["virtual_mailbox_domains"].split(", "))
    for form in (name, shown):
        assert looked_up(table, f"sales+x@{form}") == f"people/sales%40{name}/"
        assert looked_up(table, f"anybody@{form}") == f"people/all%40{name}/"
        assert looked_up(table, f"postmaster@{form}") == "postmaster/"
        assert looked_up(table, f"b+{'a' * 48}@b.{form}") == "bounces/"
        assert looked_up(table, f"b+x@b.{form}") is None


@pytest.mark.parametrize("role", ["inbound", "egress"])
def test_listener_takes_one_message_as_one_and_stops_before_the_disk_is_full(
    render: Render, blueprint: Blueprint, role: str
) -> None:
    main = settings(render(blueprint, role, "main.cf.j2"))

    assert main["smtpd_forbid_bare_newline"] == "normalize"
    assert main["smtpd_forbid_bare_newline_exclusions"] == "$mynetworks"
    assert main["mynetworks"] == ""
    assert main["smtpd_forbid_unauth_pipelining"] == "yes"
    assert int(main["queue_minfree"]) > 1.5 * int(main["message_size_limit"])


def test_mail_that_comes_in_leaves_room_for_the_mail_that_goes_out(
    render: Render, blueprint: Blueprint
) -> None:
    inbound, egress = (
        int(settings(render(blueprint, role, "main.cf.j2"))["queue_minfree"])
        for role in ("inbound", "egress")
    )
    assert inbound >= 2 * egress


def test_strangers_are_limited_and_their_bounces_are_removed(
    render: Render, blueprint: Blueprint
) -> None:
    sources = ["198.18.0.1/32"]
    main = settings(render(blueprint, "inbound", "main.cf.j2", base_sender_sources=sources))
    limits = {
        "message_size_limit": "10485760",
        "smtpd_client_connection_count_limit": "20",
        "smtpd_client_connection_rate_limit": "50",
        "smtpd_client_message_rate_limit": "100",
        "smtpd_client_recipient_rate_limit": "200",
        "smtpd_client_event_limit_exceptions": "127.0.0.1, 198.18.1.10, 198.18.0.1/32",
        "smtpd_recipient_limit": "50",
    }
    aged = render(blueprint, "inbound", "tmpfiles.conf.j2")

    assert {key: main[key] for key in limits} == limits
    assert "e /var/mail/penguin/bounces/new - - - m:14d" in aged.splitlines()


def test_address_delivers_with_few_processes(render: Render, blueprint: Blueprint) -> None:
    lines = render(blueprint, "egress", "master.cf.j2").splitlines()
    others = render(blueprint, "inbound", "master.cf.j2").splitlines()
    processes = {line.split()[0]: line.split()[6] for line in lines if " unix " in line}

    assert (processes["smtp"], processes["relay"]) == ("5", "-")
    assert [line.split()[6] for line in others if line.startswith("smtp ")] == ["-"]


def test_default_instance_is_the_same_whatever_addresses_the_host_has(
    render: Render, make_blueprint: Callable[[int], Blueprint]
) -> None:
    """Its restart is one of all instances."""
    few, many = (render(make_blueprint(count), "postfix", "main.cf.j2") for count in (1, 3))
    assert few == many


def test_host_tries_every_address_by_the_echo_mx(render: Render, blueprint: Blueprint) -> None:
    echo = "echo.penguin.example"
    tried = json.loads(render(blueprint, "outbound", "outbound.json.j2", outbound_echo_mx=echo))

    assert (tried["mx"], tried["port"]) == (echo, 25)
    assert tried["account"] == "postfix"  # no other may open connections to port 25
    assert [(address["ip"], address["helo"]) for address in tried["addresses"]] == [
        ("198.18.1.10", "mx1.acme.example"),
        ("198.18.1.11", "out2.mx1.acme.example"),
        ("198.18.1.12", "out3.mx1.acme.example"),
    ]
    without = json.loads(render(blueprint, "outbound", "outbound.json.j2"))
    assert without["addresses"] == []


def test_containers_have_the_mail_ports_of_the_primary_address_only(
    render: Render, blueprint: Blueprint
) -> None:
    rules = render(blueprint, "docker", "containers.nft.j2")

    [accepted] = re.findall(r"ct original ip daddr (.+) accept", rules)
    assert accepted == "198.18.1.10 ct original proto-dst { 25, 80, 443, 465, 993 }"
    assert set(re.findall(r"snat to (\S+\.\S+)", rules)) == {"198.18.1.10"}
    assert "flush" not in rules


def test_root_has_only_the_tenants_key(render: Render, blueprint: Blueprint) -> None:
    keys = render(blueprint, "base", "authorized_keys.j2")

    assert [line for line in keys.splitlines() if not line.startswith("#")] == [
        "ssh-ed25519 AAAA acme"
    ]


def test_accounts_with_sudo_need_no_password(render: Render, blueprint: Blueprint) -> None:
    people = [{"name": "ann", "key": "k", "sudo": True}, {"name": "bob", "key": "k"}]
    rules = render(blueprint, "base", "sudoers.j2", base_users=people)

    assert [line for line in rules.splitlines() if not line.startswith("#")] == [
        "ann ALL=(ALL:ALL) NOPASSWD: ALL"
    ]


def test_roles_have_no_secret_and_tasks_with_one_are_silent(playbooks: Path) -> None:
    for file in sorted(playbooks.glob("roles/*/tasks/*.yml")):
        for task in yaml.safe_load(file.read_text()):
            sources = re.findall(r"'src': '([^']+)'", str(task))
            templates = [file.parents[1] / "templates" / source for source in sources]
            texts = [str(task), *(template.read_text() for template in templates)]
            secret = any(re.search(SECRETS, text) for text in texts)
            assert bool(task.get("no_log")) == secret, task["name"]


def test_ansible_accepts_the_playbook(playbooks: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "--syntax-check",
            "-i",
            "mail,",
            str(playbooks / "site.yml"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(playbooks / "ansible.cfg"),
        },
    )

    assert done.returncode == 0, done.stderr


def test_port_25_shows_the_public_certificate_and_port_587_the_tenants_own(
    render: Render, blueprint: Blueprint
) -> None:
    name = blueprint.hosts[0].primary.helo
    public = {name: {"certificate": "PUBLIC-CHAIN", "private_key": "PUBLIC-KEY"}}
    shown = render(blueprint, "inbound", "tls.pem.j2", secret_public_certificates=public)
    assert shown.split() == ["PUBLIC-KEY", "PUBLIC-CHAIN"]
    assert render(blueprint, "inbound", "tls.pem.j2").split() == [
        "PRIVATE-mx1-1",
        "CERTIFICATE-mx1-1",
    ]
    item = {"helo": name}
    of_egress = render(
        blueprint, "egress", "tls.pem.j2", item=item, secret_public_certificates=public
    )
    assert of_egress.split() == ["PRIVATE-mx1-1", "CERTIFICATE-mx1-1"]
