"""A real host with Mailu in containers: what its role starts, restarts, refuses and puts back.

The images are the stand-ins of the lab: their daemons are real, their configurations our own.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import select
import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from controlplane.ansible import faults
from controlplane.ansible.holding import HOLD, RELEASE
from controlplane.ansible.host_variables import host_variables
from controlplane.images.catalogue import images_of
from controlplane.images.registry import Registries
from controlplane.images.settings import ImageSettings
from controlplane.reconciler.ports import MailServer, MailServerSecrets
from controlplane.verification.exposure import PortScan
from kit.paths import cache_dir
from lab.registry import order
from lab.running import RunningLab
from tests.support.faults import fault_shown
from tests.support.lab_zones import Zone
from tests.support.provider import Customer
from tests.support.waiting import SECONDS, wait_for

from .conftest import MailHost, contacted, cut_once, playbooks_of

pytestmark = [pytest.mark.hosts, pytest.mark.in_order, pytest.mark.timeout(1800)]

ALL = {"front", "admin", "imap", "smtp", "antispam", "resolver", "redis"}
PORTS = (22, 25, 80, 443, 465, 587, 993)
REGISTRIES = ("ghcr.io", "public.ecr.aws")
API = "http://192.168.203.3:8080/api/v1"
ATTACHED = """From: MAILER-DAEMON@far.test
Subject: Undelivered
MIME-Version: 1.0
Content-Type: application/octet-stream; name=offer.exe
Content-Disposition: attachment; filename=offer.exe

