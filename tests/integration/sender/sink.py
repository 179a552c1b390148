"""A mail host for tests: TLS with our own CA, login, and configurable replies after the dot."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from controlplane.authority.certificates import create_ca, issue
from sender.clock import SystemClock

HELO = "mx1-2.acme.example"
USERNAME = "mx1-2.acme"
PASSWORD = "a long password"


@dataclass
class Sink:
    """Received mails, and the replies to the next ones."""

    ca_pem: str = ""
    ip: str = ""
    port: int = 0
    password: str = PASSWORD
    mails: list[Envelope] = field(default_factory=list)
    answers: list[str | bytes] = field(default_factory=list)
    """Replies to the next mails.

    `drop` closes the connection after the dot, `hang` never replies, `wait` replies once
    `released` is set. Mails refused with 4 or 5 are not stored.
    """
    at_recipient: list[str] = field(default_factory=list)
    """Replies to the next RCPT; `wait` accepts once `released` is set."""
    offered: list[str] = field(default_factory=list)
    """Recipients of every RCPT."""
    kill: tuple[int, Callable[[], None]] | None = None
    """Called before the reply to the mail with this number."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        self.offered.append(address)
        answer = self.at_recipient.pop(0) if self.at_recipient else ""
        if answer == "wait":
            self.arrived.set()
            await self.released.wait()
        elif answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str | bytes:
        answer = self.answers.pop(0) if self.answers else ""
        if answer[:1] in {"4", "5", b"4", b"5"}:
            return answer
        self.mails.append(envelope)
        self.arrived.set()
        if self.kill is not None and len(self.mails) == self.kill[0]:
            self.kill[1]()
        if answer == "drop":
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        if answer == "hang":
            await asyncio.Event().wait()
        if answer == "wait":
            await self.released.wait()
        if answer not in {"", "drop", "wait"}:
            return answer
        return f"250 2.0.0 Ok: queued as {len(self.mails):05d}ABCDE"

    def login(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        valid = (data.login, data.password) == (USERNAME.encode(), self.password.encode())
        return AuthResult(success=valid, handled=False)

    def bodies(self) -> list[bytes]:
        """The mails as bytes."""
        return [envelope.original_content or b"" for envelope in self.mails]

    def subjects(self) -> list[str]:
        """The subjects of the mails."""
        return [str(message_from_bytes(body)["Subject"]) for body in self.bodies()]


@asynccontextmanager
async def running_sink(directory: Path, ip: str = "127.0.0.1") -> AsyncIterator[Sink]:
    """Run a sink on a free port of an address of this machine, in the test's own loop."""
    now = SystemClock().now()
    ca = create_ca("acme", now=now)
    leaf = issue(ca, HELO, now=now)
    chain = directory / "tls.pem"
    chain.write_text(leaf.private_key + leaf.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    sink = Sink(ca_pem=ca.certificate, ip=ip)

    def session() -> SMTP:
        return SMTP(
            sink,
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=sink.login,
        )

    server = await asyncio.get_running_loop().create_server(session, ip, 0)
    sink.port = server.sockets[0].getsockname()[1]
    yield sink
    server.close()
