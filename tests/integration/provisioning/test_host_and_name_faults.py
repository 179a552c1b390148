"""Faults of hosts, names and mail ports as users see them, raised by the real adapters."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from blueprint.document import Blueprint
from cli.faults import WAIT_TIMEOUT
from controlplane.ansible import faults as ansible
from controlplane.ansible.configurator import AnsibleConfigurator, ConfiguratorSettings
from controlplane.ansible.first_contact import SshServer
from controlplane.authority.certificates import create_ca
from controlplane.conditions.failures import FailureThreshold
from controlplane.reconciler.faults import OPERATION_ENDED
from controlplane.reconciler.ports import CloudState, Finding, HostSecrets, Login, ObservedHost
from controlplane.verification import InternetVerifier
from controlplane.verification import faults as verification
from controlplane.verification.submission import OTHER_DOMAIN
from kit.faults import Code
from kit.paths import checkout
from lab.memory import MemoryNameserver
from sandbox.recorded_verifier import RecordedVerifier
from tests.integration.playbooks.test_first_contact import PASSWORD, Host, SshPort
from tests.integration.verification.mail_server import HELO, MailServer
from tests.integration.verification.name_server import IP, NameServer, presented, reverse
from tests.support.closed_port import closed_port
from tests.support.faults import any_values, assert_shows
from tests.support.memory_configurator import MemoryConfigurator
from tests.support.waiting import SECONDS

from .conftest import Cloud
from .control_plane import FILE, CommandLine, ControlPlane

pytestmark = pytest.mark.engine

HOST, ADDRESS, DOMAIN = "host/mx1", "address/mx1-1", "domain/acme.example"
RELAYED, UNDECIDED = {OTHER_DOMAIN: "250 OK"}, {OTHER_DOMAIN: "450 later"}
ACCEPTED = ("postmaster@acme.example", "abuse@acme.example")
MX = ("acme.example", "MX")
SPF = ("acme.example", "TXT")


@pytest.fixture
def first_address() -> IPv4Address:
    """Hosts have the addresses of this machine."""
    return IPv4Address(IP)


class FirstContactOnly(AnsibleConfigurator):
    """Connects to hosts by SSH and configures nothing on them."""

    def configure(self, *args: Any, **kwargs: Any) -> int:
        return 0


class ConfigureOnly(AnsibleConfigurator):
    """Runs the real Ansible on this machine: hosts need no first contact."""

    def first_contact(self, *args: Any, **kwargs: Any) -> str:
        return f"{IP} ssh-ed25519 AAAA"

    def configure(self, *args: Any, **kwargs: Any) -> int:
        """Run without a fence, which a host keeps that can be logged in at."""
        return super().configure(*args, **{**kwargs, "fence": None})


@pytest.fixture
def port() -> Iterator[int]:
    """A port at which nothing listens yet."""
    with closed_port(IP) as port:
        yield port


@pytest.fixture
def ssh_control_plane(
    control_plane: ControlPlane, port: int, monkeypatch: pytest.MonkeyPatch
) -> ControlPlane:
    """A control plane that connects to its hosts at a port of this machine."""
    monkeypatch.setattr(
        "controlplane.ansible.first_contact.SshServer", partial(SshServer, port=port)
    )
    settings = ConfiguratorSettings(
        playbooks=Path("nowhere"), sender_sources=(), ssh_deadline=timedelta(seconds=1)
    )
    control_plane.configurator = FirstContactOnly(settings)
    control_plane.root_password = lambda _: PASSWORD
    return control_plane


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (ansible.SSH_REFUSED, "the provider's root password is refused (within 0:00:01)"),
        (ansible.UNREACHABLE, "Connection refused (within 0:00:01)"),
    ],
)
def test_refused_first_contact_is_shown_and_repeated(
    ssh_control_plane: ControlPlane,
    cloud: Cloud,
    penguin: CommandLine,
    port: int,
    code: Code,
    reason: str,
) -> None:
    host, ssh_ports = Host(), []
    host.accepts_passwords = False
    if code is ansible.SSH_REFUSED:
        ssh_ports.append(SshPort(host, port))
    penguin.apply(FILE)

    ssh_control_plane.reconcile()

    assert_shows(penguin.condition("HostsConfigured", HOST), code, reason=reason)
    assert_shows(penguin.last_operation(), code, reason=reason)
    assert code.name in [entry.get("code") for entry in ssh_control_plane.log]
    waited = penguin("wait", "tenant", "acme", "--for=condition=HostsConfigured", "--timeout=0s")
    assert_shows(waited.err, WAIT_TIMEOUT, **any_values(WAIT_TIMEOUT))
    assert code.reason in waited.err

    host.accepts_passwords = True
    if code is ansible.UNREACHABLE:
        ssh_ports.append(SshPort(host, port))
    ssh_control_plane.reconcile()
    for ssh_port in ssh_ports:
        ssh_port.close()
    waited = penguin("wait", "tenant", "acme", "--for=condition=HostsConfigured", "--timeout=0s")
    assert waited.status == 0, waited.err
    assert cloud.bought() == ["server"]


def fails(message: str) -> dict[str, Any]:
    return {"name": "Install packages", "ansible.builtin.fail": {"msg": message}}


PLAYS: dict[Code, list[dict[str, Any]] | None] = {
    ansible.TASK_FAILED: [fails("Unable to start service postfix")],
    ansible.DISK_FULL: [fails("No space left on device")],
    ansible.PACKAGES_UNAVAILABLE: [fails("Failed to fetch http://packages.example/debian")],
    ansible.CLOCK_WRONG: [fails("the clock is 3600.0 s behind 192.0.2.123 (limit: 1 s)")],
    ansible.RESOLVER_WRONG: [fails("the resolver does not validate: 127.0.0.1 answers nothing")],
    ansible.PACKAGE_MANAGER_BUSY: [fails("Could not get lock /var/lib/dpkg/lock")],
    ansible.NOT_RUN: None,
    OPERATION_ENDED: [{"name": "Wait", "ansible.builtin.command": "sleep 60"}],
}
"""The tasks of a playbook by the fault that they cause; None: there is no playbook."""


@pytest.mark.parametrize("code", PLAYS, ids=str)
def test_failure_of_ansible_is_shown(
    control_plane: ControlPlane, penguin: CommandLine, tmp_path: Path, code: Code
) -> None:
    (tmp_path / "ansible.cfg").write_text((checkout() / "playbooks/ansible.cfg").read_text())
    if (tasks := PLAYS[code]) is not None:
        play = {"hosts": "mail_hosts", "gather_facts": False, "tasks": tasks}
        (tmp_path / "site.yml").write_text(json.dumps([play]))
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    deadline = timedelta(seconds=4 if code is OPERATION_ENDED else SECONDS)
    settings = ConfiguratorSettings(
        playbooks=tmp_path, sender_sources=(), deadline=deadline, overrides=local
    )
    control_plane.configurator = ConfigureOnly(settings)
    penguin.apply(FILE)
    control_plane.reconcile()
    assert_shows(penguin.condition("HostsConfigured", HOST), code, **any_values(code))
    assert_shows(penguin.last_operation(), code, **any_values(code))


class Zones:
    """Serves the records of the emulated provider by DNS."""

    def __init__(self, names: NameServer, memory: MemoryNameserver) -> None:
        self.names = names
        self._memory = memory

    def publish(self) -> None:
        """Serve all records as the provider has them."""
        names, memory = self.names, self._memory
        names.trouble.clear()
        names.serve_servers()
        for zone, records in memory.zones.items():
            names.delegate(zone)
            for (name, kind), (_, contents) in records.items():
                names.set_record(name, kind, *(presented(kind, content) for content in contents))
        names.set_record(reverse(), "PTR", f"{memory.pointers[IP]}.")


@pytest.fixture
def zones(control_plane: ControlPlane, cloud: Cloud) -> Iterator[Zones]:
    """The zones of the tenant, empty until they are published."""
    names = control_plane.run(NameServer.start())
    address = f"{IP}:{names.port}"
    control_plane.verifier = InternetVerifier(resolver=address, authoritative_port=names.port)
    yield Zones(names, cloud.nameserver)
    control_plane.run(names.close())


def add_spf(names: NameServer) -> None:
    for table in (names.own, names.cached):
        table[SPF].append('"v=spf1 -all"')


NAME_FAULTS: list[tuple[Code, str, Callable[[NameServer], object]]] = [
    (verification.MISSING, DOMAIN, lambda names: names.set_record(*MX)),
    (verification.DIFFERENT, DOMAIN, lambda names: names.set_record(*MX, "10 elsewhere.example.")),
    (verification.SEVERAL, DOMAIN, add_spf),
    (verification.NOT_DELEGATED, DOMAIN, lambda names: names.set_record("acme.example", "NS")),
    (
        verification.SERVER_FAILED,
        DOMAIN,
        lambda names: names.trouble.update(cached="servfail"),
    ),
    (
        verification.PTR_DIFFERENT,
        ADDRESS,
        lambda names: names.set_record(reverse(), "PTR", "x.example."),
    ),
]


def test_fault_of_a_name_is_shown_until_it_is_repaired(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine, zones: Zones
) -> None:
    control_plane.threshold = FailureThreshold(looks=1, period=timedelta())
    penguin.apply(FILE)
    control_plane.reconcile()
    for code, subject, cause in NAME_FAULTS:
        zones.publish()
        cause(zones.names)
        for _ in range(2):
            control_plane.reconcile()
            assert_shows(penguin.condition("DnsReady", subject), code, **any_values(code))
        waited = penguin("wait", "tenant", "acme", "--for=condition=DnsReady", "--timeout=0s")
        assert waited.status == 1
    zones.publish()
    control_plane.reconcile()
    waited = penguin("wait", "tenant", "acme", "--for=condition=DnsReady", "--timeout=0s")
    assert waited.status == 0, waited.err + penguin("describe", "tenant", "acme").out
    assert cloud.bought() == ["server"]


class CertifiedHosts(MemoryConfigurator):
    """Stores the certificate of the host."""

    certificate: tuple[str, str]

    def configure(
        self, blueprint: Blueprint, host: ObservedHost, secrets: HostSecrets, **kwargs: Any
    ) -> int:
        [self.certificate] = secrets.tls_certificates.values()
        return super().configure(blueprint, host, secrets, **kwargs)


class MailPorts(RecordedVerifier):
    """Verifies the mail ports of this machine, and names by the provider's records."""

    def __init__(self, submission: MailServer, inbound: MailServer) -> None:
        self.submission = submission
        self.inbound = inbound

    async def verify_hosts(
        self,
        blueprint: Blueprint,
        state: CloudState,
        *,
        authority: str,
        logins: Mapping[str, Login],
        unchanged_for: timedelta,
        public_names: Collection[str] = (),
        settled_for: timedelta = timedelta.max,
    ) -> Sequence[Finding]:
        ports = InternetVerifier(submission_port=self.submission.port, mail_port=self.inbound.port)
        return await ports.verify_hosts(
            blueprint,
            state,
            authority=authority,
            logins=logins,
            unchanged_for=unchanged_for,
            public_names=public_names,
            settled_for=settled_for,
        )

    def repair(self) -> None:
        """Remove the faults of both ports."""
        for server in (self.submission, self.inbound):
            server.greeting = HELO
            server.encrypts, server.offers_auth, server.auth_in_clear = True, True, False
            server.replies = dict.fromkeys(ACCEPTED, "250 OK")
        self.inbound.encrypts = False


