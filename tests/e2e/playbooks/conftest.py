"""One real host, ordered from the lab and configured as a tenant's would be."""

from __future__ import annotations

import itertools
import json
import secrets
import smtplib
import socketserver
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from blueprint.document import Blueprint, PublicKeys
from blueprint.loading import parse
from blueprint.render import render
from controlplane.ansible.configurator import AnsibleConfigurator, ConfiguratorSettings
from controlplane.ansible.run import Events
from controlplane.authority.certificates import create_ca, issue
from controlplane.authority.credentials import Credential, create_credential
from controlplane.reconciler.faults import OPERATION_ENDED
from controlplane.reconciler.ports import (
    HostSecrets,
    ObservedAddress,
    ObservedHost,
    SubmissionUser,
)
from kit.faults import Fault
from lab import cgroups, network
from lab.running import RunningLab
from tests.support.faults import fault_shown
from tests.support.installation import PLATFORM
from tests.support.provider import Customer, Server
from tests.support.waiting import SECONDS, wait_for

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
ADDRESSES = 3
IDN = "xn--bcher-kva.example"
DEAD_SOURCE = "deb [trusted=yes] http://127.0.0.1:9/ ./"
TOKENS = itertools.count(1)
"""Each run has a lease of its own, as that of a later pass."""
SSH_OPTIONS = [
    *("-o", "StrictHostKeyChecking=no"),
    *("-o", "UserKnownHostsFile=/dev/null"),
    *("-o", "BatchMode=yes"),
]


@dataclass(frozen=True)
class MailHost:
    """A host as the control plane sees it, with operations for tests."""

    blueprint: Blueprint
    observed: ObservedHost
    secrets: HostSecrets
    credentials: dict[str, Credential]
    ca: str
    lab: RunningLab
    known_host: str
    lines: list[str] = field(default_factory=list)
    """Every progress line of every run."""
    playbooks: Path = PLAYBOOKS
    stop: threading.Event = field(default_factory=threading.Event)
    """Ends a run."""

    def configurator(
        self,
        source: str | None = None,
        *,
        patience: timedelta = timedelta(seconds=SECONDS),
        **overrides: object,
    ) -> AnsibleConfigurator:
        return AnsibleConfigurator(
            ConfiguratorSettings(
                playbooks=self.playbooks,
                sender_sources=(f"{self.lab.sender_address}/32",),
                package_sources=(source or f"deb [trusted=yes] {self.lab.packages} ./",),
                time_servers=(self.lab.time_server or "",),
                forwarders=(self.lab.resolver or "",),
                trust_anchor=self.lab.trust_anchor,
                echo_mx=self.lab.echo_mx,
                ssh_deadline=patience,
                deadline=timedelta(minutes=15),
                overrides=overrides,
            ),
            stop=self.stop,
        )

    def configure(
        self, source: str | None = None, *, token: int | None = None, **changes: object
    ) -> int:
        """Run the playbooks; `changes` replace fields of this host first."""
        host = replace(self, **changes)  # type: ignore[arg-type]
        return self.configurator(source).configure(
            host.blueprint,
            host.observed,
            host.secrets,
            known_host=host.known_host,
            progress=self.lines.append,
            fence=token or next(TOKENS),
        )

    def set_accounts(self, *people: dict[str, object]) -> None:
        """Run the playbooks with accounts for exactly these people."""
        self.configurator(base_users=list(people)).configure(
            self.blueprint,
            self.observed,
            self.secrets,
            known_host=self.known_host,
            progress=self.lines.append,
            fence=next(TOKENS),
        )

    def shell(self, command: str, user: str = "root") -> str:
        """Run a command on the host, with the tenant's key."""
        with _key_file(self.secrets.ssh_private_key) as key:
            done = subprocess.run(
                ["ssh", "-i", key, *SSH_OPTIONS, f"{user}@{self.observed.primary_ip}", command],
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS,
            )
        return done.stdout

    def submission(self, address: str, *, tls: bool = True) -> smtplib.SMTP:
        """A connection to the submission port of one address, certificate checked."""
        target = next(a for a in self.observed.addresses if a.name == address)
        assert target.ip is not None
        client = smtplib.SMTP(timeout=SECONDS, source_address=(self.lab.sender_address or "", 0))
        # smtplib has no other way to say which name the certificate must have.
        client._host = target.helo  # type: ignore[attr-defined]
        client.connect(target.ip, 587)
        client.ehlo("sender.example")
        if tls:
            client.starttls(context=ssl.create_default_context(cadata=self.ca))
            client.ehlo("sender.example")
        return client

    def login(self, address: str) -> smtplib.SMTP:
        """A connection that is logged in as the tenant."""
        client = self.submission(address)
        credential = self.credentials[address]
        client.login(credential.username, credential.password)
        return client


