"""Verifies a host's mail ports from outside: name, encryption, and no relaying."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from socket import socket

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPResponseException

from blueprint.document import Address
from controlplane.reconciler.ports import BANNER, CERTIFICATE, INBOUND, Finding
from controlplane.verification import faults
from kit.faults import Fault, first_line

TIMEOUT = 5.0
"""Seconds for the banner and for each answer."""
RECIPIENTS = 25
"""Recipients that are asked for in one transaction: hosts limit them."""
OTHER_DOMAIN = "relay-test@example.com"
"""An address of a reserved domain (RFC 2606): a host that accepts mail for it is an open relay."""
RELAY = "smtp.relay"
OF_RECIPIENTS = (RELAY, INBOUND)
"""Checks of recipients: an answer to one hides nothing of the others."""
FOR_GOOD, NO_RELAY = 500, 454
"""Codes: the least of those that refuse for good, and that of a relay that is refused for now."""


@dataclass(frozen=True)
class Target:
    """One port of one address, with the expected properties."""

    address: Address
    ip: str
    port: int
    trust: ssl.SSLContext | None = None
    """The tenant's authority, to verify encryption and AUTH; None: port 25."""
    public: ssl.SSLContext | None = None
    """Public authorities, by one of which the certificate has to be; None: it is not looked at."""
    recipients: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Recipients for which mail is accepted without a login, by their domain."""

    @property
    def where(self) -> str:
        """The port as shown in findings."""
        return f"{self.ip} port {self.port}"


Step = Callable[[SMTP, Target], Awaitable[str]]
"""Verifies one property in a session and describes it; raises a fault."""


async def verify_port(
    target: Target, *, source: str | None = None, stream: socket | None = None
) -> list[Finding]:
    """Verify one port but for its public certificate.

    `stream` is a connection to it by way of another machine; None: from here, from `source`.
    """
    address = f"address/{target.address.name}"
    steps: list[tuple[str, str, Step]] = [(address, BANNER, _greet)]
    if target.trust is not None:
        steps += [(address, "smtp.tls", _encrypt), (address, "smtp.auth", _auth)]
    steps.append((address, RELAY, _relay))
    for domain, recipients in target.recipients.items():
        steps.append((f"domain/{domain}", INBOUND, partial(_inbound, recipients=recipients)))
    return await _session(target, steps, source, stream)


async def verify_certificate(
    target: Target, *, source: str | None = None, stream: socket | None = None
) -> list[Finding]:
    """Verify a port's public certificate.

    It has a session of its own, so that what fails here hides nothing else, and since Mailu takes
    STARTTLS only before the first MAIL command.
    """
    steps = [(f"address/{target.address.name}", CERTIFICATE, _certificate)]
    return await _session(target, steps, source, stream)


async def _session(
    target: Target,
    steps: Sequence[tuple[str, str, Step]],
    source: str | None,
    stream: socket | None,
) -> list[Finding]:
    """Take the steps in one session: subject, check, and what to do; a fault ends it."""
    findings = list[Finding]()
    client = SMTP(
        hostname=None if stream else target.ip,
        port=None if stream else target.port,
        sock=stream,
        timeout=TIMEOUT,
        start_tls=False,
        local_hostname="verification.invalid",
        source_address=(source, 0) if source and not stream else None,
    )
    try:
        for subject, check, step in steps:
            try:
                message = f"{target.where}: {await step(client, target)}"
                findings.append(Finding(subject, check, True, message))
            except Fault as fault:
                # A temporary error is not conclusive.
                checked = fault.code is not faults.UNCLEAR
                findings.append(Finding.of(subject, check, fault, checked=checked))
                if check not in OF_RECIPIENTS:
                    break
    except (SMTPException, OSError) as error:
        lost = faults.UNCLEAR(port=target.where, reason=f"connection lost: {_reason(error)}")
        findings.append(Finding.of(subject, check, lost, checked=False))
    finally:
        client.close()
    return findings


async def _greet(client: SMTP, target: Target) -> str:
    """Verify that banner and EHLO response have the address's name (RFC 5321 4.2 and 4.1.1.1)."""
    try:
        greeting = await client.connect()
    except (SMTPException, OSError) as error:
        raise faults.NO_BANNER(port=target.where, seconds=TIMEOUT, reason=_reason(error)) from None
    answer = await client.ehlo()
    for what, text in (("banner", greeting.message), ("EHLO answer", answer.message)):
        name = text.split(maxsplit=1)[0].lower() if text.strip() else "no name"
        if name != target.address.helo:
            helo = target.address.helo
            raise faults.WRONG_NAME(port=target.where, part=what, actual=name, name=helo)
    return f"greets as {target.address.helo}"


