"""What stands between the cloud and a host that sends: SSH that refuses, names that stay wrong."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dns.reversename
import pytest

from controlplane.ansible.configurator import AnsibleConfigurator, ConfiguratorSettings
from controlplane.ansible.first_contact import SshServer
from controlplane.verification import InternetVerifier
from lab.memory import MemoryNameserver
from tests.integration.playbooks.test_first_contact import PASSWORD, Door, Host
from tests.integration.verification.conftest import IP, NameServer, serve_names

from .conftest import Cloud
from .plane import FILE, Person, Plane

pytestmark = pytest.mark.engine


class FirstContactOnly(AnsibleConfigurator):
    """Reaches hosts for real; there is nothing on them that could be configured."""

    def configure(self, *args: Any, **kwargs: Any) -> int:
        return 0


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def port() -> int:
    """A port at which nobody listens yet."""
    with socket.create_server((IP, 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def here(plane: Plane, cloud: Cloud, port: int, monkeypatch: pytest.MonkeyPatch) -> Plane:
    """A control plane whose hosts answer, if at all, at a port of this machine."""
    cloud.world._addresses = iter([IP])
    monkeypatch.setattr(
        "controlplane.ansible.first_contact.SshServer", partial(SshServer, port=port)
    )
    settings = ConfiguratorSettings(
        playbooks=Path("nowhere"), sender_sources=(), ssh_deadline=timedelta(seconds=1)
    )
    plane.configurator = FirstContactOnly(settings)
    plane.root_password = lambda _: PASSWORD
    return plane


@pytest.mark.parametrize("refusal", ["password", "connection"])
def test_ssh_that_refuses_is_told_and_comes_right_with_one_purchase(
    here: Plane, cloud: Cloud, penguin: Person, host: Host, port: int, refusal: str
) -> None:
    code, reason, remedy = {
        "password": ("hosts.ssh_refused", "HostsSshRefused", "root password"),
        "connection": ("hosts.unreachable", "HostsUnreachable", "firewall profile"),
    }[refusal]
    host.takes_passwords = False
    doors = ExitStack()
    if refusal == "password":
        doors.callback(Door(host, port).close)
    here.file.write_text(FILE)
    penguin("apply", "-f", str(here.file))

    here.visit()

    condition = penguin.condition("HostsConfigured")
    logged = penguin("logs", "acme").out
    for part in ("host/mx1", remedy):
        assert part in condition
        assert part in logged
    assert reason in condition
    assert code in logged
    assert code in [entry.get("code") for entry in here.log]
    waited = penguin("wait", "tenant", "acme", "--for=condition=HostsConfigured", "--timeout=0s")
    assert "error[wait.timeout]" in waited.err
    assert reason in waited.err

    host.takes_passwords = True
    if refusal == "connection":
        doors.callback(Door(host, port).close)
    here.visit()
    doors.close()
    waited = penguin("wait", "tenant", "acme", "--for=condition=HostsConfigured", "--timeout=0s")
    assert waited.status == 0, waited.err
    assert cloud.bought() == ["server"]


def publish(memory: MemoryNameserver, names: NameServer) -> None:
    """Let the name server say what the provider was told."""
    names.say("ns.lab.example", "A", IP)
    for zone, records in memory.zones.items():
        names.say(zone, "NS", "ns.lab.example.")
        for (name, kind), (_, contents) in records.items():
            names.say(name, kind, *(_presented(kind, content) for content in contents))
    for address, name in memory.pointers.items():
        reverse = str(dns.reversename.from_address(address)).rstrip(".")
        names.say(reverse, "PTR", f"{name}.")


def _presented(kind: str, content: str) -> str:
    if kind == "TXT":
        return " ".join(f'"{content[at : at + 200]}"' for at in range(0, len(content), 200))
    return f"{content}." if kind in ("MX", "CNAME") else content


def test_names_that_stay_wrong_are_told_until_they_are_right(
    plane: Plane, cloud: Cloud, penguin: Person
) -> None:
    transport, names, by_tcp = plane.run(serve_names())
    place = f"{IP}:{names.port}"
    plane.verifier = InternetVerifier(resolver=place, authoritative_port=names.port)
    plane.file.write_text(FILE)
    penguin("apply", "-f", str(plane.file))
    plane.visit()
    publish(cloud.nameserver, names)
    names.say("acme.example", "MX", "10 elsewhere.example.")

    for _ in range(2):
        plane.visit()
        waited = penguin("wait", "tenant", "acme", "--for=condition=DnsReady", "--timeout=0s")
        assert "error[wait.timeout]" in waited.err
        wrong = penguin.condition("DnsReady")
        assert "DnsDifferent" in wrong
        assert "acme.example MX" in wrong

    publish(cloud.nameserver, names)
    plane.visit()
    waited = penguin("wait", "tenant", "acme", "--for=condition=DnsReady", "--timeout=0s")
    assert waited.status == 0, waited.err + penguin("describe", "tenant", "acme").out
    assert cloud.bought() == ["server"]
    plane.run(_closed(transport, by_tcp))


async def _closed(transport: asyncio.DatagramTransport, by_tcp: asyncio.Server) -> None:
    transport.close()
    by_tcp.close()
    await by_tcp.wait_closed()
