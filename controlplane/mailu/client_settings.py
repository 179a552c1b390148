"""What a person enters into a mail client."""

from __future__ import annotations

from dataclasses import dataclass

from blueprint.client_services import IMAPS, SUBMISSIONS

WARNING = (
    "The password of the web pages is refused in mail clients, and each try counts as a wrong one: "
    "five people who try it lock their whole office out for an hour. Use a token."
)


@dataclass(frozen=True)
class ClientSettings:
    """What a person enters into a mail client; TLS from the first byte for both."""

    user: str
    imap_host: str
    submission_host: str
    imap_port: int = IMAPS
    submission_port: int = SUBMISSIONS
    warning: str = WARNING


def settings_of(address: str, mail_host: str) -> ClientSettings:
    """Return the settings for a mailbox; its login is the whole address."""
    return ClientSettings(user=address, imap_host=mail_host, submission_host=mail_host)
