"""The names of buckets: From mailbox, receiving provider, and whether the mail replies.

Where the recipient's domain had no provider when a message was enqueued, its bucket is named by the
domain, and the provider is looked up whenever its credit is: so no message has to be moved.
"""

from __future__ import annotations

from dataclasses import dataclass

from blueprint.mail_address import domain_of

REPLIES = "reply"
FROM = "from:"
UNRESOLVED = "@"


@dataclass(frozen=True, slots=True)
class BucketName:
    """The parts of a bucket's name."""

    mailbox: str
    """The declared mailbox that the From address counts as."""
    domain: str
    """The From domain: the mailbox's, unless that is the catch-all of another."""
    provider: str | None
    recipient_domain: str | None
    """Where the provider is None."""
    is_reply: bool
    """Replies have buckets of their own: they do not wait for the tenant's hours."""

    def __str__(self) -> str:
        """Return the name: `sales@acme.example google`."""
        parts = [self.mailbox, self.provider or f"{UNRESOLVED}{self.recipient_domain}"]
        if self.domain != domain_of(self.mailbox):
            parts.append(f"{FROM}{self.domain}")
        if self.is_reply:
            parts.append(REPLIES)
        return " ".join(parts)

    @classmethod
    def parse(cls, name: str) -> BucketName:
        """Return the parts of a name."""
        mailbox, where, *rest = name.split(" ")
        recipients = where.removeprefix(UNRESOLVED) if where.startswith(UNRESOLVED) else None
        others = (part.removeprefix(FROM) for part in rest if part.startswith(FROM))
        return cls(
            mailbox,
            next(others, domain_of(mailbox)),
            where if recipients is None else None,
            recipients,
            REPLIES in rest,
        )


def bucket_name(
    mailbox: str,
    from_domain: str,
    provider: str | None,
    recipient_domain: str,
    *,
    is_reply: bool = False,
) -> str:
    """Return the name of the bucket of a message."""
    recipients = recipient_domain.lower() if provider is None else None
    return str(BucketName(mailbox, from_domain, provider, recipients, is_reply))
