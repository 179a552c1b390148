"""Where mail clients find the mailboxes of a domain (RFC 6186, RFC 8314): SRV records."""

from __future__ import annotations

from dataclasses import dataclass

IMAPS, SUBMISSIONS = 993, 465
OFFERED = {"imaps": IMAPS, "submissions": SUBMISSIONS}
NOT_OFFERED = ("imap", "pop3", "pop3s", "submission")
"""Without TLS from the first byte, or not at all: 587 of a host may be that of bulk mail."""
ROOT = "."


@dataclass(frozen=True)
class Service:
    """An SRV record of a domain."""

    service: str
    """Such as `imaps`."""
    port: int
    target: str
    """Without the final dot; the root where the service is not offered."""
    priority: int = 0
    weight: int = 0

    @property
    def label(self) -> str:
        """Return the record's name, relative to the domain."""
        return f"_{self.service}._tcp"

    @property
    def content(self) -> str:
        """Return the record in presentation form."""
        return f"{self.priority} {self.weight} {self.port} {self.target}"


def services(mail_host: str) -> tuple[Service, ...]:
    """Return the SRV records of a domain: where each service is, and that others are nowhere."""
    offered = [Service(name, port, mail_host, weight=1) for name, port in OFFERED.items()]
    return (*offered, *(Service(name, 0, ROOT) for name in NOT_OFFERED))