def playbooks_of(directory: Path, *roles: str) -> Path:
    """Return the playbooks with these roles only, in a directory."""
    for path in PLAYBOOKS.iterdir():
        (directory / path.name).symlink_to(path)
    [play] = yaml.safe_load((PLAYBOOKS / "site.yml").read_text())
    play["roles"] = [role for role in play["roles"] if role["role"] in roles]
    (directory / "site.yml").unlink()
    (directory / "site.yml").write_text(yaml.safe_dump([play]))
    return directory


@contextmanager
def _key_file(text: str) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".key") as file:
        file.write(text)
        file.flush()
        yield file.name


def _blueprint(public_key: str) -> Blueprint:
    tenant = parse(
        {
            "apiVersion": "penguinmails.dev/v1",
            "kind": "Tenant",
            "metadata": {"name": "play"},
            "spec": {
                "plan": "business",
                "region": "us-west",
                "hosts": [
                    {"name": "mx1", "addresses": ADDRESSES, "zone": "play.example", "mail": "none"}
                ],
                "domains": [
                    {"name": "play.example"},
                    {"name": IDN, "catch_all": f"all@{IDN}"},
                ],
                "mailboxes": [
                    {"address": address}
                    for address in ("sales@play.example", "o'n/$1@play.example", f"all@{IDN}")
                ],
                "sending": {"postal_address": "Acme Inc., Springfield"},
            },
        },
        platform=PLATFORM,
    )
    keys = PublicKeys(ssh=public_key, dkim={})
    return render(tenant, platform=PLATFORM, keys=keys, generation=1)


def make_ssh_key() -> tuple[str, str]:
    """Private key in OpenSSH format, and the line of its public half."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), public.decode() + " play"


@pytest.fixture(scope="session")
def server(customer: Customer) -> Server:
    """A server that runs, with nothing on it; the provider's firewall lets mail in."""
    server = customer.order(f"play-{secrets.token_hex(3)}")
    profiles = customer.portal("profiles", name="play", ports=[22, 25, 587])
    [whole] = [profile["name"] for profile in profiles if profile["name"].endswith("play")]
    customer.call("set_instance_firewall", serviceid=server.service_id, name=whole)
    return server


@pytest.fixture(scope="session")
def ordered_host(lab: RunningLab, customer: Customer, server: Server) -> MailHost:
    """A host after first contact, with nothing installed yet."""
    return contacted(lab, customer, server)


def contacted(lab: RunningLab, customer: Customer, server: Server) -> MailHost:
    """Give a server its addresses and our key."""
    private, public = make_ssh_key()
    blueprint = _blueprint(public)
    addresses = blueprint.hosts[0].addresses
    numbers = [server.address]
    numbers += [customer.attach(server.service_id) for _ in addresses[1:]]
    now = datetime.now(UTC)
    ca = create_ca("play", now=now)
    leaves = {address.helo: issue(ca, address.helo, now=now) for address in addresses}
    credentials = {
        address.name: create_credential(address.name, "play")
        for address in addresses
        if address.sends_bulk
    }
    observed = ObservedHost(
        name="mx1",
        server_name=blueprint.hosts[0].server_name,
        service_id=server.service_id,
        addresses=tuple(
            ObservedAddress(name=address.name, ip=ip, helo=address.helo)
            for address, ip in zip(addresses, numbers, strict=True)
        ),
    )
    host = MailHost(
        blueprint=blueprint,
        observed=observed,
        secrets=HostSecrets(
            ssh_private_key=private,
            tls_certificates={
                helo: (leaf.certificate, leaf.private_key) for helo, leaf in leaves.items()
            },
            users=tuple(
                SubmissionUser(
                    address=name,
                    username=credential.username,
                    senders=("b.play.example",),
                )
                for name, credential in credentials.items()
            ),
            password_hashes={
                credential.username: credential.password_hash for credential in credentials.values()
            },
        ),
        credentials=credentials,
        ca=ca.certificate,
        lab=lab,
        known_host="",
    )
    line = host.configurator().first_contact(
        observed,
        ssh_public_key=public,
        password=server.password,
        progress=host.lines.append,
        ssh_private_key=private,
    )
    return replace(host, known_host=line)