async def _encrypt(client: SMTP, target: Target) -> str:
    """Verify STARTTLS with a certificate of the tenant's authority for this name."""
    if client.supports_extension("auth"):
        raise faults.WRONG_AUTH(port=target.where, reason="offers AUTH before encryption")
    await _start_tls(client, target, target.trust, "the tenant's authority")
    return f"speaks TLS as {target.address.helo}"


async def _certificate(client: SMTP, target: Target) -> str:
    """Verify STARTTLS with a certificate of a public authority for this name."""
    await client.connect()
    await client.ehlo()
    await _start_tls(client, target, target.public, "a public authority")
    return f"shows a certificate of a public authority for {target.address.helo}"


async def _start_tls(
    client: SMTP, target: Target, trust: ssl.SSLContext | None, authority: str
) -> None:
    if not client.supports_extension("starttls"):
        raise faults.TLS_FAILED(port=target.where, reason="offers no STARTTLS")
    try:
        await client.starttls(tls_context=trust, server_hostname=target.address.helo)
    except (SMTPException, OSError) as error:
        reason = f"no TLS with a certificate of {authority}: {_reason(error)}"
        raise faults.TLS_FAILED(port=target.where, reason=reason) from None


async def _auth(client: SMTP, target: Target) -> str:
    await client.ehlo()
    if not client.supports_extension("auth"):
        raise faults.WRONG_AUTH(port=target.where, reason="offers no AUTH after encryption")
    return "offers AUTH after encryption only"


async def _relay(client: SMTP, target: Target) -> str:
    """Try to relay without a login; a temporary refusal is right only of an unknown domain.

    The sender is empty, so that a refusal concerns the recipient and not the sender.
    """
    try:
        await client.mail("")
        await client.rcpt(OTHER_DOMAIN)
    except SMTPResponseException as refusal:
        if _is_refused(refusal):
            return f"refuses to relay ({refusal.code})"
        reason = f"{refusal.code} to a relay attempt: {_reason(refusal)}"
        raise faults.UNCLEAR(port=target.where, reason=reason) from None
    raise faults.OPEN_RELAY(port=target.where)


def _is_refused(refusal: SMTPResponseException) -> bool:
    """Return whether an answer to a recipient is clear.

    Mailu answers 454 for domains that it does not know (`relay_domains_reject_code` of the role).
    """
    is_unknown = refusal.code == NO_RELAY and refusal.message.startswith("4.7.1 ")
    return refusal.code >= FOR_GOOD or is_unknown


async def _inbound(client: SMTP, target: Target, *, recipients: Sequence[str]) -> str:
    """Verify that mail is accepted for each recipient; none is sent."""
    for number, recipient in enumerate(recipients):
        if number % RECIPIENTS == 0:
            await client.rset()
            await client.mail("")
        try:
            await client.rcpt(recipient)
        except SMTPResponseException as refusal:
            reason = f"{refusal.code} {_reason(refusal)}"
            if _is_refused(refusal):
                raise faults.INBOUND_REFUSED(
                    port=target.where, recipient=recipient, reason=reason
                ) from None
            reason = f"{reason} for {recipient}"
            raise faults.UNCLEAR(port=target.where, reason=reason) from None
    return f"accepts mail of {len(recipients)} mailboxes"


def _reason(error: BaseException) -> str:
    if isinstance(error, SMTPResponseException):
        return error.message.partition("\n")[0]
    return first_line(error, "the connection broke")
