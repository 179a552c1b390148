"""Name servers and mail servers on this machine, and the tenant that they serve."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from blueprint.document import Blueprint, Dkim, PublicKeys
from blueprint.loading import parse
from blueprint.render import render
from controlplane.authority.certificates import Issued, create_ca, issue
from controlplane.reconciler.ports import CloudState, Finding, ObservedAddress, ObservedHost
from tests.support.faults import any_values, assert_shows
from tests.support.installation import PLATFORM

from .name_server import IP, NameServer

HELO = "mx1.acme.example"
KEY = base64.b64encode(bytes(range(256)) + b"the rest").decode()
STATE = CloudState(
    "sha256:x", (ObservedHost("mx1", "acme-mx1", 1, (ObservedAddress("mx1-1", IP, HELO),)),)
)


def shown_by(finding: Finding) -> dict[str, str]:
    """Return reason and message of the condition that shows a finding with a code."""
    assert finding.code is not None
    return {
        "reason": finding.code.reason,
        "message": f"{finding.message}; {finding.remedy}",
    }


def assert_shown(findings: Iterable[Finding]) -> None:
    """Assert that a condition shows each finding with the text of its code."""
    for finding in findings:
        if finding.code is not None:
            assert_shows(shown_by(finding), finding.code, **any_values(finding.code))


@pytest.fixture
def blueprint() -> Blueprint:
    return blueprint_of(mailboxes=True)


def blueprint_of(*, mailboxes: bool) -> Blueprint:
    """Render a tenant with a domain of ours and a manual one, with or without mailboxes."""
    document = {
        "apiVersion": "penguinmails.dev/v1",
        "kind": "Tenant",
        "metadata": {"name": "acme"},
        "spec": {
            "plan": "business",
            "region": "us-west",
            "hosts": [{"name": "mx1", "zone": "acme.example"}],
            "domains": [{"name": "acme.example"}, {"name": "manual.example", "dns": "manual"}],
            "mailboxes": [{"address": "sales@manual.example"}] if mailboxes else [],
        },
    }
    dkim = {
        name: Dkim(selector="pm1", public_key=KEY) for name in ("acme.example", "manual.example")
    }
    keys = PublicKeys(ssh="ssh-ed25519 AAAA", dkim=dkim)
    return render(parse(document, platform=PLATFORM), platform=PLATFORM, keys=keys, generation=1)


@pytest.fixture
async def names(blueprint: Blueprint) -> AsyncIterator[NameServer]:
    """Name servers that serve every record of the blueprint."""
    server = await NameServer.start()
    server.serve(blueprint, {"mx1-1": IP})
    yield server
    await server.close()


@dataclass
class MailServer:
    """A mail server whose faults are set before the first connection."""

    authority: Issued
    greeting: str = HELO
    certified: str = HELO
    issuer: Issued | None = None
    encrypts: bool = True
    auth_in_clear: bool = False
    offers_auth: bool = True
    certificate: tuple[str, str] | None = None
    """Certificate and private key; None: `issuer` issues one for `certified`."""
    port: int = 0
    replies: dict[str, str] = field(default_factory=dict)
    """Recipient to the server's reply; others are refused permanently."""

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        return [line for line in responses if self.offers_auth or "AUTH" not in line]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        return self.replies.get(address, "554 5.7.1 Relay access denied")

    async def listen(
        self, directory: Path, certificate: tuple[str, str] | None = None, *, ip: str = IP
    ) -> asyncio.Server:
        """Listen at a free port."""
        loop = asyncio.get_running_loop()
        self.certificate = certificate
        server = await loop.create_server(lambda: self.protocol(directory, loop), ip, 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def protocol(self, directory: Path, loop: asyncio.AbstractEventLoop) -> SMTP:
        """Make the server's side of one connection."""
        certificate = self.certificate
        if certificate is None:
            leaf = issue(self.issuer or self.authority, self.certified, now=datetime.now(UTC))
            certificate = leaf.certificate, leaf.private_key
        (directory / "both").write_text("".join(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "both")
        return SMTP(
            self,
            hostname=self.greeting,
            tls_context=context if self.encrypts else None,
            auth_require_tls=not self.auth_in_clear,
            loop=loop,
        )


@pytest.fixture
async def mail(
    tmp_path: Path,
) -> AsyncIterator[Callable[..., Awaitable[MailServer]]]:
    """Start mail servers: `await mail()`; each is correct until its attributes are changed."""
    stack = AsyncExitStack()

    async def start(ip: str = IP, name: str = HELO) -> MailServer:
        mail_server = MailServer(create_ca("acme", now=datetime.now(UTC)), name, name)
        server = await mail_server.listen(tmp_path, ip=ip)
        stack.push_async_callback(server.wait_closed)
        stack.callback(server.close)
        return mail_server

    async with stack:
        yield start
