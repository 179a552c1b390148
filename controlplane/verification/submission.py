"""Knocks at a host's mail ports as a stranger would: name, encryption, and no relaying."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPResponseException

from blueprint.document import Address
from controlplane.reconciler.ports import Finding
from controlplane.verification import faults
from kit.faults import Fault, first_line

TIMEOUT = 5.0
"""Seconds for the banner and for each answer."""
STRANGER = "relay-test@example.com"
"""Nobody's address (RFC 2606): a host that takes mail for it from us is an open relay."""


@dataclass(frozen=True)
class Knock:
    """One port of one address, and what shall be found behind it."""

    address: Address
    ip: str
    port: int
    trust: ssl.SSLContext | None = None
    """The tenant's authority: encryption and AUTH are looked at. None: a port for everybody."""
    takes: Sequence[str] = ()
    """Recipients for which mail is taken without a login."""

    @property
    def place(self) -> str:
        """As findings name it."""
        return f"{self.ip} port {self.port}"


async def verify_port(knock: Knock, *, source: str | None) -> list[Finding]:
    """Look at one port; the first thing that is wrong ends the conversation."""
    subject, found = f"address/{knock.address.name}", list[Finding]()
    client = SMTP(
        hostname=knock.ip,
        port=knock.port,
        timeout=TIMEOUT,
        start_tls=False,
        local_hostname="verification.invalid",
        source_address=(source, 0) if source else None,
    )
    steps = [("smtp.banner", _greet), ("smtp.relay", _relay)]
    if knock.trust is not None:
        steps[1:1] = [("smtp.tls", _encrypt), ("smtp.auth", _auth)]
    if knock.takes:
        steps.append(("smtp.inbound", _inbound))
    try:
        for check, step in steps:
            message = f"{knock.place}: {await step(client, knock)}"
            found.append(Finding(subject, check, True, message))
    except Fault as fault:
        # An answer for now is neither a yes nor a no.
        seen = fault.code is not faults.UNCLEAR
        found.append(Finding.of(subject, check, fault, seen=seen))
    except (SMTPException, OSError) as error:
        lost = faults.UNCLEAR(port=knock.place, reason=f"connection lost: {_reason(error)}")
        found.append(Finding.of(subject, check, lost, seen=False))
    finally:
        client.close()
    return found


async def _greet(client: SMTP, knock: Knock) -> str:
    """The name in banner and EHLO answer is the address's own (RFC 5321 4.2 and 4.1.1.1)."""
    try:
        greeting = await client.connect()
    except (SMTPException, OSError) as error:
        raise faults.NO_BANNER(port=knock.place, seconds=TIMEOUT, reason=_reason(error)) from None
    answer = await client.ehlo()
    for what, text in (("banner", greeting.message), ("EHLO answer", answer.message)):
        name = text.split(maxsplit=1)[0].lower() if text.strip() else "nobody"
        if name != knock.address.helo:
            helo = knock.address.helo
            raise faults.WRONG_NAME(port=knock.place, part=what, found=name, name=helo)
    return f"greets as {knock.address.helo}"


async def _encrypt(client: SMTP, knock: Knock) -> str:
    """STARTTLS works with a certificate of the tenant's authority for this name."""
    if client.supports_extension("auth"):
        raise faults.WRONG_AUTH(port=knock.place, reason="offers AUTH before encryption")
    helo = knock.address.helo
    if not client.supports_extension("starttls"):
        raise faults.TLS_FAILED(port=knock.place, reason="offers no STARTTLS")
    try:
        await client.starttls(tls_context=knock.trust, server_hostname=helo)
    except (SMTPException, OSError) as error:
        reason = f"no encryption that the tenant's authority vouches for: {_reason(error)}"
        raise faults.TLS_FAILED(port=knock.place, reason=reason) from None
    return f"speaks TLS as {helo}"


async def _auth(client: SMTP, knock: Knock) -> str:
    await client.ehlo()
    if not client.supports_extension("auth"):
        raise faults.WRONG_AUTH(port=knock.place, reason="offers no AUTH after encryption")
    return "offers AUTH after encryption only"


async def _relay(client: SMTP, knock: Knock) -> str:
    """Try to send to a stranger without a login; only a refusal for good is well.

    The sender is empty, so that a refusal is about the recipient and not about the sender.
    """
    try:
        await client.mail("")
        await client.rcpt(STRANGER)
    except SMTPResponseException as refusal:
        if refusal.code >= 500:
            return f"refuses to relay ({refusal.code})"
        reason = f"{refusal.code} to a relay attempt: {_reason(refusal)}"
        raise faults.UNCLEAR(port=knock.place, reason=reason) from None
    raise faults.OPEN_RELAY(port=knock.place)


async def _inbound(client: SMTP, knock: Knock) -> str:
    """Ask for each recipient whether mail would be taken; none is sent."""
    await client.rset()
    await client.mail("")
    for recipient in knock.takes:
        try:
            await client.rcpt(recipient)
        except SMTPResponseException as refusal:
            reason = f"{refusal.code} {_reason(refusal)}"
            if refusal.code < 500:
                reason = f"{reason} for {recipient}"
                raise faults.UNCLEAR(port=knock.place, reason=reason) from None
            raise faults.INBOUND_REFUSED(
                port=knock.place, recipient=recipient, reason=reason
            ) from None
    return f"takes mail for {', '.join(knock.takes)}"


def _reason(error: BaseException) -> str:
    if isinstance(error, SMTPResponseException):
        return error.message.partition("\n")[0]
    return first_line(error, "the connection broke")
