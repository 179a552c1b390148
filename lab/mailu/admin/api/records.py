"""The DNS records that admin suggests for a domain."""

from __future__ import annotations

from collections.abc import Iterator

from lab.mailu.admin.settings import Settings

TTL = 600
PLAIN = {"imap": (143, 20), "pop3": (110, 20), "submission": (587, 20)}
OVER_TLS = {
    "autodiscover": (443, 10),
    "submissions": (465, 10),
    "imaps": (993, 10),
    "pop3s": (995, 10),
}
"""Service, port and priority of the SRV records."""


def mx(settings: Settings, domain: str) -> str:
    """Return the MX record."""
    return f"{domain}. {TTL} IN MX 10 {settings.hostname}."


def spf(settings: Settings, domain: str) -> str:
    """Return the SPF record."""
    return f'{domain}. {TTL} IN TXT "v=spf1 mx a:{settings.hostname} ~all"'


def dkim(settings: Settings, domain: str, public: str | None) -> str | None:
    """Return the DKIM record as one string, however long; every key is said to be RSA."""
    name = f"{settings.dkim_selector}._domainkey.{domain}"
    return public and f'{name}. {TTL} IN TXT "v=DKIM1; k=rsa; p={public}"'


def dmarc(settings: Settings, domain: str) -> str:
    """Return the DMARC record."""
    reports = "".join(
        f" {tag}=mailto:{local}@{settings.domain};"
        for tag, local in (("rua", settings.dmarc_rua), ("ruf", settings.dmarc_ruf))
        if local
    )
    return f'_dmarc.{domain}. {TTL} IN TXT "v=DMARC1; p=reject;{reports} adkim=s; aspf=s"'


def dmarc_report(settings: Settings, domain: str) -> str:
    """Return the record that lets reports of a domain go to the platform's."""
    return f'{domain}._report._dmarc.{settings.domain}. {TTL} IN TXT "v=DMARC1;"'


def autoconfig(settings: Settings, domain: str) -> Iterator[str]:
    """Yield the records by which mail clients find their settings."""
    ports = settings.ports | {465, 993}
    for service, (port, priority) in {**PLAIN, **(OVER_TLS if settings.tls else {})}.items():
        target = f"{priority} 1 {port} {settings.hostname}." if port in ports else "0 0 0 ."
        yield f"_{service}._tcp.{domain}. {TTL} IN SRV {target}"
    for name in ("autoconfig", "autodiscover"):
        yield f"{name}.{domain}. {TTL} IN CNAME {settings.hostname}."