PORT_FAULTS: list[tuple[Code, str, Callable[[MailPorts], object]]] = [
    # First: later, when mail was accepted once, it counts only when it persists.
    (verification.INBOUND_REFUSED, DOMAIN, lambda on: on.inbound.replies.clear()),
    (verification.WRONG_NAME, ADDRESS, lambda on: setattr(on.submission, "greeting", "x.example")),
    (verification.TLS_FAILED, ADDRESS, lambda on: setattr(on.submission, "encrypts", False)),
    (verification.WRONG_AUTH, ADDRESS, lambda on: setattr(on.submission, "auth_in_clear", True)),
    (verification.WRONG_AUTH, ADDRESS, lambda on: setattr(on.submission, "offers_auth", False)),
    (verification.OPEN_RELAY, ADDRESS, lambda on: on.inbound.replies.update(RELAYED)),
    (verification.UNCLEAR, ADDRESS, lambda on: on.inbound.replies.update(UNDECIDED)),
]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_fault_of_a_mail_port_is_shown_until_it_is_repaired(
    control_plane: ControlPlane, penguin: CommandLine, port: int, tmp_path: Path
) -> None:
    hosts, authority = CertifiedHosts(), create_ca("unused", now=datetime.now(UTC))
    ports = MailPorts(MailServer(authority, port=port), MailServer(authority, port=port))
    control_plane.configurator, control_plane.verifier = hosts, ports
    control_plane.root_password = lambda _: "first"
    penguin.apply(FILE)
    control_plane.reconcile()
    control_plane.reconcile()
    closed = penguin.condition("Verified", ADDRESS)
    assert_shows(closed, verification.NO_BANNER, **any_values(verification.NO_BANNER))

    async def serve() -> list[asyncio.Server]:
        return [
            await server.listen(tmp_path, hosts.certificate)
            for server in (ports.submission, ports.inbound)
        ]

    servers = control_plane.run(serve())
    for code, subject, cause in PORT_FAULTS:
        ports.repair()
        cause(ports)
        control_plane.reconcile()
        assert_shows(penguin.condition("Verified", subject), code, **any_values(code))
    ports.repair()
    control_plane.reconcile()
    waited = penguin("wait", "tenant", "acme", "--for=condition=Verified", "--timeout=0s")

    async def close() -> None:
        for server in servers:
            server.close()
            await server.wait_closed()

    control_plane.run(close())
    assert waited.status == 0, waited.err + penguin("describe", "tenant", "acme").out
