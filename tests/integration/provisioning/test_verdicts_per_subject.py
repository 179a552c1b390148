"""A host, a zone or an address that fails stops only what depends on it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from controlplane.ansible.faults import UNREACHABLE
from controlplane.database import CONTROLLER
from controlplane.verification.faults import NO_BANNER, TLS_FAILED
from tests.support.memory_configurator import PASSWORD, MemoryConfigurator
from tests.support.memory_internet import MemoryInternet

from .conftest import Cloud
from .control_plane import FILE, CommandLine, ControlPlane

pytestmark = pytest.mark.engine

TWO_HOSTS = FILE.replace("addresses: 1", "addresses: 3").replace(
    "hosts: [", "hosts: [{name: mx2, size: business, addresses: 1, zone: acme.example}, "
)
THREE_DOMAINS = FILE.replace(
    "domains: [", "domains: [{name: missing.example}, {name: other.example}, "
)
TWO_DOMAINS = TWO_HOSTS.replace("domains: [", "domains: [{name: other.example}, ")
"""Each host has mail of each domain, so that all are configured for another one."""
MAILBOX = "  mailboxes: [{address: new@acme.example}]\n"


@pytest.fixture
def hosts(control_plane: ControlPlane) -> MemoryConfigurator:
    control_plane.configurator = MemoryConfigurator()
    control_plane.root_password = lambda _: PASSWORD
    return control_plane.configurator


@pytest.fixture
def internet(control_plane: ControlPlane) -> MemoryInternet:
    control_plane.verifier = MemoryInternet()
    return control_plane.verifier


def conditions(penguin: CommandLine) -> dict[tuple[str, str], tuple[str, str]]:
    shown = json.loads(penguin("get", "tenant", "acme", "-o", "json").out)
    return {(c["subject"], c["type"]): (c["status"], c["reason"]) for c in shown["conditions"]}


def published(control_plane: ControlPlane) -> dict[str, Any]:
    async def read() -> dict[str, Any]:
        async with control_plane.database.begin(CONTROLLER) as connection:
            result = await connection.execute(text("select document from directory.entries"))
            return dict(result.scalar_one())

    return control_plane.run(read())


def test_dead_host_hides_no_fault_of_another_and_holds_back_no_mailbox(
    control_plane: ControlPlane,
    cloud: Cloud,
    penguin: CommandLine,
    hosts: MemoryConfigurator,
    internet: MemoryInternet,
) -> None:
    control_plane.file.write_text(TWO_HOSTS)
    penguin("apply", "-f", str(control_plane.file))
    control_plane.reconcile()
    [mx1] = [server for server in cloud.hostwinds.all_servers() if "mx1" in server.srvrname]
    for _ in range(2):
        cloud.hostwinds.attach(mx1.serviceid)
    control_plane.reconcile()
    assert conditions(penguin)["tenant", "Ready"] == ("True", "Ready")

    hosts.dead = internet.dead = {"mx2"}
    internet.wrong["address/mx1-3", "smtp.tls"] = TLS_FAILED
    configured = hosts.runs.count("mx1")
    cloud.cloudflare.create_zone("other.example")
    control_plane.file.write_text(TWO_DOMAINS + MAILBOX)
    penguin("apply", "-f", str(control_plane.file))
    control_plane.reconcile()

    seen = conditions(penguin)
    assert seen["host/mx2", "HostsConfigured"] == ("False", UNREACHABLE.reason)
    assert seen["host/mx1", "HostsConfigured"] == ("True", "Configured")
    assert seen["address/mx1-3", "Verified"] == ("False", TLS_FAILED.reason)
    assert seen["address/mx2-1", "Verified"] == ("False", NO_BANNER.reason)
    assert seen["address/mx1-2", "Ready"] == ("True", "Ready")
    assert seen["tenant", "Synced"] == ("False", UNREACHABLE.reason)
    assert seen["tenant", "Available"] == ("True", "MailFlows")
    assert seen["mailbox/new@acme.example", "SendingEnabled"] == ("True", "Published")
    entry = published(control_plane)
    assert [box["address"] for box in entry["mailboxes"]] == ["new@acme.example"]
    assert (entry["postal_address"], entry["language"]) == ("Springfield", "en")
    usable = {a["name"]: a["ready"] for a in entry["addresses"]}
    assert usable == {"mx1-2": True, "mx1-3": False, "mx2-1": False}

    internet.wrong = {}
    control_plane.reconcile()
    seen = conditions(penguin)
    assert hosts.runs.count("mx1") == configured + 2, "for mailbox and domain, and since it broke"
    assert seen["address/mx1-3", "Verified"] == ("True", "Verified")
    assert seen["tenant", "Ready"] == ("False", UNREACHABLE.reason)

    hosts.dead = internet.dead = set()
    control_plane.reconcile()
    assert conditions(penguin)["tenant", "Ready"] == ("True", "Ready")
    assert cloud.bought().count("server") == 2


def test_domain_without_a_zone_holds_back_only_itself(
    control_plane: ControlPlane,
    cloud: Cloud,
    penguin: CommandLine,
    hosts: MemoryConfigurator,
    internet: MemoryInternet,
) -> None:
    cloud.cloudflare.create_zone("other.example")
    control_plane.file.write_text(THREE_DOMAINS)
    penguin("apply", "-f", str(control_plane.file))
    control_plane.reconcile()

    seen = conditions(penguin)
    assert seen["domain/missing.example", "InfrastructureReady"] == ("False", "DnsZoneNotFound")
    assert seen["domain/missing.example", "Ready"] == ("False", "DnsZoneNotFound")
    for domain in ("acme.example", "other.example"):
        assert seen[f"domain/{domain}", "Ready"] == ("True", "Ready"), domain
    assert seen["tenant", "Available"] == ("True", "MailFlows")
    assert seen["tenant", "Ready"] == ("True", "Ready")
    assert cloud.bought() == ["server"]
    verified = {d["name"]: d["verified"] for d in published(control_plane)["domains"]}
    assert verified == {"acme.example": True, "other.example": True, "missing.example": False}

    cloud.cloudflare.create_zone("missing.example")
    control_plane.reconcile()
    seen = conditions(penguin)
    assert seen["domain/missing.example", "Ready"] == ("True", "Ready")
    assert cloud.bought() == ["server"]


def test_pending_address_holds_back_only_itself(
    control_plane: ControlPlane,
    cloud: Cloud,
    penguin: CommandLine,
    hosts: MemoryConfigurator,
    internet: MemoryInternet,
) -> None:
    control_plane.file.write_text(FILE.replace("addresses: 1", "addresses: 3"))
    penguin("apply", "-f", str(control_plane.file))
    control_plane.reconcile()
    cloud.sell_addresses(1)
    control_plane.reconcile()

    seen = conditions(penguin)
    assert seen["address/mx1-2", "Ready"] == ("True", "Ready")
    assert seen["address/mx1-3", "Ready"] == ("False", "WaitingForProvider")
    assert seen["tenant", "Available"] == ("True", "MailFlows")