def cut_once(
    host: MailHost, configure: Callable[[MailHost], object], customer: Customer, task: str
) -> None:
    """Cut the power of a host, and end its run, when a task has changed something; boot it."""
    service, stop = host.observed.service_id, threading.Event()

    class Lines(list[str]):
        def append(self, line: str) -> None:
            super().append(line)
            if line.endswith(f": changed: {task}"):
                cgroups.kill(cgroups.root() / f"{network.PREFIX}{service}")
                stop.set()  # else it could go on when the host is back

    with fault_shown(OPERATION_ENDED, reason="the control plane was asked to stop"):
        configure(replace(host, lines=Lines(), stop=stop))
    customer.call("shutdown", serviceid=service)  # as the provider sees it, too
    customer.call("boot", serviceid=service)
    wait_for(lambda: host.shell("id -un") == "root\n", longest_pause=1)


@dataclass(frozen=True)
class Runs:
    """Results of runs: with dead package sources, after an interrupted installation, and again."""

    broken: Fault
    first: int
    second: int
    events: list[str]
    """What Ansible reported."""


CUT_OFF = """
cd /tmp; export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o Dir::Etc::SourceList=/etc/apt/sources.list update
apt-get -qq -o Dir::Etc::SourceList=/etc/apt/sources.list download postfix
dpkg --unpack postfix_*.deb; dpkg --configure -a; dpkg-query -W -f '${db:Status-Status}' postfix
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
"""
"""Leaves a package without its dependencies, as a power failure during an installation does."""


@pytest.fixture(scope="session")
def runs(ordered_host: MailHost) -> Runs:
    with pytest.raises(Fault) as broken:
        ordered_host.configure(DEAD_SOURCE)
    assert ordered_host.shell(CUT_OFF).endswith("unpacked")
    events: list[str] = []
    handle = Events.handle

    def spy(self: Events, event: dict[str, object]) -> bool:
        events.append(json.dumps(event, default=str))
        return handle(self, event)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Events, "handle", spy)
        first, second = ordered_host.configure(), ordered_host.configure()
    return Runs(broken.value, first, second, events)


@pytest.fixture
def mail_host(ordered_host: MailHost, runs: Runs) -> MailHost:
    """The host, configured."""
    assert runs.second == 0
    return ordered_host


@dataclass(frozen=True)
class Delivery:
    """One message as the sink received it."""

    source: str
    helo: str
    sender: str
    text: str


class _Session(socketserver.StreamRequestHandler):
    server: Sink

    def handle(self) -> None:
        helo = sender = ""
        self._reply("220 sink.example ESMTP")
        for raw in self.rfile:
            line = raw.decode().strip()
            verb = line[:4].upper()
            if verb in {"EHLO", "HELO"}:
                helo = line[5:]
            elif verb == "MAIL":
                sender = line[line.index("<") + 1 : line.index(">")]
            elif verb == "DATA":
                self._reply("354 continue")
                text = "".join(iter(lambda: self.rfile.readline().decode(), ".\r\n"))
                self.server.add(Delivery(self.client_address[0], helo, sender, text))
            self._reply("221 bye" if verb == "QUIT" else "250 ok")
            if verb == "QUIT":
                return

    def _reply(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class Sink(socketserver.ThreadingTCPServer):
    """Accepts mail on port 25 of this machine and stores it with its client's address."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: str) -> None:
        super().__init__((address, 25), _Session)
        self._deliveries: list[Delivery] = []
        self._added = threading.Condition()

    def add(self, delivery: Delivery) -> None:
        with self._added:
            self._deliveries.append(delivery)
            self._added.notify_all()

    def wait_for(self, match: Callable[[Delivery], bool], seconds: float = SECONDS) -> Delivery:
        """The first delivery that matches."""
        with self._added:
            matches = self._added.wait_for(
                lambda: [d for d in self._deliveries if match(d)], seconds
            )
        assert matches, f"no match in {self._deliveries}"
        return matches[0]


@pytest.fixture
def sink(lab: RunningLab) -> Iterator[Sink]:
    with Sink(lab.sender_address or "") as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
