"""A real host gets Mailu while mail comes in, without loss, and loses it with its mail."""

from __future__ import annotations

import base64
import secrets
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from cli.exporting import copy_mailbox
from controlplane.ansible.faults import MAILU_SILENT, MORE_MAIL
from controlplane.ansible.host_variables import host_variables
from controlplane.ansible.mailboxes import HostMailboxes
from controlplane.mailboxes.schemas import SettingsView
from controlplane.mailu.access import Mailbox, make_token
from controlplane.mailu.client_settings import settings_of
from controlplane.mailu.declared import DeclaredDomain, DeclaredMailbox, TenantMail
from controlplane.mailu.own_tokens import OwnTokens
from controlplane.mailu.reconciling import Removals
from controlplane.reconciler.ports import Login, MailServer, MailServerSecrets
from kit.paths import cache_dir
from lab.registry import order
from lab.running import RunningLab
from tests.support.faults import fault_shown
from tests.support.lab_zones import Zone
from tests.support.provider import Customer
from tests.support.retrying_sender import GREYLISTED_SECONDS, Sender
from tests.support.waiting import wait_for

from .conftest import MailHost, contacted, cut_once
from .mailu_host import PORTS, REGISTRIES, make_key, pinned

pytestmark = [pytest.mark.hosts, pytest.mark.in_order, pytest.mark.timeout(1800)]

PEOPLE = ("ann", "bob")
BEFORE = 30
"""Mails to each that have come before."""


@dataclass(frozen=True)
class Converted:
    """A host that has no Mailu yet, in a zone whose names are answered."""

    host: MailHost
    zone: Zone
    elsewhere: Zone
    """That of who sends mail to it."""
    server: MailServer

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(f"{name}@{self.zone.name}" for name in PEOPLE)

    def configure(
        self, server: MailServer | None, discards: int | None = None, **overrides: Any
    ) -> int:
        host = self.host
        variables = host_variables(
            host.blueprint, host.observed, host.secrets.users, mailu=server, discards=discards
        )
        variables["inbound"] = {
            **variables["inbound"],
            "domains": [self.zone.name],
            "return_paths": [f"b.{self.zone.name}"],
            "mailboxes": [] if server else list(self.addresses),
            "aliases": [],
            "catch_alls": [],
        }
        assert host.lab.registry_ca is not None
        authority = host.lab.registry_ca.read_text()
        configurator = host.configurator(
            host=variables,
            docker_registry_authorities=dict.fromkeys(REGISTRIES, authority),
            **overrides,
        )
        return configurator.configure(
            host.blueprint,
            host.observed,
            host.secrets,
            known_host=host.known_host,
            progress=host.lines.append,
        )

    def identify(self) -> None:
        """Make the mailboxes, and move the mail: what phase `identity` does."""
        login = Login(self.host.known_host, self.host.secrets.ssh_private_key)
        own = self.host.secrets.mail_server
        assert own is not None
        key = load_pem_private_key(own.dkim[self.zone.name].encode(), None).public_key()
        public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        mail = TenantMail(
            "play",
            (DeclaredDomain(self.zone.name, base64.b64encode(public).decode()),),
            tuple(DeclaredMailbox(address, 10**9) for address in self.addresses),
            (f"b.{self.zone.name}",),
        )
        plan = HostMailboxes().reconcile(
            self.host.observed,
            login,
            own.api_token,
            [mail],
            Removals((), (), lambda _: None, lambda _: None),
            OwnTokens("play"),
            progress=self.host.lines.append,
        )
        assert plan.is_empty
        for _ in range(2):
            HostMailboxes().move(
                self.host.observed, login, self.addresses, progress=self.host.lines.append
            )

    def sender(self, *recipients: str) -> Sender:
        """Return who sends mail to some of its mailboxes."""
        lab, ip = self.host.lab, self.host.observed.primary_ip
        return Sender(self.elsewhere.name, ip or "", lab.sender_address or "", recipients)

    def token(self, address: str) -> str:
        """Make a token of a mailbox."""
        login = Login(self.host.known_host, self.host.secrets.ssh_private_key)
        own = self.host.secrets.mail_server
        assert own is not None
        http = HostMailboxes()._api(self.host.observed, login, own.api_token)
        with http as api:
            return make_token(api, Mailbox("play", address), "export")

    def found(self, directory: str) -> list[str]:
        """Return the Message-ID of each mail below a directory."""
        shown = self.host.shell(
            f"find {directory} -path '*/new/*' -o -path '*/cur/*' -type f | "
            f"xargs -r -d '\\n' grep -hi '^message-id:.*{self.elsewhere.name}>'"
        )
        return [line.partition(":")[2].strip() for line in shown.splitlines()]


