"""Knocks at a host's mail ports as a stranger would: name, encryption, and no relaying."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPResponseException
from cryptography import x509

from blueprint.document import Address
from controlplane.provisioning.ports import Finding

SUBMISSION = 587
MAIL = 25
TIMEOUT = 15
STRANGER = "relay-test@example.com"
"""Nobody's address (RFC 2606): a host that takes mail for it from us is an open relay."""
REMEDY = "nothing to do: the host is configured again and looked at again"


async def verify_port(
    address: Address, ip: str, port: int, *, encrypted: bool, source: str | None
) -> list[Finding]:
    """Look at one port; the first thing that is wrong ends the conversation."""
    subject, checks = f"address/{address.name}", _Checks(f"address/{address.name}", port)
    client = SMTP(
        hostname=ip,
        port=port,
        timeout=TIMEOUT,
        start_tls=False,
        local_hostname="verification.invalid",
        source_address=(source, 0) if source else None,
    )
    try:
        greeting = await client.connect()
        if not checks.banner(greeting.message, address.helo):
            return checks.found
        if encrypted and not await _verify_tls(client, checks, address.helo):
            return checks.found
        await _verify_relay(client, checks)
    except (SMTPException, OSError, ssl.SSLError, TimeoutError) as error:
        message = f"port {port} of {ip}: {_reason(error)}"
        checks.found.append(
            Finding(subject, "smtp.banner", False, message, "smtp.unreachable", REMEDY)
        )
    finally:
        client.close()
    return checks.found


class _Checks:
    """Collects findings about one port of one address."""

    def __init__(self, subject: str, port: int) -> None:
        self.found: list[Finding] = []
        self._subject = subject
        self._port = port

    def add(self, check: str, ok: bool, message: str, code: str) -> bool:
        """Record a finding; return whether it is good."""
        text = f"port {self._port}: {message}"
        self.found.append(
            Finding(self._subject, check, ok, text, "smtp.ok" if ok else code, "" if ok else REMEDY)
        )
        return ok

    def banner(self, greeting: str, helo: str) -> bool:
        """The name in the greeting is the address's own (RFC 5321 4.2)."""
        name = greeting.split(" ", 1)[0].lower()
        return self.add("smtp.banner", name == helo, f"greets as {name}", "smtp.wrong_name")


async def _verify_tls(client: SMTP, checks: _Checks, helo: str) -> bool:
    """Encryption works, and the certificate is for this name and in force.

    Who signed it is the sender's question: it trusts the tenant's own authority only.
    """
    # The chain ends at a private authority, which a stranger does not know.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    await client.ehlo()
    if not client.supports_extension("starttls"):
        return checks.add("smtp.tls", False, "offers no STARTTLS", "smtp.no_tls")
    await client.starttls(tls_context=context, server_hostname=helo, validate_certs=False)
    tls = client.transport.get_extra_info("ssl_object") if client.transport else None
    der = tls.getpeercert(binary_form=True) if tls else None
    if der is None:
        return checks.add("smtp.tls", False, "shows no certificate", "smtp.no_certificate")
    certificate = x509.load_der_x509_certificate(der)
    names = certificate.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value.get_values_for_type(x509.DNSName)
    if helo not in names:
        shown = ", ".join(names)
        return checks.add("smtp.tls", False, f"has a certificate of {shown}", "smtp.wrong_name")
    if certificate.not_valid_after_utc <= datetime.now(UTC):
        return checks.add("smtp.tls", False, "has an expired certificate", "smtp.expired")
    return checks.add("smtp.tls", True, f"speaks TLS as {helo}", "")


async def _verify_relay(client: SMTP, checks: _Checks) -> None:
    """Try to send to a stranger without a login; only a refusal for good is well."""
    await client.ehlo()
    try:
        await client.mail("")
        await client.rcpt(STRANGER)
    except SMTPResponseException as refusal:
        good = 500 <= refusal.code < 600
        message = f"answers {refusal.code} to a relay attempt"
        checks.add("smtp.relay", good, message, "smtp.relay_unclear")
        return
    checks.add("smtp.relay", False, "relays mail for strangers", "smtp.open_relay")


def _reason(error: BaseException) -> str:
    text = str(error).splitlines()
    return text[0] if text and text[0] else type(error).__name__
