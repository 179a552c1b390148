"""Knocks at a host's mail ports as a stranger would: name, encryption, and no relaying."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPResponseException

from blueprint.document import Address
from controlplane.reconciler.ports import Finding

TIMEOUT = 5.0
"""Seconds for the banner and for each answer."""
STRANGER = "relay-test@example.com"
"""Nobody's address (RFC 2606): a host that takes mail for it from us is an open relay."""
AGAIN = "nothing to do: the host is configured again and looked at again"
OPEN = "let the port be reached from here: look at the host, its firewall and its provider's"
CLOSE = "stop the mail server of this address now; its relay restrictions are not ours"


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


class _Wrong(Exception):
    """Ends the conversation with a finding."""

    def __init__(self, check: str, code: str, message: str, remedy: str = AGAIN) -> None:
        super().__init__(message)
        self.check, self.code, self.remedy = check, code, remedy


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
    where = f"{knock.ip} port {knock.port}"
    try:
        for check, step in steps:
            message = f"{where}: {await step(client, knock)}"
            found.append(Finding(subject, check, True, message, "smtp.ok"))
    except _Wrong as wrong:
        # An answer for now is neither a yes nor a no.
        ok = None if wrong.code == "smtp.unclear" else False
        message = f"{where}: {wrong}"
        found.append(Finding(subject, wrong.check, ok, message, wrong.code, wrong.remedy))
    except (SMTPException, OSError) as error:
        message = f"{where}: the connection was lost: {_reason(error)}"
        found.append(Finding(subject, check, None, message, "smtp.lost", AGAIN))
    finally:
        client.close()
    return found


async def _greet(client: SMTP, knock: Knock) -> str:
    """The name in banner and EHLO answer is the address's own (RFC 5321 4.2 and 4.1.1.1)."""
    try:
        greeting = await client.connect()
    except (SMTPException, OSError) as error:
        message = f"no banner within {TIMEOUT:g} s: {_reason(error)}"
        raise _Wrong("smtp.banner", "smtp.no_banner", message, OPEN) from None
    answer = await client.ehlo()
    for what, text in (("banner", greeting.message), ("EHLO answer", answer.message)):
        name = text.split(maxsplit=1)[0].lower() if text.strip() else "nobody"
        if name != knock.address.helo:
            message = f"the {what} says {name}, not {knock.address.helo}"
            raise _Wrong("smtp.banner", "smtp.wrong_name", message)
    return f"greets as {knock.address.helo}"


async def _encrypt(client: SMTP, knock: Knock) -> str:
    """STARTTLS works with a certificate of the tenant's authority for this name."""
    if client.supports_extension("auth"):
        message = "offers AUTH before encryption, where passwords can be read"
        raise _Wrong("smtp.auth", "smtp.auth_in_clear", message)
    helo = knock.address.helo
    if not client.supports_extension("starttls"):
        raise _Wrong("smtp.tls", "smtp.tls_failed", "offers no STARTTLS")
    try:
        await client.starttls(tls_context=knock.trust, server_hostname=helo)
    except (SMTPException, OSError) as error:
        message = f"no encryption that the tenant's authority vouches for: {_reason(error)}"
        raise _Wrong("smtp.tls", "smtp.tls_failed", message) from None
    return f"speaks TLS as {helo}"


async def _auth(client: SMTP, knock: Knock) -> str:
    del knock
    await client.ehlo()
    if not client.supports_extension("auth"):
        raise _Wrong("smtp.auth", "smtp.no_auth", "offers no AUTH after encryption")
    return "offers AUTH after encryption only"


async def _relay(client: SMTP, knock: Knock) -> str:
    """Try to send to a stranger without a login; only a refusal for good is well.

    The sender is empty, so that a refusal is about the recipient and not about the sender.
    """
    del knock
    try:
        await client.mail("")
        await client.rcpt(STRANGER)
    except SMTPResponseException as refusal:
        if refusal.code >= 500:
            return f"refuses to relay ({refusal.code})"
        message = f"answers {refusal.code} to a relay attempt: {_reason(refusal)}"
        raise _Wrong("smtp.relay", "smtp.unclear", message) from None
    raise _Wrong("smtp.relay", "smtp.open_relay", "relays mail for strangers", CLOSE)


async def _inbound(client: SMTP, knock: Knock) -> str:
    """Ask for each recipient whether mail would be taken; none is sent."""
    await client.rset()
    await client.mail("")
    for recipient in knock.takes:
        try:
            await client.rcpt(recipient)
        except SMTPResponseException as refusal:
            code = "smtp.inbound_refused" if refusal.code >= 500 else "smtp.unclear"
            message = f"does not take mail for {recipient}: {refusal.code} {_reason(refusal)}"
            raise _Wrong("smtp.inbound", code, message) from None
    return f"takes mail for {', '.join(knock.takes)}"


def _reason(error: BaseException) -> str:
    text = error.message if isinstance(error, SMTPResponseException) else str(error)
    return text.splitlines()[0] if text.strip() else type(error).__name__
