"""Opens a connection: aiosmtplib connects and logs in, then our own protocol takes over."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from aiosmtplib import (
    SMTP,
    SMTPConnectError,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from sender.directory import SendingAddress
from sender.smtp.channel import REFUSALS
from sender.smtp.connection import Connection
from sender.smtp.limits import Limits
from sender.smtp.outcomes import Outcome, Result, Stage, refused, storable
from sender.smtp.replies import Reply
from sender.smtp.tls import context_of


class Failed(Exception):
    """No connection."""

    def __init__(self, outcome: Outcome) -> None:
        """Keep the outcome of the mails that wait for it."""
        super().__init__(outcome.reply)
        self.outcome = outcome


@dataclass
class Opening:
    """One attempt to open a connection; knows how far it came."""

    address: SendingAddress
    password: str
    helo: str
    limits: Limits
    stage: Stage = Stage.CONNECT

    async def run(
        self, now: Callable[[], float], when_lost: Callable[[Connection], None]
    ) -> Connection:
        """Open it; raises Failed. The host may hurt aiosmtplib in any way."""
        client = SMTP(
            hostname=self.address.ip,
            port=self.address.port,
            local_hostname=self.helo,
            timeout=self.limits.opening,
            start_tls=False,
        )
        try:
            transport = await self._log_in(client)
            return Connection(transport, client.esmtp_extensions, self.limits, now, when_lost)
        except Exception as error:
            client.close()
            raise Failed(self._outcome(error)) from error
        except BaseException:
            client.close()
            raise

    async def _log_in(self, client: SMTP) -> asyncio.Transport:
        await client.connect()
        self.stage = Stage.EHLO
        await client.ehlo()
        self.stage = Stage.STARTTLS
        context = context_of(self.address.ca_pem)
        await client.starttls(server_hostname=self.address.helo, tls_context=context)
        self.stage = Stage.EHLO_INSIDE
        await client.ehlo()
        self.stage = Stage.AUTH
        await client.login(self.address.username, self.password)
        transport = cast("asyncio.Transport | None", client.transport)
        if transport is None or transport.is_closing():
            raise SMTPServerDisconnected("closed by the host after the login")
        context.keep(transport.get_extra_info("ssl_object"))
        client.protocol = client.transport = None  # a cycle, which would keep them after their end
        return transport

    def _outcome(self, error: Exception) -> Outcome:
        if isinstance(error, SMTPResponseException):
            if self.stage is Stage.CONNECT:
                self.stage = Stage.GREETING
            text = self._without_password(error.message)
            if error.code in REFUSALS:
                return refused(self.stage, Reply(error.code, text.encode().split(b"\n")))
            return self._broken("protocol_violation", f"it answered {text}")
        if isinstance(error, ssl.SSLCertVerificationError):
            return self._broken("certificate_refused", error)
        if isinstance(error, ssl.SSLError):
            return self._broken("tls_failed", error)
        if isinstance(error, SMTPConnectError):
            return self._unreachable(error)
        if isinstance(error, SMTPTimeoutError):
            return self._broken("host_silent", error)
        if isinstance(error, SMTPServerDisconnected | OSError):
            return self._broken("connection_lost", error)
        return self._broken("protocol_violation", error)

    def _unreachable(self, error: SMTPConnectError) -> Outcome:
        """Tell a host that cannot be reached from one that does not greet."""
        reason = "unreachable"
        if isinstance(error.__cause__, SMTPTimeoutError):
            self.stage, reason = Stage.GREETING, "host_silent"
        elif isinstance(error.__cause__, SMTPServerDisconnected):
            self.stage, reason = Stage.GREETING, "connection_lost"
        return self._broken(reason, error)

    def _without_password(self, message: str) -> str:
        """Return a reply as it may be stored: a host may repeat what it was sent."""
        login = f"\0{self.address.username}\0{self.password}"
        forms = [b64encode(one.encode()).decode() for one in (login, self.password)]
        for form in filter(None, (*forms, self.password)):
            message = message.replace(form, "[password]")
        return storable(message)

    def _broken(self, reason: str, words: object) -> Outcome:
        return Outcome(Result.BROKEN, reason, storable(words) or type(words).__name__, self.stage)
