"""What a mail client needs, and the records by which it finds that (RFC 6186, RFC 8314)."""

from __future__ import annotations

from dataclasses import dataclass

IMAPS, SUBMISSIONS = 993, 465
OFFERED = {"imaps": IMAPS, "submissions": SUBMISSIONS}
NOT_OFFERED = ("imap", "pop3", "pop3s", "submission")
"""Without TLS from the first byte, or not at all: 587 of a host may be that of bulk mail."""
ROOT = "."
WARNING = (
    "The password of the web pages is refused in mail clients, and each try counts as a wrong one: "
    "five people who try it lock their whole office out for an hour. Use a token."
)


@dataclass(frozen=True)
class Service:
    """An SRV record of a domain."""

    name: str
    """Fully qualified, without the final dot."""
    port: int
    target: str
    """Without the final dot; the root where the service is not offered."""
    priority: int = 0
    weight: int = 0


@dataclass(frozen=True)
class ClientSettings:
    """What a person enters into a mail client; TLS from the first byte for both."""

    user: str
    imap_host: str
    submission_host: str
    imap_port: int = IMAPS
    submission_port: int = SUBMISSIONS
    warning: str = WARNING


def services(domain: str, mail_host: str) -> tuple[Service, ...]:
    """Return the SRV records of a domain: where each service is, and that others are nowhere."""
    offered = [
        Service(f"_{name}._tcp.{domain}", port, mail_host, weight=1)
        for name, port in OFFERED.items()
    ]
    absent = [Service(f"_{name}._tcp.{domain}", 0, ROOT) for name in NOT_OFFERED]
    return (*offered, *absent)


def settings_of(address: str, mail_host: str) -> ClientSettings:
    """Return the settings for a mailbox; its login is the whole address."""
    return ClientSettings(user=address, imap_host=mail_host, submission_host=mail_host)