@pytest.fixture(scope="module")
def without(lab: RunningLab, lab_directory: Path, customer: Customer) -> Iterator[Converted]:
    """A host that was configured without Mailu."""
    order.provide(lab_directory, cache_dir(), print)
    server = customer.order(f"gets-{secrets.token_hex(3)}")
    profiles = customer.portal("profiles", name="gets", ports=list(PORTS))
    [whole] = [profile["name"] for profile in profiles if profile["name"].endswith("gets")]
    customer.call("set_instance_firewall", serviceid=server.service_id, name=whole)
    host = contacted(lab, customer, server)
    with closing(Zone(lab)) as zone, closing(Zone(lab)) as elsewhere:
        elsewhere.add(elsewhere.name, "A", lab.sender_address or "")
        elsewhere.add(elsewhere.name, "TXT", f"v=spf1 ip4:{lab.sender_address} -all")
        for name in (zone.name, f"b.{zone.name}"):  # Mailu asks for them before it takes mail
            zone.add(name, "A", host.observed.primary_ip or "")
        keys = {zone.name: make_key()}
        own = MailServerSecrets(secrets.token_hex(32), secrets.token_hex(8), keys)
        host = replace(host, secrets=replace(host.secrets, mail_server=own))
        images = pinned(lab, "2024.06.56")
        converted = Converted(host, zone, elsewhere, MailServer(zone.name, images, held=True))
        converted.configure(None)
        yield converted
        customer.terminate(server)


def test_a_host_gets_mailu_and_no_mail_is_lost(without: Converted, customer: Customer) -> None:
    host = without.host
    sender = without.sender(*without.addresses)
    for _ in range(BEFORE):
        sender.add()
    sender.attempt()
    assert len(sender.accepted) == BEFORE * len(PEOPLE)
    people = "/var/mail/penguin/people"
    wait_for(lambda: len(without.found(people)) == len(sender.accepted), longest_pause=1)
    seen = host.shell(
        f"cd {people}/ann%40{without.zone.name} && mkdir -p cur && "
        'for each in $(ls new | head -5); do mv "new/$each" "cur/$each:2,S"; done; ls cur'
    ).split()
    assert len(seen) == 5

    with sender.throughout():
        images = without.server.images
        silent = replace(without.server, images={**images, "admin": images["redis"]})
        with fault_shown(MAILU_SILENT, reason=...):
            without.configure(silent, mailu_attempts=2, mailu_pause=1)
        sender.codes.clear()
        wait_for(lambda: 250 in sender.codes, longest_pause=1)
        for task in ("Hold mail that comes", "Start the containers of Mailu"):
            cut_once(
                host,
                lambda host: replace(without, host=host).configure(without.server),
                customer,
                task,
            )
        without.configure(without.server)
        sender.codes.clear()
        without.identify()
        wait_for(lambda: sender.codes, longest_pause=1)
        assert sender.codes <= {421, 450}  # the first of these to who tries too often
        without.configure(replace(without.server, held=False))
        sender.codes.clear()
        wait_for(lambda: 250 in sender.codes, seconds=GREYLISTED_SECONDS, longest_pause=1)

    assert sender.refused == []
    sent = sorted(sender.accepted)
    assert len(sent) > BEFORE * len(PEOPLE)
    wait_for(lambda: len(without.found("/mailu/mail")) >= len(sent), longest_pause=1)
    found = Counter(without.found("/mailu/mail"))
    assert sorted(found) == sent
    assert {number for number, count in found.items() if count > 1} <= sender.unanswered
    assert without.found("/var/mail/penguin") == []
    maildir = f"/mailu/mail/ann@{without.zone.name}"
    assert set(seen) <= set(host.shell(f"ls {maildir}/cur").split())
    owners = host.shell(f"stat -c %u:%g /mailu/mail; find {maildir} -printf '%U:%G\\n'").split()
    assert len(set(owners)) == 1
    assert without.configure(replace(without.server, held=False)) == 0
    assert "table ip hold" not in host.shell("nft list tables")


def test_a_host_loses_mailu_with_as_many_mails_as_were_copied(
    without: Converted, tmp_path: Path
) -> None:
    host, [ann, bob] = without.host, without.addresses
    held, sent_by = len(without.found("/mailu/mail")), without.elsewhere.name.encode()
    primary = host.observed.addresses[0]
    context = ssl.create_default_context(cadata=host.ca)
    copied = {}
    for address in (ann, bob):
        login = SettingsView(**asdict(settings_of(address, primary.ip or "")) | {"warning": ""})
        context.check_hostname = False  # the lab's name servers do not know the host's name
        copied[address] = copy_mailbox(login, without.token(address), tmp_path / address, context)
    assert sum(each.mails for each in copied.values()) == held
    written = [path for path in tmp_path.rglob("cur/*") if sent_by in path.read_bytes()]
    assert len(written) == held
    assert any(path.name.endswith(":2,S") for path in written)

    reason = f"Mailu holds {held} mails, and {held - 1} may be destroyed"
    with fault_shown(MORE_MAIL, reason=...) as caught:
        without.configure(None, held - 1)
    assert reason in str(caught.value)
    assert len(without.found("/mailu/mail")) == held
    without.configure(None, held)
    assert host.shell("ls -d /mailu; systemctl is-active docker").split() == ["inactive"]
    assert without.configure(None) == 0

    sender = without.sender(ann)
    sender.add()
    wait_for(sender.sent, longest_pause=1)
    assert sender.refused == []
    wait_for(lambda: without.found("/var/mail/penguin/people") == sender.accepted, longest_pause=1)
