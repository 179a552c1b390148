"""The names of buckets: From address, receiving provider, and what sets their mail apart.

Where the recipient's domain had no provider when a message was enqueued, its bucket is named by the
domain, and the provider is looked up whenever its credit is: so no message has to be moved.
"""

from __future__ import annotations

from dataclasses import dataclass

from blueprint.mail_address import domain_of
from sender.policy.providers import OTHER

REPLY = "reply"
TRANSACTIONAL = "transactional"
UNRESOLVED = "@"


@dataclass(frozen=True, slots=True)
class BucketName:
    """The parts of a bucket's name; none of them has a space."""

    sender: str
    """The From address, folded. Which mailbox it counts as, the directory says."""
    provider: str | None
    recipient_domain: str | None = None
    """Where the provider is None."""
    is_reply: bool = False
    """Replies have buckets of their own: they do not wait for the tenant's hours."""
    is_transactional: bool = False
    """So has what a recipient asked for: a campaign may wait for what it does not need."""

    @property
    def domain(self) -> str:
        """The From domain."""
        return domain_of(self.sender)

    def __str__(self) -> str:
        """Return the name: `sales@acme.example google`."""
        parts = [self.sender, self.provider or f"{UNRESOLVED}{self.recipient_domain}"]
        parts += [REPLY] * self.is_reply + [TRANSACTIONAL] * self.is_transactional
        return " ".join(parts)

    @classmethod
    def parse(cls, name: str) -> BucketName:
        """Return the parts of a name; one without a provider is of before there were any."""
        sender, *parts = name.split(" ")
        where = next((part for part in parts if part not in (REPLY, TRANSACTIONAL)), OTHER)
        recipients = where.removeprefix(UNRESOLVED) if where.startswith(UNRESOLVED) else None
        return cls(
            sender,
            where if recipients is None else None,
            recipients,
            REPLY in parts,
            TRANSACTIONAL in parts,
        )