MZ
"""
"""Mail that the filter refuses, whatever else is in it."""


def pinned(lab: RunningLab, version: str) -> dict[str, str]:
    """Return what hosts pull of a version, as the registry in force names it."""
    images = images_of(version)
    settings = ImageSettings(registry=lab.registry, ca_file=lab.registry_ca)
    registries = Registries(settings, deadline=SECONDS)
    digests = asyncio.run(registries.digests(images))
    return {service: f"{image.name}@{digests[service]}" for service, image in images.items()}


POST = """
import sys, urllib.error, urllib.request
token = open("/mailu/secrets/api_token").read().strip()
headers = {"Authorization": token, "Content-Type": "application/json"}
request = urllib.request.Request(sys.argv[1], sys.argv[2].encode(), headers)
try:
    print(urllib.request.urlopen(request, timeout=60).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
"""Sends a document to the API, from the host."""


def make_key() -> str:
    """Return a private key that Mailu can sign with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


@dataclass(frozen=True)
class MailuHost:
    """A host with Mailu, and what is wanted of it."""

    host: MailHost
    server: MailServer
    zone: Zone
    """Its names are answered in the lab."""

    @property
    def return_path(self) -> str:
        return f"b.{self.zone.name}"

    def configure(self, server: MailServer | None = None, **overrides: Any) -> int:
        variables = host_variables(
            self.host.blueprint,
            self.host.observed,
            self.host.secrets.users,
            mailu=server or self.server,
        )
        inbound = variables["inbound"]
        return_paths = [*inbound["return_paths"], self.return_path]
        variables["inbound"] = {**inbound, "return_paths": return_paths}
        assert self.host.lab.registry_ca is not None
        authority = self.host.lab.registry_ca.read_text()
        configurator = self.host.configurator(
            host=variables,
            docker_registry_authorities=dict.fromkeys(REGISTRIES, authority),
            **overrides,
        )
        return configurator.configure(
            self.host.blueprint,
            self.host.observed,
            self.host.secrets,
            known_host=self.host.known_host,
            progress=self.host.lines.append,
        )

    def containers(self) -> Mapping[str, tuple[str, str]]:
        """Return the number and the start of each container, by service."""
        form = '{{index .Config.Labels "com.docker.compose.service"}} {{.Id}} {{.State.StartedAt}}'
        lines = self.host.shell(f"docker inspect -f '{form}' $(docker ps -q)").splitlines()
        return {name: (number, start) for name, number, start in map(str.split, lines)}

    def environment(self, service: str) -> dict[str, str]:
        shown = self.host.shell(f"docker inspect -f '{{{{json .Config.Env}}}}' mailu-{service}-1")
        return dict(line.split("=", 1) for line in json.loads(shown))

    def make(self, path: str, body: Mapping[str, Any]) -> None:
        """Make an object by Mailu's API."""
        command = f"python3 - {API}/{path} '{json.dumps(body)}' <<'END'\n{POST}\nEND"
        assert self.host.shell(command) == "200\n"

    def leads_to(self, path: str) -> str:
        """Return the path that the web server leads to, its certificate verified."""
        primary = self.host.observed.addresses[0]
        context = ssl.create_default_context(cadata=self.host.ca)
        with socket.create_connection((primary.ip or "", 443), SECONDS) as plain:
            connection = HTTPConnection(primary.helo, timeout=SECONDS)
            connection.sock = context.wrap_socket(plain, server_hostname=primary.helo)
            connection.request("GET", path)
            answer = connection.getresponse()
            connection.close()
        return urlsplit(answer.headers.get("Location", "")).path

    def answer(self, recipient: str) -> int:
        """Return the code for a recipient; no mail is sent."""
        with smtplib.SMTP(self.host.observed.primary_ip or "", 25, timeout=SECONDS) as client:
            client.ehlo("far.test")
            assert client.mail("")[0] == 250
            return client.rcpt(recipient)[0]

    def send(self, *recipients: str) -> tuple[int, str]:
        """Send what the filter refuses, without a login; return the answer to the mail."""
        with smtplib.SMTP(self.host.observed.primary_ip or "", 25, timeout=SECONDS) as client:
            client.ehlo("far.test")
            assert client.mail("")[0] == 250
            assert [client.rcpt(recipient)[0] for recipient in recipients] == [250] * len(
                recipients
            )
            code, text = client.data(ATTACHED.replace("\n", "\r\n"))
            return code, text.decode()


@pytest.fixture(scope="module")
def complete(lab: RunningLab, lab_directory: Path, customer: Customer) -> Iterator[MailuHost]:
    """A host that was configured after a power failure while its containers were started."""
    order.provide(lab_directory, cache_dir(), print)
    server = customer.order(f"mailu-{secrets.token_hex(3)}")
    profiles = customer.portal("profiles", name="mailu", ports=list(PORTS))
    [whole] = [profile["name"] for profile in profiles if profile["name"].endswith("mailu")]
    customer.call("set_instance_firewall", serviceid=server.service_id, name=whole)
    host = contacted(lab, customer, server)
    with closing(Zone(lab)) as zone:
        for name in (zone.name, f"b.{zone.name}"):  # Mailu asks for them before it takes mail
            zone.add(name, "A", host.observed.primary_ip or "")
        keys = {zone.name: make_key()}
        own = MailServerSecrets(secrets.token_hex(32), secrets.token_hex(8), keys)
        host = replace(host, secrets=replace(host.secrets, mail_server=own))
        mailu = MailuHost(host, MailServer(zone.name, pinned(lab, "2024.06.56")), zone)
        task = "Start the containers of Mailu"
        cut_once(host, lambda host: replace(mailu, host=host).configure(), customer, task)
        # Their roles have not run: neither may have started with the host.
        shown = host.shell("systemctl is-enabled postfix dovecot")
        assert shown.split() == ["masked", "masked"]
        mailu.configure()
        yield mailu
        customer.terminate(server)


@pytest.fixture(scope="module")
def mailu(complete: MailuHost, tmp_path_factory: pytest.TempPathFactory) -> MailuHost:
    """The host, configured by all roles; further runs have those that these tests are about."""
    roles = ("base", "docker", "mailu")  # the first two have variables of the third
    alone = playbooks_of(tmp_path_factory.mktemp("playbooks"), *roles)
    return replace(complete, host=replace(complete.host, playbooks=alone))


def test_host_without_pinned_images_is_not_changed(mailu: MailuHost) -> None:
    before = mailu.host.shell("find /etc /mailu/compose.yml -newer /mailu/compose.yml")
    with fault_shown(faults.IMAGES_NOT_PINNED, reason="no image is pinned for front"):
        mailu.configure(
            replace(mailu.server, images={**mailu.server.images, "front": "ghcr.io/mailu/nginx:1"})
        )
    assert mailu.host.shell("find /etc /mailu/compose.yml -newer /mailu/compose.yml") == before


def test_configuration_after_a_power_failure_is_complete_and_changes_nothing_more(
    complete: MailuHost,
) -> None:
    before = complete.containers()
    assert set(before) == ALL
    assert complete.configure() == 0
    assert complete.containers() == before


def test_secrets_are_in_no_argument_environment_or_line(mailu: MailuHost) -> None:
    own = mailu.host.secrets.mail_server
    assert own is not None
    shown = mailu.host.shell(
        "ps axww -o args; docker inspect $(docker ps -q); cat /mailu/mailu.env /mailu/compose.yml"
    ) + "".join(mailu.host.lines)
    assert own.api_token not in shown
    assert own.secret_key not in shown
    read = "setpriv --reuid nobody --clear-groups cat /mailu/secrets/api_token /mailu/mailu.env"
    assert mailu.host.shell(read) == ""


def test_change_concerns_the_containers_that_read_it(mailu: MailuHost) -> None:
    before = mailu.containers()
    changed = replace(mailu.server, messages_a_day=20)
    mailu.configure(changed)
    after = mailu.containers()
    assert mailu.environment("smtp")["MESSAGE_RATELIMIT"] == "20/day"
    assert {name for name in ALL if after[name][0] == before[name][0]} == {"redis"}

    mailu.configure(changed, mailu_delay_warning_time="5h")
    restarted = mailu.containers()
    assert [name for name in ALL if restarted[name] != after[name]] == ["smtp"]
    assert restarted["smtp"][0] == after["smtp"][0]


def test_registry_without_the_image_leaves_what_runs(mailu: MailuHost) -> None:
    before = mailu.containers()
    image = f"ghcr.io/mailu/nginx@sha256:{'0' * 64}"
    with fault_shown(faults.IMAGES_UNAVAILABLE, reason=...):
        mailu.configure(replace(mailu.server, images={**mailu.server.images, "front": image}))
    assert mailu.containers() == before


def test_other_images_are_taken_if_they_work(mailu: MailuHost) -> None:
    newer = pinned(mailu.host.lab, "2024.06.57")
    silent = replace(mailu.server, images={**newer, "admin": newer["redis"]})
    # As many attempts as those that are put back need to start.
    with fault_shown(faults.MAILU_REFUSED, reason=...) as caught:
        mailu.configure(silent, mailu_attempts=20, mailu_pause=1)
    assert "Mailu's application does not answer" in str(caught.value)
    image = "docker inspect -f '{{.Config.Image}}' mailu-admin-1"
    assert mailu.host.shell(image).strip() == mailu.server.images["admin"]

    with_webmail = replace(mailu.server, images=newer, webmail=True)
    mailu.configure(with_webmail)
    assert mailu.host.shell(image).strip() == newer["admin"]
    assert set(mailu.containers()) == ALL | {"webmail"}
    wait_for(lambda: mailu.leads_to("/webmail/") == "/sso/login", longest_pause=1)
    assert mailu.configure(with_webmail) == 0
    assert len(mailu.host.shell("docker images -q --no-trunc").split()) == len(ALL) + 1


def test_mail_for_a_domain_that_is_not_made_yet_is_refused_for_now(mailu: MailuHost) -> None:
    someone = f"ann@{mailu.zone.name}"
    assert mailu.answer(someone) == 454
    mailu.host.shell(HOLD)
    assert mailu.answer(someone) == 450
    mailu.host.shell(RELEASE)
    assert mailu.answer(someone) == 454


def test_command_on_an_open_connection_waits_while_domains_are_made(mailu: MailuHost) -> None:
    with smtplib.SMTP(mailu.host.observed.primary_ip or "", 25, timeout=SECONDS) as client:
        client.ehlo("far.test")
        assert client.mail("")[0] == 250
        mailu.host.shell(HOLD)
        client.putcmd("RCPT", f"TO:<ann@{mailu.zone.name}>")
        assert client.sock is not None
        assert select.select([client.sock], [], [], 2) == ([], [], [])
        mailu.host.shell(RELEASE)
        assert client.getreply()[0] == 454


def test_key_is_read_by_mailu_alone(mailu: MailuHost) -> None:
    mailu.make("domain", {"name": mailu.zone.name})
    file = f"/mailu/dkim/{mailu.zone.name}.mu1.key"
    account = mailu.host.shell("docker exec mailu-admin-1 id -u mailu")
    assert mailu.host.shell(f"stat -c '%u %a' {file}") == f"{account.strip()} 600\n"
    vault = f"{API.removesuffix('/api/v1')}/internal/rspamd/vault/v1/dkim/{mailu.zone.name}"
    ask = f"import urllib.request; print(urllib.request.urlopen('{vault}').read().decode())"
    [shown] = json.loads(mailu.host.shell(f'python3 -c "{ask}"'))["data"]["selectors"]
    own = mailu.host.secrets.mail_server
    assert own is not None
    assert (shown["selector"], shown["key"].strip()) == ("mu1", own.dkim[mailu.zone.name].strip())


def test_returned_mail_is_not_judged_and_reaches_the_inbound_instance(mailu: MailuHost) -> None:
    person = {"email": f"ann@{mailu.zone.name}", "raw_password": secrets.token_hex(16)}
    mailu.make("user", person)
    mailu.make("relay", {"name": mailu.return_path, "smtp": "[10.255.0.1]:10026"})
    token = f"b+{'a' * 48}@{mailu.return_path}"
    bounces = "ls /var/mail/penguin/bounces/new 2>/dev/null | wc -l"
    before = int(mailu.host.shell(bounces))

    code, text = mailu.send(token)
    assert code == 250, text
    wait_for(lambda: int(mailu.host.shell(bounces)) == before + 1, longest_pause=1)

    code, text = mailu.send(token, person["email"])
    assert code // 100 == 5, text


async def test_exactly_the_listed_ports_answer_from_outside(complete: MailuHost) -> None:
    [host] = complete.host.blueprint.hosts
    people = host.firewall.model_copy(update={"inbound": tuple(f"{port}/tcp" for port in PORTS)})
    host = host.model_copy(update={"firewall": people})
    scan = PortScan(complete.host.lab.sender_address)
    for address, observed in zip(host.addresses, complete.host.observed.addresses, strict=True):
        found = await scan.look(host, address, observed.ip or "", settled_for=timedelta.max)
        assert [(each.code, each.ok) for each in found] == [(None, True)], found


def test_inbound_instance_is_reached_by_containers_only(mailu: MailuHost) -> None:
    ask = "timeout 60 bash -c '</dev/tcp/10.255.0.1/10026' && echo open"
    inside = f"docker exec mailu-smtp-1 {ask}"
    assert mailu.host.shell(inside) == "open\n"
    listening = mailu.host.shell("ss -Hltn 'sport = :10026' | awk '{print $4}'")
    assert listening == "10.255.0.1:10026\n"
