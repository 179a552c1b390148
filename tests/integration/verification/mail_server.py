"""A mail server on this machine, with its faults."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from controlplane.authority.certificates import Issued, issue

from .name_server import IP

HELO = "mx1.acme.example"


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

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take STARTTLS no longer: from here on Mailu's front passes commands on to Postfix."""
        server.tls_context = None
        envelope.mail_from = address
        return "250 OK"

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
