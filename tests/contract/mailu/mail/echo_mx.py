"""An echo MX outside, as docs/operations.md has it: verifies what it takes, and returns it.

It verifies DKIM by a key that a test gives. SPF it takes from the address of its client alone.
"""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.parser import BytesParser
from typing import cast

import dkim
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.containers import ADDRESSES, Containers
from tests.support.mail_clients import SmtpClient

MX = "echo.far.test"
RECIPIENT = f"verify@{MX}"
PORT = 25


@dataclass
class EchoMx:
    """Returns mail by the way on which mail arrives."""

    front: Callable[[], SmtpClient]
    public_key: str
    """Base64 of the key that signatures have to fit."""
    refuses: str = ""
    """What it answers to a recipient, instead of taking it."""
    is_silent: bool = False
    """Whether it takes mail and returns none."""
    taken: list[str] = field(default_factory=list)
    """The senders of what it took."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuses or address != RECIPIENT:
            return self.refuses or "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        sender, content = str(envelope.mail_from), envelope.original_content
        assert content is not None
        self.taken.append(sender)
        peer = cast("tuple[str, int]", session.peer)[0]
        if not self.is_silent:
            await asyncio.to_thread(self._give_back, sender, self._seen(content, peer) + content)
        return "250 2.0.0 Ok"

    def _seen(self, content: bytes, peer: str) -> bytes:
        """Return the header with the results, as rspamd writes it."""
        message = BytesParser().parsebytes(content, headersonly=True)
        domain = str(message["From"]).rpartition("@")[2]
        record = f"v=DKIM1; k=rsa; p={self.public_key}".encode()
        is_signed = bool(dkim.verify(content, dnsfunc=lambda *_, **__: record))
        verdict = "pass" if is_signed else "fail"
        spf = "pass" if peer == ADDRESSES["smtp"] else "fail"
        lines = [
            f"Authentication-Results: {MX}",
            f"dkim={verdict} header.d={domain} header.s=mu1 header.b=Xq0a",
            f"dmarc={verdict} (policy=none) header.from={domain}",
            f"spf={spf} ({MX}: domain of x designates {peer}) smtp.mailfrom=x@{domain}",
        ]
        return (";\r\n\t".join(lines) + "\r\n").encode()

    def _give_back(self, sender: str, content: bytes) -> None:
        """Send a notification with the mail in it, from the null sender (RFC 3464)."""
        mail = MIMEMultipart("report", report_type="delivery-status")
        mail["From"], mail["To"] = f"MAILER-DAEMON@{MX}", sender
        mail["Subject"] = "Undelivered Mail Returned to Sender"
        mail.attach(MIMEText("There is no such user.\n"))
        status = BytesParser().parsebytes(
            f"Content-Type: message/delivery-status\n\nReporting-MTA: dns; {MX}\n\n"
            f"Final-Recipient: rfc822; {RECIPIENT}\nAction: failed\nStatus: 5.1.1\n"
            "Diagnostic-Code: x-unix; no such user\n".encode()
        )
        mail.attach(status)
        mail.attach(MIMEMessage(BytesParser().parsebytes(content)))
        client = self.front()
        try:
            refused = client.sendmail("", [sender], mail.as_bytes().replace(b"\n", b"\r\n"))
            assert refused == {}
        except smtplib.SMTPException as error:  # the test sees that nothing came back
            self.taken.append(f"not returned: {error}")
        finally:
            client.close()


@asynccontextmanager
async def echo_mx(echo: EchoMx, containers: Containers) -> AsyncIterator[EchoMx]:
    """Serve at the address that all names outside have."""
    listener = containers.listen(PORT)
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(echo), sock=listener)
    yield echo
    server.close()
