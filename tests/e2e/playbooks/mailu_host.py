"""A host with Mailu in containers, with operations for tests."""

from __future__ import annotations

import asyncio
import imaplib
import json
import secrets
import smtplib
import socket
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from controlplane.ansible.host_variables import host_variables
from controlplane.ansible.mailboxes import HostMailboxes
from controlplane.images.catalogue import images_of
from controlplane.images.registry import Registries
from controlplane.images.settings import ImageSettings
from controlplane.mailu.access import Mailbox, make_token
from controlplane.mailu.declared import TenantMail
from controlplane.mailu.own_tokens import OwnTokens
from controlplane.mailu.reconciling import Removals
from controlplane.reconciler.ports import Login, MailServer
from lab.running import RunningLab
from tests.support.lab_zones import Zone
from tests.support.waiting import SECONDS, wait_for

from .conftest import MailHost
from .test_docker import OTHER_VERSIONS

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

    @property
    def with_other_versions(self) -> str:
        """The lines of package sources with those of other versions of the engine."""
        return f"deb [trusted=yes] {self.host.lab.packages} ./\n{OTHER_VERSIONS}"

    def configure(
        self, server: MailServer | None = None, source: str | None = None, **overrides: Any
    ) -> int:
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
            source,
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

    @property
    def _login(self) -> Login:
        return Login(self.host.known_host, self.host.secrets.ssh_private_key)

    @property
    def _api_token(self) -> str:
        own = self.host.secrets.mail_server
        assert own is not None
        return own.api_token

    def reconcile(self, *tenants: TenantMail, confirmed: Collection[str] = ()) -> None:
        """Bring Mailu to what tenants declare."""
        HostMailboxes().reconcile(
            self.host.observed,
            self._login,
            self._api_token,
            tenants,
            Removals(confirmed, (), lambda _: None, lambda _: None),
            OwnTokens("acme"),
            progress=self.host.lines.append,
        )

    def token(self, tenant: str, address: str) -> str:
        """Make a token of a mailbox."""
        with HostMailboxes()._api(self.host.observed, self._login, self._api_token) as api:
            return make_token(api, Mailbox(tenant, address), secrets.token_hex(3))

    def submission(self, user: str, token: str) -> smtplib.SMTP:
        """Return a connection to port 465 that is logged in, its certificate verified."""
        primary = self.host.observed.addresses[0]
        context = ssl.create_default_context(cadata=self.host.ca)
        client = smtplib.SMTP_SSL(timeout=SECONDS, context=context)
        # smtplib has no other way to say which name the certificate must have.
        client._host = primary.helo  # type: ignore[attr-defined]
        client.connect(primary.ip or "", 465)
        client.login(user, token)
        return client

    def subjects(self, user: str, token: str) -> list[str]:
        """Log in at port 993; return the subjects in the inbox."""
        context = ssl.create_default_context(cadata=self.host.ca)
        context.check_hostname = False  # imaplib connects by the address
        ip = self.host.observed.primary_ip or ""
        with imaplib.IMAP4_SSL(ip, 993, ssl_context=context, timeout=SECONDS) as client:
            client.login(user, token)
            client.select(readonly=True)
            _, [numbers] = client.search(None, "ALL")
            ask = ",".join(numbers.decode().split())
            fields = "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
            found = client.fetch(ask, fields)[1] if ask else []
        texts = [part[1].decode() for part in found if isinstance(part, tuple)]
        return [text.strip().removeprefix("Subject: ") for text in texts]

    def log_of(self, recipient: str, status: str) -> str:
        """Return what an egress instance says of the mail to a recipient, once it does."""
        ask = f"grep -rhs 'to=<{recipient}>.*status={status} ' /var/log/penguin"
        return wait_for(lambda: self.host.shell(ask), longest_pause=1) or ""
